package sim

import (
	"context"
	"fmt"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/fair"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/scp80"
	"github.com/signum-mssp/signum/internal/smpp"
)

// reply handles what the applet says. The counter is recorded after the engine
// has taken the answer: a message that must be delivered again must not look like
// a replay. Until then the engine recognises a repetition by the transaction,
// which ends once.
func (c *Channel) reply(ctx context.Context, in *arrival, packet []byte) smpp.Status {
	keys, err := c.cfg.Keys.Keys(in.card)
	if err != nil {
		return c.failKeys(in, err)
	}
	p, err := c.profileOf(in.card)
	if err != nil {
		return c.fail(in, err)
	}
	r, err := scp80.OpenResponse(packet, p.params(in.card, keys), keys, scp80.KindCommand)
	c.tracePacket(in.trace, "reply", packet, r, err == nil)
	if err != nil {
		return c.drop(in, &c.n.forged, reasonForged, err.Error())
	}
	if r.TAR != p.TAR || r.Status != scp80.OK {
		return c.drop(in, &c.n.malformed, reasonMalformed, fmt.Sprintf("reply of %s with status %s", r.TAR, r.Status))
	}
	if seen(in.card, r.Counter) {
		return c.drop(in, &c.n.replayed, reasonReplayed, "its counter was seen before")
	}
	rep, err := applet.ParseReply(r.Data)
	if err != nil {
		c.drop(in, &c.n.malformed, reasonMalformed, err.Error())
		return c.record(ctx, in, r.Counter)
	}
	c.traceReply(in.trace, rep)
	in.event.Note = describeReply(rep)
	q, err := c.requestOf(ctx, in, rep)
	if err == errRelayed {
		in.event.Reason = reasonRelayed
		return c.record(ctx, in, r.Counter)
	}
	if err != nil {
		return c.fail(in, err)
	}
	if q != nil {
		ctx = fair.With(ctx, q.APID)
	}
	switch err := c.apply(ctx, in, q, rep); {
	case err == errLocating:
		in.event.Reason = reasonLocating
		return postponed
	case err != nil:
		return c.fail(in, err)
	}
	return c.record(ctx, in, r.Counter)
}

// describeReply describes a reply for the log, without anything of the user.
func describeReply(rep *applet.Reply) string {
	return fmt.Sprintf("%s %s: %s, %d tries left", rep.Op, rep.ID, rep.Result, rep.TriesLeft)
}

// seen reports whether a card has used the counter, or one that is so much
// higher that it is no longer known whether it has.
func seen(card *mssp.Card, counter uint64) bool {
	if counter > card.ReplyCounter {
		return false
	}
	below := card.ReplyCounter - counter
	return below == 0 || below > mssp.ReplyWindow || card.ReplySeen>>(below-1)&1 == 1
}

// record keeps the counter of a message that has done its work. If the store
// fails, the message is acknowledged all the same: a replay would have no effect.
func (c *Channel) record(ctx context.Context, in *arrival, counter uint64) smpp.Status {
	recorded, err := c.cfg.Store.AcceptReply(ctx, in.card.ICCID, counter)
	switch {
	case err != nil:
		in.event.Cause = fmt.Errorf("counter of a reply of card %s not kept: %w", in.card.ICCID, err)
	case recorded:
		c.n.replies.Add(1)
	default: // two copies at the same time
		c.n.replayed.Add(1)
		in.event.Reason = reasonReplayed
	}
	return smpp.StatusOK
}

// apply does what follows from the reply to a request, nil if nothing waits for it. After
// an error the reply must be delivered again.
func (c *Channel) apply(ctx context.Context, in *arrival, q *request, rep *applet.Reply) error {
	if q == nil {
		c.drop(in, &c.n.late, reasonLate, "nothing waits for it: "+describeReply(rep))
		return nil
	}
	in.event.TransID = q.TransID
	c.trace.name(in.trace, q.TransID)
	if !c.take(q, rep, in.at) {
		if rep.Op == applet.SetPIN && rep.Result == applet.OK { // before the SMSC hears that it has arrived
			c.keepProgress(ctx, q)
		}
		return nil
	}
	return c.handOver(ctx, q)
}

// requestOf returns nil if nothing waits for the reply.
func (c *Channel) requestOf(ctx context.Context, in *arrival, rep *applet.Reply) (*request, error) {
	c.mu.Lock()
	q := c.table.find(rep.ID, in.card.DeviceID, rep.Op)
	c.mu.Unlock()
	if q != nil {
		return q, nil
	}
	return c.adopt(ctx, in, rep)
}

