package app

import (
	"bytes"
	"context"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
)

// hub passes notices between the nodes of a test, and has the values that they share.
type hub struct {
	clock  mssp.Clock
	mu     sync.Mutex
	nodes  []*world
	deaf   bool
	names  map[string]time.Time // until when
	values map[string][]byte
}

// member is a node of a hub.
type member struct {
	*hub
	self func() *world
}

func (m member) Peers() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.nodes) - 1
}

func (m member) Publish(topic, data string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, n := range m.nodes {
		if n != m.self() && topic == Topic && !m.deaf {
			go n.server.Hear("n-1", data)
		}
	}
}

func (h *hub) Once(_ context.Context, kind, key string, until time.Time) (bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	name := kind + " " + key
	if h.clock.Now().Before(h.names[name]) {
		return false, nil
	}
	h.names[name] = until
	return true, nil
}

func (h *hub) PutValue(_ context.Context, kind, key string, value []byte, until time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.names[kind+" "+key], h.values[kind+" "+key] = until, value
	return nil
}

func (h *hub) Value(_ context.Context, kind, key string) ([]byte, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.clock.Now().Before(h.names[kind+" "+key]) {
		return nil, mssp.ErrNotFound
	}
	return h.values[kind+" "+key], nil
}

func (h *hub) KeepValue(context.Context, string, string, []byte, time.Time) ([]byte, error) {
	return nil, mssp.ErrNotFound
}

func (h *hub) TakeValue(ctx context.Context, kind, key string) ([]byte, error) {
	return nil, mssp.ErrNotFound
}

// twoNodes are two nodes with one store and engine.
func twoNodes(t *testing.T, edit ...func(*Config)) (a, b *world, h *hub) {
	h = &hub{names: make(map[string]time.Time), values: make(map[string][]byte)}
	edit = append(edit, func(c *Config) {
		h.clock = c.Clock
		c.Peers, c.Shared = member{h, func() *world { return a }}, h
	})
	a = newWorld(t, edit...)
	b = &world{t: t, clock: a.clock, store: a.store, ca: a.ca, engine: a.engine, log: a.log, cfg: a.cfg}
	b.cfg.Peers = member{h, func() *world { return b }}
	b.boot()
	t.Cleanup(b.stop)
	h.mu.Lock()
	h.nodes = []*world{a, b}
	h.mu.Unlock()
	return a, b, h
}

// withPush gives a phone a push subscription that nobody serves.
func withPush(w *world, p *phone) {
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	w.store.apps[p.device].Push = &mssp.PushSubscription{Endpoint: "https://127.0.0.1:1/", P256DH: make([]byte, 65), Auth: make([]byte, 16)}
}

func pushes(w *world) (n uint64) {
	for _, m := range w.server.Pushes() {
		n += m
	}
	return n
}

// An App that is connected to one node gets the requests of the other, without a push.
// One that is connected to none gets a push, and after a gap a node looks for itself.
func TestRequestOfAnotherNode(t *testing.T) {
	t.Parallel()
	a, b, h := twoNodes(t, func(c *Config) { c.AllowPush = func(*url.URL) error { return nil } })
	p, away := a.enrol(alice), a.enrol(bob)
	withPush(a, p)
	withPush(a, away)
	in := p.connect()
	in.welcome()
	b.ask(p, "h1")
	if m := in.expect("request"); m.Request.ID != "h1" {
		t.Errorf("%+v", m)
	}
	waits := func() int {
		b.server.asked.mu.Lock()
		defer b.server.asked.mu.Unlock()
		return len(b.server.asked.waiting)
	}
	eventually(t, "the other node hears that the App is connected", func() bool { return waits() == 0 })
	if n := pushes(b); n > 0 {
		t.Errorf("%d pushes to an App that is connected to another node", n)
	}
	b.ask(away, "h2")
	eventually(t, "an App that is connected to no node is woken by push", func() bool { return pushes(b) > 0 })

	h.mu.Lock()
	h.deaf = true
	h.mu.Unlock()
	b.ask(p, "h3")
	a.server.HearGap()
	if m := in.expect("gone"); m.ID != "h1" {
		t.Errorf("%+v", m)
	}
	if m := in.expect("request"); m.Request.ID != "h3" {
		t.Errorf("%+v", m)
	}
	for _, data := range []string{"", "ask", "have x", "ask x", "x y"} {
		a.server.Hear("n-2", data)
	}
}

