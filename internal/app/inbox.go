package app

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coder/websocket"
	"github.com/go-json-experiment/json"

	"github.com/signum-mssp/signum/internal/clientaddr"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
)

const (
	inboxPath = Base + "/inbox"
	heartbeat = 25 * time.Second
	silence   = 2 * heartbeat    // close a connection after this long without a frame
	helloWait = 10 * time.Second // for the first frame

	storeTimeout = 10 * time.Second // for calls of the store and the engine outside an HTTP call
)

// Closing codes of an inbox.
const (
	closeRefused  websocket.StatusCode = 4401
	closeSilent   websocket.StatusCode = 4408
	closeReplaced websocket.StatusCode = 4409
	closeTooMuch  websocket.StatusCode = 4429
)

// site is the address of the web App.
type site struct {
	origin string // as browsers send it
	host   string // without a port: the relying party ID of passkeys
}

func parseSite(web string) (site, error) {
	u, err := url.Parse(web)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Hostname() == "" {
		return site{}, errors.New("app: WebURL is not a web address")
	}
	scheme, host, port := u.Scheme, strings.ToLower(u.Hostname()), u.Port()
	if port == map[string]string{"https": "443", "http": "80"}[scheme] {
		port = ""
	}
	at := host
	if strings.Contains(at, ":") {
		at = "[" + at + "]"
	}
	if port != "" {
		at += ":" + port
	}
	return site{origin: scheme + "://" + at, host: host}, nil
}