// adopt asks the engine for a request that is not in memory, because this node
// was restarted or another one sent the request.
func (c *Channel) adopt(ctx context.Context, in *arrival, rep *applet.Reply) (*request, error) {
	p, err := c.profileOf(in.card)
	if err != nil {
		return nil, err
	}
	list, err := c.inbox.Pending(ctx, in.card.DeviceID)
	if err != nil {
		return nil, fmt.Errorf("asking what is pending: %w", err)
	}
	for i := range list {
		r := &list[i]
		if applet.TransactionID(r.TransID) == rep.ID && answers(r.Op, rep.Op) && in.at.Before(r.Expires) {
			if err := c.relay(ctx, r, rep, in.at); err != nil {
				in.event.TransID = r.TransID
				return nil, err
			}
			return c.keep(newRequest(*r, &p.Retry, in.at), rep.Op, in.at)
		}
	}
	return nil, nil
}

// keep puts an adopted request into the table, unless Send has done so meanwhile.
func (c *Channel) keep(q *request, step applet.Op, now time.Time) (*request, error) {
	kept, err := c.insert(q, step, now)
	if err == nil && kept == q {
		c.locate(q)
	}
	return kept, err
}

func (c *Channel) insert(q *request, step applet.Op, now time.Time) (*request, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	q.step = step
	q.flags |= reached | submitted
	switch known, err := c.add(q); {
	case err != nil:
		return nil, err
	case known:
		return c.table.find(q.id, q.DeviceID, step), nil
	}
	c.awaitLocation(q)
	c.await(q, now.Add(q.retry.Patience))
	return q, nil
}

// take applies a reply to its request. It reports whether the engine must get the
// answer now.
func (c *Channel) take(q *request, rep *applet.Reply, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if q.state == ended || rep.Op == applet.SetPIN && q.step == applet.GenKey {
		return false // a repetition
	}
	q.flags |= reached
	q.attempts.cancel = nil // the SMSC's answer to the attempt is on its way too
	switch {
	case rep.Result == applet.Busy:
		if q.asking() {
			q.attempts.busyRun = q.attempts.run
			c.schedule(q, now.Add(q.retry.pause(q.attempts.count)))
		}
		return false
	case rep.Op == applet.SetPIN && rep.Result == applet.OK:
		if q.state == answering {
			return false // too late: it was given up
		}
		q.step = applet.GenKey
		q.attempts.reset()
		q.flags &^= asked | proved
		if !q.flags.has(givenUp) {
			c.enqueue(q)
		}
		return false
	}
	c.setAnswer(q, outcome(q, rep), now)
	return true
}

// faults are the codes for the results of a card. OK has none, and Busy does not end a
// request.
var faults = map[applet.Result]signum.Code{
	applet.UserCancel: signum.UserCancel,
	applet.NoAnswer:   signum.ExpiredTransaction,
	applet.PINBlocked: signum.PINBlocked,
	applet.NoKey:      signum.NoKeyFound,
	applet.Refused:    signum.InternalError,
	applet.Internal:   signum.InternalError,
}

// outcome returns the answer that follows from a reply.
func outcome(q *request, rep *applet.Reply) mssp.DeviceAnswer {
	a := q.answerOf(nil)
	if q.Op == mssp.OpDisplay {
		switch rep.Result {
		case applet.OK:
			a.Receipt = signum.ReceiptAccepted
			return a
		case applet.UserCancel:
			a.Receipt = signum.ReceiptCancelled
			return a
		case applet.NoAnswer:
			a.Receipt = signum.ReceiptTimedOut
			return a
		}
	}
	if rep.Result == applet.OK {
		a.Signature, a.PublicKey, a.Proof = rep.Signature, rep.PublicKey, rep.Proof
		return a
	}
	code, known := faults[rep.Result]
	if !known {
		code = signum.InternalError
	}
	a.Fault = signum.NewFault(code)
	if code == signum.ExpiredTransaction {
		a.Fault.Detail = signum.DetailTimeout
	}
	return a
}

// describe describes an answer for log and trace, without anything of the user.
func describe(a *mssp.DeviceAnswer) string {
	switch {
	case a.Fault != nil:
		return a.Fault.Error()
	case a.Op == mssp.OpDisplay:
		return "receipt " + string(a.Receipt)
	case a.Op == mssp.OpActivate:
		return fmt.Sprintf("public key of %d octets", len(a.PublicKey))
	}
	return fmt.Sprintf("signature of %d octets", len(a.Signature))
}
