package app

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
)

const (
	endedFor = 10 * time.Minute // how long `late` is said of an ended request, instead of `unknown`
	// shownWithin is how soon an App with an open inbox must show a request.
	// Otherwise its connection is presumed dead, and a push wakes the App.
	shownWithin = 5 * time.Second
)

// requestKey identifies a request of a device.
type requestKey struct {
	id string
	op mssp.DeviceOp
}

func (k requestKey) hash(deviceID string) [16]byte { return shortHash(deviceID, k.id, opNames[k.op]) }

// pending is a request that was handed to this node.
type pending struct {
	mssp.DeviceRequest
	sent   time.Time
	opened bool // its AuthUri was opened (App2App)
	shown  bool // the App showed it, or was woken for it
	// postponed means that the App could not be looked up, so that it was not woken.
	postponed bool
}

// visible reports whether the App may see the request yet.
func (p *pending) visible() bool { return p.App2App == nil || p.opened }

// mailbox is the state of one device on this node.
type mailbox struct {
	msisdn   string // of its account
	conn     *conn  // the open inbox, nil if none
	requests map[requestKey]*pending
}

// registry holds all mailboxes. Frames are queued while mu is held, so that they
// are in the order of events.
type registry struct {
	mu        sync.Mutex
	mailboxes map[string]*mailbox
	accounts  map[string][]string // by number, the devices that have a mailbox
	conns     map[*conn]struct{}  // all connections, also before their hello
	strangers map[*conn]struct{}  // those of them before their hello
}

func newRegistry() registry {
	return registry{
		mailboxes: make(map[string]*mailbox), accounts: make(map[string][]string),
		conns: make(map[*conn]struct{}), strangers: make(map[*conn]struct{}),
	}
}

// mailbox returns the mailbox of a device of this account.
func (r *registry) mailbox(deviceID, msisdn string) *mailbox {
	mb := r.mailboxes[deviceID]
	if mb == nil {
		mb = &mailbox{requests: make(map[requestKey]*pending, 1)}
		r.mailboxes[deviceID] = mb
	} else if mb.msisdn != msisdn { // the account has another number now
		r.leaveAccount(mb.msisdn, deviceID)
	} else {
		return mb
	}
	mb.msisdn = msisdn
	r.accounts[msisdn] = append(r.accounts[msisdn], deviceID)
	return mb
}

func (r *registry) leaveAccount(msisdn, deviceID string) {
	others := slices.DeleteFunc(r.accounts[msisdn], func(id string) bool { return id == deviceID })
	if len(others) == 0 {
		delete(r.accounts, msisdn)
		return
	}
	r.accounts[msisdn] = others
}

// remove deletes the mailbox of a device.
func (r *registry) remove(deviceID string) {
	if mb := r.mailboxes[deviceID]; mb != nil {
		delete(r.mailboxes, deviceID)
		r.leaveAccount(mb.msisdn, deviceID)
	}
}

// Connected returns how many Apps have an open inbox on this node.
func (s *Server) Connected() int {
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	return len(s.registry.conns)
}

func (r *registry) dropEmpty(deviceID string) {
	if mb := r.mailboxes[deviceID]; mb != nil && mb.conn == nil && len(mb.requests) == 0 {
		r.remove(deviceID)
	}
}

// Send implements mssp.Channel. mssp.ErrUnreachable if there is no such App,
// mssp.ErrRefused if Apps do not support the operation, mssp.ErrPostponed if the App could
// not be looked up: that is repeated, and the App may connect by itself.
func (s *Server) Send(ctx context.Context, r mssp.DeviceRequest) error {
	if _, ok := opNames[r.Op]; !ok {
		return fmt.Errorf("%w: Apps do not support operation %d", mssp.ErrRefused, r.Op)
	}
	if !s.put(&r) {
		return nil
	}
	err := s.wake(ctx, r.DeviceID)
	if errors.Is(err, mssp.ErrNotFound) {
		s.end(r.DeviceID, requestKey{r.TransID, r.Op}, mssp.EndWithdrawn)
		return fmt.Errorf("%w: there is no App %s", mssp.ErrUnreachable, r.DeviceID)
	}
	if err != nil {
		s.postpone(r.DeviceID, requestKey{r.TransID, r.Op})
		return fmt.Errorf("%w: %w", mssp.ErrPostponed, err)
	}
	return nil
}

// postpone lets the next sweep wake the App for a request.
func (s *Server) postpone(deviceID string, k requestKey) {
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	if p := s.registry.find(deviceID, k); p != nil {
		p.shown, p.postponed = false, true
	}
}

// wake sends a push to an App. mssp.ErrNotFound if there is no such App.
func (s *Server) wake(ctx context.Context, deviceID string) (err error) {
	defer event.RescueTo(&err, s.log, "App wake-up")
	a, err := s.cfg.Store.App(ctx, deviceID)
	if err != nil {
		return err
	}
	s.wakeOrTell(deviceID, a.Push)
	return nil
}

// put stores a request and queues it for the open inbox. wake is true if there is
// no open inbox, so that the App must be woken.
func (s *Server) put(r *mssp.DeviceRequest) (wake bool) {
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	mb := s.registry.mailbox(r.DeviceID, r.MSISDN)
	key := requestKey{r.TransID, r.Op}
	if mb.requests[key] != nil { // handed over again after a restart of the engine
		return false
	}
	if r.Op == mssp.OpSign {
		for old, p := range mb.requests {
			if old.op == mssp.OpSign && !p.Created.After(r.Created) {
				s.drop(r.DeviceID, old, mssp.EndReplaced)
			}
		}
	}
	mb = s.registry.mailbox(r.DeviceID, r.MSISDN) // drop may have deleted it
	now := s.now()
	p := &pending{DeviceRequest: *r, sent: now, shown: mb.conn == nil}
	p.Expires = now.Add(r.Expires.Sub(now)) // by the monotonic clock, so that a clock that is set ends nothing
	mb.requests[key] = p
	if mb.conn != nil && p.visible() {
		w := wireOf(r)
		mb.conn.queue(frame{Type: "request", Request: &w})
	}
	return p.visible() && mb.conn == nil
}

