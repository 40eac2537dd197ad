package sim

import (
	"time"

	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/sms"
)

const (
	maxStalled = 1024 // messages that wait for the store or the engine
	maxPanics  = 3    // as many deliveries of its last part as the SMPP client hands over
)

// whole is a complete message.
type whole struct {
	sms.Message
	inParts bool
	panics  int       // how often its handling panicked
	until   time.Time // when it is stalled: how long it is kept
}

// stall keeps a message in parts that could not be handled: the SMSC delivers
// only the part again that completed it. A message that panics each time is
// dropped; it would otherwise make every later message of the same phone panic.
func (c *Channel) stall(in *arrival, m *whole) {
	if m.panics >= maxPanics {
		return
	}
	c.mu.Lock()
	if len(c.stalls) < maxStalled { // beyond that, the repetition by the card helps
		m.until = in.at.Add(c.cfg.ReplyLifetime)
		c.stalls[in.msisdn] = m
	}
	c.mu.Unlock()
	c.sweepLater()
}

// unstall takes the stalled message of a phone out; nil if there is none.
func (c *Channel) unstall(in *arrival) *whole {
	c.mu.Lock()
	defer c.mu.Unlock()
	m, ok := c.stalls[in.msisdn]
	if !ok {
		return nil
	}
	delete(c.stalls, in.msisdn)
	if !in.at.Before(m.until) {
		return nil
	}
	return m
}

// dropStalled forgets messages whose phone sent nothing more in time. Channel.mu
// is held.
func (c *Channel) dropStalled(now time.Time) {
	for msisdn, m := range c.stalls {
		if !now.Before(m.until) {
			delete(c.stalls, msisdn)
		}
	}
}

// sweepLater makes sure that parts of messages that are never completed, and
// stalled messages, are forgotten even if nothing more arrives.
func (c *Channel) sweepLater() {
	parts := c.parts.Len()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sweeping || c.closed || parts == 0 && len(c.stalls) == 0 {
		return
	}
	c.sweeping = true
	c.sweeper = time.AfterFunc(c.cfg.ReplyLifetime, c.sweep)
}

func (c *Channel) sweep() {
	defer event.Rescue(c.log, "SIM sweep", c.sweepLater)
	now := c.now()
	n := c.parts.Sweep(now)
	c.mu.Lock()
	c.sweeping = false
	c.dropStalled(now)
	c.mu.Unlock()
	if n > 0 {
		c.log.Info("incomplete replies dropped", "count", n)
	}
	c.sweepLater()
}
