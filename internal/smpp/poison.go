package smpp

import (
	"hash/maphash"
	"sync"
	"time"
)

const (
	maxPanics      = 3    // deliveries of one message that may panic; the last is acknowledged
	maxPoison      = 1024 // messages remembered; beyond that, the oldest is forgotten
	poisonLifetime = 24 * time.Hour
)

// poison remembers the messages whose handling panicked. An SMSC delivers a
// message until it is acknowledged, so one that always panics would come back
// for as long as it is valid and could block those behind it.
type poison struct {
	seed maphash.Seed

	mu   sync.Mutex
	seen map[uint64]panicked
}

type panicked struct {
	times int
	last  time.Time
}

func newPoison() *poison {
	return &poison{seed: maphash.MakeSeed(), seen: make(map[uint64]panicked)}
}

// key identifies a message. The optional parameters are left out, because an
// SMSC may change them from one delivery to the next.
func (p *poison) key(d *DeliverSM) uint64 {
	var h maphash.Hash
	h.SetSeed(p.seed)
	for _, a := range []Address{d.Source, d.Dest} {
		_, _ = h.Write([]byte{a.TON, a.NPI, byte(len(a.Addr))})
		_, _ = h.WriteString(a.Addr)
	}
	_, _ = h.Write([]byte{d.ESMClass, d.ProtocolID, d.DataCoding})
	_, _ = h.Write(d.ShortMessage)
	return h.Sum64()
}

// add counts a panic and returns how many the message has caused.
func (p *poison) add(d *DeliverSM) (times int) {
	k, now := p.key(d), time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, known := p.seen[k]; !known {
		p.makeRoom(now)
	}
	m := p.seen[k]
	if now.Sub(m.last) >= poisonLifetime {
		m.times = 0
	}
	m.times, m.last = m.times+1, now
	p.seen[k] = m
	return m.times
}

// makeRoom forgets what is too old and, if the memory is still full, the oldest.
// It looks at all messages, which is cheap beside the panic that led here.
func (p *poison) makeRoom(now time.Time) {
	if len(p.seen) < maxPoison {
		return
	}
	var oldest uint64
	first := now
	for k, m := range p.seen {
		if now.Sub(m.last) >= poisonLifetime {
			delete(p.seen, k)
		} else if !m.last.After(first) {
			oldest, first = k, m.last
		}
	}
	if len(p.seen) >= maxPoison {
		delete(p.seen, oldest)
	}
}

// dropped reports whether the message has caused its last panic: it is not
// handled again.
func (p *poison) dropped(d *DeliverSM) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.seen) == 0 {
		return false
	}
	m := p.seen[p.key(d)]
	return m.times >= maxPanics && time.Since(m.last) < poisonLifetime
}

// forget is called when a message was handled without a panic.
func (p *poison) forget(d *DeliverSM) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.seen) > 0 {
		delete(p.seen, p.key(d))
	}
}
