package testkit

import (
	"sync"
	"time"
)

// Clock is a clock that a test moves. It may be used by several goroutines.
type Clock struct {
	mu      sync.Mutex
	running bool
	at      time.Time     // of a clock that stands still
	ahead   time.Duration // of a running one
}

// NewClock returns a clock that stands still at the given time.
func NewClock(at time.Time) *Clock { return &Clock{at: at} }

// RunningClock returns a clock that runs with the machine's. Advance makes it
// run ahead.
func RunningClock() *Clock { return &Clock{running: true} }

// Now returns the time that the clock shows.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running {
		return time.Now().Add(c.ahead)
	}
	return c.at
}

// Advance moves the clock by d, which may be negative.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
	c.at = c.at.Add(d)
}

// Set moves the clock to the given time.
func (c *Clock) Set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead = time.Until(at)
	c.at = at
}
