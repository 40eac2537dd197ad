package mssp

import (
	"time"
)

// Clock tells the time. All decisions by time ask it, so that tests can set it.
type Clock interface{ Now() time.Time }

// SystemClock is the machine's clock.
type SystemClock struct{}

// Now implements Clock.
func (SystemClock) Now() time.Time { return time.Now() }
