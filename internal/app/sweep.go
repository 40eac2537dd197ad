package app

import (
	"context"
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
// inboxes seem to be open, but a request was not shown.
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
			case p.visible() && !p.shown && now.Sub(p.sent) >= shownWithin:
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
	if err := s.wake(ctx, deviceID); err != nil {
		s.log.Warn("App not woken", "device", deviceID, "err", err)
	}
}
