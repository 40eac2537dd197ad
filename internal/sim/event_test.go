package sim

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/scp80"
	"github.com/signum-mssp/signum/internal/smpp"
)

// The events of a request that goes well, and of messages that come again.
func TestEvents(t *testing.T) {
	run(t, func(w *world) {
		var heard []*smpp.DeliverSM
		w.net.swallow = func(d *smpp.DeliverSM) bool {
			heard = append(heard, d)
			return false
		}
		f := w.card(rsaKey)
		w.ask(w.request(f, mssp.OpSign, "_1", text))
		pass(2 * time.Second)
		w.taken(heard[0])
		pass(time.Minute)
		w.taken(heard[len(heard)-1])
		receipt := (&smpp.Receipt{MessageID: "m1", State: smpp.StateDelivered}).Deliver(international(f.msisdn), service)
		w.taken(receipt)
		var got []string
		for _, e := range w.events {
			if e.MSISDN != f.msisdn || e.Op != opReceipt && e.Device != f.device {
				t.Errorf("%s of %s, %s", e.Op, e.MSISDN, e.Device)
			}
			got = append(got, fmt.Sprintf("%s %s %s", e.Op, e.Label(), e.TransID))
		}
		want := []string{
			"proof ok _1", "proof no_effect _1", "deliver incomplete ", "deliver incomplete ", "reply ok _1",
			"deliver incomplete ", "receipt unmatched ",
		}
		if !slices.Equal(got, want) {
			t.Errorf("events:\n%q, want\n%q", got, want)
		}
	})
}

// A failure of the service is the event's cause, and the message is postponed.
func TestEventsOfFailures(t *testing.T) {
	for name, breaks := range map[string]func(w *world){
		"store":  func(w *world) { w.store.setFail(errStore) },
		"engine": func(w *world) { w.engine.failing(1, errStore) },
		"keys":   func(w *world) { w.store.change("+41780000001", func(c *mssp.Card) { c.KIc = nil }) },
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(w *world) {
				f := w.card(ecKey)
				w.ask(w.request(f, mssp.OpSign, "_1", text))
				pass(time.Second)
				breaks(w)
				p := f.packet(&applet.Reply{Op: applet.Sign, ID: applet.TransactionID("_1"), Result: applet.UserCancel})
				if st := w.deliver(from(f, single(0x70, p))); st != smpp.StatusRxTempError {
					t.Errorf("answered with %s", st)
				}
				e := w.event()
				if e.Cause == nil || e.Reason != "" || name != "keys" && !errors.Is(e.Cause, errStore) {
					t.Errorf("cause %v, reason %q", e.Cause, e.Reason)
				}
			})
		})
	}
}

// Proofs of receipt that anybody can make in any number do not count as having
// an effect, so that the log does not get a line for each.
func TestEventsOfForgedProofs(t *testing.T) {
	run(t, func(w *world) {
		f := w.card(ecKey)
		f.think = 30 * time.Second
		f.deaf = true
		w.ask(w.request(f, mssp.OpSign, "_1", text))
		pass(time.Second)
		for range 1000 {
			p, err := (&scp80.Response{TAR: applet.TAR, Status: scp80.CipherError}).Unsecured()
			if err != nil {
				t.Fatal(err)
			}
			w.taken(from(f, single(0x71, p)))
		}
		effects := 0
		for _, e := range w.events {
			if e.Reason == "" {
				effects++
			}
		}
		if effects == 0 || effects > 20 {
			t.Errorf("%d proofs of 1000 had an effect", effects)
		}
	})
}
