package softapp

import (
	"crypto"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/mssp"
)

// model says in few words what a device must do. Its answers are texts: a code
// such as 401, "signature", or the result of a receipt.
type model struct {
	tries     int
	now       time.Time
	on        requestKey // on the screen, if shown
	shown     bool
	sent      map[requestKey]mssp.DeviceRequest
	answered  map[requestKey]string
	withdrawn map[requestKey]time.Time // until when it is remembered
}

func (m *model) expire() { m.shown = m.shown && m.now.Before(m.sent[m.on].Expires) }

func (m *model) answer(id requestKey, answer string) string {
	m.answered[id] = answer
	return fmt.Sprint(id, " ", answer)
}

func (m *model) end(answer string) string {
	m.shown = false
	return m.answer(m.on, answer)
}

func (m *model) decline() string {
	if m.on.op == mssp.OpDisplay {
		return m.end("CANCEL")
	}
	return m.end("401")
}

func (m *model) receive(id requestKey) (asked bool, answers []string) {
	m.expire()
	r := m.sent[id]
	switch answer, answered := m.answered[id]; {
	case m.shown && m.on == id, !m.now.Before(r.Expires):
		return false, nil
	case answered:
		return false, []string{fmt.Sprint(id, " ", answer)}
	case m.now.Before(m.withdrawn[id]):
		return false, nil
	case id.op == mssp.OpSign && string(r.SignedAttrs) != string(SignedAttrs(r.Text)):
		return false, []string{m.answer(id, "900")}
	case id.op == mssp.OpSign && m.tries == 0:
		return false, []string{m.answer(id, "402")}
	}
	if m.shown {
		answers = append(answers, m.decline())
	}
	m.on, m.shown = id, true
	return true, answers
}

// visible reports whether the transaction is on the screen, with one of the
// operations.
func (m *model) visible(transID string, ops ...mssp.DeviceOp) bool {
	m.expire()
	return m.shown && m.on.transID == transID && slices.Contains(ops, m.on.op)
}

func (m *model) enter(transID, passcode string) string {
	switch {
	case !m.visible(transID, mssp.OpSign):
		return "not shown"
	case passcode == person.DefaultPIN:
		m.tries = MaxTries
		return m.end("signature")
	}
	if m.tries--; m.tries > 0 {
		return fmt.Sprint("wrong, left: ", m.tries)
	}
	return m.end("402")
}

func (m *model) retire(id requestKey) {
	if m.expire(); m.shown && m.on == id {
		m.shown = false
	}
	// What was answered stays so, as long as the answer is remembered.
	if answered := m.answered[id] != "" && m.now.Before(m.sent[id].Expires); !answered && !m.now.Before(m.withdrawn[id]) {
		m.withdrawn[id] = m.now.Add(withdrawnFor)
	}
}

// told is an answer of a device in the words of the model.
func told(a mssp.DeviceAnswer, err error) string {
	wrong := (*PINError)(nil)
	switch id := (requestKey{a.TransID, a.Op}); {
	case errors.As(err, &wrong):
		return fmt.Sprint("wrong, left: ", wrong.TriesLeft)
	case errors.Is(err, person.ErrNotShown):
		return "not shown"
	case err != nil:
		return err.Error()
	case a.Fault != nil:
		return fmt.Sprint(id, " ", int(a.Fault.Code))
	case a.Signature != nil:
		return fmt.Sprint(id, " signature")
	default:
		return fmt.Sprint(id, " ", a.Receipt)
	}
}

// Any operations on a device in any order do what the model says.
func TestDeviceIsTheModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		var b *bench
		m := &model{tries: MaxTries, sent: make(map[requestKey]mssp.DeviceRequest), answered: make(map[requestKey]string), withdrawn: make(map[requestKey]time.Time)}
		left := MaxTries // as the service counts
		b = newBench(t, openFunc(func(_, passcode string) (crypto.Signer, error) {
			if passcode != person.DefaultPIN {
				left--
				return nil, &PINError{TriesLeft: left}
			}
			left = MaxTries
			return b.key, nil
		}))
		m.now = b.clock.Now()
		ops := []mssp.DeviceOp{mssp.OpSign, mssp.OpDisplay}
		transID := func(rt *rapid.T) string {
			return rapid.SampledFrom([]string{"h0", "h1", "h2", "h3"}).Draw(rt, "transaction")
		}
		id := func(rt *rapid.T) requestKey { return requestKey{transID(rt), rapid.SampledFrom(ops).Draw(rt, "op")} }
		same := func(rt *rapid.T, got, want string) {
			rt.Helper()
			if got != want {
				rt.Fatalf("%q, want %q", got, want)
			}
		}
		receipt := func(result signum.ReceiptResult, do func(string) (mssp.DeviceAnswer, error)) func(*rapid.T) {
			return func(rt *rapid.T) {
				id, want := transID(rt), "not shown"
				if m.visible(id, mssp.OpDisplay) {
					want = m.end(string(result))
				}
				same(rt, told(do(id)), want)
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"receive": func(rt *rapid.T) {
				id := id(rt)
				if _, ok := m.sent[id]; !ok {
					m.sent[id] = drawRequest(rt, b, id)
				}
				asked, answers := m.receive(id)
				got := b.receive(m.sent[id], 0)
				var all []string
				for _, a := range got.answers {
					all = append(all, told(a, nil))
				}
				if got.asked != asked || !slices.Equal(all, answers) {
					rt.Fatalf("asked %t, %q; want %t, %q", got.asked, all, asked, answers)
				}
			},
			"enter": func(rt *rapid.T) {
				id, passcode := transID(rt), rapid.SampledFrom([]string{person.DefaultPIN, "8642"}).Draw(rt, "passcode")
				want := m.enter(id, passcode)
				same(rt, told(b.EnterPIN(id, passcode)), want)
			},
			"cancel": func(rt *rapid.T) {
				id, want := transID(rt), "not shown"
				if m.visible(id, ops...) {
					want = m.decline()
				}
				same(rt, told(b.Cancel(id)), want)
			},
			"acknowledge": receipt(signum.ReceiptAccepted, b.Acknowledge),
			"time out":    receipt(signum.ReceiptTimedOut, b.TimeOut),
			"retire": func(rt *rapid.T) {
				id := id(rt)
				m.retire(id)
				b.retire(id, person.Withdrawn)
			},
			"wait": func(rt *rapid.T) {
				b.clock.Advance(time.Duration(rapid.IntRange(0, 40).Draw(rt, "s")) * time.Second)
				m.now = b.clock.Now()
			},
			"unblock": func(*rapid.T) { b.Unblock(); m.tries, left = MaxTries, MaxTries },
			"": func(rt *rapid.T) {
				m.expire()
				if s, ok := b.Shown(); ok != m.shown || ok && (requestKey{s.TransID, s.Op}) != m.on || b.TriesLeft() != m.tries {
					rt.Fatalf("shows %+v, %d tries left; want %+v", s, b.TriesLeft(), m)
				}
			},
		})
	})
}

// drawRequest makes a request; some have the digest of another text.
func drawRequest(rt *rapid.T, b *bench, id requestKey) mssp.DeviceRequest {
	text := fmt.Sprint("text of ", id)
	r := b.toShow(id.transID, text)
	if id.op == mssp.OpSign {
		r = b.toSign(id.transID, text)
		if rapid.IntRange(0, 9).Draw(rt, "forged") == 0 {
			r.SignedAttrs = SignedAttrs("another text")
		}
	}
	r.Expires = b.clock.Now().Add(time.Duration(rapid.IntRange(0, 90).Draw(rt, "valid")) * time.Second)
	return r
}
