package sim

import (
	"slices"
	"time"

	"github.com/signum-mssp/signum/internal/scp80"
	"github.com/signum-mssp/signum/internal/smpp"
)

// unsecuredGap is the least time between an attempt and the next one that an
// unsecured proof of receipt can cause: anybody may have sent it.
const unsecuredGap = time.Second

// proof handles a proof of receipt (PoR): the card has accepted or refused a
// packet. A secured one comes from this card, and its counter says which packet
// it is about. An unsecured one is only a hint.
func (c *Channel) proof(in *arrival, packet []byte) smpp.Status {
	keys, err := c.cfg.Keys.Keys(in.card)
	if err != nil {
		return c.failKeys(in, err)
	}
	p, err := c.profileOf(in.card)
	if err != nil {
		return c.fail(in, err)
	}
	secured := true
	r, err := scp80.OpenResponse(packet, p.params(in.card, keys), keys, scp80.KindResponse)
	if err != nil {
		secured = false
		r, err = scp80.OpenUnsecured(packet)
	}
	c.tracePacket(in.trace, "proof of receipt", packet, r, secured)
	if err != nil {
		return c.drop(in, &c.n.forged, reasonForged, err.Error())
	}
	if in.event.Note = r.Status.String(); !secured {
		in.event.Note += ", unsecured"
	}
	if r.Status == scp80.OK {
		c.n.porOK.Add(1)
	} else {
		c.n.porErrors.Add(1)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	q, which := c.table.sent(in, r, secured)
	if q == nil {
		c.n.porUnmatched.Add(1)
		in.event.Reason = reasonUnmatched
		c.trace.remark(in.trace, "not about a packet that is waited for")
		c.publishProof(in, r, secured)
		return smpp.StatusOK
	}
	in.event.TransID = q.TransID
	c.trace.name(in.trace, q.TransID)
	var effect bool
	if r.Status == scp80.OK {
		effect = c.accepted(q, which, in.at)
	} else {
		effect = c.rejected(q, r.Status, secured, which, in)
	}
	if !effect {
		in.event.Reason = reasonNoEffect
	}
	return smpp.StatusOK
}

// sent returns the request that a proof is about, and which of its packets. It
// is found by the counter, which an unsecured proof need not have.
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

// accepted notes that the card took a packet: it is asking the user. That takes
// time, and does not say that the reply will get through. Only the first proof of
// the last packet gives the user time: otherwise copies of it could put the
// repetition off forever. It reports whether the proof had an effect.
func (c *Channel) accepted(q *request, which int, now time.Time) (effect bool) {
	effect = !q.flags.has(asked)
	q.flags |= asked
	if q.attempts.refuses(which) {
		q.attempts.doubtful = true
		return effect
	}
	if q.flags.has(proved) || !q.attempts.last(which) {
		return effect
	}
	q.flags |= proved
	if q.state == waiting && q.attempts.busyRun != q.attempts.run {
		c.await(q, now.Add(q.retry.Patience))
	}
	c.keepLater(q)
	return true
}

// rejected notes that the card refused a packet, or that somebody says so. A
// counter that is too low is cured by a higher one at once (tooLow, if the proof is
// secured), most other errors perhaps by a repetition. None of them decides on its own, with one exception:
// if the card has refused every packet, with secured proofs and for reasons that
// will not go away, the request has failed. It reports whether the proof had an
// effect.
//
// That exception cannot be forged without the card's keys. Nor can it be
// replayed, because the proofs name the counters of these packets; and the card
// cannot have accepted a copy of such a packet, because neither the applet's
// address nor the security changes.
func (c *Channel) rejected(q *request, st scp80.Status, secured bool, which int, in *arrival) (effect bool) {
	q.attempts.por = st
	lasting := st == scp80.TARUnknown || st == scp80.InsufficientSecurity || st == scp80.CounterBlocked
	if secured && (lasting || st == scp80.CounterLow) {
		q.attempts.refused |= 1 << which
		if lasting && q.attempts.allRefused() && !q.flags.has(asked|reached) && q.asking() {
			c.interrupt(q)
			c.answerFault(q, q.fault().Code)
			return true
		}
	}
	if !q.attempts.last(which) || !q.asking() {
		return false // another packet is on its way
	}
	if q.flags.has(asked) && !(secured && st == scp80.CounterLow && c.doubted(q)) {
		return false // the user is being asked
	}
	at := in.at.Add(q.retry.pause(q.attempts.count))
	if st == scp80.CounterLow {
		if secured {
			return c.tooLow(q, in)
		}
		at = in.at
	}
	if !secured {
		at = later(at, q.attempts.began.Add(unsecuredGap))
	}
	return c.hasten(q, at)
}

// doubted reports whether a card that seems to have accepted a packet may still be one
// that has seen a higher counter, so that its proof that the counter is too low counts. If
// both proofs are about the last packet, either the network has delivered the packet
// twice, or the first proof is an old one, about a packet with the same counter from
// before a restore. The next packet tells, and comes as soon as it would without proof.
func (c *Channel) doubted(q *request) bool {
	a := &q.attempts
	if !q.flags.has(proved) || a.doubtful {
		return a.doubtful
	}
	a.doubtful = true
	c.hasten(q, a.began.Add(q.retry.Silence))
	return false
}

// hasten brings the next attempt forward; a proof never puts it off.
func (c *Channel) hasten(q *request, at time.Time) bool {
	if !q.next.IsZero() && !at.Before(q.next) {
		return false
	}
	c.schedule(q, at)
	return true
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
