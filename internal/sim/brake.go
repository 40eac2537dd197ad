package sim

import (
	"errors"
	"maps"
	"time"

	"github.com/signum-mssp/signum/internal/smpp"
)

// brakes hold messages back to phones whose queues at the SMSC are full
// (ESME_RMSGQFUL, ESME_RTHROTTLED). What waits for a brake has no worker and no room in
// a window, so that full phones cost the others nothing. Channel.mu guards brakes.
type brakes struct {
	by   map[string]*brake // by MSISDN
	most int               // before those that are long over are forgotten
}

type brake struct {
	until    time.Time // nothing is sent before
	refusals int       // in a row
	trying   time.Time // one message is being tried, until then at most; zero: none
}

const fewBrakes = 1000 // fewer are not searched for old ones

func newBrakes() brakes { return brakes{by: map[string]*brake{}, most: fewBrakes} }

// heldUntil returns when a message to a phone may be tried; zero: now. Channel.mu is
// held.
func (c *Channel) heldUntil(msisdn string, now time.Time) time.Time {
	b := c.brakes.by[msisdn]
	switch {
	case b == nil:
		return time.Time{}
	case now.Before(b.until):
		return b.until
	case now.Before(b.trying):
		return now.Add(c.set().Retry.Backoff) // then its outcome is known, as a rule
	}
	return time.Time{}
}

// tries notes that a message to a phone is being tried. After it, tried must be called.
// Channel.mu is held.
func (c *Channel) tries(msisdn string, now time.Time) {
	if b := c.brakes.by[msisdn]; b != nil {
		b.trying = now.Add(c.cfg.SubmitTimeout)
	}
}

// tried notes what became of a message to a phone. Channel.mu is held.
func (c *Channel) tried(msisdn string, err error, now time.Time) {
	b := c.brakes.by[msisdn]
	switch _, answered := errors.AsType[smpp.Status](err); {
	case queueFull(err):
		c.n.full.Add(1)
		if b == nil {
			b = &brake{}
			c.brakes.add(msisdn, b, now.Add(-c.set().Retry.MaxBackoff-c.cfg.SubmitTimeout))
		}
		b.refusals++
		b.until, b.trying = now.Add(c.set().Retry.pause(b.refusals)), time.Time{}
	case b == nil:
	case err == nil || answered && !errors.Is(err, smpp.ErrUnbound):
		delete(c.brakes.by, msisdn) // the SMSC did not mind that there are too many
	default:
		b.trying = time.Time{} // it says nothing
	}
}

// add adds a brake. If there are many, those that were over before old are forgotten.
func (k *brakes) add(msisdn string, b *brake, old time.Time) {
	if len(k.by) >= k.most {
		maps.DeleteFunc(k.by, func(_ string, b *brake) bool { return b.until.Before(old) })
		k.most = max(fewBrakes, 2*len(k.by))
	}
	k.by[msisdn] = b
}

// count returns how many phones get nothing at the moment.
func (k *brakes) count(now time.Time) (n int) {
	for _, b := range k.by {
		if now.Before(b.until) {
			n++
		}
	}
	return n
}

// queueFull reports whether the SMSC refused a message because it gets too many, which
// may be about its phone alone. A message that waited for a bind in vain was not sent,
// and says nothing about its phone.
func queueFull(err error) bool {
	st, _ := errors.AsType[smpp.Status](err)
	return st.Load() && !errors.Is(err, smpp.ErrUnbound)
}

// overload reports whether a message was not sent, or refused, because the SMSC gets too
// many.
func overload(err error) bool {
	st, _ := errors.AsType[smpp.Status](err)
	return st.Load()
}
