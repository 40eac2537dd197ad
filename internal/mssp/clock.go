package mssp

import (
	"time"
)

// Clock tells the time. Tests set it; everything that decides by time asks it.
type Clock interface{ Now() time.Time }

// SystemClock is the machine's clock.
type SystemClock struct{}

// Now implements Clock.
func (SystemClock) Now() time.Time { return time.Now() }
