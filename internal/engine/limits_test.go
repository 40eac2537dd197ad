package engine

import (
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/engine/phonetest"
	"github.com/signum-mssp/signum/internal/mssp"
)

// limited puts limits in force that the node of a test does not have by itself.
func (w *world) limited(l Limits) { w.limits = newLimits(l) }

// TestReported: one report that somebody else made the request has the effect of all
// cancels, and the party is told.
func TestReported(t *testing.T) {
	onStores(t, func(t *testing.T, url string) {
		w := newWorld(t, url, nil)
		w.limited(Limits{Cancels: 3, CancelPeriod: 10 * time.Minute})
		w.run()
		s := w.addUser(1, phonetest.Silent, signum.EC, signum.App)
		id := w.begin(s)
		w.awaitShown(id)
		report := mssp.DeviceAnswer{Op: mssp.OpSign, TransID: id, DeviceID: s.Devices[0].ID, Fault: signum.NewFault(signum.UserCancel), Reported: true}
		if err := w.Answer(t.Context(), report); err != nil {
			t.Fatal(err)
		}
		_, err := w.Status(t.Context(), &mssp.Caller{Pin: testPin}, &signum.StatusRequest{Header: w.header(), TransID: id})
		if f := signum.AsFault(err); f == nil || f.Code != signum.UserCancel || f.Detail != "User cancelled the request (reported)" {
			t.Errorf("the party is told %v", err)
		}
		_, err = w.ask(s, async)
		if f := signum.AsFault(err); f == nil || f.Code != signum.PBSignatureProcess || f.RetryAfter != 10*time.Minute {
			t.Errorf("after a report: %v", err)
		}
		if n := w.Reported(); n["party"] != 1 || n["service"] != 0 {
			t.Errorf("the operator counts %v", n)
		}
		for _, want := range []string{"a user reported a request", "ap_id=mid://ap", "trans_id=" + id, "msisdn=" + signum.MaskMSISDN(s.MSISDN)} {
			if !strings.Contains(w.log.String(), want) {
				t.Errorf("the log does not have %q: %s", want, w.log.String())
			}
		}
		if strings.Contains(w.log.String(), s.MSISDN) {
			t.Error("the log has the number")
		}
		w.clock.Advance(10 * time.Minute)
		id = w.begin(s)
		w.awaitShown(id)

		// A report of the service's own request is counted apart and stops no party.
		w.putParty(func(p *mssp.Party) { p.Own = true })
		report.TransID = id
		if err := w.Answer(t.Context(), report); err != nil {
			t.Fatal(err)
		}
		if n := w.Reported(); n["party"] != 1 || n["service"] != 1 {
			t.Errorf("the operator counts %v", n)
		}
		w.putParty(func(*mssp.Party) {})
		w.begin(s)
	})
}

// TestOwnLimits: a party has its own limits in place of the service's, a party without
// any has those, and the service itself has none.
func TestOwnLimits(t *testing.T) {
	w := newWorld(t, "sqlite:"+t.TempDir()+"/signum.db", nil)
	w.limited(Limits{Party: mssp.PartyLimits{Profiles: mssp.Rate{PerMinute: 1, Burst: 2}}})
	s := w.addUser(1, phonetest.Approve, signum.EC, signum.App)
	for name, tt := range map[string]struct {
		change func(*mssp.Party)
		want   int
	}{
		"those of the service": {func(*mssp.Party) {}, 2},
		"its own":              {func(p *mssp.Party) { p.Limits.Profiles = mssp.Rate{PerMinute: 1, Burst: 5} }, 5},
		"none":                 {func(p *mssp.Party) { p.Own = true }, 10},
	} {
		w.clock.Advance(time.Hour)
		w.putParty(tt.change)
		answered := 0
		for range 10 {
			if _, err := w.Profile(t.Context(), &mssp.Caller{Pin: testPin}, &signum.ProfileRequest{Header: w.header(), MSISDN: s.MSISDN}); err == nil {
				answered++
			}
		}
		if answered != tt.want {
			t.Errorf("%s: %d of 10 queries are answered, want %d", name, answered, tt.want)
		}
	}
	if n := w.Refused(); n["profile_queries"] != 8+5 || n["requests"] != 0 {
		t.Errorf("refused: %v", n)
	}
}
