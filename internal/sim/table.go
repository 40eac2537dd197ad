package sim

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/scp80"
)

// state is where a request is.
type state uint8

const (
	waiting   state = iota // for the card, or for the time of the next attempt
	queued                 // for its turn to be sent
	sending                // an attempt is with the SMSC
	answering              // the engine is to be told the answer
	ended                  // not in the table any more
)

// request is one that was handed over. What follows id is guarded by
// Channel.mu.
type request struct {
	mssp.DeviceRequest
	id    applet.ID
	judge time.Time // when one that was not reached is given up

	op     applet.Op // the step
	state  state
	judged bool
	timer  *time.Timer
	cancel context.CancelFunc // of the attempt under way
	card   *mssp.Card         // for the first attempt; read anew for others

	attempts int       // of this step
	absent   int       // how many of the last ones the network could not deliver
	run      int       // number of the attempt under way, over all steps
	last     time.Time // when the last one began
	next     time.Time // when the next one is due; zero: none
	counters []uint64  // of this step's attempts
	refused  uint64    // which of them the card has refused, for sure: bit i
	messages []string  // message ids of the last attempt

	asked   bool         // the card has taken a packet of this step
	proved  bool         // and has said so of the last one
	reached bool         // or answered anything
	through bool         // the SMSC took the last attempt
	failed  bool         // the last attempt failed in the service, not in the network
	busyAt  int          // the run that the card answered with busy
	por     scp80.Status // last error of a proof of receipt; 0: none

	answer *mssp.DeviceAnswer // that the engine has not taken yet
	tries  int                // to tell it

	locating bool // the network is being asked where the phone is
	location *mssp.Location
}

func newRequest(r mssp.DeviceRequest, margin time.Duration, now time.Time) *request {
	// A short-lived request has a short end.
	margin = min(margin, r.Expires.Sub(now)/4)
	return &request{DeviceRequest: r, id: applet.TransactionID(r.TransID), judge: r.Expires.Add(-margin), op: firstStep(r.Op)}
}

func firstStep(op mssp.DeviceOp) applet.Op {
	switch op {
	case mssp.OpActivate:
		return applet.SetPIN
	case mssp.OpDisplay:
		return applet.Display
	}
	return applet.Sign
}

// takes reports whether a reply to op can be one to a request of this kind.
func takes(kind mssp.DeviceOp, op applet.Op) bool {
	return op == firstStep(kind) || kind == mssp.OpActivate && op == applet.GenKey
}

// answerOf is the answer of a fault.
func (q *request) answerOf(f *signum.Fault) mssp.DeviceAnswer {
	return mssp.DeviceAnswer{Op: q.Op, TransID: q.TransID, DeviceID: q.DeviceID, Fault: f}
}

// table finds requests by what names them. It is guarded by Channel.mu.
type table struct {
	all      map[*request]struct{}
	byID     map[applet.ID][]*request
	byMSISDN map[string][]*request
}

func newTable() table {
	return table{all: map[*request]struct{}{}, byID: map[applet.ID][]*request{}, byMSISDN: map[string][]*request{}}
}

func (t *table) len() int { return len(t.all) }

func (t *table) put(q *request) {
	t.all[q] = struct{}{}
	t.byID[q.id] = append(t.byID[q.id], q)
	t.byMSISDN[q.MSISDN] = append(t.byMSISDN[q.MSISDN], q)
}

func (t *table) remove(q *request) {
	delete(t.all, q)
	drop(t.byID, q.id, q)
	drop(t.byMSISDN, q.MSISDN, q)
}

func drop[K comparable](m map[K][]*request, key K, q *request) {
	list := slices.DeleteFunc(slices.Clone(m[key]), func(other *request) bool { return other == q })
	if len(list) == 0 {
		delete(m, key)
		return
	}
	m[key] = list
}

// of lists the requests of a transaction to a device.
func (t *table) of(id applet.ID, deviceID string) (list []*request) {
	for _, q := range t.byID[id] {
		if q.DeviceID == deviceID {
			list = append(list, q)
		}
	}
	return list
}

