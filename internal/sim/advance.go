package sim

import (
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
)

// Advance bounds how far the counter towards a card is moved when the card says, in a
// secured proof of receipt, that it is too low: after a restore of the database the
// cards have seen higher ones. The proof does not say how much higher, because it
// repeats the counter of the packet. Zero values mean the defaults.
type Advance struct {
	Step  uint64 // of a request's first move; each further one is twice as far; 256
	Daily uint64 // how far the counter of one card may be moved in a day (UTC); 2^20
}

const (
	defaultStep  = 256
	defaultDaily = 1 << 20 // a card lasts for 2^20 such days, which is 2,800 years
)

// advances are the moves of one day, by ICCID. Channel.mu guards them.
type advances struct {
	day   int64
	moved map[string]uint64
}

// take returns how much of a step the card may still move today, and counts it.
func (a *advances) take(iccid string, step, daily uint64, now time.Time) uint64 {
	if day := now.Unix() / (24 * 60 * 60); a.moved == nil || day != a.day {
		a.day, a.moved = day, map[string]uint64{}
	}
	step = min(step, daily-min(daily, a.moved[iccid]))
	if step > 0 {
		a.moved[iccid] += step
	}
	return step
}

// tooLow handles a secured proof that the last packet's counter was too low. The
// next one skips counters, twice as many each time, and does not count as one of
// Retry.Attempts, so that one request reaches a card that is far ahead. A proof moves
// the counter once: it names the packet, and only the last packet of an open request
// matters, so that replayed proofs do nothing. It reports whether the proof had an
// effect. Channel.mu is held.
func (c *Channel) tooLow(q *request, in *arrival) (effect bool) {
	a := &q.attempts
	last := a.counters[len(a.counters)-1]
	if a.floor > last {
		return false // another copy of the proof
	}
	step := min(c.set().Advance.Step<<min(a.behind, 20), c.set().Advance.Daily)
	var by uint64
	if last+step <= mssp.MaxCardCounter {
		by = c.advances.take(in.card.ICCID, step, c.set().Advance.Daily, in.at)
	}
	if by > 0 {
		a.floor = last + by
		if a.behind == 0 {
			c.log.Warn("a card has seen a higher counter: it is moved forward", "iccid", in.card.ICCID, "trans_id", q.TransID, "counter", last)
		}
		a.behind++
		a.count--
		c.n.advanced.Add(1)
		c.schedule(q, in.at)
		return true
	}
	c.n.behind.Add(1)
	if len(a.counters) < q.retry.Attempts || !a.allRefused() || q.flags.has(asked|reached) {
		return c.hasten(q, in.at)
	}
	// Each packet was refused, and a later one can do no better today.
	c.log.Warn("SIM not reached: its card has seen a higher counter, and the limit of moves (sim.advance.daily) is reached; move it with signum sim advance",
		"iccid", in.card.ICCID, "trans_id", q.TransID, "counter", last)
	c.interrupt(q)
	c.answerFault(q, q.fault().Code)
	return true
}
