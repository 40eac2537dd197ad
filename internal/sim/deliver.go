package sim

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/smpp"
	"github.com/signum-mssp/signum/internal/sms"
)

// postponed makes the SMSC deliver a message again later.
const postponed = smpp.StatusRxTempError

// Deliver handles a short message from the SMSC of that name, for
// smpp.ClientConfig.Deliver.
// It returns StatusOK when the message has done its work or has none to do, and
// a temporary error if the store or the engine cannot take it now. It completes
// the event.
//
// A message is classified by its user data header, not by its data coding: SMSCs
// rewrite the latter.
func (c *Channel) Deliver(ctx context.Context, smsc string, d *smpp.DeliverSM, e *event.Event) smpp.Status {
	if c.enter() != nil {
		e.Reason = reasonStopping
		return postponed
	}
	defer c.busy.Done()
	c.n.delivered.Add(1)
	in := &arrival{smsc: smsc, cluster: c.cluster(smsc), msisdn: numberOf(d.Source), at: c.now(), event: e}
	e.MSISDN = event.Clip(in.msisdn)
	var st smpp.Status
	if d.IsReceipt() || c.undeclared(in, d) {
		st = c.receipt(in, d)
	} else {
		st = c.heard(ctx, in, d)
	}
	if st != smpp.StatusOK {
		c.n.postponed.Add(1)
	}
	return st
}

// heard handles a message, and remembers meanwhile that its phone has said something, and
// afterwards whether the service failed to handle it.
func (c *Channel) heard(ctx context.Context, in *arrival, d *smpp.DeliverSM) smpp.Status {
	c.mu.Lock()
	c.inHand[in.msisdn]++
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, q := range c.table.byMSISDN[in.msisdn] {
			if q.flags &^= unheard; in.failed {
				q.flags |= unheard
			}
		}
		if c.inHand[in.msisdn]--; c.inHand[in.msisdn] == 0 {
			delete(c.inHand, in.msisdn)
		}
	}()
	return c.message(ctx, in, d)
}

func (c *Channel) message(ctx context.Context, in *arrival, d *smpp.DeliverSM) smpp.Status {
	if d.ESMClass&smpp.UDHI == 0 || d.ESMClass&smpp.TypeMask != 0 {
		return c.drop(in, &c.n.ignored, reasonIgnored, "not a message of a card")
	}
	h, _, err := sms.ParseUserData(d.ShortMessage)
	if err != nil {
		return c.drop(in, &c.n.malformed, reasonMalformed, err.Error())
	}
	if !isSecured(h) {
		return c.drop(in, &c.n.ignored, reasonIgnored, "not a message of a card")
	}
	// Look up the card before keeping a part: a sender without one costs no memory.
	in.card, err = c.cfg.Store.CardOf(ctx, in.msisdn)
	switch {
	case errors.Is(err, mssp.ErrNotFound):
		return c.drop(in, &c.n.unknown, reasonUnknown, "the sender has no card")
	case err != nil:
		return c.fail(in, fmt.Errorf("card of the sender: %w", err))
	case in.card.State != mssp.CardActive:
		return c.drop(in, &c.n.unknown, reasonUnknown, "the sender's card is not active")
	}
	in.trace = c.traceArrival(in, d, h)
	if s := c.unstall(in); s != nil {
		if st := c.packet(ctx, in, s); st != smpp.StatusOK {
			return st
		}
	}
	m, complete, shared, err := c.join(ctx, in, h, d.ShortMessage)
	c.sweepLater()
	if errors.Is(err, errParts) {
		return c.fail(in, err)
	}
	if err != nil {
		return c.drop(in, &c.n.malformed, reasonMalformed, err.Error())
	}
	if !complete {
		in.event.Reason = reasonIncomplete
		return smpp.StatusOK
	}
	_, inParts, _ := h.Concat()
	st := c.packet(ctx, in, &whole{Message: m, inParts: inParts})
	if st == smpp.StatusOK {
		c.joined(ctx, shared)
	}
	return st
}

// isSecured reports whether the header can belong to a secured packet or to a part
// of one.
func isSecured(h sms.Header) bool {
	for _, iei := range []byte{sms.IEICommand, sms.IEIResponse, sms.IEIConcat8, sms.IEIConcat16} {
		if _, ok := h.Find(iei); ok {
			return true
		}
	}
	return false
}

// packet handles a complete message.
func (c *Channel) packet(ctx context.Context, in *arrival, m *whole) (st smpp.Status) {
	st = postponed // until it is handled: the handling may panic
	m.panics++
	defer func() {
		if st != smpp.StatusOK && m.inParts {
			c.stall(in, m)
		}
	}()
	switch m.IEI {
	case sms.IEIResponse:
		in.event.Op = opProof
		st = c.proof(in, m.Packet)
	case sms.IEICommand:
		in.event.Op = opReply
		st = c.reply(ctx, in, m.Packet)
	default:
		st = c.drop(in, &c.n.ignored, reasonIgnored, "not a secured packet")
	}
	m.panics--
	return st
}

// numberOf is the sender in E.164 with leading +. SMSCs give it with type of
// number 1 or without a type; no other form belongs to a subscriber.
func numberOf(a smpp.Address) string {
	n := strings.TrimPrefix(a.Addr, "+")
	if len(n) < 5 || len(n) > 15 || n[0] == '0' || strings.Trim(n, "0123456789") != "" {
		return a.Addr
	}
	return "+" + n
}
