package sim

import (
	"time"

	"github.com/signum-mssp/signum/internal/smpp"
)

// maxEarly is how many receipts are kept that came before the response to their message.
const maxEarly = 8

// receiptOf is what a delivery receipt says: what became of a message that the SMSC had
// taken. Most SMSCs answer a submit_sm in transaction mode when they already know that,
// and send no receipt.
type receiptOf struct {
	*smpp.Receipt
	ids []messageID // of the message; an SMSC may give two
}

func (in *arrival) receipt(d *smpp.DeliverSM) (receiptOf, error) {
	r, err := smpp.ParseReceipt(d)
	if err != nil {
		return receiptOf{}, err
	}
	known := receiptOf{r, []messageID{{in.cluster, r.MessageID}}}
	if r.OtherID != "" {
		known.ids = append(known.ids, messageID{in.cluster, r.OtherID})
	}
	return known, nil
}

// undeclared reports whether a message is a receipt that does not say so: it looks like
// one, and there is a message that it is about.
func (c *Channel) undeclared(in *arrival, d *smpp.DeliverSM) bool {
	if !d.MayBeReceipt() {
		return false
	}
	r, err := in.receipt(d)
	if err != nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	q, _ := c.table.submitted(in.phones(d), r)
	if q != nil || len(c.table.sending(in.phones(d))) > 0 {
		return true
	}
	c.publishReceipt(in.phones(d), r) // another node may have sent the message
	return false
}

// phones are the numbers that a receipt may be about: as a rule, the phone is its
// source, as if the phone had sent it; some SMSCs keep the direction of the message.
func (in *arrival) phones(d *smpp.DeliverSM) []string { return []string{in.msisdn, numberOf(d.Dest)} }

func (c *Channel) receipt(in *arrival, d *smpp.DeliverSM) smpp.Status {
	in.event.Op = opReceipt
	c.n.receipts.Add(1)
	r, err := in.receipt(d)
	if err != nil {
		return c.drop(in, &c.n.ignored, reasonMalformed, err.Error())
	}
	if r.State.Failed() {
		c.n.undelivered.Add(1)
	}
	in.event.Note = r.State.String()
	c.mu.Lock()
	defer c.mu.Unlock()
	switch q, what := c.received(in.phones(d), r, in.at); {
	case q != nil:
		in.event.TransID, in.event.Reason = q.TransID, what
		c.trace.add(in.msisdn, receiptExchange(in, q.TransID, d, r.Receipt))
	case what == reasonUnmatched:
		in.event.Reason = what
		c.publishReceipt(in.phones(d), r)
	default:
		in.event.Reason = what
	}
	return smpp.StatusOK
}

// received applies a receipt. It returns the request that it is about, and why it had no
// effect, if it had none: reasonUnmatched, if it is about a text message, a request that has ended,
// or one of another node. Channel.mu is held.
func (c *Channel) received(phones []string, r receiptOf, now time.Time) (q *request, reason string) {
	q, last := c.table.submitted(phones, r)
	if q == nil {
		reason = reasonUnmatched
		for _, q := range c.table.sending(phones) {
			if len(q.attempts.early) < maxEarly {
				q.attempts.early = append(q.attempts.early, r)
				reason = reasonEarly
			}
		}
		return nil, reason
	}
	if q.learn(r.State, last) && q.state == waiting && q.flags.has(submitted) {
		c.lost(q, now)
		return q, ""
	}
	return q, reasonNoEffect
}

// learn notes what a receipt says about a message of a request, which may belong to its
// last attempt. It reports whether that attempt is lost.
func (q *request) learn(s smpp.State, last bool) (lost bool) {
	switch {
	case s == smpp.StateDelivered:
		q.flags |= delivered
	case !last:
	case s.Failed():
		q.attempts.lost = true
	case s.Intermediate():
		q.attempts.enroute = true
	}
	return q.attempts.lost && last && !q.flags.has(asked|reached)
}

// lost repeats a request whose last attempt will not reach the phone. Channel.mu is
// held.
func (c *Channel) lost(q *request, now time.Time) {
	q.flags &^= submitted
	c.schedule(q, now.Add(q.retry.pause(q.attempts.count)))
}

// submitted returns the request that a receipt is about, and whether it is about the
// last attempt. If an id fits several messages only when it is read in another way than
// it is written, it fits none.
func (t *table) submitted(phones []string, r receiptOf) (found *request, last bool) {
	best := unlike
	var unsure bool
	consider := func(q *request, of []messageID, isLast bool) {
		for _, id := range of {
			how := unlike
			for _, other := range r.ids {
				how = max(how, id.like(other))
			}
			switch {
			case how == unlike || how < best:
			case how > best:
				best, found, last, unsure = how, q, isLast, false
			case q != found || isLast != last:
				unsure = true
			}
		}
	}
	for _, phone := range phones {
		for _, q := range t.byMSISDN[phone] {
			consider(q, q.attempts.messages, true)
			consider(q, q.attempts.past, false)
		}
	}
	if unsure {
		return nil, false
	}
	return found, last
}

// sending are the requests to phones whose last message may have no response yet.
func (t *table) sending(phones []string) (list []*request) {
	for _, phone := range phones {
		for _, q := range t.byMSISDN[phone] {
			if q.state == sending {
				list = append(list, q)
			}
		}
	}
	return list
}
