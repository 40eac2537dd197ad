package smpp

import (
	"errors"
	"maps"
	"sync"
)

// wait is what a message had to wait for.
type wait int

const (
	waitNone   wait = iota
	waitWindow      // room in a window
	waitRate        // the rate of a bind
	waitGate        // an SMSC that refused messages because of load
	waits
)

var waitNames = [waits]string{waitWindow: "window", waitRate: "rate", waitGate: "gate"}

// Stats are counts since the client was made; Held is a present value.
type Stats struct {
	Waited  map[string]uint64 // messages that had to wait, by reason: window, rate, gate
	Refused map[Status]uint64 // submit_sm that the SMSC refused
	Closed  uint64            // times that a bind began to hold all its messages back
	Held    int               // binds that hold all their messages back
}

// counts are the Stats while they grow.
type counts struct {
	mu       sync.Mutex
	waitedBy [waits]uint64
	statuses map[Status]uint64
}

func (n *counts) waited(why wait) {
	if why == waitNone {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.waitedBy[why]++
}

// refused counts an error of a submit_sm if it is a refusal by the SMSC.
func (n *counts) refused(err error) {
	st, ok := errors.AsType[Status](err)
	if _, own := errors.AsType[*ProtocolError](err); !ok || own {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.statuses == nil {
		n.statuses = make(map[Status]uint64)
	}
	n.statuses[st]++
}

// Stats returns the present counts.
func (c *Client) Stats() Stats {
	s := Stats{Waited: make(map[string]uint64)}
	c.counts.mu.Lock()
	for why := waitWindow; why < waits; why++ {
		s.Waited[waitNames[why]] = c.counts.waitedBy[why]
	}
	s.Refused = maps.Clone(c.counts.statuses)
	c.counts.mu.Unlock()
	for _, l := range c.lines {
		held, closed := l.gate.state()
		if s.Closed += closed; held {
			s.Held++
		}
	}
	return s
}