// Cancel implements mssp.Channel. It tells all Apps of the account but the one that
// answered, which learns it with the reply to its answer. An open inbox may have the
// request from a sync only, so that this node does not know of it.
func (s *Server) Cancel(_ context.Context, w mssp.Withdrawal) {
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	for _, deviceID := range slices.Clone(s.registry.accounts[w.MSISDN]) { // drop may change it
		for op := range opNames {
			key := requestKey{w.TransID, op}
			known := s.registry.find(deviceID, key) != nil
			synced := op == mssp.OpSign && !s.ended.has(key.hash(deviceID), s.now())
			if deviceID != w.AnsweredBy && (known || synced) {
				s.drop(deviceID, key, w.ReasonFor(deviceID))
			}
		}
	}
}

func (r *registry) find(deviceID string, k requestKey) *pending {
	if mb := r.mailboxes[deviceID]; mb != nil {
		return mb.requests[k]
	}
	return nil
}

// takeBack drops all requests to sign of a device.
func (s *Server) takeBack(deviceID string) {
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	if mb := s.registry.mailboxes[deviceID]; mb != nil {
		for key := range mb.requests {
			if key.op == mssp.OpSign {
				s.drop(deviceID, key, mssp.EndWithdrawn)
			}
		}
	}
}

// end forgets a request and tells the open inbox.
func (s *Server) end(deviceID string, k requestKey, why mssp.EndReason) {
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	s.drop(deviceID, k, why)
}

// drop is end with registry.mu held.
func (s *Server) drop(deviceID string, k requestKey, why mssp.EndReason) {
	s.ended.add(k.hash(deviceID), s.now(), s.now()) // what is forgotten gets `unknown` instead of `late`
	mb := s.registry.mailboxes[deviceID]
	if mb == nil {
		return
	}
	p := mb.requests[k]
	delete(mb.requests, k)
	if mb.conn != nil && (p == nil || p.visible()) {
		mb.conn.queue(frame{Type: "gone", ID: k.id, Op: opNames[k.op], Reason: string(why)})
	}
	s.registry.dropEmpty(deviceID)
}

// pendingOf lists the requests that a device may see and has to answer now,
// whichever node handed them over.
func (s *Server) pendingOf(ctx context.Context, deviceID string) ([]mssp.DeviceRequest, error) {
	all, err := s.allPending(ctx, deviceID)
	if err != nil {
		return nil, err
	}
	list := all[:0]
	for _, r := range all {
		if s.visible(ctx, &r) {
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

func (s *Server) visible(ctx context.Context, r *mssp.DeviceRequest) bool {
	if r.App2App == nil {
		return true
	}
	k := requestKey{r.TransID, r.Op}
	return s.openedHere(r.DeviceID, k) || s.openedElsewhere(ctx, r.DeviceID, k)
}

func (s *Server) openedHere(deviceID string, k requestKey) bool {
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	p := s.registry.find(deviceID, k)
	return p != nil && p.opened
}

// request returns a pending request that the device of this number may see: errLate if it has
// ended, errUnknown if there was none.
func (s *Server) request(ctx context.Context, deviceID, msisdn string, k requestKey) (*mssp.DeviceRequest, error) {
	if s.ended.has(k.hash(deviceID), s.now()) {
		return nil, errLate
	}
	if p := s.findVisible(deviceID, k); p != nil {
		return p, nil
	}
	list, err := s.pendingOf(ctx, deviceID)
	if err != nil {
		return nil, err
	}
	for _, r := range list {
		if (requestKey{r.TransID, r.Op}) == k {
			return &r, nil
		}
	}
	return nil, s.lateOrUnknown(ctx, msisdn, k)
}

func (s *Server) findVisible(deviceID string, k requestKey) *mssp.DeviceRequest {
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	if p := s.registry.find(deviceID, k); p != nil && p.visible() {
		return &p.DeviceRequest // immutable, so it may leave the lock
	}
	return nil
}

// openWith makes the request visible that waits for a session token. It can be
// repeated, in case the answer was lost. errUnknown if no request waits for it.
func (s *Server) openWith(ctx context.Context, deviceID, token string) (*mssp.DeviceRequest, error) {
	list, err := s.allPending(ctx, deviceID)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(token))
	hash := []byte(hex.EncodeToString(sum[:]))
	for _, r := range list {
		if r.App2App != nil && subtle.ConstantTimeCompare(hash, []byte(r.App2App.TokenHash)) == 1 {
			if err := s.tellOpened(ctx, &r); err != nil {
				return nil, err
			}
			s.reveal(&r)
			return &r, nil
		}
	}
	return nil, errUnknown
}

func (s *Server) reveal(r *mssp.DeviceRequest) {
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	mb := s.registry.mailbox(r.DeviceID, r.MSISDN)
	key := requestKey{r.TransID, r.Op}
	p := mb.requests[key]
	if p == nil { // it was handed to another node
		p = &pending{DeviceRequest: *r, sent: s.now()}
		mb.requests[key] = p
	}
	p.opened, p.shown = true, true
	if mb.conn != nil {
		w := wireOf(r)
		mb.conn.queue(frame{Type: "request", Request: &w})
	}
}

// markShown records that a request is on the screen of the App.
func (s *Server) markShown(deviceID string, k requestKey) {
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	if p := s.registry.find(deviceID, k); p != nil {
		p.shown = true
	}
}
