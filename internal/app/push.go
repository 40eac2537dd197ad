package app

import (
	"context"
	"crypto/ecdh"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
)

const (
	pushWorkers = 8
	pushTimeout = 10 * time.Second
	pushTTL     = 300 // seconds; longer than any request stays pending
	maxEndpoint = 1024
	wakeMessage = `{"type":"wake"}`

	// A message that a push service does not take at once is repeated, after pauses
	// that double, for as long as a user may still be waiting.
	pushPause = 2 * time.Second
	pushGiven = time.Minute
)

// wakeup is a message that waits to be sent.
type wakeup struct {
	sub   *mssp.PushSubscription
	first time.Time     // when it was asked for
	due   time.Time     // not before
	pause time.Duration // after the next failure
}

// pusher wakes Apps by push. A wakeup goes from waiting, in order, to a worker; if
// the push service is busy or away, to later, and with a sweep back to waiting.
type pusher struct {
	s     *Server
	vapid VAPID

	mu      sync.Mutex
	waiting map[string]*wakeup // by device, so that each is queued once
	order   []string           // of waiting, oldest first
	later   map[string]*wakeup
	workers int
	counts  map[pushOutcome]uint64
}

func newPusher(s *Server, v VAPID) (*pusher, error) {
	if v.Public == "" && v.Private == "" {
		var err error
		if v, err = NewVAPID(v.Contact); err != nil {
			return nil, err
		}
	}
	p := &pusher{s: s, vapid: v, waiting: make(map[string]*wakeup), later: make(map[string]*wakeup), counts: make(map[pushOutcome]uint64)}
	return p, v.check()
}

// off reports whether no App is woken.
func (p *pusher) off() bool { return p.vapid.Contact == "" }

func (c *call) pushKey() (any, error) {
	if c.s.push.off() {
		return nil, errNoPush
	}
	return struct {
		Key string `json:"key"`
	}{c.s.push.vapid.Public}, nil
}

// subscription checks a subscription before it is stored, because the service
// will call an address that the App chose.
func (p *pusher) subscription(w wirePush) (*mssp.PushSubscription, error) {
	u, err := url.Parse(w.Endpoint)
	if err != nil || len(w.Endpoint) > maxEndpoint || u.Host == "" || u.User != nil || u.Fragment != "" {
		return nil, errors.New("the endpoint is not a valid URL")
	}
	if err := p.s.cfg.AllowPush(u); err != nil {
		return nil, err
	}
	if _, err := ecdh.P256().NewPublicKey(w.P256DH); err != nil {
		return nil, errors.New("p256dh must be an uncompressed P-256 point")
	}
	if len(w.Auth) != 16 {
		return nil, errors.New("auth must have 16 bytes")
	}
	return &mssp.PushSubscription{Endpoint: w.Endpoint, P256DH: w.P256DH, Auth: w.Auth}, nil
}

// wake queues a push to an App, unless one is queued. It does not wait.
func (p *pusher) wake(deviceID string, sub *mssp.PushSubscription) {
	if sub == nil || p.off() {
		return
	}
	now := p.s.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if old, ok := p.later[deviceID]; ok { // its pause holds for the new message, too
		old.sub, old.first = sub, now
		return
	}
	p.queue(deviceID, &wakeup{sub: sub, first: now, pause: pushPause})
}

// queue is called with mu held.
func (p *pusher) queue(deviceID string, w *wakeup) {
	if _, ok := p.waiting[deviceID]; ok {
		return
	}
	if len(p.order) >= p.s.limits.Load().Wakes { // they have to connect by themselves
		p.counts[pushDropped]++
		p.s.log.Warn("App not woken: the push queue is full", "device", deviceID)
		return
	}
	p.waiting[deviceID] = w
	p.order = append(p.order, deviceID)
	if p.workers < pushWorkers && p.s.tasks.start(p.work) {
		p.workers++
	}
}

