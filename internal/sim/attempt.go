package sim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/fair"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/scp80"
	"github.com/signum-mssp/signum/internal/smpp"
	"github.com/signum-mssp/signum/internal/smpp/group"
	"github.com/signum-mssp/signum/internal/sms"
)

// The parameters of a submit_sm (SMPP 3.4, clause 5.2; TS 23.040, clause 9.2.3.9;
// TS 23.038, clause 4).
const (
	pidDownload = 0x7F // (U)SIM data download
	dcsDownload = 0xF6 // 8-bit, class 2: to the card
	wantReceipt = 1

	// Before the request is given up, so that the receipt of a message that expired comes
	// in time: it says that the phone was never reached.
	wayBackOfReceipt = 2 * time.Second
)

// errGone ends an attempt whose request has ended.
var errGone = errors.New("the request has ended")

// fatal is an error that would end every other attempt, too.
type fatal struct{ error }

func (f fatal) Unwrap() error { return f.error }

// trial is one attempt.
type trial struct {
	run   int
	step  applet.Op
	again bool       // not the first attempt of the step
	floor uint64     // the least counter that may be used
	card  *mssp.Card // nil: look it up
}

// attempt sends a request once. It runs in the submit pool.
func (c *Channel) attempt(q *request) {
	ctx, cancel, t := c.dequeue(q)
	if ctx == nil {
		return
	}
	defer cancel()
	c.settle(q, t.run, c.try(ctx, q, t))
}

// dequeue starts the next attempt of a request. The context is nil if the
// request is no longer queued.
func (c *Channel) dequeue(q *request) (context.Context, context.CancelFunc, trial) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if q.state != queued || !now.Before(q.giveUpAt) {
		return nil, nil, trial{} // its timer decides
	}
	if c.hold(q) {
		return nil, nil, trial{}
	}
	c.tries(q.MSISDN, now)
	ctx, cancel := context.WithTimeout(fair.With(context.Background(), q.APID), q.giveUpAt.Sub(now))
	c.move(q, sending)
	a := &q.attempts
	a.began, a.cancel = now, cancel
	a.count++
	a.run++
	t := trial{run: a.run, step: q.step, again: a.count > 1 || a.spared+a.behind > 0, floor: a.floor, card: a.card}
	a.card = nil
	return ctx, cancel, t
}

func (c *Channel) try(ctx context.Context, q *request, t trial) (err error) {
	defer event.RescueTo(&err, c.log, "SIM attempt")
	c.n.attempts.Add(1)
	now := c.now()
	if t.again {
		c.n.retries.Add(1)
		if c.over(ctx, q) {
			return errGone
		}
	}
	if t.card == nil {
		card, err := c.cardFor(ctx, &q.DeviceRequest)
		if errors.Is(err, mssp.ErrUnreachable) {
			return fatal{err}
		}
		if err != nil {
			return err
		}
		t.card = card
	}
	s, err := c.seal(ctx, q, t, now)
	if err != nil {
		return err
	}
	if !c.ready(q, &t, s.command.Counter) {
		return errGone
	}
	if t.again {
		c.keepProgress(ctx, q)
	}
	c.note(&c.offered)
	defer c.note(&c.offered)
	return c.cfg.Send(ctx, func(r *group.Route) error { return c.sendPacket(ctx, r, q, t.run, s) })
}

// sendPacket hands over all parts of a packet to one SMSC.
func (c *Channel) sendPacket(ctx context.Context, r *group.Route, q *request, run int, s *sealed) error {
	for i, ud := range s.parts {
		m := c.submission(r.Style, s.profile, q, ud)
		e := c.traceRequest(r.Name, q, m, i, s)
		id, err := c.submit(ctx, r, m)
		c.trace.done(e, c.now(), id, err)
		if err != nil {
			return submitError(fmt.Errorf("part %d of %d: %w", i+1, len(s.parts), err))
		}
		c.submitted(q, run, messageID{c.cluster(r.Name), id})
	}
	return nil
}

// over reports whether the engine no longer waits for the request, because another
// node may have got the reply. If the engine cannot tell, the request goes on.
func (c *Channel) over(ctx context.Context, q *request) bool {
	list, err := c.inbox.Pending(ctx, q.DeviceID)
	if err != nil {
		return false
	}
	for i := range list {
		if list[i].TransID == q.TransID && list[i].Op == q.Op {
			return c.lostTo(q, &list[i])
		}
	}
	return true
}

