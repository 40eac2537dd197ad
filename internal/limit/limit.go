package limit

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/time/rate"
)

// Rate is how often something may happen: Burst times at once, and once more
// after each Every. Both must be positive.
type Rate struct {
	Burst int
	Every time.Duration
}

// PerMinute allows burst at once and perMinute in the long run. Both must be
// positive.
func PerMinute(perMinute, burst int) Rate {
	return Rate{Burst: burst, Every: time.Minute / time.Duration(perMinute)}
}

// PerWindow allows n at once and n per window in the long run. A key that has
// used them up gets one more after each n-th part of the window.
func PerWindow(n int, window time.Duration) Rate {
	return Rate{Burst: n, Every: window / time.Duration(n)}
}

// refill is how long an empty bucket takes to fill up.
func (r Rate) refill() time.Duration { return time.Duration(r.Burst) * r.Every }

// DefaultKeys is a size for tables of addresses and devices, some 25 MB when
// full.
const DefaultKeys = 100_000

// Limiter applies a Rate to many keys. It is safe for concurrent use.
type Limiter struct {
	refused atomic.Uint64

	mu   sync.Mutex
	rate Rate
	lru  *simplelru.LRU[string, *bucket]
}

type bucket struct {
	*rate.Limiter
	rate Rate
	used time.Time
}

// New returns a limiter that knows at most so many keys at a time. It panics if
// the rate or the number is not positive.
func New(r Rate, keys int) *Limiter {
	r.check()
	lru, err := simplelru.NewLRU[string, *bucket](keys, nil)
	if err != nil {
		panic("limit: " + err.Error())
	}
	return &Limiter{rate: r, lru: lru}
}

func (r Rate) check() {
	if r.Burst <= 0 || r.Every <= 0 {
		panic("limit: a rate must be positive")
	}
}

// SetRate replaces the rate for all keys. What was used before still counts. It panics
// if the rate is not positive.
func (l *Limiter) SetRate(r Rate) {
	r.check()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rate = r
}

// Take counts one use of the key and returns 0. If that is one too many it
// counts nothing and returns how long to wait.
func (l *Limiter) Take(key string, now time.Time) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.take(l.rate, key, now)
}

// TakeAt is Take for a key with a rate of its own, which may differ from one use
// to the next. What was used before still counts.
func (l *Limiter) TakeAt(r Rate, key string, now time.Time) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.take(r, key, now)
}

func (l *Limiter) take(r Rate, key string, now time.Time) (wait time.Duration) {
	b := l.bucket(r, key, now)
	reserved := b.ReserveN(now, 1)
	if wait = reserved.DelayFrom(now); wait > 0 {
		reserved.CancelAt(now)
		l.refused.Add(1)
	}
	return wait
}

// WaitAt returns what TakeAt would, and counts nothing.
func (l *Limiter) WaitAt(r Rate, key string, now time.Time) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if missing := 1 - l.bucket(r, key, now).TokensAt(now); missing > 0 {
		l.refused.Add(1)
		return time.Duration(math.Ceil(missing * float64(r.Every)))
	}
	return 0
}

// Refused is how many uses were refused so far.
func (l *Limiter) Refused() uint64 { return l.refused.Load() }

func (l *Limiter) bucket(r Rate, key string, now time.Time) *bucket {
	l.forget(now)
	b, ok := l.lru.Get(key)
	if !ok {
		b = &bucket{Limiter: rate.NewLimiter(rate.Every(r.Every), r.Burst), rate: r}
		l.lru.Add(key, b)
	}
	if b.rate != r {
		b.SetLimitAt(now, rate.Every(r.Every))
		b.SetBurstAt(now, r.Burst)
		b.rate = r
	}
	b.used = now
	return b
}

// forget drops buckets that have filled up since they were used, so that memory
// shrinks again after a flood. Two per call empty the table faster than one per
// call fills it.
func (l *Limiter) forget(now time.Time) {
	for range 2 {
		_, b, ok := l.lru.GetOldest()
		if !ok || now.Sub(b.used) < b.rate.refill() {
			return
		}
		l.lru.RemoveOldest()
	}
}
