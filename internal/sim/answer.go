package sim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
)

// errLocating holds a signature back until the network has said where the phone
// is, or its time is over: some seconds at most. Nobody waits for it, so that the
// replies of others go on: the SMSC delivers the reply again, and finds it done.
var errLocating = errors.New("the phone is being located")

// give tells the engine a request's answer. If it does not take it now, it is
// told again, until the time of the request is over: also if the SMSC does not
// deliver the message again, of which it may only have the last part.
func (c *Channel) give(ctx context.Context, q *request) error {
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
	q.gave++
	tries := q.gave
	c.mu.Unlock()

	err := c.tell(ctx, &a)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.end(q)
		return nil
	}
	if q.state == answering {
		q.next = c.now().Add(c.backoff(tries))
		c.arm(q)
	}
	return err
}

// giveLater lets the answer be told by another goroutine. Channel.mu is held.
func (c *Channel) giveLater(q *request) {
	q.next = time.Time{}
	c.answers.do(func() {
		if err := c.give(context.Background(), q); err != nil && err != errLocating {
			c.log.Error("answer of a SIM not taken", "trans_id", q.TransID, "device", q.DeviceID, "err", err)
		}
	})
}

// tell hands an answer to the engine. One that it will never take is as good as
// taken.
func (c *Channel) tell(ctx context.Context, a *mssp.DeviceAnswer) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	err := c.handOver(ctx, a)
	switch {
	case err == nil:
		c.n.answers.Add(1)
		return nil
	case errors.Is(err, mssp.ErrNotFound):
		c.n.late.Add(1)
		c.log.WarnContext(ctx, "answer of a SIM to nothing that exists", "trans_id", a.TransID, "device", a.DeviceID, "err", err)
		return nil
	}
	c.n.answerErrors.Add(1)
	return fmt.Errorf("the engine did not take the answer: %w", err)
}

func (c *Channel) handOver(ctx context.Context, a *mssp.DeviceAnswer) (err error) {
	defer event.RescueTo(&err, c.log, "answer of a SIM")
	return c.answerer.Answer(ctx, *a)
}

// locate asks the network where the phone is, beside the user.
func (c *Channel) locate(q *request) {
	if !q.Locate || q.Op != mssp.OpSign || c.cfg.Locator == nil {
		return
	}
	c.mu.Lock()
	q.flags |= locating
	c.mu.Unlock()
	// The network's time is over when it is, whether it knows that or not.
	limit := time.AfterFunc(c.cfg.LocateTimeout, func() {
		defer event.Rescue(c.log, "sim locate timeout")
		c.located(q, nil)
	})
	c.n.locations.Add(1)
	c.locates.do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), c.cfg.LocateTimeout)
		defer cancel()
		l, err := c.whereIs(ctx, q.MSISDN)
		if err != nil {
			c.log.Info("SIM not located", "trans_id", q.TransID, "msisdn", signum.MaskMSISDN(q.MSISDN), "err", err)
			l = nil
		}
		limit.Stop()
		c.located(q, l)
	})
}

func (c *Channel) whereIs(ctx context.Context, msisdn string) (l *mssp.Location, err error) {
	defer event.RescueTo(&err, c.log, "SIM location")
	return c.cfg.Locator(ctx, msisdn)
}

// located keeps where the phone is, unless it is too late, and lets an answer go
// that waited for it.
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
		c.giveLater(q)
	}
}

// answerFault answers a request that did not reach its user. Channel.mu is held.
func (c *Channel) answerFault(q *request, code signum.Code) {
	c.n.unreached.Add(1)
	c.setAnswer(q, q.answerOf(signum.NewFault(code)), c.now())
	c.giveLater(q)
}

// setAnswer notes what the engine is to be given, in the place of what it was to be
// given before. Channel.mu is held.
func (c *Channel) setAnswer(q *request, a mssp.DeviceAnswer, now time.Time) {
	c.move(q, answering)
	q.answer, q.next, q.gave = &a, time.Time{}, 0
	c.trace.note(q.MSISDN, q.TransID, now, "outcome: "+describe(&a))
	c.arm(q)
}
