package sim

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/scp80"
	"github.com/signum-mssp/signum/internal/smpp"
	"github.com/signum-mssp/signum/internal/smpp/group"
)

// readings is a clock that panics after too many readings: somebody reads it in a loop.
type readings struct{ n atomic.Int64 }

func (c *readings) Now() time.Time {
	if c.n.Add(1) > 100_000 {
		panic("the channel reads the clock without end")
	}
	return time.Now()
}

// Between giving up and expiry, nothing that arrives schedules anything, and in
// particular not a timer that is always due.
func TestAfterJudgement(t *testing.T) {
	for name, tt := range map[string]func(w *world, f *fakeCard){
		"busy": func(w *world, f *fakeCard) {
			f.say(service, &applet.Reply{Op: applet.Sign, ID: applet.TransactionID("_1"), KeyID: 1, Result: applet.Busy})
		},
		"proof":       func(w *world, f *fakeCard) { f.prove(service, f.counter, scp80.OK) },
		"refusal":     func(w *world, f *fakeCard) { f.prove(service, f.counter, scp80.MemoryError) },
		"low counter": func(w *world, f *fakeCard) { f.prove(service, f.counter, scp80.CounterLow) },
		"lost": func(w *world, f *fakeCard) {
			r := &smpp.Receipt{MessageID: fmt.Sprintf("m%d", w.net.count()), State: smpp.StateUndeliverable}
			w.deliver(r.Deliver((&group.Style{}).Dest(f.msisdn[1:]), service))
		},
	} {
		for _, asked := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, asked %v", name, asked), func(t *testing.T) {
				clock := &readings{}
				run(t, func(w *world) {
					f := w.card(ecKey)
					f.think, f.silent = 10*lifetime, !asked
					w.ask(w.request(f, mssp.OpSign, "_1", text))
					pass(lifetime - 900*time.Millisecond)
					f.mu.Lock()
					f.silent = false
					tt(w, f)
					f.mu.Unlock()
					pass(lifetime)
					w.empty()
				}, func(c *Config) {
					c.Clock = clock
					c.Retry.Backoff, c.Retry.MaxBackoff, c.Retry.Patience, c.Retry.Silence = 100*time.Millisecond, 100*time.Millisecond, 100*time.Millisecond, 30*time.Second
				})
				if n := clock.n.Load(); n > 500 {
					t.Errorf("the clock was read %d times", n)
				}
			})
		}
	}
}

// In every state of a request and however late its timer fires: after it has done what
// was due, the next action lies in the future.
func TestUpcoming(t *testing.T) {
	run(t, func(w *world) {
		f := w.card(ecKey)
		now := time.Now()
		for _, st := range []state{waiting, queued, sending, answering} {
			for bits := range 16 {
				for _, next := range []time.Duration{0, -time.Minute, -1, 1, time.Minute, 2 * time.Hour} {
					for _, giveUp := range []time.Duration{-time.Minute, 0, time.Minute} {
						q := newRequest(w.request(f, mssp.OpSign, fmt.Sprint("_", bits), text), &Retry{Margin: time.Second}, now)
						q.state, q.giveUpAt, q.Expires = st, now.Add(giveUp), now.Add(time.Hour)
						for i, f := range []flags{givenUp, asked, submitted} {
							if bits>>i&1 != 0 {
								q.flags |= f
							}
						}
						if bits&8 != 0 {
							q.Expires = now
						}
						if next != 0 {
							q.next = now.Add(next)
						}
						if st == answering {
							a := q.answerOf(nil)
							q.answer = &a
						}
						label := fmt.Sprintf("%s, %s, next %s, given up in %s", st, q.flags, next, giveUp)
						w.ch.mu.Lock()
						w.ch.table.put(q)
						w.ch.mu.Unlock()
						for range 4 {
							w.ch.tick(q)
						}
						w.ch.mu.Lock()
						if at, _ := w.ch.upcoming(q); q.state != ended && !at.After(now) {
							t.Errorf("%s: due forever", label)
						}
						w.ch.end(q)
						w.ch.mu.Unlock()
						synctest.Wait()
					}
				}
			}
		}
		w.empty()
	})
}
