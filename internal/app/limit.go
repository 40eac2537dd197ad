package app

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limit is how many calls are taken: Burst at once, then PerMinute.
type Limit struct{ PerMinute, Burst int }

// Limits of calls. A zero Limit is the default one.
type Limits struct {
	Begin      Limit // POST /enrol/begin, by remote address
	Address    Limit // everything, by remote address; a mobile network hides thousands of phones behind one
	Device     Limit // everything that was proved, and the frames of an inbox
	Subscriber Limit // the same, all devices of an account together
}

func (l Limit) or(d Limit) Limit {
	if l.PerMinute <= 0 || l.Burst <= 0 {
		return d
	}
	return l
}

func (l Limits) withDefaults() Limits {
	return Limits{
		Begin:      l.Begin.or(Limit{10, 10}),
		Address:    l.Address.or(Limit{6000, 3000}),
		Device:     l.Device.or(Limit{120, 60}),
		Subscriber: l.Subscriber.or(Limit{240, 120}),
	}
}

// generations is a map that forgets by itself: it keeps what was used within
// the last period and at most two periods, and no more than twice most.
type generations[K comparable, V any] struct {
	period      time.Duration
	most        int
	began       time.Time
	young, aged map[K]V
}

func (g *generations[K, V]) turn(now time.Time) {
	if g.young != nil && now.Sub(g.began) < g.period {
		return
	}
	if now.Sub(g.began) >= 2*g.period {
		g.young = nil
	}
	g.aged, g.young, g.began = g.young, make(map[K]V), now
}

func (g *generations[K, V]) get(k K) (v V, ok bool) {
	if v, ok = g.young[k]; !ok {
		v, ok = g.aged[k]
	}
	return v, ok
}

// limiter holds one Limit for many keys.
type limiter struct {
	limit Limit
	mu    sync.Mutex
	by    generations[string, *rate.Limiter]
}

// maxKeys bounds a limiter's memory to some 20 MB. Who fills it, which takes as
// many addresses, makes it forget and not refuse.
const maxKeys = 100_000

func newLimiter(l Limit) *limiter {
	// A limiter that was not used for as long is full again.
	full := time.Duration(l.Burst) * time.Minute / time.Duration(l.PerMinute)
	return &limiter{limit: l, by: generations[string, *rate.Limiter]{period: max(full, time.Minute), most: maxKeys}}
}

// take counts one call; the wait is how long to stay away, 0 if it is taken.
func (l *limiter) take(key string, now time.Time) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.by.turn(now)
	b, ok := l.by.get(key)
	if !ok {
		b = rate.NewLimiter(rate.Limit(float64(l.limit.PerMinute)/60), l.limit.Burst)
	}
	if len(l.by.young) >= l.by.most {
		l.by.aged, l.by.young = l.by.young, make(map[string]*rate.Limiter)
	}
	l.by.young[key] = b
	r := b.ReserveN(now, 1)
	if wait = r.DelayFrom(now); wait > 0 {
		r.CancelAt(now)
	}
	return wait
}

// memory remembers keys for at least a period.
type memory struct {
	mu sync.Mutex
	by generations[[16]byte, struct{}]
}

func newMemory(period time.Duration, most int) *memory {
	return &memory{by: generations[[16]byte, struct{}]{period: period, most: most}}
}

// add reports whether the key is new; full means that it could not be
// remembered.
func (m *memory) add(k [16]byte, now time.Time) (fresh, full bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.by.turn(now)
	if _, ok := m.by.get(k); ok {
		return false, false
	}
	if len(m.by.young) >= m.by.most {
		return false, true
	}
	m.by.young[k] = struct{}{}
	return true, false
}

func (m *memory) has(k [16]byte, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.by.turn(now)
	_, ok := m.by.get(k)
	return ok
}

// addressKey is what stands for a remote address: of IPv6 the network, which
// is one customer's.
func addressKey(remote string) string {
	ap, err := netip.ParseAddrPort(remote)
	if err != nil {
		return remote
	}
	a := ap.Addr().Unmap().WithZone("")
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}
