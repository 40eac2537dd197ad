package limit

import (
	"math"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// Growth says how pauses grow: Free uses without a pause, then pauses that begin with
// First and double up to Longest. For each Forget without a use after its pause, one
// use is forgotten. All must be positive.
type Growth struct {
	Free    int
	First   time.Duration
	Longest time.Duration
	Forget  time.Duration
}

// Pauses makes repeated uses of a key slower and slower. It is safe for concurrent
// use.
type Pauses struct {
	g Growth

	mu  sync.Mutex
	lru *simplelru.LRU[string, *uses]
}

type uses struct {
	n    float64 // as of last
	last time.Time
}

// NewPauses returns a table of so many keys; as in a Limiter, the key that was used
// least recently is evicted. It panics if the growth or the number makes no sense.
func NewPauses(g Growth, keys int) *Pauses {
	if g.Free <= 0 || g.First <= 0 || g.Longest < g.First || g.Forget <= 0 {
		panic("limit: pauses must grow and be forgotten")
	}
	lru, err := simplelru.NewLRU[string, *uses](keys, nil)
	if err != nil {
		panic("limit: " + err.Error())
	}
	return &Pauses{g: g, lru: lru}
}

// Take counts one use of the key and returns 0. During a pause it counts nothing and
// returns how long the pause lasts.
func (p *Pauses) Take(key string, now time.Time) (wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	u, ok := p.lru.Get(key)
	if !ok {
		u = &uses{last: now}
		p.lru.Add(key, u)
	}
	idle := max(now.Sub(u.last), 0)
	rest := p.pause(u.n)
	if idle < rest {
		return rest - idle
	}
	u.n = max(u.n-float64(idle-rest)/float64(p.g.Forget), 0) + 1
	if p.pause(u.n-1) == p.g.Longest {
		u.n-- // it would only take longer to forget
	}
	u.last = now
	return 0
}

// pause is how long a key must rest after n uses.
func (p *Pauses) pause(n float64) time.Duration {
	over := math.Floor(n) - float64(p.g.Free)
	if over < 0 {
		return 0
	}
	if d := float64(p.g.First) * math.Exp2(over); d < float64(p.g.Longest) {
		return time.Duration(d)
	}
	return p.g.Longest
}
