package sim

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/scp80"
	"github.com/signum-mssp/signum/internal/smpp"
)

// fuse panics when it is touched, while it is lit.
type fuse struct {
	mu   sync.Mutex
	lit  int // touches that panic
	used bool
}

func (f *fuse) light(times int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lit = times
}

// lightOnce lights a fuse that never was lit.
func (f *fuse) lightOnce(times int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.used {
		f.lit, f.used = times, true
	}
}

func (f *fuse) touch() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lit > 0 {
		f.lit--
		panic("cannot happen")
	}
}

func (f *fuse) left() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lit
}

type panickyKeys struct {
	CardKeys
	fuse *fuse
}

func (k panickyKeys) Keys(c *mssp.Card) (scp80.Keys, error) {
	k.fuse.touch()
	return k.CardKeys.Keys(c)
}

type panickyStore struct {
	Store
	counter *fuse
}

func (s panickyStore) TakeCounter(ctx context.Context, iccid string, least uint64) (uint64, error) {
	s.counter.touch()
	return s.Store.TakeCounter(ctx, iccid, least)
}

type panickyEngine struct {
	*fakeEngine
	fuse *fuse
}

func (e panickyEngine) Answer(ctx context.Context, a mssp.DeviceAnswer) error {
	e.fuse.touch()
	return e.fakeEngine.Answer(ctx, a)
}

// An attempt that panics is a failure of the service: it is repeated, and if all
// panic, the request is answered with 900. The worker goes on.
func TestPanicInAttempt(t *testing.T) {
	for name, tt := range map[string]struct {
		panics int
		code   signum.Code // 0: the signature comes
	}{
		"once":   {1, 0},
		"always": {1000, signum.InternalError},
	} {
		t.Run(name, func(t *testing.T) {
			var f fuse
			run(t, func(w *world) {
				card := w.card(ecKey)
				f.light(tt.panics)
				w.ask(w.request(card, mssp.OpSign, "_1", text))
				pass(lifetime)
				if tt.code != 0 {
					w.code(tt.code)
				} else if a := w.one(); a.Fault != nil {
					t.Error(a.Fault)
				}
				w.empty()
				f.light(0)
				other := w.card(ecKey)
				w.ask(w.request(other, mssp.OpSign, "_2", text))
				pass(lifetime)
				if all := w.engine.answers(); len(all) != 2 || all[1].Fault != nil {
					t.Errorf("the request after it: %+v", all)
				}
			}, func(c *Config) {
				c.Submits = 1
				c.Store = panickyStore{c.Store, &f}
			})
		})
	}
}

// An engine that panics when it gets an answer is one that does not take it now.
func TestPanicInAnswer(t *testing.T) {
	for name, dead := range map[string]bool{"reply": false, "unreached": true} {
		t.Run(name, func(t *testing.T) {
			run(t, func(w *world) {
				var f fuse
				w.ch.Connect(panickyEngine{w.engine, &f}, w.engine)
				card := w.card(ecKey)
				f.light(2)
				if dead {
					w.net.fails(smpp.StatusInvalidDst)
				}
				w.ask(w.request(card, mssp.OpSign, "_1", text))
				pass(lifetime)
				if f.left() != 0 {
					t.Error("it never panicked twice")
				}
				if a := w.one(); (a.Fault != nil) != dead {
					t.Errorf("%+v, %v", a, a.Fault)
				}
				w.empty()
			})
		})
	}
}

// A locator that panics does not know where the phone is.
func TestPanicInLocator(t *testing.T) {
	run(t, func(w *world) {
		card := w.card(ecKey)
		card.think = time.Second
		r := w.request(card, mssp.OpSign, "_1", text)
		r.Locate = true
		w.ask(r)
		pass(2 * time.Second)
		if a := w.one(); a.Fault != nil || a.Location != nil {
			t.Errorf("%+v, %v", a, a.Fault)
		}
		pass(lifetime)
		w.empty()
	}, func(c *Config) {
		c.Locator = func(context.Context, string) (*mssp.Location, error) { panic("cannot happen") }
	})
}

// A timer whose action panics ends its request, so that nothing of it stays.
func TestPanicInTimer(t *testing.T) {
	run(t, func(w *world) {
		card := w.card(ecKey)
		card.deaf = true
		w.ask(w.request(card, mssp.OpSign, "_1", text))
		pass(time.Second)
		var f fuse
		f.light(1)
		w.ch.mu.Lock()
		w.ch.moved = func(state, state) { f.touch() }
		w.ch.mu.Unlock()
		pass(lifetime)
		if f.left() != 0 {
			t.Fatal("no timer panicked")
		}
		w.empty()
	})
}

// The last part of a reply is delivered again after its handling panicked, and
// the reply is still complete.
func TestPanicWithParts(t *testing.T) {
	var f fuse
	run(t, func(w *world) {
		w.net.deliver = rescued(w)
		card := w.card(rsaKey)
		w.net.swallow = func(d *smpp.DeliverSM) bool {
			if c, long := isPart(d); long && c.Seq == c.Total {
				f.lightOnce(2)
			}
			return false
		}
		r := w.request(card, mssp.OpSign, "_1", text)
		w.ask(r)
		pass(20 * time.Second)
		if a := w.one(); a.Fault != nil || !verify(card.key.Public(), r.SignedAttrs, a.Signature) {
			t.Errorf("%+v, %v", a, a.Fault)
		}
		w.empty()
	}, func(c *Config) { c.Keys = panickyKeys{c.Keys, &f} })
}

// A reply in parts whose handling panics each time is forgotten: it must not make
// later messages of the same phone panic.
func TestPanicWithPartsEachTime(t *testing.T) {
	var f fuse
	run(t, func(w *world) {
		w.net.deliver = rescued(w)
		card := w.card(rsaKey)
		card.think = time.Second
		w.ask(w.request(card, mssp.OpSign, "_1", text))
		pass(500 * time.Millisecond) // the proof of receipt has come
		f.light(1000)
		pass(4 * time.Second) // three deliveries of the last part
		if n := 1000 - f.left(); n != 3 {
			t.Errorf("%d panics, want 3", n)
		}
		f.light(0)
		w.ch.mu.Lock()
		kept := len(w.ch.stalls)
		w.ch.mu.Unlock()
		if kept != 0 {
			t.Error("the reply is still kept")
		}
		pass(lifetime) // a repetition of the request brings the reply again
		if a := w.one(); a.Fault != nil {
			t.Error(a.Fault)
		}
		w.empty()
	}, func(c *Config) { c.Keys = panickyKeys{c.Keys, &f} })
}

// rescued is Deliver as smpp.Client calls it: a panic postpones the message.
func rescued(w *world) func(*smpp.DeliverSM) smpp.Status {
	return func(d *smpp.DeliverSM) (st smpp.Status) {
		defer event.Rescue(w.ch.log, "test", func() { st = postponed })
		return w.deliver(d)
	}
}

// A pool does its other jobs after one has panicked, and can still be closed.
func TestPanicInPool(t *testing.T) {
	p := newPool(slog.New(slog.DiscardHandler), time.Now, 1)
	var done atomic.Int32
	for i := range 5 {
		p.do(job{run: func() {
			if i%2 == 0 {
				panic("cannot happen")
			}
			done.Add(1)
		}})
	}
	last := make(chan struct{})
	p.do(job{run: func() { close(last) }})
	<-last
	p.close()
	if n := done.Load(); n != 2 {
		t.Errorf("%d jobs done, want 2", n)
	}
	if p.running != 0 {
		t.Errorf("%d workers left", p.running)
	}
}
