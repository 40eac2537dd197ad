package sim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/smpp"
)

// fullQueues refuses messages to some phones.
type fullQueues struct {
	submit func(context.Context, *smpp.SubmitSM) (string, error)
	full   atomic.Pointer[[]string] // MSISDNs
	tries  atomic.Int32             // refused
}

func (f *fullQueues) set(msisdns ...string) { f.full.Store(&msisdns) }

func (f *fullQueues) send(ctx context.Context, m *smpp.SubmitSM) (string, error) {
	if full := f.full.Load(); full != nil && slices.Contains(*full, "+"+m.Dest.Addr) {
		f.tries.Add(1)
		return "", smpp.StatusMsgQFull
	}
	return f.submit(ctx, m)
}

// withFull runs a test in which the queues of phones can be full, with one worker.
func withFull(t *testing.T, f func(w *world, q *fullQueues)) {
	q := &fullQueues{}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *Config) { c.Submits = 1 })
		defer func() { w.ch.Close() }()
		q.submit = w.net.submit
		w.ch.cfg.Send = only(q.send)
		f(w, q)
		if t.Failed() {
			t.Log(w.dump())
		}
	})
}

// A refusal because of load sends nothing, and uses up no attempt: the request goes on
// until it expires.
func TestFullQueueUsesUpNoAttempt(t *testing.T) {
	withFull(t, func(w *world, q *fullQueues) {
		f := w.card(ecKey)
		q.set(f.msisdn)
		w.ask(w.request(f, mssp.OpSign, "_1", text))
		pass(lifetime - 15*time.Second)
		if n := q.tries.Load(); n < 9 || n > 14 { // after 1, 2, 4, 8, 8 … s
			t.Errorf("%d tries", n)
		}
		if s := w.ch.Stats(); s.Held != 1 || s.Full != uint64(q.tries.Load()) {
			t.Errorf("%+v", s)
		}
		q.set()
		pass(15 * time.Second)
		if a := w.one(); a.Fault != nil {
			t.Error(a.Fault)
		}
		if s := w.ch.Stats(); s.Held != 0 {
			t.Errorf("%+v", s)
		}
		w.empty()
	})
}

func TestFullQueueToTheEnd(t *testing.T) {
	withFull(t, func(w *world, q *fullQueues) {
		f := w.card(ecKey)
		q.set(f.msisdn)
		r := w.request(f, mssp.OpSign, "_1", text)
		w.ask(r)
		pass(lifetime)
		w.code(signum.OTAError)
		if at := w.engine.at[0].Sub(r.Created); at != lifetime-time.Second {
			t.Errorf("given up after %s", at)
		}
		w.empty()
	})
}

// While a phone's queue is full, everything else for it waits, too, and no worker waits
// with it: with one worker, other phones are as fast as ever.
func TestFullQueueHoldsItsPhoneOnly(t *testing.T) {
	withFull(t, func(w *world, q *fullQueues) {
		full := w.card(ecKey)
		q.set(full.msisdn)
		w.ask(w.request(full, mssp.OpSign, "_1", text))
		pass(4 * time.Second) // refused at 0, 1 and 3 s; until 7 s nothing is tried
		before := q.tries.Load()
		w.ask(w.request(full, mssp.OpDisplay, "_2", text))
		for i := range 10 {
			other := w.card(ecKey)
			other.think = 0
			id := fmt.Sprint("_o", i)
			w.ask(w.request(other, mssp.OpSign, id, text))
			pass(50 * time.Millisecond)
			if got := w.engine.answers(); len(got) != i+1 || got[i].TransID != id {
				t.Fatalf("another phone waited: %+v", got)
			}
		}
		if err := w.ch.SendText(within(t, time.Second), mssp.TextMessage{MSISDN: full.msisdn, Text: "Code: 1"}); !errors.Is(err, mssp.ErrUnreachable) {
			t.Errorf("a text: %v", err)
		}
		if n := q.tries.Load(); n != before {
			t.Errorf("%d messages were tried while the phone was known to be full", n-before)
		}
		q.set()
		if err := w.ch.SendText(within(t, 20*time.Second), mssp.TextMessage{MSISDN: full.msisdn, Text: "Code: 1"}); err != nil {
			t.Errorf("a text that waited: %v", err)
		}
		pass(lifetime)
		if got := w.engine.answers(); len(got) != 12 {
			t.Errorf("%d answers", len(got))
		}
		w.empty()
	})
}

// Of several messages that wait for a full phone, one is tried at a time.
func TestFullQueueIsTriedByOne(t *testing.T) {
	withFull(t, func(w *world, q *fullQueues) {
		f := w.card(ecKey)
		q.set(f.msisdn)
		for i := range 20 {
			w.ask(w.request(f, mssp.OpDisplay, fmt.Sprint("_", i), text))
		}
		pass(lifetime / 2)
		if n := q.tries.Load(); n > 12 {
			t.Errorf("%d tries", n)
		}
		pass(lifetime)
		w.empty()
	})
}

// A try whose outcome stays unknown does not hold its phone forever.
func TestBrakeOfALostTry(t *testing.T) {
	run(t, func(w *world) {
		now := time.Now()
		w.ch.mu.Lock()
		defer w.ch.mu.Unlock()
		w.ch.tried("+41790000001", smpp.StatusThrottled, now)
		at := w.ch.heldUntil("+41790000001", now)
		w.ch.tries("+41790000001", at)
		if w.ch.heldUntil("+41790000001", at).IsZero() {
			t.Error("two are tried at a time")
		}
		if late := at.Add(w.ch.cfg.SubmitTimeout); !w.ch.heldUntil("+41790000001", late).IsZero() {
			t.Error("held forever")
		}
		for i := range 3 * fewBrakes {
			w.ch.tried(fmt.Sprint(i), smpp.StatusThrottled, now.Add(time.Duration(i)*time.Second))
		}
		if n := len(w.ch.brakes.by); n > 2*fewBrakes {
			t.Errorf("%d phones are remembered", n)
		}
	})
}

// A message that waited for its bind in vain says nothing about its phone.
func TestHeldByTheBind(t *testing.T) {
	run(t, func(w *world) {
		f := w.card(ecKey)
		held := fmt.Errorf("%w: %w", smpp.ErrUnbound, smpp.StatusThrottled)
		w.net.fails(slices.Repeat([]error{held}, 12)...)
		w.ask(w.request(f, mssp.OpSign, "_1", text))
		pass(lifetime)
		if a := w.one(); a.Fault != nil {
			t.Error(a.Fault)
		}
		if s := w.ch.Stats(); s.Full != 0 {
			t.Errorf("%+v", s)
		}
		w.empty()
	})
}

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}
