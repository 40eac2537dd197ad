package sim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/fair"
	"github.com/signum-mssp/signum/internal/mssp"
)

// errLocating holds a signature back until the network has located the phone or the
// time for that is over, a few seconds at most. Deliver does not wait for it, to keep
// the slot free for other replies: the SMSC delivers this reply again, and by then it
// has been handled.
var errLocating = errors.New("the phone is being located")

// handOver hands a request's answer to the engine. If the engine does not take it now,
// it is called again until the request expires. It does not rely on the SMSC, which
// delivers only the last part of a message again, if that.
func (c *Channel) handOver(ctx context.Context, q *request) error {
	c.mu.Lock()
	if q.state == ended || q.answer == nil {
		c.mu.Unlock()
		return nil
	}
	a := *q.answer
	if a.Signature != nil {
		if q.flags.has(locating) {
			c.mu.Unlock()
			return errLocating
		}
		a.Location = q.location
	}
	q.handOvers++
	tries := q.handOvers
	c.mu.Unlock()

	err := c.tryAnswer(ctx, &a)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.end(q)
		return nil
	}
	if q.state == answering {
		q.next = c.now().Add(q.retry.pause(tries))
		c.arm(q)
	}
	return err
}

// handOverLater hands the answer over in another goroutine. Channel.mu is held.
func (c *Channel) handOverLater(q *request) {
	q.next = time.Time{}
	c.answers.do(job{party: q.APID, begun: true, run: func() {
		if err := c.handOver(fair.With(context.Background(), q.APID), q); err != nil && err != errLocating {
			c.log.Error("answer of a SIM not taken", "trans_id", q.TransID, "device", q.DeviceID, "err", err)
		}
	}})
}

// tryAnswer hands an answer to the engine. An answer that the engine will never take
// counts as taken.
func (c *Channel) tryAnswer(ctx context.Context, a *mssp.DeviceAnswer) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	err := c.callAnswerer(ctx, a)
	switch {
	case err == nil:
		c.n.answers.Add(1)
		return nil
	case errors.Is(err, mssp.ErrNotFound):
		c.n.late.Add(1)
		c.log.WarnContext(ctx, "answer of a SIM to an unknown transaction", "trans_id", a.TransID, "device", a.DeviceID, "err", err)
		return nil
	}
	c.n.answerErrors.Add(1)
	return fmt.Errorf("the engine did not take the answer: %w", err)
}

func (c *Channel) callAnswerer(ctx context.Context, a *mssp.DeviceAnswer) (err error) {
	defer event.RescueTo(&err, c.log, "answer of a SIM")
	return c.answerer.Answer(ctx, *a)
}

// toLocate reports whether the network is asked where the phone is.
func (c *Channel) toLocate(q *request) bool {
	return q.Locate && q.Op == mssp.OpSign && c.cfg.Locator != nil
}

// awaitLocation lets the answer to a request wait for the location. The card may answer
// before locate runs. Channel.mu is held.
func (c *Channel) awaitLocation(q *request) {
	if c.toLocate(q) {
		q.flags |= locating
	}
}

// locate asks the network where the phone is, while the user is being asked.
func (c *Channel) locate(q *request) {
	if !c.toLocate(q) {
		return
	}
	// A Locator may ignore the end of its context.
	limit := time.AfterFunc(c.cfg.LocateTimeout, func() {
		defer event.Rescue(c.log, "SIM location timeout")
		c.located(q, nil)
	})
	c.n.locations.Add(1)
	c.locates.do(job{party: q.APID, run: func() {
		ctx, cancel := context.WithTimeout(context.Background(), c.cfg.LocateTimeout)
		defer cancel()
		l, err := c.whereIs(ctx, q.MSISDN)
		if err != nil {
			c.log.Info("SIM not located", "trans_id", q.TransID, "msisdn", signum.MaskMSISDN(q.MSISDN), "err", err)
			l = nil
		}
		limit.Stop()
		c.located(q, l)
	}})
}

func (c *Channel) whereIs(ctx context.Context, msisdn string) (l *mssp.Location, err error) {
	defer event.RescueTo(&err, c.log, "SIM location")
	return c.cfg.Locator(ctx, msisdn)
}

// located stores the location, nil if it is unknown, and hands over the answer that
// waited for it. After the first call for a request it does nothing.
func (c *Channel) located(q *request, l *mssp.Location) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !q.flags.has(locating) {
		return
	}
	q.flags &^= locating
	q.location = l
	if l == nil {
		c.n.locateErrors.Add(1)
	}
	if q.state == answering {
		c.handOverLater(q)
	}
}

// answerFault answers a request that did not reach its user. Channel.mu is held.
func (c *Channel) answerFault(q *request, code signum.Code) {
	c.n.unreached.Add(1)
	c.setAnswer(q, q.answerOf(signum.NewFault(code)), c.now())
	c.handOverLater(q)
}

// setAnswer sets the answer for the engine. It replaces one that the engine has not
// taken yet. Channel.mu is held.
func (c *Channel) setAnswer(q *request, a mssp.DeviceAnswer, now time.Time) {
	c.move(q, answering)
	q.answer, q.next, q.handOvers = &a, time.Time{}, 0
	c.trace.note(q.MSISDN, q.TransID, now, "outcome: "+describe(&a))
	c.arm(q)
}
