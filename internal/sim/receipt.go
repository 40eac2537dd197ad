package sim

import (
	"slices"

	"github.com/signum-mssp/signum/internal/smpp"
)

// receipt handles a delivery receipt: what became of a message that the SMSC had
// taken. Most SMSCs answer a submit_sm in transaction mode when they already know
// that, and send no receipt.
func (c *Channel) receipt(in *arrival, d *smpp.DeliverSM) smpp.Status {
	in.event.Op = opReceipt
	c.n.receipts.Add(1)
	r, err := smpp.ParseReceipt(d)
	if err != nil {
		return c.drop(in, &c.n.ignored, reasonMalformed, err.Error())
	}
	failed := undelivered(r.State)
	if failed {
		c.n.undelivered.Add(1)
	}
	in.event.Note = r.State.String()
	c.mu.Lock()
	defer c.mu.Unlock()
	q := c.table.submitted(in.msisdn, messageID{in.smsc, r.MessageID})
	if q == nil {
		in.event.Reason = reasonUnmatched // a text message, or a request that has ended
		return smpp.StatusOK
	}
	in.event.TransID, in.event.Reason = q.TransID, reasonNoEffect
	c.trace.add(in.msisdn, receiptExchange(in, q.TransID, d, r))
	if failed && q.state == waiting && !q.flags.has(asked|reached) && q.flags.has(submitted) {
		in.event.Reason = ""
		q.flags &^= submitted
		c.schedule(q, in.at.Add(q.retry.pause(q.attempts.count)))
	}
	return smpp.StatusOK
}

// undelivered reports whether a message in this state will not reach the phone.
func undelivered(s smpp.State) bool {
	switch s {
	case smpp.StateExpired, smpp.StateDeleted, smpp.StateUndeliverable, smpp.StateRejected:
		return true
	}
	return false
}

// submitted returns the request whose last attempt had this message id.
func (t *table) submitted(msisdn string, id messageID) *request {
	for _, q := range t.byMSISDN[msisdn] {
		if slices.Contains(q.attempts.messages, id) {
			return q
		}
	}
	return nil
}