// lostTo reports whether another node sends the request by now: it took this one for dead.
func (c *Channel) lostTo(q *request, now *mssp.DeviceRequest) bool {
	if !c.foreign(now) {
		return false
	}
	c.log.Warn("a request to a SIM is left to another node, which took this one for dead", "trans_id", q.TransID, "node", now.Owner)
	c.mu.Lock()
	defer c.mu.Unlock()
	q.flags &^= written // its row is the other node's
	return true
}

// sealed is an attempt ready to be sent.
type sealed struct {
	profile *Profile
	request *applet.Request
	command *scp80.Command
	octets  int // of the packet
	parts   [][]byte
}

// seal builds the short messages of an attempt. Its counter is on disk.
func (c *Channel) seal(ctx context.Context, q *request, t trial, now time.Time) (*sealed, error) {
	r, err := c.build(q, t.step, now)
	if err != nil {
		return nil, fatal{err}
	}
	keys, err := c.cfg.Keys.Keys(t.card)
	if err != nil {
		return nil, fatal{err}
	}
	p, err := c.profileOf(t.card)
	if err != nil {
		return nil, fatal{err}
	}
	cmd := &scp80.Command{Params: p.params(t.card, keys)}
	if cmd.Data, err = payload(r, q.Party.Name, cmd, keys); err != nil {
		return nil, fatal{err}
	}
	counter, err := c.cfg.Store.TakeCounter(ctx, t.card.ICCID, t.floor)
	if errors.Is(err, mssp.ErrCounter) || errors.Is(err, mssp.ErrNotFound) || errors.Is(err, mssp.ErrCardState) {
		err = fatal{unreachable(err)}
	}
	if err != nil {
		return nil, fmt.Errorf("counter: %w", err)
	}
	cmd.Counter = counter
	packet, err := cmd.Seal(keys)
	if err != nil {
		return nil, fatal{err}
	}
	// The counter is the best reference for the parts: other cards do not use it up,
	// and a restart does not reset it.
	parts, err := sms.SplitPacket(packet, sms.IEICommand, byte(counter))
	if err != nil {
		return nil, fatal{err}
	}
	return &sealed{profile: p, request: r, command: cmd, octets: len(packet), parts: parts}, nil
}

// ready records the counter of the attempt before anything of it is sent. It returns
// false if the attempt is no longer wanted.
func (c *Channel) ready(q *request, t *trial, counter uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if q.state != sending || q.attempts.run != t.run {
		return false
	}
	q.iccid = t.card.ICCID
	q.flags &^= proved
	q.attempts.begin(counter)
	return true
}

// submitted notes the id that the SMSC gave a message. Its receipt may have come before.
func (c *Channel) submitted(q *request, run int, id messageID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := &q.attempts
	if a.run != run || id.id == "" {
		return
	}
	a.messages = append(a.messages, id)
	for _, r := range a.early {
		if slices.ContainsFunc(r.ids, func(other messageID) bool { return id.like(other) != unlike }) {
			q.learn(r.State, true)
		}
	}
}

func (c *Channel) submission(style *group.Style, p *Profile, q *request, ud []byte) *smpp.SubmitSM {
	validity := style.Validity(max(q.giveUpAt.Sub(c.now())-wayBackOfReceipt, time.Second))
	if p.MaxValidity > 0 {
		validity = min(validity, p.MaxValidity)
	}
	m := &smpp.SubmitSM{
		ServiceType: style.ServiceType,
		Source:      cmp.Or(p.ServiceAddress, style.Source, c.cfg.ServiceAddress), Dest: style.Dest(digitsOf(q.MSISDN)),
		ESMClass: smpp.UDHI | style.RequestMode(), ProtocolID: pidDownload, DataCoding: dcsDownload,
		Validity:     smpp.RelativeTime(validity),
		ShortMessage: ud,
	}
	if !style.NoReceipts {
		m.RegisteredDelivery = wantReceipt
	}
	return m
}

// digitsOf is a number without the plus sign.
func digitsOf(msisdn string) string { return strings.TrimPrefix(msisdn, "+") }

// submit hands over one short message.
func (c *Channel) submit(ctx context.Context, r *group.Route, m *smpp.SubmitSM) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.SubmitTimeout)
	defer cancel()
	id, err := r.Submit(ctx, m)
	if err != nil {
		c.n.submitErrors.Add(1)
		return "", err
	}
	c.n.parts.Add(1)
	c.note(&c.taken)
	return id, nil
}

