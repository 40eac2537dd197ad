package app

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
)

const (
	endedFor = 10 * time.Minute // how long an ended request is told from one that never was
	// shownWithin is when an App that has an inbox open must have shown a
	// request; else its connection is taken for dead, and the App is woken.
	shownWithin = 5 * time.Second
)

// requestKey names a request of a device.
type requestKey struct {
	id string
	op mssp.DeviceOp
}

func (i requestKey) key(deviceID string) [16]byte { return shortHash(deviceID, i.id, opNames[i.op]) }

// pending is a request that this node handed over.
type pending struct {
	mssp.DeviceRequest
	sent   time.Time
	opened bool // of app2app: its AuthUri was
	shown  bool // or the App was woken for it: no more to do
}

// visible reports whether the App may see it.
func (p *pending) visible() bool { return p.App2App == nil || p.opened }

// mailbox is what this node has of one device.
type mailbox struct {
	conn     *conn // nil if no inbox is open here
	requests map[requestKey]*pending
}

// registry has all mailboxes. Frames are queued under its lock, in the order in which
// things happened.
type registry struct {
	mu        sync.Mutex
	mailboxes map[string]*mailbox
	conns     map[*conn]struct{} // also those that have not said who they are
}

func newRegistry() registry {
	return registry{mailboxes: make(map[string]*mailbox), conns: make(map[*conn]struct{})}
}

func (r *registry) mailbox(deviceID string) *mailbox {
	box := r.mailboxes[deviceID]
	if box == nil {
		box = &mailbox{requests: make(map[requestKey]*pending, 1)}
		r.mailboxes[deviceID] = box
	}
	return box
}

func (r *registry) dropEmpty(deviceID string) {
	if box := r.mailboxes[deviceID]; box != nil && box.conn == nil && len(box.requests) == 0 {
		delete(r.mailboxes, deviceID)
	}
}

// Send implements mssp.Channel: mssp.ErrUnreachable if there is no such App,
// mssp.ErrRefused if Apps do not know the operation.
func (s *Server) Send(ctx context.Context, r mssp.DeviceRequest) error {
	if _, ok := opNames[r.Op]; !ok {
		return fmt.Errorf("%w: Apps do not know operation %d", mssp.ErrRefused, r.Op)
	}
	if !s.put(&r) {
		return nil
	}
	err := s.wake(ctx, r.DeviceID)
	if errors.Is(err, mssp.ErrNotFound) {
		s.end(r.DeviceID, requestKey{r.TransID, r.Op}, "withdrawn")
		return fmt.Errorf("%w: there is no App %s", mssp.ErrUnreachable, r.DeviceID)
	}
	if err != nil { // the App may still connect by itself
		s.log.WarnContext(ctx, "App not woken", "device", r.DeviceID, "err", err)
	}
	return nil
}

// wake sends a push to an App. mssp.ErrNotFound if there is no such App.
func (s *Server) wake(ctx context.Context, deviceID string) (err error) {
	defer event.RescueTo(&err, s.log, "App wake-up")
	a, err := s.cfg.Store.App(ctx, deviceID)
	if err != nil {
		return err
	}
	s.push.wake(deviceID, a.Push)
	return nil
}

// put keeps a request and puts it into the open inbox; if there is none, the
// App must be woken.
func (s *Server) put(r *mssp.DeviceRequest) (wake bool) {
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	box := s.registry.mailbox(r.DeviceID)
	name := requestKey{r.TransID, r.Op}
	if box.requests[name] != nil { // handed over again
		return false
	}
	if r.Op == mssp.OpSign {
		for old, p := range box.requests {
			if old.op == mssp.OpSign && !p.Created.After(r.Created) {
				s.drop(r.DeviceID, old, "replaced")
			}
		}
	}
	box = s.registry.mailbox(r.DeviceID) // the one before may be gone
	p := &pending{DeviceRequest: *r, sent: s.now(), shown: box.conn == nil}
	box.requests[name] = p
	if box.conn != nil && p.visible() {
		w := wireOf(r)
		box.conn.queue(frame{Type: "request", Request: &w})
	}
	return p.visible() && box.conn == nil
}

