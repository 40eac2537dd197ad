package sms

import (
	"bytes"
	"container/list"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"sync"
	"time"
)

// ErrTooManyParts means that a message has more parts than are kept of one source.
var ErrTooManyParts = errors.New("sms: a message of too many parts")

// maxParts bounds what a Reassembler keeps of all sources together: 64 Ki parts,
// about 32 MB.
const maxParts = 1 << 16

// maxPart is the greatest possible length of user data: 160 septets, unpacked.
const maxPart = 160

// Message is a complete message. Packet is the user data of its parts, joined,
// without their headers. IEI is the element of the first part that tells the kind
// of secured packet, 0x70 to 0x7f (IEICommand, IEIResponse); 0 if there is none.
type Message struct {
	IEI    byte
	Packet []byte
}

// Reassembler joins the parts of messages. It ignores a part that comes again, even
// after its message is complete. Messages with the same reference but different
// totals, or from different sources, are different messages. A part that differs
// from the one with its number starts a new message: references wrap around, and
// the older message has lost a part.
//
// What is kept is bounded: in time by the lifetime, and in parts per source and in
// total. When there is no more room, the oldest message is dropped; if a source is
// full, one of its complete messages is dropped first.
type Reassembler struct {
	lifetime  time.Duration
	perSource int
	max       int // parts of all sources
	seed      maphash.Seed

	mu      sync.Mutex
	byKey   map[key]*partial
	sources map[string]*source
	ages    *list.List // of *partial, the oldest first
	held    int        // parts, including those of complete messages
	waiting int        // parts of incomplete messages
}

// key identifies a message.
type key struct {
	source string
	ref    uint16
	wide   bool
	total  byte
}

// source is what is kept of one source.
type source struct {
	parts    int
	messages []*partial // in no order
}

// partial is an incomplete message, or one that was completed: then it keeps only
// the hashes by which its parts are recognised.
type partial struct {
	key
	since time.Time // of the first part, or of completion
	age   *list.Element
	iei   byte
	parts []part
	done  bool
}

type part struct {
	seq  byte
	sum  uint64
	data []byte
}

// NewReassembler returns a Reassembler that keeps an incomplete message for the
// lifetime from its first part on, remembers a complete one for as long, and keeps
// at most perSource parts of one source.
func NewReassembler(lifetime time.Duration, perSource int) *Reassembler {
	return &Reassembler{
		lifetime:  lifetime,
		perSource: perSource,
		max:       maxParts,
		seed:      maphash.MakeSeed(),
		byKey:     make(map[key]*partial),
		sources:   make(map[string]*source),
		ages:      list.New(),
	}
}

