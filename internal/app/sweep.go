package app

import (
	"context"
	"time"

	"github.com/signum-mssp/signum/internal/event"
)

// sweep does what is overdue.
func (s *Server) sweep(now time.Time) {
	defer event.Rescue(s.log, "App sweep")
	s.enrols.sweep(now)
	if wake := s.sweepBook(now); len(wake) > 0 {
		s.tasks.start(func() { // the store may be slow, and time passes
			for _, deviceID := range wake {
				s.wakeUnseen(deviceID)
			}
		})
	}
}

// sweepBook returns whom to wake: their connections seem to be open, but
// nobody shows what they were sent.
func (s *Server) sweepBook(now time.Time) (wake []string) {
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	for c := range s.registry.conns {
		if c.overdue(now) {
			c.close(closeSilent, "nothing came")
		}
	}
	for deviceID, box := range s.registry.mailboxes {
		unseen := false
		for name, p := range box.requests {
			switch {
			case !now.Before(p.Expires):
				s.drop(deviceID, name, "expired")
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
