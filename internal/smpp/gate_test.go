package smpp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// queues is an SMSC that refuses messages because of load.
type queues struct {
	mu     sync.Mutex
	full   map[string]bool // destinations whose queues are full
	all    Status          // not StatusOK: every message is refused with it
	status Status          // of full queues
	takes  time.Duration   // until a message is accepted; a refusal takes no time
	seen   []string        // destinations in the order in which messages came
	at     []time.Time
}

func (q *queues) submit(ctx context.Context, _ *Session, m *SubmitSM) (string, Status, func()) {
	q.mu.Lock()
	q.seen, q.at = append(q.seen, m.Dest.Addr), append(q.at, time.Now())
	st, takes := q.all, q.takes
	if q.full[m.Dest.Addr] {
		st = q.status
	}
	q.mu.Unlock()
	if st != StatusOK {
		return "", st, nil
	}
	if takes > 0 { // in testing/synctest, a timer of zero can crash the race detector (Go 1.26)
		sleep(ctx, takes)
	}
	return "1", StatusOK, nil
}

func (q *queues) set(all Status, full ...string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.all, q.full = all, map[string]bool{}
	for _, to := range full {
		q.full[to] = true
	}
	q.seen, q.at = nil, nil
}

func (q *queues) count() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.seen)
}

func to(number string) *SubmitSM {
	m := *hello
	m.Dest.Addr = number
	return &m
}

// loaded runs a test with a client of an SMSC that refuses because of load.
func loaded(t *testing.T, cfg ClientConfig, f func(t *testing.T, q *queues, p *pair)) {
	for _, st := range []Status{StatusThrottled, StatusMsgQFull} {
		t.Run(st.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := &queues{status: st}
				cfg.MinBackoff, cfg.MaxBackoff = time.Second, 8*time.Second
				p := newPair(t, cfg, ServerConfig{Submit: q.submit})
				defer p.close()
				p.bound(max(cfg.Sessions.Transceivers, 1))
				f(t, q, p)
			})
		})
	}
}

// refusals sends a message to each destination; all must be refused at once. It returns
// when the gates have taken note.
func (p *pair) refusals(want Status, destinations ...string) {
	p.t.Helper()
	for _, d := range destinations {
		start := time.Now()
		if _, err := p.client.Submit(within(time.Minute), to(d)); !errors.Is(err, want) || time.Since(start) > 0 {
			p.t.Errorf("to %s: %v after %v, want %v at once", d, err, time.Since(start), want)
		}
		synctest.Wait()
	}
}

// accepted sends a message and returns how long it waited.
func (p *pair) accepted(destination string) time.Duration {
	p.t.Helper()
	start := time.Now()
	if _, err := p.client.Submit(within(time.Minute), to(destination)); err != nil {
		p.t.Errorf("to %s: %v", destination, err)
	}
	return time.Since(start)
}

func (p *pair) held(want int, closed uint64) {
	p.t.Helper()
	synctest.Wait()
	if s := p.client.Stats(); s.Held != want || s.Closed != closed {
		p.t.Errorf("%d binds held back, closed %d times; want %d, %d", s.Held, s.Closed, want, closed)
	}
}

// Full queues of a few destinations never hold the others back.
func TestFullQueuesOfAFew(t *testing.T) {
	for name, refused := range map[string][]string{
		"one, again and again":        {"1", "1", "1", "1", "1", "1"},
		"two, again and again":        {"1", "2", "1", "2", "1", "2"},
		"four, and one in between":    {"1", "2", "ok", "3", "4", "ok"},
		"four that are known by then": {"1", "2", "ok", "3", "4", "ok", "1", "2", "3", "4", "1", "2", "3", "4"},
	} {
		t.Run(name, func(t *testing.T) {
			loaded(t, ClientConfig{}, func(t *testing.T, q *queues, p *pair) {
				q.set(StatusOK, "1", "2", "3", "4")
				for _, d := range refused {
					if d == "ok" {
						p.accepted("9")
						continue
					}
					p.refusals(q.status, d)
				}
				if d := p.accepted("9"); d > 0 {
					t.Errorf("another destination waited %v", d)
				}
				p.held(0, 0)
			})
		})
	}
}

