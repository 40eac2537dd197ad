package app

import (
	"context"
	"errors"
	"time"

	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
)

// sweep does what is due at this time.
func (s *Server) sweep(now time.Time) {
	defer event.Rescue(s.log, "App sweep")
	s.enrols.sweep(now)
	s.push.sweep(now)
	if wake := s.sweepRegistry(now); len(wake) > 0 {
		s.tasks.start(func() { // a slow store must not delay the next sweep
			for _, deviceID := range wake {
				s.wakeUnseen(deviceID)
			}
		})
	}
}

// sweepRegistry drops what has expired and returns the devices to wake: their
// inboxes seem to be open, but a request was not shown, or they could not be woken before.
func (s *Server) sweepRegistry(now time.Time) (wake []string) {
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	for c := range s.registry.conns {
		if c.overdue(now) {
			c.close(closeSilent, "silent for too long")
		}
	}
	for deviceID, mb := range s.registry.mailboxes {
		unseen := false
		for key, p := range mb.requests {
			switch {
			case !now.Before(p.Expires):
				s.drop(deviceID, key, mssp.EndExpired)
			case p.visible() && !p.shown && (p.postponed || now.Sub(p.sent) >= shownWithin):
				p.shown, unseen = true, true
			}
		}
		if unseen {
			wake = append(wake, deviceID)
		}
	}
	return wake
}

func (s *Server) wakeUnseen(deviceID string) {
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	err := s.wake(ctx, deviceID)
	if again := s.tried(deviceID, err != nil && !errors.Is(err, mssp.ErrNotFound)); err != nil && !again {
		s.log.Warn("App not woken", "device", deviceID, "err", err)
	}
}

// tried notes whether an App with postponed requests could be looked up. If not, the next
// sweep tries again. It returns whether there are such requests.
func (s *Server) tried(deviceID string, failed bool) (again bool) {
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	mb := s.registry.mailboxes[deviceID]
	if mb == nil {
		return false
	}
	for _, p := range mb.requests {
		if p.postponed {
			p.shown, p.postponed = !failed, failed
			again = again || failed
		}
	}
	return again
}
