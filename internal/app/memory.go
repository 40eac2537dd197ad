package app

import (
	"sync"
	"time"
)

// memory remembers keys for at least one period and at most two, and at most twice
// most of them. It has two generations: after a period the younger becomes the
// older, and the older is dropped. If there is no room, that happens earlier, so
// that no caller is refused because others have filled the memory.
type memory struct {
	period time.Duration
	most   int

	mu          sync.Mutex
	began       time.Time // when the younger generation began
	forgotten   time.Time // keys up to this time were dropped early
	young, aged map[[16]byte]struct{}
}

func newMemory(period time.Duration, most int) *memory {
	return &memory{period: period, most: most}
}

// add remembers a key that was made at some time, not later than now. added is false
// if the key is known already; forgotten means that it may have been known, but that
// keys of its age were dropped to make room.
func (m *memory) add(k [16]byte, made, now time.Time) (added, forgotten bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.turn(now)
	switch {
	case m.knows(k):
		return false, false
	case !made.After(m.forgotten):
		return false, true
	}
	if len(m.young) >= m.most {
		m.forgotten = m.began // all older keys were made before
		m.next(now)
	}
	m.young[k] = struct{}{}
	return true, false
}

func (m *memory) has(k [16]byte, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.turn(now)
	return m.knows(k)
}

// turn starts a new generation if the period is over. mu must be held.
func (m *memory) turn(now time.Time) {
	if m.young != nil && now.Sub(m.began) < m.period {
		return
	}
	if now.Sub(m.began) >= 2*m.period {
		m.young = nil
	}
	m.next(now)
}

func (m *memory) next(now time.Time) {
	m.aged, m.young, m.began = m.young, make(map[[16]byte]struct{}), now
}

func (m *memory) knows(k [16]byte) bool {
	_, young := m.young[k]
	_, aged := m.aged[k]
	return young || aged
}