// serveInbox accepts a WebSocket; its first frame will tell which device it is.
// It returns at once, so that the goroutine and the buffers of net/http are free
// again: most of thousands of inboxes are idle.
func (s *Server) serveInbox(w http.ResponseWriter, r *http.Request) {
	c := &call{s: s, w: w, r: r, start: s.now()}
	if err := c.mayConnect(); err != nil {
		c.answer(nil, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store") // if the library refuses the upgrade
	in := newConn(s, c.start)
	in.source = clientaddr.Source(r)
	if err := in.accept(w, r); err != nil { // the library has answered
		c.note = "WebSocket upgrade failed"
		e := c.event()
		e.Status, e.Reason = http.StatusBadRequest, errMalformed.Code
		s.events.Sample(e)
		s.events.Emit(r.Context(), e)
		return
	}
	if !s.join(in) || !s.tasks.start(in.serve, in.cut) {
		s.leave(in)
		_ = in.net.Close()
	}
}

// mayConnect refuses browsers on other pages than the web App. A client without
// an Origin is not a browser.
func (c *call) mayConnect() error {
	if wait := c.s.byAddress.Take(clientaddr.Key(c.r), c.start); wait > 0 {
		return slow(wait)
	}
	if !strings.EqualFold(c.r.Header.Get("Upgrade"), "websocket") {
		return malformed("The inbox is a WebSocket; use the HTTP upgrade.")
	}
	for _, origin := range c.r.Header.Values("Origin") {
		if origin != c.s.site.origin && !c.s.alsoAt(origin, c.r.Host) {
			return errUnauthorised
		}
	}
	if !c.s.hasRoom() {
		return slow(helloWait)
	}
	return nil
}

// alsoAt reports whether an origin is another of the configured names, and that under which
// the request was sent. Its port is whatever leads there: containers change it.
func (s *Server) alsoAt(origin, host string) bool {
	u, err := url.Parse(origin)
	return err == nil && strings.HasPrefix(s.site.origin, u.Scheme+"://") && strings.EqualFold(u.Host, host) &&
		slices.ContainsFunc(s.cfg.Hosts, func(own string) bool { return strings.EqualFold(u.Hostname(), own) })
}

// hasRoom reports whether one more connection may come: it can take the place of one
// that has not said hello.
func (s *Server) hasRoom() bool {
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	return len(s.registry.conns) < s.limits.Load().Connections || len(s.registry.strangers) > 0
}

// join adds a connection. When there are too many, one that has not said hello is
// cut, whichever it is: strangers who fill the table keep no App out, because its
// hello comes at once.
func (s *Server) join(c *conn) bool {
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	if len(s.registry.conns) >= s.limits.Load().Connections {
		victim := s.registry.stranger()
		if victim == nil {
			return false
		}
		s.registry.drop(victim)
		victim.cut()
	}
	s.registry.conns[c], s.registry.strangers[c] = struct{}{}, struct{}{}
	return true
}

// stranger returns a connection that has not said hello; nil if there is none.
func (r *registry) stranger() *conn {
	for c := range r.strangers {
		return c
	}
	return nil
}

func (r *registry) drop(c *conn) {
	delete(r.conns, c)
	delete(r.strangers, c)
}

func (s *Server) leave(c *conn) {
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	s.registry.drop(c)
	if mb := s.registry.mailboxes[c.device]; mb != nil && mb.conn == c {
		mb.conn = nil
		s.registry.dropEmpty(c.device)
	}
}

// register makes the connection the inbox of its device. Requests from now on
// are queued behind the sync, which follows.
func (s *Server) register(c *conn, a *mssp.AppDevice) {
	vouch(c.net)
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	c.device, c.msisdn = a.DeviceID, a.MSISDN
	delete(s.registry.strangers, c)
	mb := s.registry.mailbox(a.DeviceID, a.MSISDN)
	if mb.conn != nil {
		mb.conn.close(closeReplaced, "another inbox was opened")
	}
	mb.conn = c
}

// vouch tells the listener that a connection is that of an enrolled App, so that it does
// not count against strangers at the same address.
func vouch(c net.Conn) {
	if t, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = t.NetConn()
	}
	if v, ok := c.(interface{ Vouch() }); ok {
		v.Vouch()
	}
}

// serve reads from the connection until it ends.
func (c *conn) serve() {
	defer c.s.leave(c)
	code, reason := c.rescued(c.hello)
	for code == 0 {
		code, reason = c.rescued(c.next)
	}
	c.end(code, reason)
	c.emit()
}

// rescued handles a frame. A panic ends this connection only.
func (c *conn) rescued(handle func() (websocket.StatusCode, string)) (websocket.StatusCode, string) {
	code, reason, err := c.try(handle)
	if err != nil {
		return c.refused(err)
	}
	return code, reason
}

func (c *conn) try(handle func() (websocket.StatusCode, string)) (code websocket.StatusCode, reason string, err error) {
	defer event.RescueTo(&err, c.s.log, "App inbox")
	code, reason = handle()
	return code, reason, nil
}

// hello waits for the proof and answers it with the pending requests.
func (c *conn) hello() (websocket.StatusCode, string) {
	f, code, reason := c.read()
	if code != 0 {
		return code, reason
	}
	if f.Type != "hello" {
		return closeRefused, errMalformed.Code
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	a, err := c.s.verify(ctx, f.Proof, proofTarget{aud: c.s.cfg.Service, method: http.MethodGet, uri: c.s.cfg.Prefix + inboxPath})
	if err != nil {
		return c.refused(err)
	}
	c.s.register(c, a)
	list, err := c.s.requestsOf(ctx, a.DeviceID)
	if err != nil {
		return c.refused(err)
	}
	notices, err := c.s.noticesFor(ctx, a)
	if err != nil {
		return c.refused(err)
	}
	frames := []frame{
		{Type: "welcome", Now: c.s.now().UnixMilli(), Heartbeat: heartbeat.Milliseconds()},
		{Type: "sync", Requests: &list},
	}
	for i := range notices {
		frames = append(frames, frame{Type: "notice", Notice: &notices[i]})
	}
	c.release(frames...)
	return 0, ""
}

func (c *conn) refused(err error) (websocket.StatusCode, string) {
	var ref *refusal
	switch {
	case !errors.As(err, &ref):
		c.err = err
		return websocket.StatusInternalError, "internal"
	case ref.status == http.StatusTooManyRequests:
		return closeTooMuch, ref.Code
	}
	return closeRefused, ref.Code
}

// next handles one frame.
func (c *conn) next() (websocket.StatusCode, string) {
	f, code, reason := c.read()
	if code != 0 {
		return code, reason
	}
	if wait := c.s.byDevice.Take(c.device, c.s.now()); wait > 0 {
		return closeTooMuch, "slow"
	}
	switch f.Type {
	case "ping":
		c.queue(frame{Type: "pong", Now: c.s.now().UnixMilli()})
	case "shown":
		if op, ok := opNamed(f.Op); ok {
			c.s.markShown(c.device, requestKey{f.ID, op})
		}
	}
	return 0, "" // ignore other frames: later versions may have more
}

func (c *conn) read() (f clientFrame, code websocket.StatusCode, reason string) {
	kind, b, err := c.ws.Read(context.Background()) // the sweep closes silent connections
	if err != nil {
		return f, websocket.StatusGoingAway, ""
	}
	c.touch()
	if f, err = parseFrame(kind, b); err != nil {
		return f, websocket.StatusPolicyViolation, errMalformed.Code
	}
	return f, 0, ""
}

var errFrame = errors.New("malformed frame")

func parseFrame(kind websocket.MessageType, b []byte) (f clientFrame, err error) {
	if kind != websocket.MessageText || json.Unmarshal(b, &f) != nil || f.Type == "" {
		return f, errFrame
	}
	return f, nil
}

func (s *Server) requestsOf(ctx context.Context, deviceID string) ([]request, error) {
	all, err := s.pendingOf(ctx, deviceID)
	if err != nil {
		return nil, err
	}
	list := make([]request, 0, len(all)) // empty, not null
	for _, r := range all {
		list = append(list, wireOf(&r))
	}
	return list, nil
}

func (s *Server) closeInboxes() {
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	for c := range s.registry.conns {
		c.closeLast()
	}
}

// emit records the event of a connection that has ended.
func (c *conn) emit() {
	e := c.s.events.Begin("app", "inbox", c.source)
	e.Start, e.Device, e.MSISDN = c.opened, c.device, c.msisdn
	code, reason := c.closing()
	e.Close, e.Reason = int(code), reason
	if c.err != nil {
		c.s.events.Fail(context.Background(), e, c.err)
	} else if c.device == "" { // a stranger can cause any number of these
		c.s.events.Sample(e)
	}
	c.s.events.Emit(context.Background(), e)
}