// Cancel implements mssp.Channel.
func (s *Server) Cancel(_ context.Context, deviceID, transID string) {
	now := s.now()
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	for op := range opNames {
		name := requestKey{transID, op}
		if p := s.registry.find(deviceID, name); p != nil {
			reason := "withdrawn"
			if !now.Before(p.Expires) {
				reason = "expired"
			}
			s.drop(deviceID, name, reason)
		}
	}
}

func (r *registry) find(deviceID string, i requestKey) *pending {
	if box := r.mailboxes[deviceID]; box != nil {
		return box.requests[i]
	}
	return nil
}

// end forgets a request and tells the open inbox.
func (s *Server) end(deviceID string, i requestKey, reason string) {
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	s.drop(deviceID, i, reason)
}

// drop is end under the lock.
func (s *Server) drop(deviceID string, i requestKey, reason string) {
	s.ended.add(i.key(deviceID), s.now()) // if it is full, `unknown` is said for `late`
	box := s.registry.mailboxes[deviceID]
	if box == nil {
		return
	}
	p := box.requests[i]
	delete(box.requests, i)
	if box.conn != nil && (p == nil || p.visible()) {
		box.conn.queue(frame{Type: "gone", ID: i.id, Op: opNames[i.op], Reason: reason})
	}
	s.registry.dropEmpty(deviceID)
}

// pendingOf lists what a device may see and has to answer now, whichever node
// made the request.
func (s *Server) pendingOf(ctx context.Context, deviceID string) ([]mssp.DeviceRequest, error) {
	all, err := s.allPending(ctx, deviceID)
	if err != nil {
		return nil, err
	}
	list := all[:0]
	for _, r := range all {
		if s.visible(&r) {
			list = append(list, r)
		}
	}
	return list, nil
}

func (s *Server) allPending(ctx context.Context, deviceID string) ([]mssp.DeviceRequest, error) {
	_, in, err := s.engine()
	if err != nil {
		return nil, err
	}
	return in.Pending(ctx, deviceID)
}

func (s *Server) visible(r *mssp.DeviceRequest) bool {
	if r.App2App == nil {
		return true
	}
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	p := s.registry.find(r.DeviceID, requestKey{r.TransID, r.Op})
	return p != nil && p.opened
}

// request finds one that a device may see now. Where it is not, the refusal
// says whether it ever was.
func (s *Server) request(ctx context.Context, deviceID string, i requestKey) (*mssp.DeviceRequest, error) {
	if s.ended.has(i.key(deviceID), s.now()) {
		return nil, errLate
	}
	if p := s.findVisible(deviceID, i); p != nil {
		return p, nil
	}
	list, err := s.pendingOf(ctx, deviceID)
	if err != nil {
		return nil, err
	}
	for _, r := range list {
		if (requestKey{r.TransID, r.Op}) == i {
			return &r, nil
		}
	}
	return nil, errUnknown
}

func (s *Server) findVisible(deviceID string, i requestKey) *mssp.DeviceRequest {
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	if p := s.registry.find(deviceID, i); p != nil && p.visible() {
		return &p.DeviceRequest // which nobody changes
	}
	return nil
}

// openWith makes the request visible that waits for a session token. To open
// it again is no error: the answer may have been lost.
func (s *Server) openWith(ctx context.Context, deviceID, token string) (*mssp.DeviceRequest, error) {
	list, err := s.allPending(ctx, deviceID)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(token))
	hash := []byte(hex.EncodeToString(sum[:]))
	for _, r := range list {
		if r.App2App != nil && subtle.ConstantTimeCompare(hash, []byte(r.App2App.TokenHash)) == 1 {
			s.reveal(&r)
			return &r, nil
		}
	}
	return nil, errUnknown
}

func (s *Server) reveal(r *mssp.DeviceRequest) {
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	box := s.registry.mailbox(r.DeviceID)
	name := requestKey{r.TransID, r.Op}
	p := box.requests[name]
	if p == nil { // another node's
		p = &pending{DeviceRequest: *r, sent: s.now()}
		box.requests[name] = p
	}
	p.opened, p.shown = true, true
	if box.conn != nil {
		w := wireOf(r)
		box.conn.queue(frame{Type: "request", Request: &w})
	}
}

// shown is an App that says that a request is on its screen.
func (s *Server) markShown(deviceID string, i requestKey) {
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	if p := s.registry.find(deviceID, i); p != nil {
		p.shown = true
	}
}