// find is the request that a reply is to.
func (t *table) find(id applet.ID, deviceID string, op applet.Op) *request {
	for _, q := range t.byID[id] {
		if q.DeviceID == deviceID && takes(q.Op, op) {
			return q
		}
	}
	return nil
}

// What follows is called with Channel.mu held.

// add puts a request into the table, unless it is there.
func (c *Channel) add(q *request) (known bool, err error) {
	for _, other := range c.table.of(q.id, q.DeviceID) {
		if other.Op == q.Op {
			return true, nil
		}
	}
	if c.closed {
		return false, errClosed
	}
	if c.table.len() >= c.cfg.Capacity {
		return false, errors.New("too many requests to SIMs")
	}
	c.n.requests.Add(1)
	c.table.put(q)
	return false, nil
}

// end forgets a request. It may have been forgotten before.
func (c *Channel) end(q *request) {
	if q.state == ended {
		return
	}
	q.state = ended
	c.table.remove(q)
	if q.timer != nil {
		q.timer.Stop()
	}
	c.interrupt(q)
}

// interrupt stops the attempt under way, if there is one.
func (c *Channel) interrupt(q *request) {
	if q.cancel != nil {
		q.cancel()
		q.cancel = nil
	}
}

// enqueue lets a request wait for its turn to be sent.
func (c *Channel) enqueue(q *request) {
	q.state, q.next = queued, time.Time{}
	if !c.submits.do(func() { c.attempt(q) }) {
		c.end(q)
	}
}

// schedule sets when the next attempt is due, if there may be one.
func (c *Channel) schedule(q *request, at time.Time) {
	if q.attempts >= c.cfg.Retry.Attempts {
		at = time.Time{}
	}
	q.next = at
	c.arm(q)
}

// upcoming is what is to be done next with a request, and when: each of these
// changes what is upcoming, so that nothing is due for ever.
func (c *Channel) upcoming(q *request) (at time.Time, do func(*request)) {
	at, do = q.Expires, c.expire
	if !q.judged && q.state != answering && q.judge.Before(at) {
		at, do = q.judge, c.giveUp
	}
	if q.next.IsZero() || !q.next.Before(at) {
		return at, do
	}
	switch {
	case q.state == answering:
		return q.next, c.giveLater
	case q.state == waiting && !q.judged:
		return q.next, c.enqueue
	}
	return at, do
}

// arm sets the one timer of a request to what is upcoming.
func (c *Channel) arm(q *request) {
	if q.state == ended || c.closed {
		return
	}
	at, _ := c.upcoming(q)
	// Not zero: that is now, and in testing/synctest the runtime does it on this
	// goroutine, which its race detector does not always survive (Go 1.26).
	wait := max(at.Sub(c.now()), 1)
	if q.timer == nil {
		q.timer = time.AfterFunc(wait, func() {
			defer event.Rescue(c.log, "sim timer")
			c.tick(q)
		})
		return
	}
	q.timer.Reset(wait)
}

// tick does what is due.
func (c *Channel) tick(q *request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if q.state == ended || c.closed {
		return
	}
	if at, do := c.upcoming(q); !c.now().Before(at) {
		do(q)
	}
	c.arm(q)
}

// backoff is how long to wait after so many attempts.
func (c *Channel) backoff(attempts int) time.Duration {
	r := &c.cfg.Retry
	d := r.MaxBackoff
	if shift := max(attempts-1, 0); shift < 20 {
		d = min(d, r.Backoff<<shift)
	}
	return d + time.Duration((rand.Float64()*0.4-0.2)*float64(d))
}

// expire forgets a request whose time is over: the engine ends it.
func (c *Channel) expire(q *request) {
	if q.answer != nil {
		c.log.Error("answer of a SIM lost: the service did not take it in time", "trans_id", q.TransID, "tries", q.tries)
	}
	c.trace.note(q.MSISDN, q.TransID, c.now(), "its time is over")
	c.end(q)
}
