package app

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// factorModel says in few words when an App may sign: its passcode was entered for this
// request, the request is still pending, and neither the passcode nor the account is
// blocked at that moment.
type factorModel struct {
	tries              int
	suspended, removed bool
	pending            string // the request on the screen
	unlocked           string
	asked              map[string]bool
}

func (m *factorModel) blocked() bool { return m.tries == 0 }

// known is the error of a call that names a request, as far as that goes.
func (m *factorModel) known(id string) string {
	switch {
	case id == m.pending:
		return ""
	case m.asked[id]:
		return "409 late"
	}
	return "404 unknown"
}

func (m *factorModel) maySign() string {
	switch {
	case m.blocked():
		return "423 blocked"
	case m.suspended || m.removed:
		return "403 inactive"
	}
	return ""
}

// passcode is what a call with the passcode costs.
func (m *factorModel) passcode(right bool) string {
	switch {
	case m.blocked():
		return "423 blocked"
	case right:
		m.tries = mssp.MaxPasscodeTries
		return ""
	}
	if m.tries--; m.tries > 0 {
		return "403 passcode"
	}
	m.pending = "" // an App that cannot sign is not asked
	return "423 blocked"
}

func (m *factorModel) unlock(id string, right bool) string {
	for _, refusal := range []func() string{m.maySign, func() string { return m.known(id) }, func() string { return m.passcode(right) }} {
		if e := refusal(); e != "" {
			return e
		}
	}
	m.unlocked = id
	return "200 "
}

func (m *factorModel) share(right bool) string {
	for _, refusal := range []func() string{m.maySign, func() string { return m.passcode(right) }} {
		if e := refusal(); e != "" {
			return e
		}
	}
	return "200 "
}

func (m *factorModel) sign(id string) string {
	for _, refusal := range []func() string{func() string { return m.known(id) }, m.maySign} {
		if e := refusal(); e != "" {
			return e
		}
	}
	if m.unlocked != id {
		return "403 locked"
	}
	m.pending = ""
	return "204 "
}

// Whatever an App does, in whatever order, it signs what the model allows and nothing
// else, and every signature comes with its evidence.
func TestSecondFactorModel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	accounts := 0
	rapid.Check(t, func(rt *rapid.T) {
		accounts++
		msisdn := fmt.Sprintf("+4179200%04d", accounts)
		get(w.store, func(s *store) bool {
			s.subs[msisdn] = &mssp.Subscriber{MSISDN: msisdn, Serial: fmt.Sprintf("MIDCHEMODEL%05d", accounts), State: mssp.SubscriberActive}
			return true
		})
		p, m := w.enrol(msisdn), &factorModel{tries: mssp.MaxPasscodeTries, asked: map[string]bool{}}
		signatures, n := 0, 0
		id := func() string { // of the request on the screen, or another one
			return rapid.SampledFrom([]string{m.pending, m.pending, m.unlocked, fmt.Sprintf("h%dx%d", accounts, rapid.IntRange(1, n+1).Draw(rt, "n"))}).Draw(rt, "id")
		}
		verifier := func() ([]byte, bool) {
			if rapid.IntRange(0, 2).Draw(rt, "wrong") > 0 {
				return p.verifier, true
			}
			return make([]byte, 32), false
		}
		same := func(what string, r reply, want string) {
			code, _ := r.member("error").(string)
			if got := fmt.Sprintf("%d %s", r.status, code); got != want {
				rt.Fatalf("%s: %s, want %s", what, got, want)
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"ask": func(*rapid.T) {
				if m.blocked() || m.suspended || m.removed {
					return // the engine does not ask it
				}
				n++
				next := fmt.Sprintf("h%dx%d", accounts, n)
				w.clock.Advance(1) // what was made later takes the place of what was there
				w.ask(p, next)
				m.pending, m.asked[next] = next, true
			},
			"unlock": func(*rapid.T) {
				id := id()
				v, right := verifier()
				if id != "" {
					same("unlock "+id, p.unlock(v, id), m.unlock(id, right))
				}
			},
			"share": func(*rapid.T) {
				v, right := verifier()
				same("share", p.getShare(v), m.share(right))
			},
			"sign": func(*rapid.T) {
				id := id()
				if id == "" {
					return
				}
				want := m.sign(id)
				same("sign "+id, p.signOnly(id, []byte("attrs of "+id)), want)
				if want == "204 " {
					signatures++
				}
			},
			"decline": func(*rapid.T) {
				if m.pending != "" {
					same("decline", p.answer(obj{"id": m.pending, "op": "sign", "cancel": true}), "204 ")
					m.pending = ""
				}
			},
			"suspend or resume": func(*rapid.T) {
				m.suspended = !m.suspended
				get(w.store, func(s *store) bool {
					s.subs[msisdn].State = map[bool]mssp.SubscriberState{false: mssp.SubscriberActive, true: mssp.SubscriberInactive}[m.suspended]
					return true
				})
			},
			"switch off": func(*rapid.T) {
				if rapid.IntRange(0, 4).Draw(rt, "rarely") > 0 {
					return
				}
				m.removed = true
				get(w.store, func(s *store) bool { s.device(p.device).State = signum.DeviceInactive; return true })
			},
			"": func(*rapid.T) {
				made := 0
				for _, a := range w.engine.answered() {
					if a.DeviceID != p.device || a.Signature == nil {
						continue
					}
					made++
					if a.Verified == nil || a.Verified.TransID != a.TransID {
						rt.Fatalf("%s was signed with the evidence %+v", a.TransID, a.Verified)
					}
				}
				if made != signatures {
					rt.Fatalf("%d signatures, the model allows %d", made, signatures)
				}
			},
		})
	})
}
