package sim

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/smpp"
	"github.com/signum-mssp/signum/internal/sms"
)

// postponed is what the SMSC is told of a message that is to be delivered again.
const postponed = smpp.StatusRxTempError

// Deliver takes a short message from the SMSC, for smpp.ClientConfig.Deliver. It
// is StatusOK when the message has done its work, or there is none to do; a
// temporary error if the store or the engine cannot take it now.
//
// What a message is says its user data header, not its data coding: SMSCs
// change the latter.
func (c *Channel) Deliver(ctx context.Context, d *smpp.DeliverSM) smpp.Status {
	if c.enter() != nil {
		return postponed
	}
	defer c.busy.Done()
	c.n.delivered.Add(1)
	var st smpp.Status
	if d.IsReceipt() {
		st = c.receipt(ctx, d)
	} else {
		st = c.message(ctx, d)
	}
	if st != smpp.StatusOK {
		c.n.postponed.Add(1)
	}
	return st
}

// arrival is a message from a phone on its way through the layers.
type arrival struct {
	msisdn string
	at     time.Time
	card   *mssp.Card
	trace  *Exchange
}

func (c *Channel) message(ctx context.Context, d *smpp.DeliverSM) smpp.Status {
	in := &arrival{msisdn: numberOf(d.Source), at: c.now()}
	if d.ESMClass&smpp.UDHI == 0 || d.ESMClass&smpp.TypeMask != 0 {
		return c.ignore(ctx, in, "no message of a card")
	}
	h, _, err := sms.ParseUserData(d.ShortMessage)
	if err != nil {
		c.n.malformed.Add(1)
		c.log.WarnContext(ctx, "message dropped", "msisdn", signum.MaskMSISDN(in.msisdn), "err", err)
		return smpp.StatusOK
	}
	if !ours(h) {
		return c.ignore(ctx, in, "no message of a card")
	}
	// Before its parts are kept: whoever has no card costs no memory.
	in.card, err = c.cfg.Store.CardOf(ctx, in.msisdn)
	switch {
	case errors.Is(err, mssp.ErrNotFound):
		return c.stranger(ctx, in, "no card")
	case err != nil:
		c.log.ErrorContext(ctx, "message postponed", "msisdn", signum.MaskMSISDN(in.msisdn), "err", err)
		return postponed
	case in.card.State != mssp.CardActive:
		return c.stranger(ctx, in, "its card is not active")
	}
	in.trace = c.traceArrival(in, d, h)
	if s := c.unstall(in); s != nil {
		if st := c.packet(ctx, in, s); st != smpp.StatusOK {
			return st
		}
	}
	m, complete, err := c.parts.Add(in.at, in.msisdn, d.ShortMessage)
	c.sweepLater()
	if err != nil {
		c.n.malformed.Add(1)
		c.trace.remark(in.trace, err.Error())
		c.log.WarnContext(ctx, "message dropped", "msisdn", signum.MaskMSISDN(in.msisdn), "err", err)
		return smpp.StatusOK
	}
	if !complete {
		return smpp.StatusOK
	}
	_, inParts, _ := h.Concat()
	return c.packet(ctx, in, &whole{Message: m, inParts: inParts})
}

// whole is a message that is complete.
type whole struct {
	sms.Message
	inParts bool
	panics  int       // how often its handling panicked
	until   time.Time // when it is stalled: how long it is kept
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
		st = c.proof(ctx, in, m.Packet)
	case sms.IEICommand:
		st = c.reply(ctx, in, m.Packet)
	default:
		st = c.ignore(ctx, in, "a message that is no packet")
	}
	m.panics--
	return st
}

const (
	maxStalled = 1024 // messages that wait for the store or the engine
	maxPanics  = 3    // as many deliveries of its last part as the SMPP client hands over
)

// stall keeps a message in parts that could not be handled: the SMSC delivers
// only the part again that completed it. One that panics each time is dropped;
// it would otherwise make every later message of the same phone panic.
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

// dropStalled forgets those that nothing came after. Channel.mu is held.
func (c *Channel) dropStalled(now time.Time) {
	for msisdn, s := range c.stalls {
		if !now.Before(s.until) {
			delete(c.stalls, msisdn)
		}
	}
}

func (c *Channel) unstall(in *arrival) *whole {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.stalls[in.msisdn]
	if !ok {
		return nil
	}
	delete(c.stalls, in.msisdn)
	if !in.at.Before(s.until) {
		return nil
	}
	return s
}

// ours reports whether a header can be of a secured packet or a part of one.
func ours(h sms.Header) bool {
	for _, iei := range []byte{sms.IEICommand, sms.IEIResponse, sms.IEIConcat8, sms.IEIConcat16} {
		if _, ok := h.Find(iei); ok {
			return true
		}
	}
	return false
}

func (c *Channel) ignore(ctx context.Context, in *arrival, why string) smpp.Status {
	c.n.ignored.Add(1)
	c.trace.remark(in.trace, why)
	c.log.InfoContext(ctx, "message ignored", "msisdn", signum.MaskMSISDN(in.msisdn), "reason", why)
	return smpp.StatusOK
}

func (c *Channel) stranger(ctx context.Context, in *arrival, why string) smpp.Status {
	c.n.unknown.Add(1)
	c.log.WarnContext(ctx, "message of a stranger dropped", "msisdn", signum.MaskMSISDN(in.msisdn), "reason", why)
	return smpp.StatusOK
}

// sweepLater sees to it that parts of messages that are never complete go.
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
	defer event.Rescue(c.log, "sim sweep", c.sweepLater)
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

// numberOf is the sender in E.164 with leading +. SMSCs give it with type of
// number 1, or none at all; whatever else comes is of no subscriber.
func numberOf(a smpp.Address) string {
	n := strings.TrimPrefix(a.Addr, "+")
	if len(n) < 5 || len(n) > 15 || n[0] == '0' || strings.Trim(n, "0123456789") != "" {
		return a.Addr
	}
	return "+" + n
}

// receipt takes the SMSC's news of a message that it had taken. Most SMSCs answer
// a submit_sm in transaction mode when they know already, and send none.
func (c *Channel) receipt(ctx context.Context, d *smpp.DeliverSM) smpp.Status {
	c.n.receipts.Add(1)
	msisdn := numberOf(d.Source)
	r, err := smpp.ParseReceipt(d)
	if err != nil {
		return c.ignore(ctx, &arrival{msisdn: msisdn}, err.Error())
	}
	lost := undelivered(r.State)
	if lost {
		c.n.undelivered.Add(1)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	q := c.table.submitted(msisdn, r.MessageID)
	if q == nil {
		return smpp.StatusOK // of a text message, or of the past
	}
	c.trace.add(msisdn, receiptExchange(c.now(), q.TransID, d, r))
	if lost && q.state == waiting && !q.flags.has(asked|reached) && q.flags.has(submitted) {
		q.flags &^= submitted
		c.schedule(q, c.now().Add(c.backoff(q.attempts.count)))
	}
	return smpp.StatusOK
}

func undelivered(s smpp.State) bool {
	switch s {
	case smpp.StateExpired, smpp.StateDeleted, smpp.StateUndeliverable, smpp.StateRejected:
		return true
	}
	return false
}

// submitted is the request whose last attempt had this message id.
func (t *table) submitted(msisdn, messageID string) *request {
	for _, q := range t.byMSISDN[msisdn] {
		if slices.Contains(q.attempts.messages, messageID) {
			return q
		}
	}
	return nil
}
