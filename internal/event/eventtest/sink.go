package eventtest

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/signum-mssp/signum/internal/event"
)

var _ event.Sink = (*Sink)(nil)

// Sink keeps copies of events. The zero value is empty and ready. It is safe for
// concurrent use.
type Sink struct {
	mu     sync.Mutex
	events []event.Event
}

// Record implements event.Sink.
func (s *Sink) Record(_ context.Context, e *event.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, *e)
}

// Events returns the events in the order in which they were emitted.
func (s *Sink) Events() []event.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

// Last returns the newest event of an operation. Without one the test fails.
func (s *Sink) Last(t testing.TB, op string) event.Event {
	t.Helper()
	all := s.Events()
	for _, e := range slices.Backward(all) {
		if e.Op == op {
			return e
		}
	}
	t.Fatalf("no event of %q among %+v", op, all)
	return event.Event{}
}

// Count returns how many events of an operation there are.
func (s *Sink) Count(op string) (n int) {
	for _, e := range s.Events() {
		if e.Op == op {
			n++
		}
	}
	return n
}
