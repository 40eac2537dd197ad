package sim

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/scp80"
	"github.com/signum-mssp/signum/internal/smpp"
	"github.com/signum-mssp/signum/internal/sms"
)

// What the SMSC answers to a submit_sm: when is the request answered, and how?
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
		"throttled for ever":  {slices.Repeat([]error{smpp.StatusThrottled}, 100), signum.OTAError, lifetime, 0},
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
				if w.net.count() != tt.sent || w.ch.Stats().Attempts > 8 {
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

// Neither proof of receipt nor reply: sent again, and when the time is over the
// engine says so.
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

// After a proof of receipt the user has time, but a lost reply costs a
// repetition only.
func TestLostReply(t *testing.T) {
	run(t, func(w *world) {
		f := w.card(ecKey)
		start := time.Now()
		w.net.swallow = func(d *smpp.DeliverSM) bool {
			h, _, _ := sms.ParseUserData(d.ShortMessage)
			_, reply := h.Find(sms.IEICommand)
			return reply && time.Since(start) < 20*time.Second
		}
		r := w.request(f, mssp.OpSign, "_1", text)
		w.ask(r)
		pass(lifetime)
		if a := w.one(); a.Fault != nil {
			t.Error(a.Fault)
		}
		if took := w.engine.at[0].Sub(r.Created); took != 30*time.Second {
			t.Errorf("took %s", took)
		}
		if f.asked() != 1 || w.net.count() != 2 {
			t.Errorf("asked %d times, %d sent", f.asked(), w.net.count())
		}
		w.empty()
	})
}

// It is the proof of receipt of the last packet that gives time: a repetition that
// is lost itself is not waited for as if its user were being asked.
func TestLostRepetition(t *testing.T) {
	run(t, func(w *world) {
		f := w.card(ecKey)
		start := time.Now()
		w.net.swallow = func(d *smpp.DeliverSM) bool {
			h, _, _ := sms.ParseUserData(d.ShortMessage)
			_, reply := h.Find(sms.IEICommand)
			at := time.Since(start)
			return at > 29*time.Second && at < 31*time.Second || reply && at < 20*time.Second
		}
		r := w.request(f, mssp.OpSign, "_1", text)
		w.ask(r)
		pass(lifetime)
		if a := w.one(); a.Fault != nil {
			t.Error(a.Fault)
		}
		if took := w.engine.at[0].Sub(r.Created); took != 38*time.Second {
			t.Errorf("took %s", took)
		}
		if f.asked() != 1 || w.net.count() != 3 {
			t.Errorf("asked %d times, %d sent", f.asked(), w.net.count())
		}
		w.empty()
	})
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

// Proofs of receipt that refuse: repeated or not, and what it is in the end.
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
		{scp80.CounterLow, false, signum.OTAError, end, 8},
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
				if at := w.engine.at[0].Sub(r.Created); at != tt.at {
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

// A counter that is too low is repeated at once; other errors are repeated too.
// In either case the signature comes.
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

// The service's counter is behind the card's, by less than there are attempts.
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

// A failure of the service itself is not blamed on the network: 900, at once if it
// stays, else when the request is given up.
func TestOwnFailure(t *testing.T) {
	for name, tt := range map[string]struct {
		fail  func(w *world, f *fakeCard)
		after time.Duration // of the first attempt: 0, or what lets it fail by itself
		errs  []error       // of the SMSC
		code  signum.Code
		at    time.Duration
	}{
		"the store gives no counter": {
			fail: func(w *world, _ *fakeCard) { w.store.setNoCounter(errStore) }, code: signum.InternalError, at: lifetime - time.Second},
		"the keys are another card's": {
			fail: func(w *world, f *fakeCard) { w.store.change(f.msisdn, func(c *mssp.Card) { c.KIc = c.KID }) }, code: signum.InternalError},
		"the message cannot be written": {
			errs: []error{fmt.Errorf("x: %w", new(smpp.ProtocolError))}, code: signum.InternalError},
		"the store, after the SMSC did not take it": {
			fail: func(w *world, _ *fakeCard) { w.store.setNoCounter(errStore) }, after: 100 * time.Millisecond,
			errs: slices.Repeat([]error{smpp.StatusThrottled}, 100), code: signum.InternalError, at: lifetime - time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(w *world) {
				f := w.card(ecKey)
				w.net.fails(tt.errs...)
				if tt.fail != nil && tt.after == 0 {
					tt.fail(w, f)
				}
				r := w.request(f, mssp.OpSign, "_1", text)
				w.ask(r)
				pass(tt.after)
				if tt.fail != nil {
					tt.fail(w, f)
				}
				pass(lifetime)
				w.code(tt.code)
				if at := w.engine.at[0].Sub(r.Created); at != tt.at {
					t.Errorf("answered after %s, want %s", at, tt.at)
				}
				if w.net.count() != 0 {
					t.Errorf("%d sent", w.net.count())
				}
				w.empty()
			})
		})
	}
	run(t, func(w *world) { // the SMSC is to blame again once the store works
		f := w.card(ecKey)
		w.store.setNoCounter(errStore)
		w.net.fails(slices.Repeat([]error{smpp.StatusThrottled}, 100)...)
		w.ask(w.request(f, mssp.OpSign, "_1", text))
		pass(2 * time.Second)
		w.store.setNoCounter(nil)
		pass(lifetime)
		w.code(signum.OTAError)
		w.empty()
	})
}

// The counter is used up.
func TestCounterExhausted(t *testing.T) {
	run(t, func(w *world) {
		f := w.card(ecKey)
		w.store.change(f.msisdn, func(c *mssp.Card) { c.Counter = mssp.MaxCardCounter })
		w.ask(w.request(f, mssp.OpSign, "_1", text))
		pass(0)
		w.code(signum.OTAError)
		w.empty()
	})
}

// A store that fails costs an attempt, not the request.
func TestStoreFailsMeanwhile(t *testing.T) {
	run(t, func(w *world) {
		f := w.card(ecKey)
		f.deaf = true
		w.ask(w.request(f, mssp.OpSign, "_1", text))
		pass(time.Second)
		w.store.setFail(errStore)
		pass(10 * time.Second)
		w.store.setFail(nil)
		f.mu.Lock()
		f.deaf = false
		f.mu.Unlock()
		pass(lifetime)
		if a := w.one(); a.Fault != nil {
			t.Error(a.Fault)
		}
		w.empty()
	})
}

// Delivery receipts tell that a message did not reach the phone, after all.
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
	run(t, func(w *world) { // and in the end it is 209
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

// A dead SMSC: Send returns at once, the work is bounded, and everybody has a
// 209 in time.
func TestDeadSMSC(t *testing.T) {
	const users = 10_000
	run(t, func(w *world) {
		w.net.dead = true
		start := time.Now()
		for i := range users {
			w.ask(w.request(w.card(ecKey), mssp.OpSign, fmt.Sprintf("_%d", i), text))
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("Send took %s", took)
		}
		pass(time.Second)
		if n := runtime.NumGoroutine(); n > 200 {
			t.Errorf("%d goroutines", n)
		}
		if w.net.peak() != 128 {
			t.Errorf("%d submissions at once", w.net.peak())
		}
		pass(lifetime - time.Second)
		if all := w.engine.answers(); len(all) != users {
			t.Fatalf("%d answers", len(all))
		}
		for _, a := range w.engine.answers() {
			if a.Fault == nil || a.Fault.Code != signum.OTAError {
				t.Fatalf("%+v", a)
			}
		}
		w.empty()
	})
}

// The SMSC comes back: whoever still has time is asked.
func TestSMSCComesBack(t *testing.T) {
	run(t, func(w *world) {
		w.net.dead = true
		for i := range 500 {
			w.ask(w.request(w.card(ecKey), mssp.OpSign, fmt.Sprintf("_%d", i), text))
		}
		pass(20 * time.Second)
		w.net.mu.Lock()
		w.net.dead = false
		w.net.mu.Unlock()
		pass(lifetime)
		ok := 0
		for _, a := range w.engine.answers() {
			if a.Fault == nil {
				ok++
			}
		}
		if ok != 500 {
			t.Errorf("%d of 500 signed", ok)
		}
		w.empty()
	})
}

// A slow SMSC: as many at once as there may be, and all in the end.
func TestSlowSMSC(t *testing.T) {
	run(t, func(w *world) {
		w.net.took = 500 * time.Millisecond
		for i := range 3000 {
			w.ask(w.request(w.card(ecKey), mssp.OpSign, fmt.Sprintf("_%d", i), text))
		}
		pass(lifetime)
		ok := 0
		for _, a := range w.engine.answers() {
			if a.Fault == nil {
				ok++
			}
		}
		if ok != 3000 || w.net.peak() != 128 || w.net.count() != 3000 {
			t.Errorf("%d signed, %d at once, %d sent", ok, w.net.peak(), w.net.count())
		}
		w.empty()
	})
}

// What another node has ended is not sent again.
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
