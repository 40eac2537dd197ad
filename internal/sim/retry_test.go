package sim

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/scp80"
	"github.com/signum-mssp/signum/internal/smpp"
)

// For each answer of the SMSC to a submit_sm: when is the request answered, and how?
func TestSubmitErrors(t *testing.T) {
	signed := signum.Code(0)
	for name, tt := range map[string]struct {
		errs   []error // of the first submissions
		code   signum.Code
		within time.Duration
		sent   int
	}{
		"unknown destination": {[]error{smpp.StatusInvalidDst}, signum.OTAError, 0, 0},
		"unknown, wrapped":    {[]error{fmt.Errorf("x: %w", smpp.StatusInvalidDst)}, signum.OTAError, 0, 0},
		"rejected":            {[]error{smpp.StatusRxPermError}, signum.OTAError, 0, 0},
		"throttled":           {[]error{smpp.StatusThrottled}, signed, 7 * time.Second, 1},
		"queue full":          {[]error{smpp.StatusMsgQFull, smpp.StatusMsgQFull}, signed, 10 * time.Second, 1},
		"toolkit busy":        {slices.Repeat([]error{smpp.StatusRxTempError}, 5), signed, 40 * time.Second, 1},
		"away for a moment":   {slices.Repeat([]error{smpp.StatusDeliveryFailure}, 3), signed, 15 * time.Second, 1},
		"away":                {slices.Repeat([]error{smpp.StatusDeliveryFailure}, 4), signum.OTAError, 9 * time.Second, 0},
		"busy, then away":     {[]error{smpp.StatusDeliveryFailure, smpp.StatusDeliveryFailure, smpp.StatusRxTempError, smpp.StatusDeliveryFailure, smpp.StatusDeliveryFailure}, signed, 40 * time.Second, 1},
		"vendor's own":        {[]error{smpp.Status(0x400)}, signed, 7 * time.Second, 1},
		"unbound":             {[]error{smpp.ErrUnbound}, signed, 7 * time.Second, 1},
		"no response":         {[]error{smpp.ErrTimeout}, signed, 7 * time.Second, 1},
		"throttled forever":   {slices.Repeat([]error{smpp.StatusThrottled}, 100), signum.OTAError, lifetime, 0},
		"never an answer":     {slices.Repeat([]error{smpp.ErrTimeout}, 100), signum.OTAError, lifetime, 0},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(w *world) {
				f := w.card(ecKey)
				w.net.fails(tt.errs...)
				r := w.request(f, mssp.OpSign, "_1", text)
				w.ask(r)
				pass(lifetime)
				a := w.one()
				if a.Fault == nil != (tt.code == signed) || a.Fault != nil && a.Fault.Code != tt.code {
					t.Errorf("%+v, fault %v", a, a.Fault)
				}
				if took := w.engine.at[0].Sub(r.Created); took > tt.within {
					t.Errorf("took %s", took)
				}
				if s := w.ch.Stats(); w.net.count() != tt.sent || s.Attempts-s.Full > 8 {
					t.Errorf("%d sent, %+v", w.net.count(), w.ch.Stats())
				}
				w.empty()
			})
		})
	}
}

// Each attempt has a higher counter and the same transaction id.
func TestAttempts(t *testing.T) {
	run(t, func(w *world) {
		f := w.card(ecKey)
		f.proofs = slices.Repeat([]scp80.Status{scp80.MemoryError}, 100)
		r := w.request(f, mssp.OpSign, "_1", text)
		w.ask(r)
		pass(lifetime)
		w.code(signum.OTAError)
		if at := w.engine.at[0].Sub(r.Created); at != lifetime-time.Second {
			t.Errorf("given up after %s", at)
		}
		var last uint64
		for i, m := range w.net.sent {
			cmd, err := scp80.OpenCommand(m.ShortMessage[3:], f.keys)
			if err != nil || cmd.Counter <= last {
				t.Fatalf("attempt %d: %+v, %v", i, cmd, err)
			}
			last = cmd.Counter
			if q, err := applet.ParseRequest(cmd.Data); err != nil || q.ID != applet.TransactionID("_1") {
				t.Errorf("%+v, %v", q, err)
			}
		}
		if len(w.net.sent) != 8 {
			t.Errorf("%d attempts", len(w.net.sent))
		}
		w.empty()
	})
}

// Without a proof of receipt or a reply, the request is repeated until the engine ends
// it.
func TestSilence(t *testing.T) {
	run(t, func(w *world) {
		f := w.card(ecKey)
		f.deaf = true
		w.ask(w.request(f, mssp.OpSign, "_1", text))
		pass(7 * time.Second)
		if w.net.count() != 1 {
			t.Errorf("%d sent", w.net.count())
		}
		pass(time.Second)
		if w.net.count() != 2 {
			t.Errorf("%d sent", w.net.count())
		}
		pass(lifetime)
		if len(w.engine.answers()) != 0 || w.net.count() != 8 {
			t.Errorf("%+v, %d sent", w.engine.answers(), w.net.count())
		}
		w.empty()
	})
}

// After a proof of receipt the user has time, and a lost reply only costs a repetition.
func TestLostReply(t *testing.T) {
	testLoss(t, func(at time.Duration, reply bool) bool { return reply && at < 20*time.Second }, 2, 30*time.Second)
}

func TestBusy(t *testing.T) {
	run(t, func(w *world) {
		f := w.card(ecKey)
		until := time.Now().Add(10 * time.Second)
		f.result = func(*applet.Request) applet.Result {
			if time.Now().Before(until) {
				return applet.Busy
			}
			return applet.OK
		}
		w.ask(w.request(f, mssp.OpSign, "_1", text))
		pass(lifetime)
		if a := w.one(); a.Fault != nil {
			t.Error(a.Fault)
		}
		w.empty()
	})
	run(t, func(w *world) { // to the end
		f := w.card(ecKey)
		f.result = func(*applet.Request) applet.Result { return applet.Busy }
		w.ask(w.request(f, mssp.OpSign, "_1", text))
		pass(lifetime)
		if len(w.engine.answers()) != 0 || w.ch.Stats().Attempts != 8 {
			t.Errorf("%+v, %+v", w.engine.answers(), w.ch.Stats())
		}
		w.empty()
	})
}

// A request that another node has ended is not repeated.
func TestEndedElsewhere(t *testing.T) {
	run(t, func(w *world) {
		f := w.card(ecKey)
		f.deaf = true
		w.ask(w.request(f, mssp.OpSign, "_1", text))
		pass(time.Second)
		w.engine.ends()
		pass(lifetime)
		if w.net.count() != 1 {
			t.Errorf("%d sent", w.net.count())
		}
		w.empty()
	})
}

func TestShortLife(t *testing.T) {
	run(t, func(w *world) {
		f := w.card(ecKey)
		w.net.dead = true
		r := w.request(f, mssp.OpSign, "_1", text)
		r.Expires = r.Created.Add(2 * time.Second)
		w.ask(r)
		pass(2 * time.Second)
		w.code(signum.OTAError)
		w.empty()
	})
}
