package sandbox

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/mssp"
)

// With MinTimeout, a test of what happens when a user does not answer takes seconds. A
// request ends when its own time is over, whatever the default of its method.
func TestMinTimeout(t *testing.T) {
	t.Parallel()
	f := newFixtureWith(t, Config{MinTimeout: time.Second})
	for _, m := range []signum.Method{signum.SIM, signum.App} {
		for _, wire := range wires {
			r := f.request(f.addUser(person.Silent, m), async, func(r *request) { r.TimeOut = "1" })
			got, err := f.clients[wire].Do(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			id := got.(*signum.SignatureResponse).TransID
			stored, err := f.Store.Transaction(t.Context(), id)
			if err != nil || stored.Expires.Sub(stored.Created) != time.Second || stored.State != mssp.StateOutstanding {
				t.Errorf("%s, %s: %+v, %v", m, wire, stored, err)
			}
			f.clock.Advance(time.Second)
			if err := f.outcome(t, wire, id); !errors.Is(err, &signum.Fault{Code: signum.ExpiredTransaction}) {
				t.Errorf("%s, %s: got %v", m, wire, err)
			}
			r = f.request(r.MSISDN, func(r *request) { r.TimeOut = "0" })
			_, err = f.clients[wire].Do(t.Context(), r)
			if flt := signum.AsFault(err); flt == nil || flt.Code != signum.WrongParam || !strings.HasSuffix(flt.Detail, "from 1 to 300") {
				t.Errorf("%s, %s: got %v", m, wire, err)
			}
		}
	}
}

func TestMinTimeoutRefused(t *testing.T) {
	t.Parallel()
	for _, d := range []time.Duration{-time.Second, 500 * time.Millisecond, 1500 * time.Millisecond, time.Minute} {
		_, err := Open(t.Context(), Config{Dir: t.TempDir(), Addr: "127.0.0.1:0", MinTimeout: d})
		wrong, ok := errors.AsType[*OptionError](err)
		if !ok || wrong.Option != "MinTimeout" {
			t.Errorf("%s: %v", d, err)
		}
	}
}
