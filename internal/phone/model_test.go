package phone_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/phone"
)

// model is what a device must be, in few words: answers are "401" and the
// like, "signature", "key", or the result of a receipt.
type model struct {
	method    signum.Method
	blank     bool
	pin       string
	tries     int
	now       time.Time
	on        name // valid if there is one
	there     bool
	waiting   bool
	sent      map[name]mssp.DeviceRequest
	answered  map[name]string
	withdrawn map[string]time.Time
}

func (m *model) expire() {
	if m.there && !m.now.Before(m.sent[m.on].Expires) {
		m.there = false
	}
}

func (m *model) end(answer string) string {
	m.there = false
	return m.answer(m.on, answer)
}

func (m *model) answer(id name, answer string) string {
	m.answered[id] = answer
	return fmt.Sprint(id, " ", answer)
}

func (m *model) decline() string {
	if m.on.op == mssp.OpDisplay {
		return m.end("CANCEL")
	}
	return m.end("401")
}

func (m *model) receive(id name) (asked bool, answers []string) {
	m.expire()
	r := m.sent[id]
	forgotten, withdrawn := m.withdrawn[id.transID]
	answer, answered := m.answered[id]
	switch {
	case m.there && m.on == id, !m.now.Before(r.Expires):
		return false, nil
	case answered:
		return false, []string{fmt.Sprint(id, " ", answer)}
	case withdrawn && m.now.Before(forgotten):
		return false, nil
	}
	if fault := m.refuses(id); fault != "" {
		return false, []string{m.answer(id, fault)}
	}
	if m.there {
		if m.method == signum.SIM || id.op == mssp.OpDisplay && m.on.op != mssp.OpDisplay {
			return false, []string{m.answer(id, "406")}
		}
		answers = append(answers, m.decline())
	}
	m.on, m.there, m.waiting = id, true, r.App2App != nil
	return !m.waiting, answers
}

func (m *model) refuses(id name) string {
	r := m.sent[id]
	switch {
	case id.op == mssp.OpActivate && m.method == signum.App:
		return "900"
	case id.op != mssp.OpSign:
		return ""
	case string(r.SignedAttrs) != string(signedAttrs(r.Text)):
		return "900"
	case m.blank:
		return "404"
	case m.tries == 0:
		return "402"
	}
	return ""
}

// visible reports whether the transaction is on the screen, with one of the
// operations.
func (m *model) visible(transID string, ops ...mssp.DeviceOp) bool {
	m.expire()
	return m.there && !m.waiting && m.on.transID == transID && slices.Contains(ops, m.on.op)
}

func (m *model) enter(transID, pin string) string {
	switch {
	case !m.visible(transID, mssp.OpSign):
		return "not shown"
	case pin == m.pin:
		m.tries = phone.MaxTries
		return m.end("signature")
	}
	if m.tries--; m.tries > 0 {
		return fmt.Sprint("wrong, left: ", m.tries)
	}
	return m.end("402")
}

func (m *model) choose(transID, first, second string) string {
	switch {
	case !m.visible(transID, mssp.OpActivate):
		return "not shown"
	case first != second:
		return "they differ"
	}
	m.pin, m.tries, m.blank = first, phone.MaxTries, false
	return m.end("key")
}

func (m *model) open(token string) (asked bool, answers []string) {
	m.expire()
	if !m.there || !m.waiting || m.on.transID != token {
		return false, nil
	}
	m.waiting = false
	if fault := m.refuses(m.on); fault != "" {
		return false, []string{m.end(fault)}
	}
	return true, nil
}

// told is a device's answer in the words of the model.
func told(a mssp.DeviceAnswer, err error) string {
	var wrong *phone.PINError
	var rejected *phone.NewPINError
	switch id := (name{a.TransID, a.Op}); {
	case errors.As(err, &wrong):
		return fmt.Sprint("wrong, left: ", wrong.TriesLeft)
	case errors.As(err, &rejected) && rejected.Differ:
		return "they differ"
	case errors.Is(err, phone.ErrNotShown):
		return "not shown"
	case err != nil:
		return err.Error()
	case a.Fault != nil:
		return fmt.Sprint(id, " ", int(a.Fault.Code))
	case a.Signature != nil:
		return fmt.Sprint(id, " signature")
	case a.PublicKey != nil && a.Proof != nil:
		return fmt.Sprint(id, " key")
	default:
		return fmt.Sprint(id, " ", a.Receipt)
	}
}

