package sandbox

import (
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
	"github.com/signum-mssp/signum/internal/lab/person"
)

// TestFriendly: no limit stands in the way of a developer who asks one number a hundred
// times and cancels thirty times within a minute.
func TestFriendly(t *testing.T) {
	f := newFixture(t)
	msisdn := f.addUser(person.Cancel, signum.App)
	ask := func(wire string, n int) (err error) {
		for i := range n {
			_, err = f.clients[wire].Sign(t.Context(), client.SignRequest{MSISDN: msisdn, Text: f.party.DTBDPrefix + "Log in?", Profile: signum.ProfileDevice})
			if flt := signum.AsFault(err); err != nil && (flt == nil || flt.Code != signum.UserCancel) {
				t.Fatalf("%s, request %d: %v", wire, i, err)
			}
		}
		return err
	}
	for _, wire := range wires {
		if err := ask(wire, 15); !errors.Is(err, &signum.Fault{Code: signum.UserCancel}) {
			t.Fatalf("%s: %v, want 401", wire, err)
		}
	}
	if err := f.Behave(msisdn, person.Behaviour{Do: person.Approve}); err != nil {
		t.Fatal(err)
	}
	for _, wire := range wires {
		if err := ask(wire, 50); err != nil {
			t.Errorf("%s: %v", wire, err)
		}
	}
	for range 120 {
		if _, err := f.clients["rest"].Profile(t.Context(), "+41791999999"); !errors.Is(err, &signum.Fault{Code: signum.UnknownClient}) {
			t.Fatalf("profile query: %v, want 105", err)
		}
	}
	if page := f.metrics(); strings.Contains(page, `outcome="slow"`) || regexp.MustCompile(`(?m)^signum_limit_refusals_total.* [1-9]`).MatchString(page) {
		t.Errorf("somebody was refused:\n%s", page)
	}
}

// metrics is what Prometheus would read.
func (f *fixture) metrics() string {
	f.t.Helper()
	resp, err := http.Get(f.OpsURL() + "/metrics")
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return string(page)
}
