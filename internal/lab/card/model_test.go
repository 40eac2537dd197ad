package card_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/lab/card"
	"github.com/signum-mssp/signum/internal/scp80"
)

// model is a simple model of a card. Requests are identified by a number, which also
// determines their operation.
type model struct {
	*rapid.T
	p *phone

	pin      string
	tries    int
	counter  uint64
	answered []int // at most sixteen
	results  map[int]applet.Result
	expect   []string // expected replies, in order

	asks     int  // number of the request about which the user is asked; 0: none
	named    bool // the screen shows who asks
	step     int
	first    string // of two new PINs
	failures int
	backs    int
	deadline time.Time
	stale    bool // the screen shows a request that has ended
}

func (m *model) request(n int) applet.Request {
	switch n % 4 {
	case 0:
		return simple(applet.Status, n)
	case 1:
		return simple(applet.SetPIN, n)
	case 2:
		r := simple(applet.Display, n)
		r.Text = textOf(fmt.Sprint("receipt ", n))
		return m.from(r, n)
	}
	return m.from(signRequest(n, fmt.Sprint("text ", n)), n)
}

// from makes half of the requests say who asks.
func (m *model) from(r applet.Request, n int) applet.Request {
	if n%8 < 4 {
		return from(r, fmt.Sprint("party ", n))
	}
	return r
}

func (m *model) reply(n int) {
	m.expect = append(m.expect, fmt.Sprint(id(n), m.request(n).Op, m.results[n]))
}

func (m *model) end(n int, r applet.Result) {
	m.asks, m.results[n] = 0, r
	if m.answered = append(m.answered, n); len(m.answered) > 16 {
		m.answered = m.answered[1:]
	}
	m.reply(n)
}

// tick ends requests that are overdue. The screen does not change.
func (m *model) tick() {
	if m.asks != 0 && !m.p.clock.Now().Before(m.deadline) {
		m.stale = m.stale || m.p.current != nil
		m.end(m.asks, applet.NoAnswer)
	}
}

// arrives handles a request, new or repeated. It returns false if the card is busy.
func (m *model) arrives(n int) bool {
	m.tick()
	known := slices.Contains(m.answered, n)
	if m.asks != 0 && m.asks != n && !known {
		return false
	}
	m.counter = m.p.counter
	switch {
	case m.asks == n:
		return true
	case known:
		m.reply(n)
		return true
	case n%4 == 0:
		m.end(n, applet.OK)
		return true
	case n%4 == 3 && m.tries == 0:
		m.end(n, applet.PINBlocked)
		return true
	}
	m.named = len(m.request(n).Party.Data) > 0
	m.asks, m.step, m.failures, m.backs, m.deadline = n, 0, 0, 0, m.p.clock.Now().Add(80*time.Second)
	return true
}

// pressed handles a key.
func (m *model) pressed(a press) {
	stale := m.stale
	m.tick() // may end the next request as well
	m.stale = false
	if stale || m.asks == 0 {
		return
	}
	n := m.asks
	switch {
	case a.result == ended.result:
		m.end(n, applet.UserCancel)
	case a.result == silent.result:
		m.end(n, applet.NoAnswer)
	case a.result == back.result:
		m.goBack(n)
	case m.named:
		m.named = false
	case n%4 == 2:
		m.end(n, applet.OK)
	case n%4 == 1:
		m.newPIN(n, a.input)
	case m.step == 0:
		m.step = 1
	case a.input == m.pin:
		m.tries = card.MaxTries
		m.end(n, applet.OK)
	default:
		if m.tries--; m.tries == 0 {
			m.end(n, applet.PINBlocked)
		}
	}
}

// goBack handles Back: to the text, from there to who asks, and from there to the end.
func (m *model) goBack(n int) {
	switch {
	case n%4 != 1 && !m.named && m.step == 0 && len(m.request(n).Party.Data) > 0:
		m.named = true
	case m.named || m.step == 0:
		m.end(n, applet.UserCancel)
		return
	default:
		m.step = 0
	}
	if m.backs++; m.backs > 10 { // the card loses its patience
		m.end(n, applet.UserCancel)
	}
}

