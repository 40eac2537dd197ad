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

// ErrTooManyParts says that a message has more parts than one source may keep
// here.
var ErrTooManyParts = errors.New("sms: a message of too many parts")

// maxParts bounds what a Reassembler keeps of all sources together: 64 Ki parts,
// some 32 MB.
const maxParts = 1 << 16

// maxPart is the longest user data that can come: 160 septets, unpacked.
const maxPart = 160

// Message is a message that is complete: Packet are the user data of its parts,
// joined, without their headers. IEI is the element of its first part that says
// what it is to a SIM, 0x70 to 0x7f (IEICommand, IEIResponse); 0 if there is none.
type Message struct {
	IEI    byte
	Packet []byte
}

// Reassembler joins the parts of messages. A part that comes again is passed
// over, also after its message is complete. Messages under the same reference
// with different totals, or from different sources, are different messages. A
// part that contradicts one that is there begins a new message: references wrap,
// and the older message has lost a part.
//
// What is kept is bounded: in time by the lifetime, in parts per source and over
// all. Where there is no more room the oldest message goes, of a full source
// first one that is complete already.
type Reassembler struct {
	lifetime  time.Duration
	perSource int
	max       int // parts over all
	seed      maphash.Seed

	mu      sync.Mutex
	byKey   map[key]*partial
	sources map[string]*source
	ages    *list.List // of *partial, the oldest first
	held    int        // parts, those of complete messages included
	waiting int        // parts of incomplete messages
}

// key names a message.
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

// partial is a message of which not all parts are there, or one that was
// complete: then it has no content, but the sums by which to know its parts.
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

// NewReassembler makes one that keeps an incomplete message for the lifetime
// from its first part on, remembers a complete one as long, and keeps at most
// perSource parts of one source.
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

// Add takes user data that begin with a header. If they complete a message it is
// returned. A message in one part is complete at once; nothing is kept of it, so
// that one that comes again is returned again. The error is ErrMalformed or
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

// security is the first element that says to a SIM what the message is.
func (h Header) security() byte {
	for _, e := range h {
		if e.ID >= 0x70 && e.ID <= 0x7f {
			return e.ID
		}
	}
	return 0
}

// sum tells whether two parts are the same. Nobody outside can make two that
// only seem to be: the seed is random.
func (r *Reassembler) sum(h Header, rest []byte) uint64 {
	var m maphash.Hash
	m.SetSeed(r.seed)
	m.WriteByte(h.security())
	m.Write(rest)
	return m.Sum64()
}

// find returns the message to which the part belongs, if there is one. One that
// the part contradicts is let go.
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

// makeRoom lets go of other messages until there is room for one more part.
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

// leastWorth is the message to let go of: one that is complete before one that
// is not, then the older.
func (s *source) leastWorth(but *partial) *partial {
	var least *partial
	for _, p := range s.messages {
		if p != but && (least == nil || p.done && !least.done || p.done == least.done && p.since.Before(least.since)) {
			least = p
		}
	}
	return least
}

// complete joins the parts, and keeps their sums only.
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

// expire lets go of what has outlived its time, and counts the messages that
// were not complete.
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

// Sweep lets go of messages whose parts did not all come within the lifetime,
// and returns how many there were. Add does as much; Sweep frees memory when
// nothing comes.
func (r *Reassembler) Sweep(now time.Time) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	lost := r.expire(now)
	if r.ages.Len() == 0 {
		// A map keeps the room that it once needed.
		r.byKey, r.sources = make(map[key]*partial), make(map[string]*source)
	}
	return lost
}

// Len is the number of parts that wait for others.
func (r *Reassembler) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.waiting
}