// Three destinations in a row close the gate. Then one message at a time is tried,
// after pauses that double, until one is accepted.
func TestGate(t *testing.T) {
	loaded(t, ClientConfig{}, func(t *testing.T, q *queues, p *pair) {
		q.set(q.status)
		p.refusals(q.status, "1", "2")
		p.held(0, 0)
		p.refusals(q.status, "3")
		p.held(1, 1)
		q.set(q.status)
		start := time.Now()
		var all sync.WaitGroup
		for i := range 30 {
			all.Go(func() {
				_, err := p.client.Submit(within(time.Minute), to(fmt.Sprint(100+i)))
				if err != nil && !errors.Is(err, q.status) {
					t.Error(err)
				}
			})
		}
		time.Sleep(20 * time.Second)
		tried := q.count() // after 0.5 to 1, 1 to 2, 2 to 4, 4 to 8, 4 to 8 … seconds
		if tried < 3 || tried > 6 {
			t.Errorf("%d tries in 20 s", tried)
		}
		q.set(StatusOK)
		all.Wait()
		if q.count() != 30-tried || time.Since(start) > 28*time.Second {
			t.Errorf("%d sent, the last after %v", q.count(), time.Since(start))
		}
		p.held(0, 1)
		if s := p.client.Stats(); s.Refused[q.status] != uint64(3+tried) || s.Waited["gate"] == 0 {
			t.Errorf("%+v, %d tries", s, tried)
		}
	})
}

// A destination that was refused is no probe while another waits, and its refusal
// does not make the pause longer.
func TestProbes(t *testing.T) {
	loaded(t, ClientConfig{}, func(t *testing.T, q *queues, p *pair) {
		q.set(StatusOK, "1", "2", "3")
		p.refusals(q.status, "1", "2", "3")
		p.held(1, 1)
		var all sync.WaitGroup
		for range 10 { // one after the other, each after at most a second
			for _, d := range []string{"1", "2", "3"} {
				all.Go(func() { _, _ = p.client.Submit(within(5*time.Second), to(d)) })
			}
		}
		time.Sleep(4 * time.Second)
		if d := p.accepted("9"); d > time.Second {
			t.Errorf("another destination waited %v", d)
		}
		if d := p.accepted("9"); d > 0 {
			t.Errorf("the gate is still closed: another destination waited %v", d)
		}
		p.held(0, 1)
		all.Wait()
		p.held(0, 1) // what had been queued was refused at once
	})
}

// A probe whose caller gives up, or whose answer says nothing about the load, is
// followed by the next.
func TestProbeWithoutVerdict(t *testing.T) {
	loaded(t, ClientConfig{}, func(t *testing.T, q *queues, p *pair) {
		q.set(q.status)
		p.refusals(q.status, "1", "2", "3")
		q.takes = 3 * time.Second
		q.set(StatusOK)
		if _, err := p.client.Submit(within(2*time.Second), to("4")); !errors.Is(err, ErrTimeout) {
			t.Errorf("the caller gave up: %v", err)
		}
		p.held(1, 1)
		q.set(StatusInvalidDst)
		p.refusals(StatusInvalidDst, "5")
		p.held(1, 1)
		q.set(StatusDeliveryFailure) // it was taken, and the phone is off
		p.refusals(StatusDeliveryFailure, "6")
		p.held(0, 1)
	})
}

// What waits at a closed gate was not sent, and its caller learns why.
func TestHeldBack(t *testing.T) {
	loaded(t, ClientConfig{}, func(t *testing.T, q *queues, p *pair) {
		q.set(q.status)
		p.refusals(q.status, "1", "2", "3")
		_, err := p.client.Submit(within(time.Millisecond), to("4"))
		if !errors.Is(err, ErrUnbound) || !errors.Is(err, StatusThrottled) || !errors.Is(err, context.DeadlineExceeded) || q.count() != 3 {
			t.Errorf("%v, %d sent", err, q.count())
		}
		if !strings.Contains(err.Error(), "held back") {
			t.Errorf("%q does not say that messages are held back", err)
		}
	})
}

