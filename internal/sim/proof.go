package sim

import (
	"context"
	"slices"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/scp80"
	"github.com/signum-mssp/signum/internal/smpp"
)

// unsecuredGap is the least time between an attempt and the next that a proof of
// receipt without security can cause: anybody may have sent it.
const unsecuredGap = time.Second

// proof takes a proof of receipt (PoR): the card has taken a packet, or refused
// it. One that the card's key vouches for is known to be of this card, and its
// counter tells of which packet. One without security is a hint.
func (c *Channel) proof(ctx context.Context, in *arrival, packet []byte) smpp.Status {
	keys, err := c.cfg.Keys.Keys(in.card)
	if err != nil {
		c.log.ErrorContext(ctx, "keys of a card", "iccid", in.card.ICCID, "err", err)
		return postponed
	}
	secured := true
	r, err := scp80.OpenResponse(packet, c.paramsOf(in.card, keys), keys, scp80.KindResponse)
	if err != nil {
		secured = false
		r, err = scp80.OpenUnsecured(packet)
	}
	c.tracePacket(in.trace, "proof of receipt", packet, r, secured)
	if err != nil {
		c.n.forged.Add(1)
		c.trace.remark(in.trace, "dropped: "+err.Error())
		c.log.WarnContext(ctx, "proof of receipt dropped", "msisdn", signum.MaskMSISDN(in.msisdn), "err", err)
		return smpp.StatusOK
	}
	if r.Status == scp80.OK {
		c.n.porOK.Add(1)
	} else {
		c.n.porErrors.Add(1)
		c.log.InfoContext(ctx, "proof of receipt with an error", "msisdn", signum.MaskMSISDN(in.msisdn), "status", r.Status.String(), "secured", secured)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	q, which := c.table.sent(in, r, secured)
	if q == nil {
		c.n.porUnmatched.Add(1)
		c.trace.remark(in.trace, "of no packet that is waited for")
		return smpp.StatusOK
	}
	c.trace.name(in.trace, q.TransID)
	if r.Status == scp80.OK {
		c.accepted(q, which, in.at)
		return smpp.StatusOK
	}
	c.rejected(q, r.Status, secured, which, in.at)
	return smpp.StatusOK
}

// sent is the request, and which of its packets, that a proof tells of: by the
// counter, which a proof without security need not have.
func (t *table) sent(in *arrival, r *scp80.Response, secured bool) (q *request, which int) {
	list := t.byMSISDN[in.msisdn]
	for _, q := range list {
		if i := slices.Index(q.attempts.counters, r.Counter); i >= 0 && q.DeviceID == in.card.DeviceID {
			return q, i
		}
	}
	if !secured && len(list) == 1 && len(list[0].attempts.counters) > 0 {
		return list[0], len(list[0].attempts.counters) - 1
	}
	return nil, 0
}

// accepted: the user is being asked. That lasts, and says nothing of the reply's
// way back. Only the first proof of the last packet gives the user time, so that
// copies of it do not put the repetition off for ever, and a repetition that is
// lost is not waited for.
func (c *Channel) accepted(q *request, which int, now time.Time) {
	q.flags |= asked
	if q.flags.has(proved) || !q.attempts.last(which) {
		return
	}
	q.flags |= proved
	if q.state == waiting && q.attempts.busyRun != q.attempts.run {
		c.schedule(q, now.Add(c.cfg.Retry.Patience))
	}
}

// rejected: the packet was refused, perhaps. A counter that is too low is cured
// by the next one at once, most other errors perhaps by a repetition. None of
// them decides on its own, with one exception: where the card has refused all
// that was sent to it, vouched for it, and for reasons that stay, it is over.
//
// That cannot be forged without the card's keys, nor replayed, because it names
// the counters of these packets; and no copy of such a packet can have been
// accepted, since neither the applet's address nor the security changes.
func (c *Channel) rejected(q *request, st scp80.Status, secured bool, which int, now time.Time) {
	q.attempts.por = st
	lasting := st == scp80.TARUnknown || st == scp80.InsufficientSecurity || st == scp80.CounterBlocked
	if secured && lasting {
		q.attempts.refused |= 1 << which
		if q.attempts.allRefused() && !q.flags.has(asked|reached) && q.asking() {
			c.interrupt(q)
			c.answerFault(q, q.fault().Code)
			return
		}
	}
	if q.flags.has(asked) || !q.attempts.last(which) || !q.asking() {
		return // another packet was taken, or is on its way
	}
	at := now.Add(c.backoff(q.attempts.count))
	if st == scp80.CounterLow {
		at = now
	}
	if !secured {
		at = later(at, q.attempts.began.Add(unsecuredGap))
	}
	if q.next.IsZero() || at.Before(q.next) { // nobody can put it off
		c.schedule(q, at)
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
