package prompt

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/testkit"
)

const rightCode = "471108"

// newPrompt returns a prompt that waits for the answer of a phone.
func newPrompt(m signum.Method, clock *testkit.Clock) *Prompt {
	p := &Prompt{Number: "+41791234567", Method: m, clock: clock, started: clock.Now(), giveUp: func() {}}
	if m == signum.SIM {
		p.code = rightCode
	}
	return p
}

// history is what happened to a prompt, and says what its state must be.
type history struct {
	method  signum.Method
	began   time.Time
	outcome State // of the request
	ended   time.Time
	typed   time.Time // the right code, first
	wrong   int
	over    time.Time // the third wrong code
}

func (h *history) deadline() time.Time {
	if h.method == signum.SIM {
		return h.began.Add(142 * time.Second)
	}
	return h.began.Add(82 * time.Second)
}

// approved is when everything was there: the signature and, of a SIM, the code.
func (h *history) approved() time.Time {
	at := h.ended
	switch {
	case h.outcome != Approved || h.method == signum.SIM && h.typed.IsZero():
		return time.Time{}
	case h.typed.After(at):
		at = h.typed
	}
	if !h.over.IsZero() && !at.Before(h.over) {
		return time.Time{}
	}
	return at
}

func (h *history) state(now time.Time) State {
	at := h.approved()
	switch {
	case h.wrong >= 3:
		return Wrong
	case !at.IsZero() && now.Before(at.Add(time.Minute)):
		return Approved
	case !at.IsZero():
		return TimedOut
	case h.outcome != "" && h.outcome != Approved:
		return h.outcome
	case now.Before(h.deadline()):
		return Waiting
	}
	return TimedOut
}

// TestPromptStates: whatever happens in whatever order, a prompt is approved only by a
// signature and, of a SIM, by the right code as well, and only for a minute.
func TestPromptStates(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		clock := testkit.NewClock(time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC))
		method := rapid.SampledFrom([]signum.Method{signum.SIM, signum.App}).Draw(rt, "method")
		p, h := newPrompt(method, clock), &history{method: method, began: clock.Now()}
		outcome := func(s State, transID string) {
			p.finish(s, transID)
			if h.outcome == "" {
				h.outcome, h.ended = s, clock.Now()
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"time": func(rt *rapid.T) {
				clock.Advance(time.Duration(rapid.SampledFrom([]int{1, 999, 1000, 59_999, 60_000, 82_000, 142_000}).Draw(rt, "ms")) * time.Millisecond)
			},
			"outcome": func(rt *rapid.T) {
				outcome(rapid.SampledFrom([]State{Approved, Approved, Declined, Reported, Blocked, Failed}).Draw(rt, "outcome"), "h1")
			},
			"end": func(*rapid.T) {
				p.End()
				outcome(Failed, "")
			},
			"code": func(rt *rapid.T) {
				typed := rapid.SampledFrom([]string{rightCode, " 471-108", "", " - ", "471109", "47110", "4711080"}).Draw(rt, "typed")
				open := method == signum.SIM && h.wrong < 3 && clock.Now().Before(h.deadline())
				right := open && (typed == rightCode || typed == " 471-108")
				if got := p.Try(typed); got != right {
					rt.Fatalf("%q is right: %t", typed, got)
				}
				switch {
				case right && h.typed.IsZero():
					h.typed = clock.Now()
				case open && !right && typed != "" && typed != " - ":
					if h.wrong++; h.wrong == 3 {
						h.over = clock.Now()
					}
				}
			},
			"": func(rt *rapid.T) {
				now := clock.Now()
				if got, want := p.State(), h.state(now); got != want {
					rt.Fatalf("%s, want %s", got, want)
				}
				if p.Left() != 3-h.wrong || p.Typed() == h.typed.IsZero() || p.Age() != now.Sub(h.began) {
					rt.Fatalf("%d left, typed %t", p.Left(), p.Typed())
				}
			},
		})
	})
}

// TestPublicState: what a stranger's page shows of a prompt that nobody approved is the
// same, whatever the phone did and whether there is one.
func TestPublicState(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		clock := testkit.NewClock(time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC))
		method := rapid.SampledFrom([]signum.Method{signum.SIM, signum.App}).Draw(rt, "method")
		asked, nobody := newPrompt(method, clock), (&Asker{Config: Config{Clock: clock}}).Pretend(Question{Method: method})
		asked.offer("47") // of an App; a SIM has its code
		rt.Repeat(map[string]func(*rapid.T){
			"time": func(rt *rapid.T) {
				clock.Advance(time.Duration(rapid.IntRange(1, 30_000).Draw(rt, "ms")) * time.Millisecond)
			},
			"phone": func(rt *rapid.T) {
				asked.finish(rapid.SampledFrom([]State{Declined, Reported, Blocked, Failed}).Draw(rt, "outcome"), "h1")
			},
			"code": func(*rapid.T) { asked.Try("000000"); nobody.Try("000000") },
			"": func(rt *rapid.T) {
				if a, b := asked.Public(), nobody.Public(); a != b {
					rt.Fatalf("a phone was asked: %s, nobody was: %s", a, b)
				}
				if a, b := asked.PageCode(), nobody.PageCode(); len(a) != len(b) || asked.Left() != nobody.Left() {
					rt.Fatalf("codes %q and %q, %d and %d tries left", a, b, asked.Left(), nobody.Left())
				}
			},
		})
	})
}

// The code of an App does not appear before CodeAfter, and stays the same.
func TestPageCode(t *testing.T) {
	t.Parallel()
	clock := testkit.NewClock(time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC))
	p := newPrompt(signum.App, clock)
	p.offer("47")
	p.offer("48")
	for _, step := range []struct {
		after time.Duration
		want  string
	}{{0, ""}, {CodeAfter - 1, ""}, {1, "47"}, {time.Hour, "47"}} {
		clock.Advance(step.after)
		if got := p.PageCode(); got != step.want {
			t.Errorf("after %s: %q, want %q", p.Age(), got, step.want)
		}
	}
	if p := newPrompt(signum.SIM, clock); p.PageCode() != "" {
		t.Error("the page has the code of a SIM")
	}
}
