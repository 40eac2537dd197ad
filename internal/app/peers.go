package app

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
)

// This file is about Apps that are connected to another node than the one that asks them.

// Peers are the other nodes that share the store.
type Peers interface {
	// Peers is how many other nodes live.
	Peers() int
	// Publish tells the other nodes something, as far as they hear it.
	Publish(topic, data string)
}

// Topic is what servers publish: see Server.Hear.
const Topic = "app"

// What a notice is about, of a device.
const (
	newsAsk  = "ask"  // there is a request for it
	newsHave = "have" // it is connected to the sender, which takes care of it
	newsOpen = "open" // it has opened an AuthUri; the transaction and the operation follow
)

// elsewhereWait is how long a node waits for another one to say that an App is connected
// there, before it wakes the App by push. Notices take some milliseconds.
const elsewhereWait = 300 * time.Millisecond

// The kinds of shared values.
const (
	sharedProof  = "app proof"
	sharedOpened = "app opened"
)

// shared reports whether other nodes may use the store.
func (s *Server) shared() bool { return s.cfg.Peers != nil }

// wakeups are pushes that wait for a word of other nodes.
type wakeups struct {
	mu      sync.Mutex
	waiting map[string]*time.Timer // by device
	stopped bool
}

func (w *wakeups) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	for deviceID, t := range w.waiting {
		t.Stop()
		delete(w.waiting, deviceID)
	}
}

// wakeOrTell wakes an App that has no open inbox here: another node does, or if none says
// so, a push.
func (s *Server) wakeOrTell(deviceID string, sub *mssp.PushSubscription) {
	if !s.shared() || s.cfg.Peers.Peers() == 0 {
		s.push.wake(deviceID, sub)
		return
	}
	s.asked.mu.Lock()
	if s.asked.waiting[deviceID] == nil && !s.asked.stopped {
		s.asked.waiting[deviceID] = time.AfterFunc(elsewhereWait, func() {
			defer event.Rescue(s.log, "App wake-up")
			if s.heardOf(deviceID) {
				s.push.wake(deviceID, sub)
			}
		})
	}
	s.asked.mu.Unlock()
	s.cfg.Peers.Publish(Topic, newsAsk+" "+deviceID)
}

// heardOf ends the waiting for a word about a device, and reports whether something waited.
func (s *Server) heardOf(deviceID string) bool {
	s.asked.mu.Lock()
	defer s.asked.mu.Unlock()
	t := s.asked.waiting[deviceID]
	if t == nil {
		return false
	}
	t.Stop()
	delete(s.asked.waiting, deviceID)
	return true
}

// Hear hears from another node. It returns at once.
func (s *Server) Hear(_, data string) {
	what, deviceID, ok := strings.Cut(data, " ")
	switch {
	case !ok:
	case what == newsHave:
		s.heardOf(deviceID)
	case what == newsAsk && s.connected(deviceID):
		s.tasks.start(func() {
			if s.catchUp(deviceID) {
				s.cfg.Peers.Publish(Topic, newsHave+" "+deviceID)
			}
		})
	case what == newsOpen:
		if deviceID, _, ok = strings.Cut(deviceID, " "); ok && s.connected(deviceID) {
			s.tasks.start(func() { s.catchUp(deviceID) })
		}
	}
}

// HearGap hears that notices of other nodes may have been lost.
func (s *Server) HearGap() {
	s.tasks.start(func() {
		for _, deviceID := range s.devices() {
			s.catchUp(deviceID)
		}
	})
}

// devices are those with an open inbox here.
func (s *Server) devices() (list []string) {
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	for deviceID, mb := range s.registry.mailboxes {
		if mb.conn != nil {
			list = append(list, deviceID)
		}
	}
	return list
}

func (s *Server) connected(deviceID string) bool {
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	mb := s.registry.mailboxes[deviceID]
	return mb != nil && mb.conn != nil
}

// catchUp gives an App with an open inbox the requests that other nodes made, and takes those
// back that have ended there. If the App does not show one in time, the sweep wakes it, as for
// those of this node. It returns false if the requests cannot be read.
func (s *Server) catchUp(deviceID string) bool {
	defer event.Rescue(s.log, "App inbox")
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	known := s.known(deviceID)
	list, err := s.allPending(ctx, deviceID)
	if err != nil {
		s.log.Warn("requests of other nodes cannot be read", "device", deviceID, "err", err)
		return false
	}
	for i := range list {
		r := &list[i]
		k := requestKey{r.TransID, r.Op}
		known = slices.DeleteFunc(known, func(o requestKey) bool { return o == k })
		if s.put(r) { // it has disconnected meanwhile
			s.wakeUnseen(deviceID)
		}
		if r.App2App != nil && !s.openedHere(deviceID, k) && s.openedElsewhere(ctx, deviceID, k) {
			s.reveal(r)
		}
	}
	for _, k := range known {
		s.end(deviceID, k, mssp.EndWithdrawn)
	}
	return true
}

// known are the requests that this node has of a device.
func (s *Server) known(deviceID string) (list []requestKey) {
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	if mb := s.registry.mailboxes[deviceID]; mb != nil {
		list = slices.Collect(maps.Keys(mb.requests))
	}
	return list
}

// lateOrUnknown is the answer to what waits for nobody: another node may know that it has
// ended.
func (s *Server) lateOrUnknown(ctx context.Context, msisdn string, k requestKey) error {
	if !s.shared() || k.id == "" {
		return errUnknown
	}
	_, in, err := s.engine()
	if err != nil {
		return err
	}
	switch ended, err := in.Ended(ctx, msisdn, k.id, k.op); {
	case err != nil:
		return err
	case ended:
		return errLate
	}
	return errUnknown
}

// openedElsewhere reports whether the AuthUri of a request was opened at another node.
func (s *Server) openedElsewhere(ctx context.Context, deviceID string, k requestKey) bool {
	if !s.shared() {
		return false
	}
	_, err := s.cfg.Shared.Value(ctx, sharedOpened, openedName(deviceID, k))
	return err == nil
}

// tellOpened tells other nodes that the AuthUri of a request was opened.
func (s *Server) tellOpened(ctx context.Context, r *mssp.DeviceRequest) error {
	if !s.shared() {
		return nil
	}
	name := openedName(r.DeviceID, requestKey{r.TransID, r.Op})
	err := s.cfg.Shared.PutValue(ctx, sharedOpened, name, nil, r.Expires)
	if err == nil && s.cfg.Peers.Peers() > 0 {
		s.cfg.Peers.Publish(Topic, newsOpen+" "+name)
	}
	return err
}

func openedName(deviceID string, k requestKey) string {
	return deviceID + " " + k.id + " " + opNames[k.op]
}
