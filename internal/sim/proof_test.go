package sim

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/scp80"
	"github.com/signum-mssp/signum/internal/smpp"
	"github.com/signum-mssp/signum/internal/sms"
)

// Only a proof of receipt of the last packet gives the user time: if a repetition is
// lost, the next does not wait as if the user were being asked.
func TestLostRepetition(t *testing.T) {
	testLoss(t, func(at time.Duration, reply bool) bool {
		return at > 29*time.Second && at < 31*time.Second || reply && at < 20*time.Second
	}, 3, 38*time.Second)
}

// testLoss has one request answered although the network loses messages from the
// card: lost decides by the time since the start and whether it is a reply. The
// answer must take that long and that many packets, and the user is asked once.
func testLoss(t *testing.T, lost func(at time.Duration, reply bool) bool, packets int, want time.Duration) {
	run(t, func(w *world) {
		f := w.card(ecKey)
		start := time.Now()
		w.net.swallow = func(d *smpp.DeliverSM) bool {
			h, _, _ := sms.ParseUserData(d.ShortMessage)
			_, reply := h.Find(sms.IEICommand)
			return lost(time.Since(start), reply)
		}
		r := w.request(f, mssp.OpSign, "_1", text)
		w.ask(r)
		pass(lifetime)
		if a := w.one(); a.Fault != nil {
			t.Error(a.Fault)
		}
		if took := w.engine.at[0].Sub(r.Created); took != want {
			t.Errorf("took %s", took)
		}
		if f.asked() != 1 || w.net.count() != packets {
			t.Errorf("asked %d times, %d sent", f.asked(), w.net.count())
		}
		w.empty()
	})
}

// Proofs of receipt with an error: is the request repeated, and how does it end?
func TestProofs(t *testing.T) {
	const end = lifetime - time.Second
	for _, tt := range []struct {
		status scp80.Status
		bare   bool // unsecured
		code   signum.Code
		at     time.Duration
		sent   int
	}{
		{scp80.IntegrityFailed, false, signum.OTAError, end, 8},
		{scp80.IntegrityFailed, true, signum.OTAError, end, 8},
		{scp80.CounterLow, false, signum.OTAError, 0, 14},
		{scp80.CounterLow, true, signum.OTAError, end, 8},
		{scp80.CounterHigh, false, signum.OTAError, end, 8},
		{scp80.CounterBlocked, false, signum.OTAError, 0, 1},
		{scp80.CounterBlocked, true, signum.OTAError, end, 8},
		{scp80.CipherError, true, signum.OTAError, end, 8},
		{scp80.SecurityError, true, signum.OTAError, end, 8},
		{scp80.TARUnknown, false, signum.UnknownClient, 0, 1},
		{scp80.TARUnknown, true, signum.UnknownClient, end, 8},
		{scp80.InsufficientSecurity, false, signum.OTAError, 0, 1},
	} {
		t.Run(fmt.Sprintf("%s, unsecured %v", tt.status, tt.bare), func(t *testing.T) {
			run(t, func(w *world) {
				f := w.card(ecKey)
				f.bare = tt.bare
				f.proofs = slices.Repeat([]scp80.Status{tt.status}, 100)
				r := w.request(f, mssp.OpSign, "_1", text)
				w.ask(r)
				pass(lifetime)
				w.code(tt.code)
				if at := w.engine.at[0].Sub(r.Created).Truncate(time.Millisecond); at != tt.at {
					t.Errorf("after %s", at)
				}
				if w.net.count() != tt.sent {
					t.Errorf("%d sent", w.net.count())
				}
				w.empty()
			})
		})
	}
}

// After a counter that is too low the request is repeated at once, after other errors
// later. In either case the signature comes.
func TestProofThenSignature(t *testing.T) {
	for st, took := range map[scp80.Status]time.Duration{
		scp80.CounterLow: 5 * time.Second, scp80.IntegrityFailed: 10 * time.Second, scp80.MoreTime: 10 * time.Second, scp80.SecurityError: 10 * time.Second,
	} {
		for _, bare := range []bool{false, true} {
			run(t, func(w *world) {
				f := w.card(ecKey)
				f.proofs, f.bare = []scp80.Status{st, st}, bare
				r := w.request(f, mssp.OpSign, "_1", text)
				w.ask(r)
				pass(lifetime)
				if a := w.one(); a.Fault != nil {
					t.Errorf("%s: %v", st, a.Fault)
				}
				if at := w.engine.at[0].Sub(r.Created); at > took+2*time.Second {
					t.Errorf("%s: took %s", st, at)
				}
				if w.net.count() != 3 || f.asked() != 1 {
					t.Errorf("%s: %d sent, asked %d times", st, w.net.count(), f.asked())
				}
				w.empty()
			})
		}
	}
}

// The service's counter is behind the card's by fewer steps than there are attempts.
func TestCounterBehind(t *testing.T) {
	run(t, func(w *world) {
		f := w.card(ecKey)
		f.counter += 5
		r := w.request(f, mssp.OpSign, "_1", text)
		w.ask(r)
		pass(lifetime)
		if a := w.one(); a.Fault != nil {
			t.Error(a.Fault)
		}
		if took := w.engine.at[0].Sub(r.Created).Truncate(time.Millisecond); took != f.think {
			t.Errorf("took %s", took)
		}
	})
}

// Delivery receipts report that a message did not reach the phone.
func TestDeliveryReceipts(t *testing.T) {
	for state, sent := range map[smpp.State]int{
		smpp.StateUndeliverable: 2, smpp.StateExpired: 2, smpp.StateRejected: 2, smpp.StateDelivered: 1, smpp.StateEnroute: 1,
	} {
		run(t, func(w *world) {
			f := w.card(ecKey)
			f.deaf = true
			w.ask(w.request(f, mssp.OpSign, "_1", text))
			pass(time.Second)
			r := &smpp.Receipt{MessageID: "m1", State: state}
			if st := w.deliver(r.Deliver(smpp.Address{TON: 1, NPI: 1, Addr: f.msisdn[1:]}, service)); st != smpp.StatusOK {
				t.Error(st)
			}
			pass(4 * time.Second)
			if w.net.count() != sent {
				t.Errorf("%s: %d sent", state, w.net.count())
			}
			if s := w.ch.Stats(); s.Receipts != 1 {
				t.Errorf("%+v", s)
			}
		})
	}
	run(t, func(w *world) { // and in the end 209
		f := w.card(ecKey)
		f.deaf = true
		w.ask(w.request(f, mssp.OpSign, "_1", text))
		for i := range 8 {
			pass(time.Millisecond)
			for w.net.count() < i+1 {
				pass(time.Second)
			}
			r := &smpp.Receipt{MessageID: fmt.Sprintf("m%d", i+1), State: smpp.StateUndeliverable}
			w.deliver(r.Deliver(smpp.Address{TON: 1, NPI: 1, Addr: f.msisdn[1:]}, service))
		}
		pass(lifetime)
		w.code(signum.OTAError)
		w.empty()
	})
}
