package app

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/signum-mssp/signum/internal/mssp"
)

// mustBeFree fails if a mutex of the server stays locked.
func (w *world) mustBeFree(t *testing.T) {
	t.Helper()
	s := w.server
	for name, mu := range map[string]interface {
		TryLock() bool
		Unlock()
	}{
		"registry": &s.registry.mu, "pusher": &s.push.mu, "enrolments": &s.enrols.mu, "tasks": &s.tasks.mu,
		"proofs": &s.proofs.mu, "ended": &s.ended.mu, "store": &w.store.mu,
	} {
		eventually(t, "the mutex is free: "+name, func() bool {
			free := mu.TryLock()
			if free {
				mu.Unlock()
			}
			return free
		})
	}
}

// mustBeEmpty fails if the registry keeps a connection or a request.
func (w *world) mustBeEmpty(t *testing.T) {
	t.Helper()
	eventually(t, "the registry is empty", func() bool {
		w.server.registry.mu.Lock()
		defer w.server.registry.mu.Unlock()
		return len(w.server.registry.mailboxes) == 0 && len(w.server.registry.conns) == 0
	})
}

var incidents = regexp.MustCompile(`msg=panic where="([^"]*)" incident=([A-Z2-7]{12}) .*stack=`)

// panicked returns the incident of the only panic in the log, which must have
// happened there.
func (w *world) panicked(t *testing.T, where string) string {
	t.Helper()
	if !w.trap.sprung() {
		t.Fatal("nothing has panicked")
	}
	found := incidents.FindAllStringSubmatch(w.log.String(), -1)
	if len(found) != 1 || found[0][1] != where {
		t.Fatalf("panics %v, want one in %s\n%s", found, where, w.log)
	}
	return found[0][2]
}

// event returns the log line of the event with this incident.
func (w *world) event(t *testing.T, incident string) string {
	t.Helper()
	for line := range strings.Lines(w.log.String()) {
		if strings.Contains(line, "msg=request ") && strings.Contains(line, "incident="+incident) {
			return line
		}
	}
	t.Fatalf("no event has the incident %s\n%s", incident, w.log)
	return ""
}

// A panic in a call is answered with an incident, and the same call succeeds
// afterwards.
func TestPanicInCall(t *testing.T) {
	t.Parallel()
	enrolling := func(w *world, _ *phone) func() reply {
		p := newPhone(w)
		body := p.enrolBody(p.begin(w.invite(alice, true)), "")
		return func() reply { return w.post("/app/v2/enrol", body) }
	}
	renewing := func(w *world, p *phone) func() reply {
		w.clock.Advance(w.ca.life - time.Hour)
		return func() reply { return p.heartbeat(obj{}) }
	}
	unlocking := func(w *world, p *phone) func() reply {
		w.ask(p, "h1")
		return func() reply { return p.unlock(p.verifier, "h1") }
	}
	calling := func(method, path string, body any) func(*world, *phone) func() reply {
		return func(_ *world, p *phone) func() reply {
			return func() reply { return p.call(method, "/app/v2/"+path, body) }
		}
	}
	beginning := func(w *world, p *phone) func() reply {
		code := w.invite(alice, true)
		return func() reply { return p.begin(code) }
	}
	signing := func(w *world, p *phone) func() reply {
		in := p.connect()
		in.welcome()
		r := w.ask(p, "h1")
		in.expect("request")
		p.unlock(p.verifier, "h1").is(t, 200, "")
		return func() reply { return p.signOnly("h1", r.SignedAttrs) }
	}
	sharing := func(w *world, p *phone) func() reply {
		return func() reply { return p.getShare(p.verifier) }
	}
	passkey := func(w *world, p *phone) func() reply {
		return calling("POST", "passkey", obj{"id": "AAAA", "public_key": enc(spki(w.t, p.key)), "verifier": enc(p.verifier)})(w, p)
	}
	for _, c := range []struct {
		call, below string
		prepare     func(*world, *phone) func() reply
		then        int // HTTP status of the second call
	}{
		{"Invite", "", beginning, 200},
		{"Subscriber", "begin", beginning, 200},
		{"Invite", "carryOut", enrolling, 200}, // under pendingEnrolment.mu
		{"Issue", "carryOut", enrolling, 200},
		{"Chain", "carryOut", enrolling, 200},
		{"EnrolApp", "", enrolling, 200},
		{"App", "verify", unlocking, 200},
		{"TryPasscode", "unlock", unlocking, 200},
		{"TryPasscode", "share", sharing, 200},
		{"UpdateApp", "", passkey, 204},
		{"UpdateApp", "", calling("POST", "heartbeat", obj{"version": "2"}), 200},
		{"Now", "heartbeat", calling("POST", "heartbeat", obj{"version": "2"}), 200}, // in the callback of the store
		{"Subscriber", "state", calling("POST", "heartbeat", obj{}), 200},
		{"Issue", "renew", renewing, 200},
		{"RenewDevice", "", renewing, 200},
		{"Pending", "", calling("GET", "requests", nil), 200},
		{"Pending", "", calling("POST", "open", obj{"session_token": "x"}), 404},
		{"Signature", "", calling("GET", "signature?id=h1", nil), 404},
		{"Answer", "", signing, 204},
		{"Now", "drop", signing, 204}, // under registry.mu
		{"EndDevice", "", calling("DELETE", "device", nil), 204},
		{"Revoke", "", calling("DELETE", "device", nil), 204},
		{"RemoveApp", "", calling("DELETE", "device", nil), 204},
	} {
		t.Run(c.call+" "+c.below, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			p := w.enrol(alice)
			call := c.prepare(w, p)
			w.trap.set(c.call, c.below)
			r := call()
			r.is(t, http.StatusInternalServerError, "internal")
			incident := w.panicked(t, "App call")
			if r.member("incident") != incident || strings.Contains(string(r.body), "trap") {
				t.Errorf("the answer is %s, the log has the incident %s", r.body, incident)
			}
			if line := w.event(t, incident); !strings.Contains(line, "status=500") || !strings.Contains(line, "level=ERROR") {
				t.Error(line)
			}
			w.mustBeFree(t)
			call().is(t, c.then, "")
		})
	}
}