// sweep queues again what is due.
func (p *pusher) sweep(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for deviceID, w := range p.later {
		if !now.Before(w.due) {
			delete(p.later, deviceID)
			p.queue(deviceID, w)
		}
	}
}

func (p *pusher) work() {
	for {
		deviceID, w := p.next()
		if w == nil {
			return
		}
		p.deliver(deviceID, w)
	}
}

// deliver sends one push. A panic must not end the worker, which would count
// towards pushWorkers for good.
func (p *pusher) deliver(deviceID string, w *wakeup) {
	defer event.Rescue(p.s.log, "App push")
	outcome, after, err := p.send(w.sub)
	again := p.account(deviceID, w, outcome, after)
	if err == nil {
		return
	}
	p.s.log.Warn("App not woken", "device", deviceID, "outcome", string(outcome), "again", again, "err", err)
	if why := outcome.ends(); why != "" {
		p.forget(deviceID, w.sub, why)
	}
}

// account counts the outcome, and reports whether the message will be sent again.
func (p *pusher) account(deviceID string, w *wakeup, outcome pushOutcome, after time.Duration) bool {
	now := p.s.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts[outcome]++
	w.due = now.Add(max(after, w.pause))
	if !outcome.passes() || w.due.Sub(w.first) > pushGiven || len(p.later) >= p.s.limits.Load().Wakes {
		return false
	}
	w.pause *= 2
	if newer := p.waiting[deviceID]; newer != nil { // asked for meanwhile
		delete(p.waiting, deviceID)
		p.order = slices.DeleteFunc(p.order, func(id string) bool { return id == deviceID })
		w.sub, w.first = newer.sub, newer.first
	}
	p.later[deviceID] = w
	return true
}

func (p *pusher) next() (string, *wakeup) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.order) == 0 || p.s.tasks.stopping() {
		p.workers--
		return "", nil
	}
	id := p.order[0]
	p.order = p.order[1:]
	w := p.waiting[id]
	delete(p.waiting, id)
	return id, w
}

// Pushes returns how many messages to push services had each outcome.
func (s *Server) Pushes() map[string]uint64 {
	s.push.mu.Lock()
	defer s.push.mu.Unlock()
	all := make(map[string]uint64, len(pushOutcomes))
	for _, o := range pushOutcomes {
		all[string(o)] = s.push.counts[o]
	}
	return all
}

// errOtherPush aborts forget: the subscription was replaced or removed.
var errOtherPush = errors.New("the App has a different subscription or none")

// forget deletes a subscription, unless the App has a newer one, and keeps why, so
// that the App learns of it.
func (p *pusher) forget(deviceID string, sub *mssp.PushSubscription, why mssp.PushEndReason) {
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	err := p.s.cfg.Store.UpdateApp(ctx, deviceID, func(a *mssp.AppDevice) error {
		if a.Push == nil || a.Push.Endpoint != sub.Endpoint {
			return errOtherPush
		}
		a.Push, a.PushEnd = nil, &mssp.PushEnd{Reason: why, At: p.s.now(), Endpoint: endpointHash(sub.Endpoint)}
		return nil
	})
	if err != nil && !errors.Is(err, errOtherPush) && !errors.Is(err, mssp.ErrNotFound) {
		p.s.log.Warn("expired push subscription not deleted", "device", deviceID, "err", err)
	}
}

// subscribe gives an App the subscription that it reports, unless that is the one that
// has ended: the App does not know that yet.
func subscribe(a *mssp.AppDevice, sub *mssp.PushSubscription) {
	if e := a.PushEnd; e != nil && subtle.ConstantTimeCompare(e.Endpoint, endpointHash(sub.Endpoint)) == 1 {
		return
	}
	a.Push, a.PushEnd = sub, nil
}

// endpointHash stands for an endpoint, which is a secret.
func endpointHash(endpoint string) []byte {
	sum := sha256.Sum256([]byte(endpoint))
	return sum[:]
}
