package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/signum-mssp/signum/internal/mssp"
)

// inbox is a phone's connection.
type inbox struct {
	t  testing.TB
	ws *websocket.Conn
}

type message struct {
	Type     string
	Now      int64
	Requests []struct{ ID, Op, Text, Attrs, Mime string }
	Request  struct {
		ID, Op, Text, Attrs, Mime string
		RedirectURI               string `json:"redirect_uri"`
		Choices                   []string
	}
	ID, Op, Reason string
	Heartbeat      int64
	Notice         *notice
}

func dial(ctx context.Context, url string, head http.Header) (*websocket.Conn, error) {
	ws, resp, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPHeader: head, HTTPClient: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}})
	if err != nil && resp != nil {
		err = fmt.Errorf("%d: %w", resp.StatusCode, err)
	}
	return ws, err
}

func (p *phone) connect() *inbox {
	p.w.t.Helper()
	in := p.dial()
	in.say(obj{"type": "hello", "proof": p.proof("GET", "/app/v2/inbox", nil)})
	return in
}

func (p *phone) dial() *inbox {
	p.w.t.Helper()
	ws, err := dial(context.Background(), p.w.url()+"/app/v2/inbox", nil)
	if err != nil {
		p.w.t.Fatal(err)
	}
	p.w.t.Cleanup(func() { _ = ws.CloseNow() })
	return &inbox{p.w.t, ws}
}

func (in *inbox) say(v any) {
	in.t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		in.t.Fatal(err)
	}
	if err := contractFrame("ClientFrame", b); err != nil {
		in.t.Error(err)
	}
	if err := in.ws.Write(context.Background(), websocket.MessageText, b); err != nil {
		in.t.Fatal(err)
	}
}

func (in *inbox) hear() (m message, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, b, err := in.ws.Read(ctx)
	if err != nil {
		return m, err
	}
	if err := contractFrame("ServiceFrame", b); err != nil {
		in.t.Errorf("%s: %v", b, err)
	}
	return m, json.Unmarshal(b, &m)
}

// expect reads the next frame, which must have this type.
func (in *inbox) expect(kind string) message {
	in.t.Helper()
	m, err := in.hear()
	if err != nil || m.Type != kind {
		in.t.Fatalf("%+v, %v; want %s", m, err, kind)
	}
	return m
}

// welcome reads the first two frames and returns the IDs of the pending requests.
func (in *inbox) welcome() (ids []string) {
	in.t.Helper()
	if m := in.expect("welcome"); m.Heartbeat != 25_000 || m.Now == 0 {
		in.t.Errorf("%+v", m)
	}
	sync := in.expect("sync")
	if sync.Requests == nil {
		in.t.Error("the sync has no list")
	}
	for _, r := range sync.Requests {
		ids = append(ids, r.ID)
	}
	return ids
}

// closed reads until the service closes the connection.
func (in *inbox) closed(code websocket.StatusCode, reason string) {
	in.t.Helper()
	for {
		_, err := in.hear()
		if err == nil {
			continue
		}
		var ce websocket.CloseError
		if !errors.As(err, &ce) || ce.Code != code || (reason != "" && ce.Reason != reason) {
			in.t.Fatalf("%v, want %d %s", err, code, reason)
		}
		return
	}
}

