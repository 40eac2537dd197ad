package limit

import (
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// Strikes blocks a key for which something happened too often: once there were
// Most strikes within the period, until the first of them is older than that.
// Unlike a Limiter it counts events that nobody can refuse. It is safe for
// concurrent use.
type Strikes struct {
	most   int
	period time.Duration

	mu  sync.Mutex
	lru *simplelru.LRU[string, []time.Time] // the last strikes of a key, at most as many as block it
}

// NewStrikes returns a table of at most so many keys. It panics if a number is not
// positive.
func NewStrikes(most int, period time.Duration, keys int) *Strikes {
	if most <= 0 || period <= 0 {
		panic("limit: strikes must be positive")
	}
	lru, err := simplelru.NewLRU[string, []time.Time](keys, nil)
	if err != nil {
		panic("limit: " + err.Error())
	}
	return &Strikes{most: most, period: period, lru: lru}
}

// Add counts one strike.
func (s *Strikes) Add(key string, now time.Time) { s.add(key, 1, now) }

// Out counts as many strikes as block the key.
func (s *Strikes) Out(key string, now time.Time) { s.add(key, s.most, now) }

func (s *Strikes) add(key string, n int, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(now)
	at, _ := s.lru.Get(key)
	for range n {
		at = append(at, now)
	}
	if old := len(at) - s.most; old > 0 {
		at = append(at[:0], at[old:]...)
	}
	s.lru.Add(key, at)
}

// Wait returns how long the key stays blocked; 0 if it is not.
func (s *Strikes) Wait(key string, now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, _ := s.lru.Peek(key)
	if len(at) < s.most {
		return 0
	}
	return max(0, at[0].Add(s.period).Sub(now))
}

// forget drops keys whose last strike is too old to count.
func (s *Strikes) forget(now time.Time) {
	for range 2 {
		_, at, ok := s.lru.GetOldest()
		if !ok || now.Sub(at[len(at)-1]) < s.period {
			return
		}
		s.lru.RemoveOldest()
	}
}
