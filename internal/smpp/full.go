package smpp

import (
	"maps"
	"sync"
	"time"
)

const (
	maxFull      = 10_000           // destinations remembered
	fullLifetime = 10 * time.Minute // since their last refusal
)

// full remembers destinations that the SMSC refused because of load, or that it did not
// reach: messages to them may fail again, or occupy a window for long. A destination is
// known to be full once another one was accepted after it was refused: then the refusal
// was not about the bind. All binds of a client share the memory.
type full struct {
	mu   sync.Mutex
	seen map[string]refusal
}

type refusal struct {
	last  time.Time // refused, or not reached
	known bool      // to be full
}

func newFull() *full { return &full{seen: make(map[string]refusal)} }

// note records a refusal. It reports whether the destination was known to be full.
func (f *full) note(to string) (known bool) {
	now := time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	r, remembered := f.seen[to]
	if !remembered {
		f.makeRoom(now)
	}
	r.known = r.known && now.Sub(r.last) < fullLifetime
	r.last = now
	f.seen[to] = r
	return r.known
}

// away records that a destination was not reached.
func (f *full) away(to string) {
	now := time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	r, remembered := f.seen[to]
	if !remembered {
		f.makeRoom(now)
	}
	r.last = now
	f.seen[to] = r
}

// makeRoom forgets what is too old and, if that is not enough, everything.
func (f *full) makeRoom(now time.Time) {
	if len(f.seen) < maxFull {
		return
	}
	maps.DeleteFunc(f.seen, func(_ string, r refusal) bool { return now.Sub(r.last) >= fullLifetime })
	if len(f.seen) >= maxFull {
		clear(f.seen)
	}
}

// prove makes refused destinations known to be full.
func (f *full) prove(refused map[string]struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for to := range refused {
		if r, ok := f.seen[to]; ok {
			r.known = true
			f.seen[to] = r
		}
	}
}

// forget is called when a destination accepted a message.
func (f *full) forget(to string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.seen, to)
}

// suspect reports whether the destination was refused, or not reached, lately.
func (f *full) suspect(to string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	r, ok := f.seen[to]
	return ok && time.Since(r.last) < fullLifetime
}