// note records that something has happened now.
func (c *Channel) note(at *atomic.Int64) { at.Store(int64(time.Since(c.born)) + 1) }

// submitError marks an error of Submit as a failure of the network, unless SMPP cannot
// carry the message, which is the service's fault.
func submitError(err error) error {
	if _, malformed := errors.AsType[*smpp.ProtocolError](err); malformed {
		return fatal{err}
	}
	return unreachable(err)
}

// settle ends an attempt and decides when the next one is due, if at all.
func (c *Channel) settle(q *request, run int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tried(q.MSISDN, err, c.now())
	if q.state != sending || q.attempts.run != run {
		return
	}
	if errors.Is(err, errGone) {
		c.end(q)
		return
	}
	c.move(q, waiting)
	q.attempts.cancel = nil
	q.flags &^= submitted | failed
	switch {
	case err == nil:
		q.flags |= submitted
	case !errors.Is(err, mssp.ErrUnreachable):
		q.flags |= failed
	}
	now := c.now()
	var final fatal
	switch {
	case err == nil:
		q.attempts.absent, q.attempts.early = 0, nil
		if q.attempts.lost && !q.flags.has(asked|reached) {
			c.lost(q, now)
		} else if q.next.IsZero() { // otherwise the card answered before the SMSC did
			c.await(q, now.Add(c.silence(q)))
		} else {
			c.arm(q)
		}
	case errors.As(err, &final) || permanent(err) || c.absent(q, err):
		c.log.Warn("SIM not reached", "trans_id", q.TransID, "msisdn", signum.MaskMSISDN(q.MSISDN), "attempt", q.attempts.count, "err", err)
		c.trace.note(q.MSISDN, q.TransID, now, "cannot be reached: "+err.Error())
		if !q.flags.has(asked | reached | delivered) {
			c.answerFault(q, q.lastFault())
			return
		}
		c.schedule(q, time.Time{})
	case overload(err):
		if q.attempts.spared == 0 {
			c.log.Warn("SIM not reached yet: the SMSC takes no more messages", "trans_id", q.TransID, "msisdn", signum.MaskMSISDN(q.MSISDN), "err", err)
		}
		q.attempts.spare()
		c.schedule(q, later(c.heldUntil(q.MSISDN, now), now.Add(1)))
	default:
		if q.attempts.count == 1 {
			c.log.Warn("SIM not reached yet", "trans_id", q.TransID, "msisdn", signum.MaskMSISDN(q.MSISDN), "err", err)
		}
		if again := now.Add(q.retry.pause(q.attempts.count)); errors.Is(err, smpp.ErrTimeout) {
			c.await(q, again) // the SMSC may have it
		} else {
			c.schedule(q, again)
		}
	}
}

// absent counts the attempts in a row that the network could not deliver. It reports
// whether there are enough to conclude that the phone is off. A busy card makes a
// different error.
func (c *Channel) absent(q *request, err error) bool {
	if !errors.Is(err, smpp.StatusDeliveryFailure) {
		q.attempts.absent = 0
		return false
	}
	q.attempts.absent++
	return q.attempts.absent >= q.retry.Absent
}

// silence is how long to wait for an answer after the SMSC took an attempt.
func (c *Channel) silence(q *request) time.Duration {
	if q.flags.has(proved) {
		return q.retry.Patience
	}
	return q.retry.Silence
}

// permanent reports whether the SMSC will never take the message: it does not know
// the destination or does not accept the form of the message. All other errors may be
// temporary, including vendor-specific ones.
func permanent(err error) bool {
	var st smpp.Status
	if !errors.As(err, &st) {
		return false
	}
	switch st {
	case smpp.StatusInvMsgLen, smpp.StatusInvCmdLen, smpp.StatusInvCmdID, smpp.StatusInvSrc, smpp.StatusInvalidDst,
		smpp.StatusInvServiceType, smpp.StatusInvESMClass, smpp.StatusInvSrcTON, smpp.StatusInvDstTON,
		smpp.StatusInvExpiry, smpp.StatusRxPermError, smpp.StatusInvTLVStream, smpp.StatusTLVNotAllowed,
		smpp.StatusInvTLVLen, smpp.StatusMissingTLV, smpp.StatusInvTLVValue:
		return true
	}
	return false
}
