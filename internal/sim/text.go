package sim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/smpp"
	"github.com/signum-mssp/signum/internal/smpp/group"
	"github.com/signum-mssp/signum/internal/sms"
)

// SendText implements mssp.TextSender. It returns when the SMSC has taken all parts, or
// after Config.TextTimeout. The error is mssp.ErrUnreachable if the SMSC did not take
// them, and mssp.ErrRefused if the text cannot be encoded. It repeats a part only if
// the SMSC certainly does not have it: two passwords are worse than an error.
func (c *Channel) SendText(ctx context.Context, m mssp.TextMessage) error {
	if err := c.enter(); err != nil {
		return fmt.Errorf("sim: %w", err)
	}
	defer c.busy.Done()
	ctx, cancel := context.WithTimeout(ctx, c.cfg.TextTimeout)
	defer cancel()
	ref := c.nextRef()
	err := c.bound(false)
	if err != nil {
		c.n.textErrors.Add(1)
		return fmt.Errorf("sim: %w", err)
	}
	err = c.cfg.Send(ctx, func(r *group.Route) error { return c.sendText(ctx, r, &m, ref) })
	if err != nil {
		c.n.textErrors.Add(1)
		return fmt.Errorf("sim: %w", err)
	}
	c.n.texts.Add(1)
	return nil
}

// sendText hands over all parts of a text to one SMSC, in the alphabet of that SMSC.
func (c *Channel) sendText(ctx context.Context, r *group.Route, m *mssp.TextMessage, ref byte) error {
	parts, err := splitText(m, r.Style.Alphabet, ref)
	if err != nil {
		return fmt.Errorf("%w: %w", mssp.ErrRefused, err)
	}
	for i := range parts {
		if err := c.submitText(ctx, r, m.MSISDN, &parts[i]); err != nil {
			return fmt.Errorf("part %d of %d: %w", i+1, len(parts), err)
		}
	}
	return nil
}

func (c *Channel) nextRef() byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ref++
	if c.cfg.Peers == nil {
		return c.ref
	}
	// Nodes that send to the same phone at the same time must not use the same reference.
	const each = 256 / mssp.MaxNodes
	return byte(c.cfg.Peers.Slot())*each + c.ref%each
}

func (c *Channel) submitText(ctx context.Context, r *group.Route, msisdn string, t *sms.Text) error {
	body, err := textBody(t, r.Style.Alphabet)
	if err != nil {
		return err
	}
	m := &smpp.SubmitSM{
		ServiceType: r.Style.ServiceType,
		Source:      cmp.Or(r.Style.TextSource, c.cfg.TextSource), Dest: r.Style.Dest(digitsOf(msisdn)),
		DataCoding: t.DCS, ShortMessage: body,
	}
	if t.UDHI {
		m.ESMClass = smpp.UDHI
	}
	for attempt := 1; ; attempt++ {
		if err := c.myTurn(ctx, msisdn); err != nil {
			return err
		}
		e := c.traceText(r.Name, msisdn, m, t)
		id, err := c.submit(ctx, r, m)
		c.trace.done(e, c.now(), id, err)
		c.mu.Lock()
		c.tried(msisdn, err, c.now())
		c.mu.Unlock()
		switch {
		case err == nil:
			return nil
		case queueFull(err): // the brake says how long to wait
		case !notTaken(err) || ctx.Err() != nil || !c.pause(ctx, c.set().Retry.pause(attempt)):
			return submitError(err)
		}
	}
}

// myTurn waits until a message to a phone may be tried.
func (c *Channel) myTurn(ctx context.Context, msisdn string) error {
	for {
		c.mu.Lock()
		now := c.now()
		at := c.heldUntil(msisdn, now)
		if at.IsZero() {
			c.tries(msisdn, now)
		}
		c.mu.Unlock()
		switch {
		case at.IsZero():
			return nil
		case !c.pause(ctx, at.Sub(now)):
			return unreachable(errHeld)
		}
	}
}

// errHeld means that a text waited in vain for a phone whose queue is full.
var errHeld = errors.New("the SMSC takes no more messages for this number")

// notTaken reports whether the SMSC certainly has not taken a message but may take it
// later.
func notTaken(err error) bool {
	var st smpp.Status
	switch {
	case errors.As(err, &st):
		return st.Temporary()
	case errors.Is(err, smpp.ErrTimeout):
		return false
	}
	return errors.Is(err, smpp.ErrUnbound)
}

// pause waits. It returns false if the context ends before the pause is over.
func (c *Channel) pause(ctx context.Context, d time.Duration) bool {
	if until, ok := ctx.Deadline(); ok && time.Until(until) < d {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