// Add takes user data that begins with a header, and returns the message if that
// completes it. A message in one part is complete at once. Nothing is kept of it,
// so if it comes again, it is returned again. The error is ErrMalformed or
// ErrTooManyParts.
func (r *Reassembler) Add(now time.Time, source string, ud []byte) (m Message, complete bool, err error) {
	if len(ud) > maxPart {
		return Message{}, false, fmt.Errorf("%w: %d octets of user data", ErrMalformed, len(ud))
	}
	h, rest, err := ParseUserData(ud)
	if err != nil {
		return Message{}, false, err
	}
	c, long, err := h.Concat()
	if err != nil {
		return Message{}, false, err
	}
	if !long || c.Total == 1 {
		return Message{IEI: h.security(), Packet: bytes.Clone(rest)}, true, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.expire(now)
	if int(c.Total) > r.perSource {
		return Message{}, false, fmt.Errorf("%w: %d, at most %d", ErrTooManyParts, c.Total, r.perSource)
	}
	got := part{seq: c.Seq, sum: r.sum(h, rest)}
	p := r.find(key{source, c.Ref, c.Wide, c.Total}, got)
	switch {
	case p == nil:
		p = r.begin(now, key{source, c.Ref, c.Wide, c.Total})
	case p.has(got.seq):
		return Message{}, false, nil
	}
	r.makeRoom(p)
	got.data = bytes.Clone(rest)
	r.put(p, got)
	if c.Seq == 1 {
		p.iei = h.security()
	}
	if len(p.parts) < int(c.Total) {
		return Message{}, false, nil
	}
	return r.complete(now, p), true, nil
}

// security returns the first element that tells the kind of secured packet.
func (h Header) security() byte {
	for _, e := range h {
		if e.ID >= 0x70 && e.ID <= 0x7f {
			return e.ID
		}
	}
	return 0
}

// sum is a hash by which parts are compared. Its seed is random, so nobody can
// construct different parts with the same hash.
func (r *Reassembler) sum(h Header, rest []byte) uint64 {
	var m maphash.Hash
	m.SetSeed(r.seed)
	m.WriteByte(h.security())
	m.Write(rest)
	return m.Sum64()
}

// find returns the message to which the part belongs, nil if there is none. It
// drops the message if that has another part with the same number.
func (r *Reassembler) find(k key, got part) *partial {
	p := r.byKey[k]
	if p == nil {
		return nil
	}
	for _, old := range p.parts {
		if old.seq == got.seq && old.sum != got.sum {
			r.remove(p)
			return nil
		}
	}
	return p
}

func (p *partial) has(seq byte) bool {
	return slices.ContainsFunc(p.parts, func(o part) bool { return o.seq == seq })
}

func (r *Reassembler) begin(now time.Time, k key) *partial {
	p := &partial{key: k, since: now}
	p.age = r.ages.PushBack(p)
	r.byKey[k] = p
	s := r.sources[k.source]
	if s == nil {
		s = new(source)
		r.sources[k.source] = s
	}
	s.messages = append(s.messages, p)
	return p
}

func (r *Reassembler) put(p *partial, got part) {
	p.parts = append(p.parts, got)
	r.sources[p.source].parts++
	r.held++
	r.waiting++
}

// makeRoom drops other messages until there is room for one more part.
func (r *Reassembler) makeRoom(but *partial) {
	for s := r.sources[but.source]; s.parts >= r.perSource; {
		r.remove(s.leastWorth(but))
	}
	for r.held >= r.max {
		oldest := r.ages.Front()
		if oldest == but.age {
			if oldest = oldest.Next(); oldest == nil {
				return
			}
		}
		r.remove(oldest.Value.(*partial))
	}
}

// leastWorth returns the message to drop: a complete one before an incomplete one,
// then the older.
func (s *source) leastWorth(but *partial) *partial {
	var least *partial
	for _, p := range s.messages {
		if p != but && (least == nil || p.done && !least.done || p.done == least.done && p.since.Before(least.since)) {
			least = p
		}
	}
	return least
}

// complete joins the parts and keeps only their hashes.
func (r *Reassembler) complete(now time.Time, p *partial) Message {
	slices.SortFunc(p.parts, func(a, b part) int { return int(a.seq) - int(b.seq) })
	m := Message{IEI: p.iei}
	for i := range p.parts {
		m.Packet = append(m.Packet, p.parts[i].data...)
		p.parts[i].data = nil
	}
	p.done, p.since = true, now
	r.waiting -= len(p.parts)
	r.ages.MoveToBack(p.age)
	return m
}

func (r *Reassembler) remove(p *partial) {
	r.ages.Remove(p.age)
	delete(r.byKey, p.key)
	r.held -= len(p.parts)
	if !p.done {
		r.waiting -= len(p.parts)
	}
	s := r.sources[p.source]
	s.parts -= len(p.parts)
	s.messages = slices.DeleteFunc(s.messages, func(o *partial) bool { return o == p })
	if len(s.messages) == 0 {
		delete(r.sources, p.source)
	}
}

// expire drops messages whose lifetime is over, and returns how many of them were
// incomplete.
func (r *Reassembler) expire(now time.Time) (lost int) {
	for e := r.ages.Front(); e != nil; e = r.ages.Front() {
		p := e.Value.(*partial)
		if now.Sub(p.since) < r.lifetime {
			break
		}
		if !p.done {
			lost++
		}
		r.remove(p)
	}
	return lost
}

// Sweep drops messages whose lifetime is over, and returns how many of them were
// incomplete. Add does this too; Sweep frees memory when nothing arrives.
func (r *Reassembler) Sweep(now time.Time) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	lost := r.expire(now)
	if r.ages.Len() == 0 {
		// A map never shrinks.
		r.byKey, r.sources = make(map[key]*partial), make(map[string]*source)
	}
	return lost
}

// Len returns the number of parts that wait for others.
func (r *Reassembler) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.waiting
}
