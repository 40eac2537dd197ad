package testkit

import (
	"sync/atomic"
	"time"
	"unsafe"
)

// JumpingClock is the clock of a machine that a test sets: the time of day jumps, the
// monotonic clock does not.
type JumpingClock struct{ ahead atomic.Int64 }

// Jump sets the clock by whole seconds, which may be negative.
func (c *JumpingClock) Jump(d time.Duration) { c.ahead.Add(int64(d / time.Second)) }

// Now returns the time that the clock shows, with an honest monotonic reading.
func (c *JumpingClock) Now() time.Time {
	now := time.Now()
	ahead := c.ahead.Load()
	jumped := now
	// The first word of a time with a monotonic reading holds the seconds above 30 bits of
	// nanoseconds. Package time has no function that changes one reading alone.
	*(*uint64)(unsafe.Pointer(&jumped)) += uint64(ahead) << 30
	if jumped.Sub(now) != 0 || jumped.Unix()-now.Unix() != ahead {
		panic("testkit: the form of time.Time has changed")
	}
	return jumped
}
