package sim

import (
	"sync/atomic"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/event"
)

// This file moves requests from state to state as time passes: see docs/sim.md,
// "States of a request". Its functions are called with Channel.mu held, but for
// tick.

// move is the only place where a request changes its state.
func (c *Channel) move(q *request, to state) {
	if c.moved != nil {
		c.moved(q.state, to)
	}
	q.state = to
}

// enqueue queues a request for the next attempt. If its phone takes no messages now, the
// attempt is postponed.
func (c *Channel) enqueue(q *request) {
	if c.hold(q) {
		return
	}
	c.move(q, queued)
	q.next = time.Time{}
	if !c.submits.do(job{party: q.APID, begun: q.attempts.run > 0, run: func() { c.attempt(q) }}) {
		c.end(q)
	}
}

// hold postpones the next attempt if the phone takes no messages now.
func (c *Channel) hold(q *request) bool {
	at := c.heldUntil(q.MSISDN, c.now())
	if at.IsZero() {
		return false
	}
	c.move(q, waiting)
	q.next = at
	c.arm(q)
	return true
}

// schedule sets when the next attempt is due; zero means never. After Retry.Attempts
// there is none.
func (c *Channel) schedule(q *request, at time.Time) {
	if q.attempts.count >= q.retry.Attempts {
		at = time.Time{}
	}
	q.next, q.patient = at, false
	c.arm(q)
}

// await sets when the next attempt is due if nothing is heard until then.
func (c *Channel) await(q *request, at time.Time) {
	c.schedule(q, at)
	q.patient = true
}

// repeat sends a request again. If that is only because nothing was heard, and the service
// is late itself, it waits: the answer may be in a queue, and another packet would make that
// longer.
func (c *Channel) repeat(q *request) {
	if q.patient && q.attempts.put < mostPut && (c.inHand[q.MSISDN] > 0 || c.cfg.Late()) {
		q.attempts.put++
		c.await(q, c.now().Add(q.retry.Silence/putFraction))
		return
	}
	q.attempts.put = 0
	c.enqueue(q)
}

// An attempt is put off by a part of the silence each time, and in the end by four of them:
// a stranger who sends messages without end must not keep a request from being repeated.
const (
	putFraction = 4
	mostPut     = 16
)

// upcoming returns what must be done next with a request, and when. Each action changes
// what is upcoming, so that the timer cannot fire forever for the same reason.
func (c *Channel) upcoming(q *request) (at time.Time, do func(*request)) {
	at, do = q.Expires, c.expire
	if !q.flags.has(givenUp) && q.state != answering && q.giveUpAt.Before(at) {
		at, do = q.giveUpAt, c.giveUp
	}
	if q.next.IsZero() || !q.next.Before(at) {
		return at, do
	}
	switch {
	case q.state == answering:
		return q.next, c.handOverLater
	case q.state == waiting && !q.flags.has(givenUp):
		return q.next, c.repeat
	}
	return at, do
}

// arm sets the one timer of a request to what is upcoming.
func (c *Channel) arm(q *request) {
	if q.state == ended || c.closed {
		return
	}
	at, _ := c.upcoming(q)
	// Not zero: in testing/synctest, a timer of zero fires on this goroutine, which
	// sometimes crashes the race detector (Go 1.26).
	wait := max(at.Sub(c.now()), 1)
	if q.timer == nil {
		q.timer = time.AfterFunc(wait, func() {
			defer event.Rescue(c.log, "SIM timer", func() { c.abandon(q) })
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

// abandon forgets a request whose timer panicked and will not fire again.
func (c *Channel) abandon(q *request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end(q)
}

// giveUp decides on the answer shortly before a request expires. It stops the attempt
// under way, and nothing more is sent; a reply is still accepted.
func (c *Channel) giveUp(q *request) {
	q.flags |= givenUp
	unsent := q.unsent() && (q.state == sending || c.networkWorks())
	c.interrupt(q)
	if unsent {
		c.answerFault(q, signum.InternalError)
		return
	}
	if f := q.fault(); f != nil {
		c.answerFault(q, f.Code)
		return
	}
	c.move(q, waiting)
	q.next = time.Time{}
}

// networkWorks reports whether requests that have no worker do not wait because of the
// network: it took a message lately, or was not tried.
func (c *Channel) networkWorks() bool {
	lately := func(at *atomic.Int64) bool {
		return at.Load() > 0 && time.Since(c.born)-time.Duration(at.Load()) < c.cfg.SubmitTimeout
	}
	return lately(&c.taken) || !lately(&c.offered)
}

// expire forgets a request that has expired; the engine ends it with 208.
func (c *Channel) expire(q *request) {
	if q.answer != nil {
		c.log.Error("answer of a SIM lost: the engine did not take it in time", "trans_id", q.TransID, "tries", q.handOvers)
	}
	c.trace.note(q.MSISDN, q.TransID, c.now(), "expired")
	c.end(q)
}

// end forgets a request. It does nothing if that has been done.
func (c *Channel) end(q *request) {
	if q.state == ended {
		return
	}
	c.move(q, ended)
	c.table.remove(q)
	if q.timer != nil {
		q.timer.Stop()
	}
	c.interrupt(q)
	c.forget(q)
}

// interrupt stops the attempt under way, if there is one.
func (c *Channel) interrupt(q *request) {
	if q.attempts.cancel != nil {
		q.attempts.cancel()
		q.attempts.cancel = nil
	}
}