func TestInbox(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.enrol(alice)
	w.ask(p, "h1")
	in := p.connect()
	if ids := in.welcome(); !slices.Equal(ids, []string{"h1"}) {
		t.Errorf("%v", ids)
	}
	r := w.ask(p, "h2", func(r *mssp.DeviceRequest) { r.Choices, r.Created = []string{"12", "34"}, r.Created.Add(1) })
	if m := in.expect("gone"); m.ID != "h1" || m.Reason != "replaced" {
		t.Errorf("%+v", m)
	}
	m := in.expect("request").Request
	if m.ID != "h2" || m.Op != "sign" || m.Text != r.Text || m.Attrs != enc(r.SignedAttrs) || len(m.Choices) != 2 || m.Mime != "text/plain" {
		t.Errorf("%+v", m)
	}
	if err := w.server.Send(context.Background(), r); err != nil { // after a restart of the engine: not shown again
		t.Error(err)
	}
	in.say(obj{"type": "shown", "id": "h2", "op": "sign"})
	in.say(obj{"type": "ping"})
	in.expect("pong")
	p.sign("h2", r.SignedAttrs).is(t, 204, "")
	if m := in.expect("gone"); m.ID != "h2" || m.Op != "sign" || m.Reason != "answered" {
		t.Errorf("%+v", m)
	}
	d := w.ask(p, "h2", display)
	if m := in.expect("request"); m.Request.Op != "display" || m.Request.Attrs != "" {
		t.Errorf("%+v", m)
	}
	w.server.Cancel(context.Background(), withdrawal(p, d.TransID))
	if m := in.expect("gone"); m.Op != "display" || m.Reason != "withdrawn" {
		t.Errorf("%+v", m)
	}
	w.ask(p, "h3")
	in.expect("request")
	w.clock.Advance(2 * time.Minute)
	in.say(obj{"type": "ping"})
	in.expect("pong")
	w.server.sweep(w.clock.Now())
	if m := in.expect("gone"); m.ID != "h3" || m.Reason != "expired" {
		t.Errorf("%+v", m)
	}
	p.sign("h3", []byte("x")).is(t, 409, "late")
	_ = in.ws.Close(websocket.StatusNormalClosure, "")
	eventually(t, "the registry is empty", func() bool {
		w.server.registry.mu.Lock()
		defer w.server.registry.mu.Unlock()
		return len(w.server.registry.mailboxes) == 0 && len(w.server.registry.conns) == 0
	})
}

func TestHello(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.enrol(alice)
	proof := p.proof("GET", "/app/v2/inbox", nil)
	hello := obj{"type": "hello", "proof": proof}
	in := p.dial()
	in.say(hello)
	in.welcome()
	stolen := p.dial()
	stolen.say(hello)
	stolen.closed(4401, "replay")
	for name, c := range map[string]struct {
		frame  obj
		code   websocket.StatusCode
		reason string
	}{
		"of another call": {obj{"type": "hello", "proof": p.proof("GET", "/app/v2/requests", nil)}, 4401, "unauthorised"},
		"nothing":         {obj{"type": "hello"}, 4401, "malformed"},
		"ping":            {obj{"type": "ping"}, 4401, "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			in := p.dial()
			in.say(c.frame)
			in.closed(c.code, c.reason)
		})
	}
	p.skew = -100
	p.connect().closed(4401, "stale")
	p.skew = 0
	garbage := p.dial()
	if err := garbage.ws.Write(context.Background(), websocket.MessageText, []byte("{")); err != nil {
		t.Fatal(err)
	}
	garbage.closed(websocket.StatusPolicyViolation, "malformed")
	large := p.dial()
	if err := large.ws.Write(context.Background(), websocket.MessageText, []byte(strings.Repeat(" ", 2*maxFrame))); err != nil {
		t.Fatal(err)
	}
	large.closed(websocket.StatusMessageTooBig, "")
	// The first inbox survives all of that, until a newer one replaces it.
	in.say(obj{"type": "ping"})
	in.expect("pong")
	newer := p.connect()
	newer.welcome()
	in.closed(4409, "")
	w.store.setFail(errors.New("the disk is full"))
	p.connect().closed(websocket.StatusInternalError, "internal")
	w.store.setFail(nil)
	w.engine.setFail(errors.New("the engine is off"))
	p.connect().closed(websocket.StatusInternalError, "internal")
}

func TestSilence(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.enrol(alice)
	mute, quiet := p.dial(), p.connect()
	quiet.welcome()
	eventually(t, "both are there", func() bool { return w.server.Connected() == 2 })
	w.clock.Advance(helloWait)
	w.server.sweep(w.clock.Now())
	mute.closed(4408, "")
	quiet.say(obj{"type": "ping"})
	quiet.expect("pong")
	w.clock.Advance(silence - 1)
	w.server.sweep(w.clock.Now())
	quiet.say(obj{"type": "ping"})
	quiet.expect("pong")
	w.clock.Advance(silence)
	w.server.sweep(w.clock.Now())
	quiet.closed(4408, "")
}