// Each bind has a gate of its own, which outlives a session.
func TestGatePerBind(t *testing.T) {
	loaded(t, ClientConfig{Sessions: Sessions{Transceivers: 2}}, func(t *testing.T, q *queues, p *pair) {
		q.set(q.status)
		for i := range 10 {
			if p.client.Stats().Held == 2 {
				break
			}
			p.refusals(q.status, fmt.Sprint(i))
		}
		p.held(2, 2)
		for _, s := range p.server.Sessions() {
			s.Close()
		}
		p.bound(2)
		p.held(2, 2)
		q.set(StatusOK)
		p.accepted("9")
		if s := p.client.Stats(); s.Held > 1 {
			t.Errorf("%d binds held back", s.Held)
		}
	})
}

// Phones that are off hold slots of the window until the SMSC gives up. Once they are
// known, they hold no more than half of them.
func TestPhonesThatAreOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, ClientConfig{Window: 4}, ServerConfig{
			Submit: submits(func(ctx context.Context, _ *Session, m *SubmitSM) (string, Status) {
				if m.Dest.Addr == "9" {
					return "1", StatusOK
				}
				sleep(ctx, 8*time.Second)
				return "", StatusDeliveryFailure
			}),
		})
		defer p.close()
		p.bound(1)
		for range 3 {
			var all sync.WaitGroup
			for i := range 8 {
				all.Go(func() {
					if _, err := p.client.Submit(within(time.Minute), to(fmt.Sprint("10", i))); !errors.Is(err, StatusDeliveryFailure) {
						t.Error(err)
					}
				})
			}
			synctest.Wait()
			if p.client.full.suspect("100") { // not in the first round
				if d := p.accepted("9"); d > 0 {
					t.Errorf("a phone that is on waited %v", d)
				}
			}
			all.Wait()
			synctest.Wait() // a slot is free a little after its message has its answer
		}
		if n := p.client.half.Taken(); n != 0 {
			t.Errorf("%d are left", n)
		}
		if !p.client.full.suspect("100") || p.client.full.suspect("9") {
			t.Error("the memory is wrong")
		}
	})
}

// A bind sends at its rate at most.
func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &queues{}
		p := newPair(t, ClientConfig{Sessions: Sessions{Transceivers: 2}, Rate: 5}, ServerConfig{Submit: q.submit})
		defer p.close()
		p.bound(2)
		time.Sleep(time.Minute) // an idle time saves up no more than a message or two
		start := time.Now()
		var all sync.WaitGroup
		for i := range 104 {
			all.Go(func() { p.accepted(fmt.Sprint(i)) })
		}
		all.Wait()
		if d := time.Since(start); d != 10*time.Second {
			t.Errorf("104 messages at twice 5 a second took %v", d)
		}
		if n := p.client.Stats().Waited["rate"]; n != 100 {
			t.Errorf("%d messages waited for the rate, want 100", n)
		}
	})
}

// The memory of full destinations is bounded.
func TestFullForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFull()
		f.note("old")
		f.prove(map[string]struct{}{"old": {}})
		if !f.note("old") || !f.suspect("old") {
			t.Error("not remembered")
		}
		time.Sleep(fullLifetime)
		if f.suspect("old") || f.note("old") {
			t.Error("remembered beyond its lifetime")
		}
		most := 0
		for i := range 2*maxFull + 10 {
			f.note(fmt.Sprint(i))
			most = max(most, len(f.seen))
		}
		if most != maxFull || !f.suspect(fmt.Sprint(2*maxFull+9)) {
			t.Errorf("%d remembered at most, %d at the end", most, len(f.seen))
		}
	})
}
