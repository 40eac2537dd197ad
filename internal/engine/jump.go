package engine

import (
	"sync"
	"sync/atomic"
	"time"
)

// leap is by how much the clock of the machine must be off the monotonic clock between
// two looks to have been set. A clock that is slewed is off by a thousandth of that.
const leap = 500 * time.Millisecond

// jumps notice that the clock of the machine was set, by the monotonic clock. What is
// outstanding must not end early or late because of it: of its own transactions a node
// knows when each is due by the monotonic clock; and after a jump forward it takes the
// time of other rows as it would be without the jump, until the last of its own is due.
type jumps struct {
	forward, backward atomic.Uint64

	mu    sync.Mutex
	last  time.Time     // when the clock was looked at
	ahead time.Duration // by how much it has jumped forward
	until time.Time     // for how long that matters; by the monotonic clock
}

// see looks at the clock. It returns by how much it has jumped since the last look; 0 if
// it has not. A clock without a monotonic reading never jumps.
func (j *jumps) see(now time.Time) time.Duration {
	last := j.last
	j.last = now
	if last.IsZero() {
		return 0
	}
	d := now.Round(0).Sub(last.Round(0)) - now.Sub(last)
	if d.Abs() < leap {
		return 0
	}
	return d
}

// ClockJumps returns how often the clock of the machine was set, by direction.
func (e *Engine) ClockJumps() map[string]uint64 {
	return map[string]uint64{"forward": e.jumps.forward.Load(), "backward": e.jumps.backward.Load()}
}

// horizon is the time up to which transactions are overdue that this node does not know:
// the present, but for a jump of the clock.
func (e *Engine) horizon() time.Time {
	now := e.cfg.Clock.Now()
	j := &e.jumps
	j.mu.Lock()
	defer j.mu.Unlock()
	if d := j.see(now); d != 0 {
		e.jumped(now, d)
	}
	if j.ahead > 0 && !now.Before(j.until) {
		j.ahead = 0
	}
	return now.Add(-j.ahead).Truncate(time.Microsecond)
}

// jumped notes a jump of the clock. jumps.mu is held.
func (e *Engine) jumped(now time.Time, d time.Duration) {
	j := &e.jumps
	last := e.flights.lastDue()
	e.cfg.Logger.Error("the clock of this machine was set; what is outstanding keeps the time that it has left",
		"by", d.Round(time.Millisecond), "outstanding", e.flights.len())
	if d < 0 {
		j.backward.Add(1)
		j.ahead = max(0, j.ahead+d)
		return
	}
	j.forward.Add(1)
	j.ahead += d
	if last.After(j.until) {
		j.until = last
	}
}

// lastDue returns when the last of the transactions is due; zero if there is none.
func (fs *flights) lastDue() (last time.Time) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, f := range fs.m {
		if f.due.After(last) {
			last = f.due
		}
	}
	return last
}
