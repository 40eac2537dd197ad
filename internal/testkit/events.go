package testkit

import (
	"slices"
	"sync"
)

// Events records what a callback receives, from any goroutine, so that a test can
// read it. The zero value is empty and ready.
type Events[E any] struct {
	// Also, if not nil, is called with each event after it was recorded. Set it
	// before the first event.
	Also func(E)

	mu  sync.Mutex
	all []E
}

// Note records an event. It is the callback.
func (e *Events[E]) Note(event E) {
	e.mu.Lock()
	e.all = append(e.all, event)
	e.mu.Unlock()
	if e.Also != nil {
		e.Also(event)
	}
}

// All returns the events so far, oldest first.
func (e *Events[E]) All() []E {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.all)
}
