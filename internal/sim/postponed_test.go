package sim

import (
	"fmt"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/smpp"
)

// If the service restarts while the user is asked, the reply finds its request in the
// engine.
func TestRestart(t *testing.T) {
	for _, op := range []mssp.DeviceOp{mssp.OpSign, mssp.OpActivate, mssp.OpDisplay} {
		for _, again := range []bool{false, true} { // the engine hands over again
			run(t, func(w *world) {
				f := w.card(rsaKey)
				r := w.request(f, op, "_1", text)
				w.ask(r)
				pass(time.Second)
				w.restart()
				if again {
					if err := w.ch.Send(ctx, r); err != nil {
						t.Fatal(err)
					}
				}
				pass(lifetime)
				a := w.one()
				if a.Fault != nil || a.Op != op {
					t.Errorf("%+v, %v", a, a.Fault)
				}
				prompts := map[mssp.DeviceOp]int{mssp.OpSign: 1, mssp.OpActivate: 2, mssp.OpDisplay: 1}[op]
				if f.asked() != prompts {
					t.Errorf("asked %d times", f.asked())
				}
				w.empty()
			})
		}
	}
}

// If the service restarts between the parts of a reply, the first parts are lost; the
// reply comes again when the request is handed over again.
func TestRestartBetweenParts(t *testing.T) {
	run(t, func(w *world) {
		f := w.card(rsaKey)
		parts := 0
		w.net.swallow = func(d *smpp.DeliverSM) bool {
			if _, long := isPart(d); !long {
				return false
			}
			parts++
			return parts == 3 // not delivered to the stopped service
		}
		r := w.request(f, mssp.OpSign, "_1", text)
		w.ask(r)
		pass(10 * time.Second)
		w.restart()
		if err := w.ch.Send(ctx, r); err != nil {
			t.Fatal(err)
		}
		pass(lifetime)
		if a := w.one(); a.Fault != nil || f.asked() != 1 {
			t.Errorf("%+v, asked %d times", a, f.asked())
		}
	})
}

// The reply goes to another node.
func TestOtherNode(t *testing.T) {
	run(t, func(w *world) {
		f := w.card(ecKey)
		other := w.ch
		w.start() // w.net delivers to this one now
		defer other.Close()
		r := w.request(f, mssp.OpSign, "_1", text)
		w.engine.pending[f.device] = append(w.engine.pending[f.device], r)
		if err := other.Send(ctx, r); err != nil {
			t.Fatal(err)
		}
		pass(lifetime)
		if a := w.one(); a.Fault != nil {
			t.Error(a.Fault)
		}
		if n := w.net.count(); n != 1 {
			t.Errorf("%d sent", n)
		}
		if other.Stats().Pending != 0 {
			t.Errorf("%+v", other.Stats())
		}
	})
}

// If the engine or the store cannot take a reply now, the SMSC is told so, and nothing
// is lost, no matter what it delivers again.
func TestPostponed(t *testing.T) {
	broken := map[string]struct {
		on, off func(w *world)
	}{
		"answers": {func(w *world) { w.engine.failing(3, errStore) }, nil},
		"inbox, after a restart": {
			func(w *world) { w.restart(); w.engine.setInbox(errStore) }, func(w *world) { w.engine.setInbox(nil) },
		},
		"store": {func(w *world) { w.store.setFail(errStore) }, func(w *world) { w.store.setFail(nil) }},
	}
	for name, tt := range broken {
		for _, key := range []any{ecKey, rsaKey} {
			t.Run(fmt.Sprintf("%s, %T", name, key), func(t *testing.T) {
				run(t, func(w *world) {
					f := w.card(signerOf(key))
					r := w.request(f, mssp.OpSign, "_1", text)
					w.ask(r)
					pass(time.Second)
					tt.on(w)
					pass(6 * time.Second)
					if !w.net.postponed() {
						t.Error("nothing was postponed")
					}
					if tt.off != nil {
						tt.off(w)
					}
					pass(10 * time.Second)
					if a := w.one(); a.Fault != nil || !verify(f.key.Public(), r.SignedAttrs, a.Signature) {
						t.Errorf("%+v, %v", a, a.Fault)
					}
					pass(3 * time.Minute)
					w.empty()
				})
			})
		}
	}
}

// An answer that the engine never takes is dropped when the request expires.
func TestNeverTaken(t *testing.T) {
	run(t, func(w *world) {
		f := w.card(ecKey)
		w.ask(w.request(f, mssp.OpSign, "_1", text))
		w.engine.failing(1000, errStore)
		pass(lifetime)
		if n := w.ch.Stats().AnswerErrors; n < 5 || n > 40 {
			t.Errorf("%d tries", n)
		}
		w.empty()
	})
	run(t, func(w *world) { // the engine does not know the transaction
		f := w.card(ecKey)
		w.ask(w.request(f, mssp.OpSign, "_1", text))
		w.engine.failing(1, fmt.Errorf("x: %w", mssp.ErrNotFound))
		pass(10 * time.Second)
		if st := w.net.lastStatus(); st != smpp.StatusOK {
			t.Error(st)
		}
		w.empty()
	})
}