// Any operations in any order on one device are what the model says. The
// device is made anew now and then: it then knows its key and its tries only.
func TestDeviceIsTheModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		clock := &settable{now: time.Now()}
		keys := newCountingKeys()
		spec := phone.DeviceSpec{ID: "d", MSISDN: msisdn, Method: rapid.SampledFrom([]signum.Method{signum.SIM, signum.App}).Draw(rt, "method")}
		spec.Blank = spec.Method == signum.SIM && rapid.Bool().Draw(rt, "blank")
		if !spec.Blank {
			keys.withKey(t, "d", signum.EC)
		}
		renew := func() *phone.Device {
			d, err := phone.NewDevice(spec, phone.Config{Clock: clock, Keys: keys})
			if err != nil {
				rt.Fatal(err)
			}
			return d
		}
		d := renew()
		m := &model{
			method: spec.Method, blank: spec.Blank, pin: phone.DefaultPIN, tries: phone.MaxTries, now: clock.now,
			sent: make(map[name]mssp.DeviceRequest), answered: make(map[name]string), withdrawn: make(map[string]time.Time),
		}
		transID := func(rt *rapid.T) string {
			return rapid.SampledFrom([]string{"t0", "t1", "t2", "t3"}).Draw(rt, "transaction")
		}
		pin := func(rt *rapid.T) string { return rapid.SampledFrom([]string{phone.DefaultPIN, "8642"}).Draw(rt, "pin") }
		same := func(rt *rapid.T, got, want string) {
			if got != want {
				rt.Fatalf("%q, want %q", got, want)
			}
		}
		received := func(rt *rapid.T, got phone.Reception, asked bool, answers []string) {
			var all []string
			for _, a := range got.Answers {
				all = append(all, told(a, nil))
			}
			if got.Asked != asked || !slices.Equal(all, answers) {
				rt.Fatalf("asked %t, %q; want %t, %q", got.Asked, all, asked, answers)
			}
		}
		receipts := map[string]func(string) (mssp.DeviceAnswer, error){
			"OK":      func(id string) (mssp.DeviceAnswer, error) { return d.Acknowledge(id) },
			"TIMEOUT": func(id string) (mssp.DeviceAnswer, error) { return d.TimeOut(id) },
		}
		actions := map[string]func(*rapid.T){
			"receive": func(rt *rapid.T) {
				id := name{transID(rt), rapid.SampledFrom(ops).Draw(rt, "op")}
				if _, ok := m.sent[id]; !ok {
					m.sent[id] = draw(rt, d, id, clock.now)
				}
				asked, answers := m.receive(id)
				received(rt, d.Receive(m.sent[id]), asked, answers)
			},
			"open": func(rt *rapid.T) {
				token := transID(rt)
				asked, answers := m.open(token)
				got, err := d.Open(token)
				if (err == nil) != (asked || answers != nil) {
					rt.Fatal(err)
				}
				received(rt, got.Reception, asked, answers)
			},
			"enter": func(rt *rapid.T) {
				id, pin := transID(rt), pin(rt)
				want := m.enter(id, pin)
				same(rt, told(d.EnterPIN(id, pin)), want)
			},
			"choose": func(rt *rapid.T) {
				id, first, second := transID(rt), pin(rt), pin(rt)
				want := m.choose(id, first, second)
				same(rt, told(d.SetPIN(id, first, second)), want)
			},
			"cancel": func(rt *rapid.T) {
				id, want := transID(rt), "not shown"
				if m.visible(id, ops...) {
					want = m.decline()
				}
				same(rt, told(d.Cancel(id)), want)
			},
			"withdraw": func(rt *rapid.T) {
				id := transID(rt)
				m.expire()
				found := m.there && m.on.transID == id
				m.there = m.there && !found
				if !m.now.Before(m.withdrawn[id]) {
					m.withdrawn[id] = m.now.Add(300 * time.Second)
				}
				if got := d.Withdraw(id); got != found {
					rt.Fatalf("found %t, want %t", got, found)
				}
			},
			"wait": func(rt *rapid.T) {
				clock.now = clock.now.Add(time.Duration(rapid.IntRange(0, 40).Draw(rt, "s")) * time.Second)
				m.now = clock.now
			},
			"unblock": func(*rapid.T) { d.Unblock(); m.tries = phone.MaxTries },
			"renew": func(rt *rapid.T) {
				if rapid.IntRange(0, 3).Draw(rt, "restart") == 0 {
					d = renew()
					m.there, m.pin = false, phone.DefaultPIN
					clear(m.answered)
					clear(m.withdrawn)
				}
			},
			"": func(rt *rapid.T) {
				m.expire()
				s, ok := d.Shown()
				if ok != (m.there && !m.waiting) || ok && (name{s.TransID, s.Op}) != m.on {
					rt.Fatalf("shows %+v, want %v", s, m.on)
				}
				if d.TriesLeft() != m.tries || (d.PublicKey() == nil) != m.blank {
					rt.Fatalf("%d tries, key %v; want %+v", d.TriesLeft(), d.PublicKey(), m)
				}
			},
		}
		for result, do := range receipts {
			actions[result] = func(rt *rapid.T) {
				id, want := transID(rt), "not shown"
				if m.visible(id, mssp.OpDisplay) {
					want = m.end(result)
				}
				same(rt, told(do(id)), want)
			}
		}
		rt.Repeat(actions)
	})
}