func TestOrigin(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for origin, ok := range map[string]bool{
		w.origin(): true, "https://evil.example": false, "null": false, "http://127.0.0.1": false,
		strings.Replace(w.origin(), "http:", "https:", 1): false, w.origin() + ".evil.example": false,
	} {
		ws, err := dial(context.Background(), w.url()+"/app/v2/inbox", http.Header{"Origin": {origin}})
		if (err == nil) != ok {
			t.Errorf("%s: %v", origin, err)
		}
		if ws != nil {
			_ = ws.CloseNow()
		}
	}
}

// TestOtherOrigins: a browser inbox may come from another name of the pages, if the request was sent
// to that name.
func TestOtherOrigins(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) { c.Hosts = []string{"localhost", "phones.test"} })
	for _, tt := range []struct {
		origin, host string
		ok           bool
	}{
		{"http://localhost:9000", "localhost:9000", true},
		{"http://phones.test", "PHONES.test", true},
		{"https://localhost:9000", "localhost:9000", false},
		{"http://localhost:9000", "localhost:9001", false},
		{"http://localhost:9000", "evil.example:9000", false},
		{"http://evil.example", "evil.example", false},
		{"http://evil.example", "localhost", false},
		{"http://localhost.evil.example", "localhost.evil.example", false},
		{"//localhost", "localhost", false},
		{"null", "localhost", false},
	} {
		h := http.Header{"Origin": {tt.origin}, "Upgrade": {"websocket"}}
		r := httptest.NewRequest(http.MethodGet, inboxPath, nil)
		r.Header, r.Host = h, tt.host
		if err := (&call{s: w.server, r: r, start: w.clock.Now()}).mayConnect(); (err == nil) != tt.ok {
			t.Errorf("%s at %s: %v", tt.origin, tt.host, err)
		}
	}
}

// Strangers who open inboxes and say nothing keep no App out.
func TestAttackSilentInboxes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) { c.Limits.Connections = 10 })
	p, other := w.enrol(alice), w.enrol(bob)
	first := p.connect()
	first.welcome()
	for range 30 {
		p.dial()
	}
	// One of the thirty may come in between and cut this one. An App tries again.
	for ctx := t.Context(); ctx.Err() == nil; {
		if _, err := other.connect().hear(); err == nil {
			break
		}
	}
	if n := w.server.Connected(); n > 10 {
		t.Errorf("%d connections, want 10 at most", n)
	}
	w.ask(p, "h1")
	first.expect("request")
}

func TestTooManyConnections(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) { c.Limits.Connections = 1 })
	p := w.enrol(alice)
	p.connect().welcome()
	if _, err := dial(context.Background(), w.url()+"/app/v2/inbox", nil); err == nil || !strings.HasPrefix(err.Error(), "429") {
		t.Errorf("%v", err)
	}
}

func TestClose(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.enrol(alice)
	in, mute := p.connect(), p.dial()
	in.welcome()
	eventually(t, "both are there", func() bool { return w.server.Connected() == 2 })
	go w.server.Close()
	in.closed(websocket.StatusGoingAway, "the service is stopping")
	mute.closed(websocket.StatusGoingAway, "")
	w.server.Close()
	if n := w.server.Connected(); n != 0 {
		t.Errorf("%d connections", n)
	}
}

