package app

import (
	"sync"
	"time"
)

// memory remembers keys for at least a period and at most two, and no more than
// twice most of them. It is made of two generations: the younger becomes the
// older after a period, and what was the older is forgotten as a whole.
type memory struct {
	period time.Duration
	most   int

	mu          sync.Mutex
	began       time.Time // of the younger
	young, aged map[[16]byte]struct{}
}

func newMemory(period time.Duration, most int) *memory {
	return &memory{period: period, most: most}
}

// add reports whether the key is new; full means that it could not be
// remembered.
func (m *memory) add(k [16]byte, now time.Time) (fresh, full bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.turn(now)
	if m.knows(k) {
		return false, false
	}
	if len(m.young) >= m.most {
		return false, true
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

// turn begins a new generation if it is time. The mutex is held.
func (m *memory) turn(now time.Time) {
	if m.young != nil && now.Sub(m.began) < m.period {
		return
	}
	if now.Sub(m.began) >= 2*m.period {
		m.young = nil
	}
	m.aged, m.young, m.began = m.young, make(map[[16]byte]struct{}), now
}

func (m *memory) knows(k [16]byte) bool {
	_, young := m.young[k]
	_, aged := m.aged[k]
	return young || aged
}
