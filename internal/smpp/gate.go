package smpp

import (
	"errors"
	"sync"
	"time"
)

// gateAfter is how many destinations must have been refused because of load, without
// an accepted message in between, before a bind holds all messages back. Fewer may
// have queues of their own that are full.
const gateAfter = 3

// gate holds the messages of one bind back while the SMSC refuses them because of
// load. While it is closed, one message at a time is tried, a probe, after a pause
// that doubles with each refused probe, until the SMSC accepts one.
type gate struct {
	least, most time.Duration
	full        *full

	mu      sync.Mutex
	refused map[string]struct{} // destinations, since the last accepted message
	pause   time.Duration       // 0: open
	opens   time.Time           // for the next probe
	probing bool
	changed chan struct{} // closed and replaced when any of the above changes what pass returns
	closed  uint64        // how often
}

func newGate(least, most time.Duration, f *full) *gate {
	return &gate{least: least, most: most, full: f, refused: make(map[string]struct{}), changed: make(chan struct{})}
}

// passage is what a gate says about the next message.
type passage struct {
	open    bool          // it may be sent now
	probe   bool          // as the probe; leave or withdraw must be called
	wait    time.Duration // if not open: ask again after it; 0: when the probe is over
	changed <-chan struct{}
}

// pass says whether a message may be sent now.
func (g *gate) pass() passage {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch left := time.Until(g.opens); {
	case g.pause == 0:
		return passage{open: true, changed: g.changed}
	case g.probing:
		return passage{changed: g.changed}
	case left > 0:
		return passage{wait: left, changed: g.changed}
	}
	g.probing = true
	return passage{open: true, probe: true, changed: g.changed}
}

// withdraw is called instead of leave if there was no message.
func (g *gate) withdraw(p passage) {
	if !p.probe {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.probing = false
	g.change()
}

func (g *gate) change() {
	close(g.changed)
	g.changed = make(chan struct{})
}

// leave says what became of a message that has passed.
func (g *gate) leave(to string, probe bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if probe {
		g.probing = false
		defer g.change()
	}
	switch {
	case isLoad(err):
		g.refuse(to, probe)
	case carried(err) && (probe || g.pause == 0):
		g.full.prove(g.refused)
		clear(g.refused)
		g.pause = 0
	}
	if err == nil {
		g.full.forget(to)
	}
}

// refuse notes a refusal because of load. One of a destination that is known to be
// full says nothing about the bind.
func (g *gate) refuse(to string, probe bool) {
	known := g.full.note(to)
	_, again := g.refused[to]
	if !known {
		g.refused[to] = struct{}{}
	}
	switch {
	case g.pause == 0 && len(g.refused) >= gateAfter && !known:
		g.pause = g.least
		g.closed++
		defer g.change()
	case probe && !known && !again:
		g.pause = min(2*g.pause, g.most)
	case !probe:
		return // was under way when the gate closed, or does not close it
	}
	g.opens = time.Now().Add(jitter(g.pause))
}

func (g *gate) state() (isClosed bool, closings uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.pause > 0, g.closed
}

// isLoad reports whether the SMSC refused a message because of load: its own, or that
// of the destination's queue.
func isLoad(err error) bool {
	st, _ := errors.AsType[Status](err)
	return st.Load()
}

// carried reports whether the SMSC took a message to its destination, or tried to:
// then it does not refuse messages because of its own load.
func carried(err error) bool {
	return err == nil || errors.Is(err, StatusDeliveryFailure) || errors.Is(err, StatusRxTempError)
}
