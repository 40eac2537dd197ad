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

	"github.com/signum-mssp/signum/internal/mssp"
)

const (
	endedFor = 10 * time.Minute // how long an ended request is told from one that never was
	// shownWithin is when an App that has an inbox open must have shown a
	// request; else its connection is taken for dead, and the App is woken.
	shownWithin = 5 * time.Second
)

// item names a request of a device.
type item struct {
	id string
	op mssp.DeviceOp
}

func (i item) key(deviceID string) [16]byte { return shortHash(deviceID, i.id, opNames[i.op]) }

// pending is a request that this node handed over.
type pending struct {
	mssp.DeviceRequest
	sent   time.Time
	opened bool // of app2app: its AuthUri was
	shown  bool // or the App was woken for it: no more to do
}

// visible reports whether the App may see it.
func (p *pending) visible() bool { return p.App2App == nil || p.opened }

// box is what this node has of one device.
type box struct {
	conn     *conn // nil if no inbox is open here
	requests map[item]*pending
}

// book is all boxes. Frames are queued under its lock, in the order in which
// things happened.
type book struct {
	mu    sync.Mutex
	boxes map[string]*box
	conns map[*conn]struct{} // also those that have not said who they are
}

func newBook() book {
	return book{boxes: make(map[string]*box), conns: make(map[*conn]struct{})}
}

func (b *book) box(deviceID string) *box {
	x := b.boxes[deviceID]
	if x == nil {
		x = &box{requests: make(map[item]*pending, 1)}
		b.boxes[deviceID] = x
	}
	return x
}

func (b *book) tidy(deviceID string) {
	if x := b.boxes[deviceID]; x != nil && x.conn == nil && len(x.requests) == 0 {
		delete(b.boxes, deviceID)
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
	a, err := s.cfg.Store.App(ctx, r.DeviceID)
	switch {
	case errors.Is(err, mssp.ErrNotFound):
		s.end(r.DeviceID, item{r.TransID, r.Op}, "withdrawn")
		return fmt.Errorf("%w: there is no App %s", mssp.ErrUnreachable, r.DeviceID)
	case err != nil: // the App may come by itself
		s.log.WarnContext(ctx, "App not woken", "device", r.DeviceID, "err", err)
	default:
		s.push.wake(a.DeviceID, a.Push)
	}
	return nil
}

// put keeps a request and puts it into the open inbox; if there is none, the
// App must be woken.
func (s *Server) put(r *mssp.DeviceRequest) (wake bool) {
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	x := s.book.box(r.DeviceID)
	name := item{r.TransID, r.Op}
	if x.requests[name] != nil { // handed over again
		return false
	}
	if r.Op == mssp.OpSign {
		for old, p := range x.requests {
			if old.op == mssp.OpSign && !p.Created.After(r.Created) {
				s.drop(r.DeviceID, old, "replaced")
			}
		}
	}
	x = s.book.box(r.DeviceID) // the one before may be gone
	p := &pending{DeviceRequest: *r, sent: s.now(), shown: x.conn == nil}
	x.requests[name] = p
	if x.conn != nil && p.visible() {
		w := wireOf(r)
		x.conn.queue(frame{Type: "request", Request: &w})
	}
	return p.visible() && x.conn == nil
}

// Cancel implements mssp.Channel.
func (s *Server) Cancel(_ context.Context, deviceID, transID string) {
	now := s.now()
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	for op := range opNames {
		name := item{transID, op}
		if p := s.book.find(deviceID, name); p != nil {
			reason := "withdrawn"
			if !now.Before(p.Expires) {
				reason = "expired"
			}
			s.drop(deviceID, name, reason)
		}
	}
}

func (b *book) find(deviceID string, i item) *pending {
	if x := b.boxes[deviceID]; x != nil {
		return x.requests[i]
	}
	return nil
}

// end forgets a request and tells the open inbox.
func (s *Server) end(deviceID string, i item, reason string) {
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	s.drop(deviceID, i, reason)
}

// drop is end under the lock.
func (s *Server) drop(deviceID string, i item, reason string) {
	s.ended.add(i.key(deviceID), s.now()) // if it is full, `unknown` is said for `late`
	x := s.book.boxes[deviceID]
	if x == nil {
		return
	}
	p := x.requests[i]
	delete(x.requests, i)
	if x.conn != nil && (p == nil || p.visible()) {
		x.conn.queue(frame{Type: "gone", ID: i.id, Op: opNames[i.op], Reason: reason})
	}
	s.book.tidy(deviceID)
}

// pendingOf lists what a device may see and has to answer now, whichever node
// made the request.
func (s *Server) pendingOf(ctx context.Context, deviceID string) ([]mssp.DeviceRequest, error) {
	all, err := s.everything(ctx, deviceID)
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

func (s *Server) everything(ctx context.Context, deviceID string) ([]mssp.DeviceRequest, error) {
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
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	p := s.book.find(r.DeviceID, item{r.TransID, r.Op})
	return p != nil && p.opened
}

// request finds one that a device may see now. Where it is not, the refusal
// says whether it ever was.
func (s *Server) request(ctx context.Context, deviceID string, i item) (*mssp.DeviceRequest, error) {
	if s.ended.has(i.key(deviceID), s.now()) {
		return nil, errLate
	}
	if p := s.seen(deviceID, i); p != nil {
		return p, nil
	}
	list, err := s.pendingOf(ctx, deviceID)
	if err != nil {
		return nil, err
	}
	for _, r := range list {
		if (item{r.TransID, r.Op}) == i {
			return &r, nil
		}
	}
	return nil, errUnknown
}

func (s *Server) seen(deviceID string, i item) *mssp.DeviceRequest {
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	if p := s.book.find(deviceID, i); p != nil && p.visible() {
		return &p.DeviceRequest // which nobody changes
	}
	return nil
}

// openWith makes the request visible that waits for a session token. To open
// it again is no error: the answer may have been lost.
func (s *Server) openWith(ctx context.Context, deviceID, token string) (*mssp.DeviceRequest, error) {
	list, err := s.everything(ctx, deviceID)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(token))
	hash := []byte(hex.EncodeToString(sum[:]))
	for _, r := range list {
		if r.App2App != nil && subtle.ConstantTimeCompare(hash, []byte(r.App2App.TokenHash)) == 1 {
			s.show(&r)
			return &r, nil
		}
	}
	return nil, errUnknown
}

func (s *Server) show(r *mssp.DeviceRequest) {
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	x := s.book.box(r.DeviceID)
	name := item{r.TransID, r.Op}
	p := x.requests[name]
	if p == nil { // another node's
		p = &pending{DeviceRequest: *r, sent: s.now()}
		x.requests[name] = p
	}
	p.opened, p.shown = true, true
	if x.conn != nil {
		w := wireOf(r)
		x.conn.queue(frame{Type: "request", Request: &w})
	}
}

// shown is an App that says that a request is on its screen.
func (s *Server) shown(deviceID string, i item) {
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	if p := s.book.find(deviceID, i); p != nil {
		p.shown = true
	}
}
