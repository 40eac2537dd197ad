package engine

import (
	"sync/atomic"
	"time"
)

// round remembers when the sweep last came round. It counts by the monotonic clock,
// because a watchdog that compares it with the present must not care about a clock
// that was set.
type round struct {
	last atomic.Pointer[time.Time]
}

func (r *round) turned() {
	now := time.Now()
	r.last.Store(&now)
}

// Progress returns when the loop that ends overdue transactions last came round,
// whether the store let it do its work or not. It is zero before Run.
func (e *Engine) Progress() time.Time {
	if t := e.round.last.Load(); t != nil {
		return *t
	}
	return time.Time{}
}
