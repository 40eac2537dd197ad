package smpp

import (
	"context"

	"github.com/signum-mssp/signum/internal/event"
)

// fewSlots is how many messages of one source are handled at a time even if that is more
// than half of all: the parts of a reply, and what comes with it.
const fewSlots = 4

// mayTake is how many messages of one source are handled at a time: one phone that sends
// without end leaves half of the slots to the others.
func (c *Client) mayTake() int { return max(fewSlots, cap(c.slots)/2) }

// start handles a message in a goroutine of its own, if there is a slot for it, and
// then answers it. Once started, it is finished even if the session ends meanwhile.
// The slot is free before the answer leaves: an SMSC that keeps to the window may
// send the next message at once.
func (c *Client) start(source string, handle func(context.Context) Status, answer func(context.Context, Status)) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cfg.Deliver == nil || c.draining || c.taken[source] >= c.mayTake() {
		return false
	}
	select {
	case c.slots <- struct{}{}:
	default:
		return false
	}
	c.taken[source]++
	c.work.Go(func() {
		defer event.Rescue(c.log, "deliver_sm")
		ctx, cancel := context.WithTimeout(context.Background(), c.cfg.ResponseTimeout)
		defer cancel()
		answer(ctx, c.inSlot(ctx, source, handle))
	})
	return true
}

func (c *Client) inSlot(ctx context.Context, source string, handle func(context.Context) Status) Status {
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.taken[source]--; c.taken[source] == 0 {
			delete(c.taken, source)
		}
		<-c.slots
	}()
	return handle(ctx)
}

// deliver calls Deliver. If that panics, the SMSC is told to try again later, but
// not forever: the third time the message is acknowledged and dropped.
func (c *Client) deliver(ctx context.Context, d *DeliverSM, e *event.Event) Status {
	if c.poison.dropped(d) {
		e.Reason = reasonDropped
		return StatusOK
	}
	st, err := c.rescued(ctx, d, e)
	if err == nil {
		c.poison.forget(d)
		return st
	}
	e.Cause = err
	if c.poison.add(d) < maxPanics {
		return StatusRxTempError
	}
	e.Reason = reasonDropped
	c.log.Error("message dropped: its handling panicked each time", "deliveries", maxPanics, "err", err)
	return StatusOK
}

func (c *Client) rescued(ctx context.Context, d *DeliverSM, e *event.Event) (st Status, err error) {
	defer event.RescueTo(&err, c.log, "deliver_sm")
	return c.cfg.Deliver(ctx, d, e), nil
}

// emit ends the event of a message. An SMSC can send any number of messages
// without effect, so the log gets only examples of them.
func (c *Client) emit(ctx context.Context, e *event.Event, st Status) {
	e.Status = int(st)
	switch {
	case e.Cause != nil:
		c.cfg.Events.Fail(context.Background(), e, e.Cause)
	case e.Reason != "":
		c.cfg.Events.Sample(e)
	}
	c.cfg.Events.Emit(ctx, e)
}