// A certificate is revoked if a panic prevents its device from getting it.
func TestPanicLeavesNoCertificate(t *testing.T) {
	t.Parallel()
	good := func(w *world) (n int) {
		w.ca.mu.Lock()
		defer w.ca.mu.Unlock()
		return int(w.ca.n) - len(w.ca.revoked)
	}
	for _, call := range []string{"Chain", "EnrolApp"} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.trap.set(call, "")
			newPhone(w).enrol(w.invite(alice, true), "").is(t, 500, "internal")
			if n := good(w); n != 0 {
				t.Errorf("%d certificates are good", n)
			}
		})
	}
	t.Run("RenewDevice", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		p := w.enrol(alice)
		w.clock.Advance(w.ca.life - time.Hour)
		w.trap.set("RenewDevice", "")
		p.heartbeat(obj{}).is(t, 500, "internal")
		if n := good(w); n != 1 {
			t.Errorf("%d certificates are good, want the one of the device", n)
		}
	})
}

// An enrolment that the store has committed stands, whatever panics after it.
func TestPanicAfterEnrolment(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enrol(alice)
	w.trap.set("Subscriber", "revokeEnded")
	p := newPhone(w)
	p.enrol(w.invite(alice, false), "").is(t, 200, "") // without the recovery code
	w.panicked(t, "App enrolment")
	p.heartbeat(obj{}).is(t, 200, "")
	if len(w.ca.revoked) != 0 {
		t.Errorf("revoked %v", w.ca.revoked)
	}
}

// The third wrong passcode blocks the App, even if the store panics when it
// should record that.
func TestPanicWhileBlocking(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.enrol(alice)
	wrong := make([]byte, 32)
	p.getShare(wrong).is(t, 403, "passcode")
	p.getShare(wrong).is(t, 403, "passcode")
	w.trap.set("SetPINBlocked", "")
	p.getShare(wrong).is(t, 500, "internal")
	p.getShare(p.verifier).is(t, 423, "blocked")
}

// A panic closes the inbox in which it happens with 1011, and no other. The
// device can reconnect.
func TestPanicInInbox(t *testing.T) {
	t.Parallel()
	saying := func(f obj) func(*world, *phone) func() *inbox {
		return func(w *world, p *phone) func() *inbox {
			in := p.connect()
			in.welcome()
			w.ask(p, "h1", display)
			in.expect("request")
			return func() *inbox { in.say(f); return in }
		}
	}
	hello := func(_ *world, p *phone) func() *inbox { return p.connect }
	for _, c := range []struct {
		call, below string
		open        func(*world, *phone) func() *inbox
	}{
		{"App", "verify", hello},
		{"Now", "verify", hello},
		{"Pending", "hello", hello}, // the connection is registered by then
		{"Now", "hello", hello},
		{"Now", "next", saying(obj{"type": "ping"})},
		{"Now", "touch", saying(obj{"type": "shown", "id": "h1", "op": "display"})},
	} {
		t.Run(c.call+" "+c.below, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			p, other := w.enrol(alice), w.enrol(bob)
			bystander := other.connect()
			bystander.welcome()
			say := c.open(w, p)
			w.trap.set(c.call, c.below)
			in := say()
			in.closed(websocket.StatusInternalError, "internal")
			incident := w.panicked(t, "App inbox")
			eventually(t, "the event is there", func() bool { return strings.Contains(w.log.String(), "close=1011") })
			if line := w.event(t, incident); !strings.Contains(line, "close=1011") || !strings.Contains(line, "op=inbox") {
				t.Error(line)
			}
			w.mustBeFree(t)
			bystander.say(obj{"type": "ping"})
			bystander.expect("pong")
			again := p.connect()
			again.welcome()
			w.server.Cancel(context.Background(), withdrawal(p, "h1"))
			_, _ = again.ws.CloseNow(), bystander.ws.CloseNow()
			w.mustBeEmpty(t)
		})
	}
}

