package sim

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/smpp"
)

// A failure of the service itself is not blamed on the network: 900, at once if it is
// permanent, otherwise when the request is given up.
func TestOwnFailure(t *testing.T) {
	for name, tt := range map[string]struct {
		fail  func(w *world, f *fakeCard)
		after time.Duration // after the first attempt; 0: the first attempt fails
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
	run(t, func(w *world) { // when the store works again, the SMSC is the reason
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

// A failing store costs an attempt, not the request.
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

// If the SMSC is dead, Send returns at once, the work is bounded, and all requests end
// with 209 in time.
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

// When the SMSC comes back, users whose requests have not expired are asked.
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

// With a slow SMSC, no more messages than allowed are submitted at a time, and all of
// them in the end.
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
