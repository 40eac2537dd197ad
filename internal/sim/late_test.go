package sim

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/smpp"
)

// While the service is late, silence says nothing, and a request is not repeated.
func TestNoRepetitionWhileLate(t *testing.T) {
	var late atomic.Bool
	run(t, func(w *world) {
		f := w.card(ecKey)
		f.deaf = true
		late.Store(true)
		w.ask(w.request(f, mssp.OpSign, "_1", text))
		pass(30 * time.Second)
		if n := w.net.count(); n != 1 {
			t.Errorf("%d sent while late, want 1", n)
		}
		late.Store(false)
		pass(2 * time.Second)
		if n := w.net.count(); n != 2 {
			t.Errorf("%d sent afterwards, want 2", n)
		}
		pass(lifetime)
		w.empty()
	}, func(c *Config) { c.Late = late.Load })
}

// Messages without end, which make the service late, do not keep a request from being
// repeated forever.
func TestLatenessDelaysOnlySoMuch(t *testing.T) {
	run(t, func(w *world) {
		f := w.card(ecKey)
		f.deaf = true
		w.ask(w.request(f, mssp.OpSign, "_1", text))
		pass(39 * time.Second)
		if n := w.net.count(); n != 1 {
			t.Errorf("%d sent, want 1", n)
		}
		pass(2 * time.Second)
		if n := w.net.count(); n != 2 {
			t.Errorf("%d sent, want 2", n)
		}
		pass(lifetime)
		w.empty()
	}, func(c *Config) { c.Late = func() bool { return true } })
}

// A packet that the network refused was not lost in a queue: it is sent again although the
// service is late.
func TestRefusalsAreRepeatedWhileLate(t *testing.T) {
	run(t, func(w *world) {
		f := w.card(ecKey)
		w.net.next = []error{smpp.StatusSysErr, smpp.StatusSysErr}
		w.ask(w.request(f, mssp.OpSign, "_1", text))
		pass(lifetime)
		if a := w.one(); a.Fault != nil {
			t.Error(a.Fault)
		}
		w.empty()
	}, func(c *Config) { c.Late = func() bool { return true } })
}

// slowStore takes its time for the counters of cards.
type slowStore struct{ Store }

func (s slowStore) TakeCounter(ctx context.Context, iccid string, least uint64) (uint64, error) {
	<-ctx.Done()
	return 0, ctx.Err()
}

// What the service itself did not get to send is no fault of the phone: 900, not 209 or 208.
func TestUnsentIsOurFault(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"a slow store":                      func(c *Config) { c.Store = slowStore{c.Store} },
		"a slow store that others wait for": func(c *Config) { c.Store, c.Submits = slowStore{c.Store}, 1 },
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(w *world) {
				for _, id := range []string{"_1", "_2"} {
					w.ask(w.request(w.card(ecKey), mssp.OpSign, id, text))
				}
				pass(lifetime)
				answers := w.engine.answers()
				if len(answers) != 2 {
					t.Fatalf("%d answers: %+v", len(answers), answers)
				}
				for _, a := range answers {
					if a.Fault == nil || a.Fault.Code != signum.InternalError {
						t.Errorf("%s: %v, want 900", a.TransID, a.Fault)
					}
				}
				w.empty()
			}, change)
		})
	}
}
