package door

import (
	"container/list"
	"net/netip"
	"sync"
)

// Reasons why a connection is closed.
const (
	ReasonAddress  = "address"  // too many of one address
	ReasonListener = "listener" // too many of the listener
	ReasonProxy    = "proxy"    // a trusted proxy did not name its client
	ReasonFraming  = "framing"  // a request has both Content-Length and Transfer-Encoding
	ReasonStreams  = "streams"  // a stranger has too many requests on it
)

// census counts the connections of a door, and those of strangers by address as well.
// When there are too many, one that is idle makes room: of the same address if that
// has too many, otherwise of the address that has most. So one address cannot take
// the place of another.
type census struct {
	mu         sync.Mutex
	most, each int

	open    int
	sources map[netip.Prefix]*list.List // of *conn, oldest first
}

func newCensus(most, each int) *census {
	return &census{most: most, each: each, sources: make(map[netip.Prefix]*list.List)}
}

// limit replaces the limits. Connections that are too many now stay.
func (s *census) limit(most, each int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.most, s.each = most, each
}

// home is where the census keeps a connection.
type home struct {
	source  netip.Prefix
	element *list.Element // nil: not counted by address
	in      bool
	idle    bool // no request is under way
}

// enter counts a connection of an address; of exempt ones there may be any number. If
// there are too many, the reason is not empty. Then the connection is refused, or
// victim was taken out to make room for it and must be closed.
func (s *census) enter(c *conn, a netip.Addr, exempt bool) (victim *conn, reason string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	source := sourceOf(a)
	own := s.sources[source]
	if !exempt && own != nil && own.Len() >= s.each {
		if victim, reason = idlest(own), ReasonAddress; victim == nil {
			return nil, reason, false
		}
	} else if s.open >= s.most {
		if victim, reason = s.idleOfMany(own), ReasonListener; victim == nil {
			return nil, reason, false
		}
	}
	if victim != nil {
		s.remove(victim)
	}
	s.open++
	c.home = home{in: true, idle: true}
	if !exempt {
		if own = s.sources[source]; own == nil {
			own = list.New()
			s.sources[source] = own
		}
		c.home.source, c.home.element = source, own.PushBack(c)
	}
	return victim, reason, true
}

func sourceOf(a netip.Addr) netip.Prefix {
	bits := a.BitLen()
	if a.Is6() {
		bits = 64 // one customer has at least that
	}
	p, _ := a.Prefix(bits)
	return p
}

// looked is how many connections or addresses are looked at to find one that can make
// room. A full table must not make each further connection expensive.
const looked = 32

// idlest returns one of the oldest connections of an address that is idle, or nil.
func idlest(of *list.List) *conn {
	for e, n := of.Front(), 0; e != nil && n < looked; e, n = e.Next(), n+1 {
		if c := e.Value.(*conn); c.home.idle {
			return c
		}
	}
	return nil
}

// idleOfMany returns an idle connection of an address that has more than own has, or
// as many.
func (s *census) idleOfMany(own *list.List) (victim *conn) {
	most, n := 1, 0
	if own != nil {
		most = own.Len()
		victim = idlest(own)
	}
	for _, other := range s.sources { // in an order that is different each time
		if n++; n > looked {
			break
		}
		if other.Len() > most || victim == nil && other != own && other.Len() == most {
			if c := idlest(other); c != nil {
				victim, most = c, other.Len()
			}
		}
	}
	return victim
}

// vouch stops counting a connection by its address.
func (s *census) vouch(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leave(c)
}

func (s *census) leave(c *conn) {
	if c.home.element == nil {
		return
	}
	l := s.sources[c.home.source]
	if l.Remove(c.home.element); l.Len() == 0 {
		delete(s.sources, c.home.source)
	}
	c.home.element = nil
}

// exit forgets a connection that is closed.
func (s *census) exit(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(c)
}

func (s *census) remove(c *conn) {
	if c.home.in {
		c.home.in = false
		s.open--
		s.leave(c)
	}
}

// rest notes whether a connection is idle.
func (s *census) rest(c *conn, idle bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.home.idle = idle
}

func (s *census) limits() (most, each int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.most, s.each
}

func (s *census) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open
}