func (m *model) newPIN(n int, typed string) {
	switch {
	case m.step == 0 && len(typed) >= 4:
		m.step, m.first = 1, typed
	case m.step == 1 && typed == m.first:
		m.pin, m.tries = typed, card.MaxTries
		m.end(n, applet.OK)
	default:
		m.step = 0
		if m.failures++; m.failures == 3 {
			m.end(n, applet.UserCancel)
		}
	}
}

// check compares the card with the model. Replies wait while the screen shows something.
func (m *model) check() {
	if m.tries != m.p.card.TriesLeft() || m.pin != m.p.card.KnownPIN() || m.counter != m.p.counterKept() {
		m.Fatalf("tries %d, PIN %s, counter %d; want %d, %s, %d",
			m.p.card.TriesLeft(), m.p.card.KnownPIN(), m.p.counterKept(), m.tries, m.pin, m.counter)
	}
	for _, r := range m.p.replies {
		got := fmt.Sprint(r.ID, r.Op, r.Result)
		if len(m.expect) == 0 || got != m.expect[0] {
			m.Fatalf("reply %s, want %q", got, m.expect)
		}
		m.expect = m.expect[1:]
	}
	m.p.replies = nil
	if m.p.current == nil && (len(m.expect) > 0 || m.asks != 0) {
		m.Fatalf("replies %q and request %d are missing", m.expect, m.asks)
	}
	if m.p.current != nil && !m.stale && m.asks == 0 {
		m.Fatalf("%+v is shown, and nothing was asked", *m.p.current)
	}
}

// In any order of events, the card asks its user once about each request, answers
// repetitions from memory, and never gets stuck.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newPhone(t)
		p.hold = true
		m := &model{T: t, p: p, pin: "4711", tries: card.MaxTries, results: make(map[int]applet.Result)}
		var sent [][][]byte
		send := func(n int) {
			p.counter++
			parts := p.sealWith(p.params, keys, p.counter, marshal(p, m.request(n)))
			sw := p.deliver(parts...)
			if taken := m.arrives(n); taken != (sw != 0x9300) {
				t.Fatalf("%04x", sw)
			} else if taken {
				sent = append(sent, parts)
			}
		}
		n := 0
		t.Repeat(map[string]func(*rapid.T){
			"new": func(*rapid.T) {
				n++
				send(n)
			},
			"again": func(t *rapid.T) {
				if n > 0 {
					send(rapid.IntRange(max(n-20, 1), n).Draw(t, "n"))
				}
			},
			"replay": func(t *rapid.T) {
				if len(sent) == 0 || p.current != nil {
					return
				}
				again, err := splitAgain(rapid.SampledFrom(sent).Draw(t, "packet"))
				if err != nil {
					t.Fatal(err)
				}
				if p.deliver(again...); p.lastPoR() != scp80.CounterLow {
					t.Fatal(p.lastPoR())
				}
			},
			"press": func(t *rapid.T) {
				if p.current == nil {
					return
				}
				a := rapid.SampledFrom([]press{ok, pin("4711"), pin(m.pin), pin("1"), pin("8642"), ended, back, silent}).Draw(t, "key")
				m.pressed(a)
				p.session(p.press(a))
			},
			"time": func(t *rapid.T) {
				p.clock.Advance(time.Duration(rapid.IntRange(1, 90).Draw(t, "seconds")) * time.Second)
			},
			"poll": func(*rapid.T) {
				m.tick()
				if sw := p.transmit([]byte{0x80, 0xf2, 0, 0, 0}); sw != 0x9000 {
					p.session(sw)
				}
			},
			"power cut": func(*rapid.T) {
				p.insert()
				m.asks, m.expect, m.stale = 0, nil, false
			},
			"unblock": func(*rapid.T) {
				p.card.Unblock()
				m.tries = card.MaxTries
			},
			"": func(*rapid.T) { m.check() },
		})
	})
}