// A request for App2App is in no inbox until its AuthUri is opened.
func TestApp2App(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p, other := w.enrol(alice), w.enrol(bob)
	in := p.connect()
	in.welcome()
	r := w.ask(p, "h1", func(r *mssp.DeviceRequest) {
		r.App2App = &mssp.App2App{TokenHash: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", RedirectURI: "shop://back"} // of "test"
	})
	if list := p.call("GET", "/app/v2/requests", nil); len(list.member("requests").([]any)) != 0 {
		t.Errorf("%s", list.body)
	}
	p.sign("h1", r.SignedAttrs).is(t, 404, "unknown")
	p.call("POST", "/app/v2/open", obj{"session_token": "tset"}).is(t, 404, "unknown")
	other.call("POST", "/app/v2/open", obj{"session_token": "test"}).is(t, 404, "unknown")
	for range 2 { // the answer may have been lost
		got := p.call("POST", "/app/v2/open", obj{"session_token": "test"})
		got.is(t, 200, "")
		if m := in.expect("request"); m.Request.ID != "h1" || m.Request.RedirectURI != "shop://back" {
			t.Errorf("%+v", m)
		}
	}
	again := p.connect()
	if ids := again.welcome(); !slices.Equal(ids, []string{"h1"}) {
		t.Errorf("%v", ids)
	}
	p.sign("h1", r.SignedAttrs).is(t, 204, "")
	if strings.Contains(w.log.String(), "tset") {
		t.Error("the log has the token")
	}
}

// After a restart of the service the sync has all that is pending.
func TestRestart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.enrol(alice)
	r := w.ask(p, "h1")
	w.stop()
	w.clock.Advance(time.Second)
	w.boot()
	in := p.connect()
	if ids := in.welcome(); !slices.Equal(ids, []string{"h1"}) {
		t.Errorf("%v", ids)
	}
	p.sign("h1", r.SignedAttrs).is(t, 204, "")
	if m := in.expect("gone"); m.ID != "h1" || m.Reason != "answered" {
		t.Errorf("%+v", m)
	}
	p.sign("h1", r.SignedAttrs).is(t, 409, "late")
}

// An App that does not read is disconnected because its queue is full, not because
// a write timed out: Send does not wait for it. It gets everything when it
// reconnects.
func TestSlowConsumer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.enrol(alice)
	slow := p.connect()
	slow.welcome()
	cut := func() bool {
		w.server.registry.mu.Lock()
		defer w.server.registry.mu.Unlock()
		for c := range w.server.registry.conns {
			if code, _ := c.closing(); code == closeTooMuch {
				return true
			}
		}
		return false
	}
	const most, after = 10_000, 100 // how much the network buffers depends on the machine
	n := 0
	for i, left := 0, after; i < most && left > 0; i++ {
		if cut() {
			left--
		}
		n++
		w.ask(p, fmt.Sprintf("h%d", i), display, func(r *mssp.DeviceRequest) { r.Text = strings.Repeat("x", 8000) })
	}
	eventually(t, "it is disconnected", func() bool { return strings.Contains(w.log.String(), "close=4429") })
	again := p.connect()
	again.ws.SetReadLimit(32 << 20)
	if ids := again.welcome(); len(ids) != n {
		t.Errorf("%d of %d", len(ids), n)
	}
}

func TestSendRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := context.Background()
	err := w.server.Send(ctx, mssp.DeviceRequest{DeviceID: "none", TransID: "h", Expires: w.clock.Now().Add(time.Minute)})
	if !errors.Is(err, mssp.ErrUnreachable) {
		t.Errorf("no App: %v", err)
	}
	err = w.server.Send(ctx, mssp.DeviceRequest{Op: mssp.OpActivate})
	if !errors.Is(err, mssp.ErrRefused) {
		t.Errorf("activation: %v", err)
	}
	w.server.Cancel(ctx, mssp.Withdrawal{TransID: "h", MSISDN: "none", DeviceID: "none", Reason: mssp.EndWithdrawn})
	if len(w.server.registry.mailboxes) != 0 {
		t.Error("the registry is not empty")
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); w.server.Run(ctx) }()
	p := w.enrol(alice)
	in := p.connect()
	in.welcome()
	w.clock.Advance(silence)
	in.closed(4408, "")
	cancel()
	<-done
}

func FuzzFrame(f *testing.F) {
	f.Add([]byte(`{"type":"hello","proof":"a.b.c"}`))
	f.Add([]byte(`{"type":"shown","id":"h","op":"sign"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, err := parseFrame(websocket.MessageText, b); err == nil && got.Type == "" {
			t.Fatalf("%s", b)
		}
		if _, err := parseFrame(websocket.MessageBinary, b); err == nil {
			t.Fatal("binary")
		}
	})
}