// Send accepts a request even if the store panics when it is asked for the push
// subscription.
func TestPanicInSend(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.enrol(alice)
	w.trap.set("App", "Send")
	w.ask(p, "h1")
	w.panicked(t, "App wake-up")
	if ids := p.connect().welcome(); len(ids) != 1 {
		t.Errorf("%v", ids)
	}
}

// A panic with registry.mu held reaches the caller and unlocks it.
func TestPanicUnderRegistry(t *testing.T) {
	t.Parallel()
	for _, below := range []string{"put", "drop"} {
		t.Run(below, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			p := w.enrol(alice)
			r := mssp.DeviceRequest{Op: mssp.OpSign, TransID: "h1", MSISDN: p.msisdn, DeviceID: p.device, Created: w.clock.Now(), Expires: w.clock.Now().Add(time.Minute)}
			both := func() {
				_ = w.server.Send(context.Background(), r)
				w.server.Cancel(context.Background(), withdrawal(p, "h1"))
			}
			w.trap.set("Now", below)
			if !panics(both) {
				t.Error("the panic does not reach the caller")
			}
			w.mustBeFree(t)
			both()
			w.mustBeEmpty(t)
		})
	}
}

func panics(f func()) (did bool) {
	defer func() { did = recover() != nil }()
	f()
	return false
}

// Panics do not use up the workers that send pushes.
func TestPanicInPush(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		call, below string
		gone        bool // the push service has forgotten the subscription
	}{
		{"push service", "", false},
		{"AllowPush", "send", false},
		{"UpdateApp", "", true},
		{"App not woken", "", true},
	} {
		t.Run(c.call, func(t *testing.T) {
			t.Parallel()
			w, s := pushWorld(t)
			w.server.cfg.AllowPush = func(*url.URL) error { w.trap.pass("AllowPush"); return nil }
			w.server.cfg.PushClient.Transport = trapTransport{w.server.cfg.PushClient.Transport, w.trap}
			p := w.enrol(alice)
			p.heartbeat(obj{"push": s.subscription("/1")}).is(t, 200, "")
			if c.gone {
				s.status.Store(http.StatusGone)
			}
			const n = 2 * pushWorkers
			w.trap.arm(n, c.call, c.below, nil)
			for i := range n {
				w.ask(p, fmt.Sprintf("h%d", i))
				if c.gone {
					s.next()
				}
				eventually(t, "the push has panicked", func() bool { return strings.Count(w.log.String(), "msg=panic") == i+1 })
			}
			s.status.Store(http.StatusCreated)
			w.ask(p, "last")
			s.next()
			eventually(t, "no worker is left", func() bool {
				w.server.push.mu.Lock()
				defer w.server.push.mu.Unlock()
				return w.server.push.workers == 0 && len(w.server.push.waiting) == 0
			})
			w.mustBeFree(t)
		})
	}
}

type trapTransport struct {
	http.RoundTripper
	trap *trap
}

func (t trapTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	t.trap.pass("push service")
	return t.RoundTripper.RoundTrip(r)
}

// The log is called with pusher.mu held when the queue is full.
func TestPanicUnderPusher(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.server.push.order = make([]string, w.server.limits.Load().Wakes)
	w.trap.set("App not woken: the push queue is full", "")
	if !panics(func() { w.server.push.wake("app-1", new(mssp.PushSubscription)) }) {
		t.Error("the panic does not reach the caller")
	}
	w.mustBeFree(t)
}

// The next sweep catches up on one that panicked, and a panic while one App is
// woken does not affect the others.
func TestPanicInSweep(t *testing.T) {
	t.Parallel()
	t.Run("under the registry", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.ask(w.enrol(alice), "h1")
		w.clock.Advance(2 * time.Minute)
		w.trap.set("Now", "drop")
		w.server.sweep(w.clock.Now())
		w.panicked(t, "App sweep")
		w.mustBeFree(t)
		w.server.sweep(w.clock.Now())
		w.mustBeEmpty(t)
	})
	t.Run("waking", func(t *testing.T) {
		t.Parallel()
		w, s := pushWorld(t)
		for i, n := range []string{alice, bob} {
			p := w.enrol(n)
			p.heartbeat(obj{"push": s.subscription("/1")}).is(t, 200, "")
			in := p.connect()
			in.welcome()
			w.ask(p, fmt.Sprint("h", i))
			in.expect("request")
		}
		w.clock.Advance(shownWithin)
		w.trap.set("App", "wakeUnseen")
		w.server.sweep(w.clock.Now())
		s.next()
		w.panicked(t, "App wake-up")
	})
}