// A call proof counts once for all nodes, and a node that starts knows those from before.
func TestProofAtAnotherNode(t *testing.T) {
	t.Parallel()
	a, b, _ := twoNodes(t)
	p := a.enrol(alice)
	one := p.proof("GET", "/app/v2/requests", nil)
	other := p.proof("GET", "/app/v2/requests", nil)
	a.do("GET", "/app/v2/requests", one, nil).is(t, 200, "")
	b.do("GET", "/app/v2/requests", one, nil).is(t, 401, "replay")
	a.clock.Advance(time.Second)
	b.stop()
	b.boot()
	b.do("GET", "/app/v2/requests", one, nil).is(t, 401, "replay")
	b.do("GET", "/app/v2/requests", other, nil).is(t, 200, "")
}

// The AuthUri is opened at one node, and the App answers at the other.
func TestOpenedAtAnotherNode(t *testing.T) {
	t.Parallel()
	a, b, _ := twoNodes(t)
	p := a.enrol(alice)
	onB := *p
	onB.w = b
	r := a.ask(p, "h1", func(r *mssp.DeviceRequest) {
		r.App2App = &mssp.App2App{TokenHash: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"} // of "test"
	})
	p.sign("h1", r.SignedAttrs).is(t, 404, "unknown")
	onB.call("POST", "/app/v2/open", obj{"session_token": "test"}).is(t, 200, "")
	if in := p.connect(); !slices.Equal(in.welcome(), []string{"h1"}) {
		t.Error("the inbox at the other node does not show the request")
	}
	p.sign("h1", r.SignedAttrs).is(t, 204, "")
}

// The AuthUri is opened at one node while the App has its inbox at the other, which shows the
// request, and takes it back.
func TestOpenedAwayFromTheInbox(t *testing.T) {
	t.Parallel()
	a, b, _ := twoNodes(t)
	p := a.enrol(alice)
	in := p.connect()
	in.welcome()
	onB := *p
	onB.w = b
	a.ask(p, "h1", func(r *mssp.DeviceRequest) {
		r.App2App = &mssp.App2App{TokenHash: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"} // of "test"
	})
	onB.call("POST", "/app/v2/open", obj{"session_token": "test"}).is(t, 200, "")
	if m := in.expect("request"); m.Request.ID != "h1" {
		t.Errorf("%+v", m)
	}
	a.server.Cancel(t.Context(), withdrawal(p, "h1"))
	if m := in.expect("gone"); m.ID != "h1" {
		t.Errorf("%+v", m)
	}
}

// An answer that was lost on its way back is repeated at the other node: it is late there as
// well. What belongs to somebody else stays unknown.
func TestRepeatedAtAnotherNode(t *testing.T) {
	t.Parallel()
	a, b, _ := twoNodes(t)
	p, other := a.enrol(alice), a.enrol(bob)
	onB, otherOnB := *p, *other
	onB.w, otherOnB.w = b, b
	r := a.ask(p, "h1")
	p.sign("h1", r.SignedAttrs).is(t, 204, "")
	p.sign("h1", r.SignedAttrs).is(t, 409, "late")
	onB.sign("h1", r.SignedAttrs).is(t, 409, "late")
	otherOnB.sign("h1", r.SignedAttrs).is(t, 404, "unknown")
	onB.sign("h2", r.SignedAttrs).is(t, 404, "unknown")
}

// After a gap, what has ended elsewhere meanwhile is taken back. A node whose store fails does
// not say that it takes care of an App, so that another one wakes it.
func TestGap(t *testing.T) {
	t.Parallel()
	a, b, h := twoNodes(t, func(c *Config) { c.AllowPush = func(*url.URL) error { return nil } })
	p := a.enrol(alice)
	withPush(a, p)
	in := p.connect()
	in.welcome()
	r := a.ask(p, "h1")
	in.expect("request")
	h.mu.Lock()
	h.deaf = true
	h.mu.Unlock()
	a.engine.withdraw(r)
	a.server.HearGap()
	if m := in.expect("gone"); m.ID != "h1" {
		t.Errorf("%+v", m)
	}

	h.mu.Lock()
	h.deaf = false
	h.mu.Unlock()
	a.engine.setFail(errors.New("the store fails"))
	b.ask(p, "h2")
	eventually(t, "a push, because nobody takes care of the App", func() bool { return pushes(b) > 0 })
}

// An enrolment that came from another node finished is kept as a finished one.
func TestAdoptedEnrolments(t *testing.T) {
	t.Parallel()
	s := newPendingEnrolments()
	now := time.Now()
	for i := range maxEnrolments + 5 {
		row := &enrolmentRow{CodeHash: []byte(strconv.Itoa(i)), Expires: now.Add(time.Duration(i+1) * time.Second), Done: new(enrolled)}
		s.adopt(strconv.Itoa(i), row, now)
	}
	if len(s.by) != maxEnrolments || s.kept != maxEnrolments {
		t.Errorf("%d are kept, %d as finished ones", len(s.by), s.kept)
	}
	s.begin(&mssp.Invite{CodeHash: []byte("new")}, now)
	if len(s.by) != maxEnrolments+1 {
		t.Error("finished enrolments keep others from beginning")
	}
}

// An enrolment is begun at one node and carried out at the other, and its answer can be
// repeated at any. What is in the store does not tell the share of the key.
func TestEnrolmentAtAnotherNode(t *testing.T) {
	t.Parallel()
	a, b, h := twoNodes(t)
	onA := newPhone(a)
	onB := *onA
	onB.w = b
	begun := onA.begin(a.invite(alice, true))
	begun.is(t, 200, "")
	body := onB.enrolBody(begun, "")
	first := b.post("/app/v2/enrol", body)
	first.is(t, 200, "")
	for _, where := range []string{"the node where it began", "after a restart"} {
		again := a.post("/app/v2/enrol", body)
		again.is(t, 200, "")
		if !bytes.Equal(first.body, again.body) {
			t.Errorf("%s: %s, then %s", where, first.body, again.body)
		}
		a.server.enrols = newPendingEnrolments()
	}
	other := newPhone(a)
	otherBody := other.enrolBody(begun, "")
	a.post("/app/v2/enrol", otherBody).is(t, 404, "code")
	h.mu.Lock()
	defer h.mu.Unlock()
	share := begun.member("share").(string)
	for name, v := range h.values {
		if strings.Contains(name, begun.member("enrolment").(string)) || bytes.Contains(v, []byte(share)) {
			t.Errorf("the store has secrets in %s", name)
		}
	}
}

// The App repeats the last call of an enrolment at another node, which is faster than the
// first: both give the same answer.
func TestEnrolmentAtTwoNodesAtOnce(t *testing.T) {
	t.Parallel()
	a, b, _ := twoNodes(t)
	p := newPhone(a)
	body := p.enrolBody(p.begin(a.invite(alice, true)), "")
	var other reply
	a.trap.arm(1, "EnrolApp", "", func() { other = b.post("/app/v2/enrol", body) })
	first := a.post("/app/v2/enrol", body)
	first.is(t, 200, "")
	other.is(t, 200, "")
	if !bytes.Equal(first.body, other.body) || len(get(a.store, func(s *store) *mssp.Subscriber { return s.subs[alice] }).Devices) != 1 {
		t.Errorf("%s, %s", first.body, other.body)
	}
}

// The tries for a recovery code are counted for all nodes together.
func TestRecoveryTriesAtAllNodes(t *testing.T) {
	t.Parallel()
	a, b, _ := twoNodes(t)
	a.enrol(alice) // from now on the account has a recovery code
	code := a.invite(alice, false)
	var refused int
	for i := range 2 * maxRecoveryTry {
		w := []*world{a, b}[i%2]
		p := newPhone(w)
		begun := p.begin(code)
		if begun.status != 200 {
			t.Fatalf("%d %s", begun.status, begun.body)
		}
		w.post("/app/v2/enrol", p.enrolBody(begun, "AAAA-AAAA-AAAA-AAAA-AAAA-AAAA-AAA")).is(t, 409, "recovery")
		refused++
	}
	inv := &invitation{hash: hashOf(t, code)}
	if left, err := a.server.takeSharedTry(t.Context(), inv, a.clock.Now()); left || err != nil {
		t.Errorf("after %d wrong codes there is a try left, %v", refused, err)
	}
}

func hashOf(t *testing.T, code string) []byte {
	hash, ok := hashCode(code, activationLen)
	if !ok {
		t.Fatal(code)
	}
	return hash
}
