package sim

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/scp80"
	"github.com/signum-mssp/signum/internal/smpp"
	"github.com/signum-mssp/signum/internal/sms"
)

// How requests are submitted (SMPP 3.4, clause 5.2; TS 23.040, clause 9.2.3.9;
// TS 23.038, clause 4).
const (
	classRequest = smpp.UDHI | smpp.ModeTransaction
	pidDownload  = 0x7F // (U)SIM data download
	dcsDownload  = 0xF6 // 8-bit, class 2: to the card
	wantReceipt  = 1
)

// errGone ends an attempt that nobody needs any more.
var errGone = errors.New("the request has ended")

// fatal is an error that another attempt would end with as well.
type fatal struct{ error }

func (f fatal) Unwrap() error { return f.error }

// trial is one attempt.
type trial struct {
	run   int
	step  applet.Op
	again bool
	card  *mssp.Card // nil: to be read
}

// attempt sends a request once. It runs in the pool of those that submit.
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
		return nil, nil, trial{} // its timer sees to it
	}
	ctx, cancel := context.WithTimeout(context.Background(), q.giveUpAt.Sub(now))
	c.move(q, sending)
	a := &q.attempts
	a.began, a.cancel = now, cancel
	a.count++
	a.run++
	t := trial{run: a.run, step: q.step, again: a.count > 1, card: a.card}
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
	if !c.ready(q, t.run, s.command.Counter) {
		return errGone
	}
	for i, ud := range s.parts {
		m := c.submission(q, ud)
		e := c.traceRequest(q, m, i, s)
		id, err := c.submit(ctx, m)
		c.trace.done(e, c.now(), id, err)
		if err != nil {
			return submitError(fmt.Errorf("part %d of %d: %w", i+1, len(s.parts), err))
		}
		c.submitted(q, t.run, id)
	}
	return nil
}

// over reports whether the engine no longer waits for the request: another node
// may have got the reply. If nobody can tell, it goes on.
func (c *Channel) over(ctx context.Context, q *request) bool {
	list, err := c.inbox.Pending(ctx, q.DeviceID)
	if err != nil {
		return false
	}
	for i := range list {
		if list[i].TransID == q.TransID && list[i].Op == q.Op {
			return false
		}
	}
	return true
}

// sealed is an attempt ready to be sent.
type sealed struct {
	request *applet.Request
	command *scp80.Command
	octets  int // of the packet
	parts   [][]byte
}

// seal makes the short messages of an attempt, with a counter that is on disk.
func (c *Channel) seal(ctx context.Context, q *request, t trial, now time.Time) (*sealed, error) {
	r, err := c.build(q, t.step, now)
	if err != nil {
		return nil, fatal{err}
	}
	data, err := r.MarshalBinary()
	if err != nil {
		return nil, fatal{err}
	}
	keys, err := c.cfg.Keys.Keys(t.card)
	if err != nil {
		return nil, fatal{err}
	}
	counter, err := c.cfg.Store.TakeCounter(ctx, t.card.ICCID)
	if errors.Is(err, mssp.ErrCounter) || errors.Is(err, mssp.ErrNotFound) || errors.Is(err, mssp.ErrCardState) {
		err = fatal{unreachable(err)}
	}
	if err != nil {
		return nil, fmt.Errorf("counter: %w", err)
	}
	cmd := &scp80.Command{Params: c.paramsOf(t.card, keys), Counter: counter, Data: data}
	packet, err := cmd.Seal(keys)
	if err != nil {
		return nil, fatal{err}
	}
	// Of one card, the counter is as good a reference as can be: nobody else's
	// requests use it up, and a restart does not begin it anew.
	parts, err := sms.SplitPacket(packet, sms.IEICommand, byte(counter))
	if err != nil {
		return nil, fatal{err}
	}
	return &sealed{request: r, command: cmd, octets: len(packet), parts: parts}, nil
}

// ready notes the counter of the attempt, before anything of it is sent. False
// if it is not wanted any more.
func (c *Channel) ready(q *request, run int, counter uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if q.state != sending || q.attempts.run != run {
		return false
	}
	q.flags &^= proved
	q.attempts.counters = append(q.attempts.counters, counter)
	q.attempts.messages = q.attempts.messages[:0]
	return true
}

func (c *Channel) submitted(q *request, run int, id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if q.attempts.run == run && id != "" {
		q.attempts.messages = append(q.attempts.messages, id)
	}
}

func (c *Channel) submission(q *request, ud []byte) *smpp.SubmitSM {
	return &smpp.SubmitSM{
		Source: c.cfg.ServiceAddress, Dest: international(q.MSISDN),
		ESMClass: classRequest, ProtocolID: pidDownload, DataCoding: dcsDownload,
		RegisteredDelivery: wantReceipt, Validity: smpp.RelativeTime(q.Expires.Sub(c.now())),
		ShortMessage: ud,
	}
}

func international(msisdn string) smpp.Address {
	return smpp.Address{TON: smpp.TONInternational, NPI: smpp.NPIISDN, Addr: strings.TrimPrefix(msisdn, "+")}
}

// submit hands over one short message.
func (c *Channel) submit(ctx context.Context, m *smpp.SubmitSM) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.SubmitTimeout)
	defer cancel()
	id, err := c.cfg.Submit(ctx, m)
	if err != nil {
		c.n.submitErrors.Add(1)
		return "", err
	}
	c.n.parts.Add(1)
	return id, nil
}

// submitError says whose failure an error of Submit is: that of the network, unless
// the service made a message that SMPP cannot carry.
func submitError(err error) error {
	if _, malformed := errors.AsType[*smpp.ProtocolError](err); malformed {
		return fatal{err}
	}
	return unreachable(err)
}

// settle is the end of an attempt: when is the next, if any?
func (c *Channel) settle(q *request, run int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
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
		q.attempts.absent = 0
		if q.next.IsZero() { // else the card was faster than the SMSC
			c.schedule(q, now.Add(c.silence(q)))
		} else {
			c.arm(q)
		}
	case errors.As(err, &final) || permanent(err) || c.absent(q, err):
		c.log.Warn("SIM not reached", "trans_id", q.TransID, "msisdn", signum.MaskMSISDN(q.MSISDN), "attempt", q.attempts.count, "err", err)
		c.trace.note(q.MSISDN, q.TransID, now, "not to be reached: "+err.Error())
		if !q.flags.has(asked | reached) {
			c.answerFault(q, q.lastFault())
			return
		}
		c.schedule(q, time.Time{})
	default:
		if q.attempts.count == 1 {
			c.log.Warn("SIM not reached yet", "trans_id", q.TransID, "msisdn", signum.MaskMSISDN(q.MSISDN), "err", err)
		}
		c.schedule(q, now.Add(c.backoff(q.attempts.count)))
	}
}

// absent counts the attempts that the network could not deliver. Enough of them
// in a row, and the phone is off; a card that is only busy is another error.
func (c *Channel) absent(q *request, err error) bool {
	if !errors.Is(err, smpp.StatusDeliveryFailure) {
		q.attempts.absent = 0
		return false
	}
	q.attempts.absent++
	return q.attempts.absent >= c.cfg.Retry.Absent
}

// silence is how long an attempt that was taken may stay without an answer.
func (c *Channel) silence(q *request) time.Duration {
	if q.flags.has(proved) {
		return c.cfg.Retry.Patience
	}
	return c.cfg.Retry.Silence
}

// permanent reports whether the SMSC will never take the message: there is no
// such destination, or it is made as the SMSC does not like it. Everything else
// may pass, errors of a vendor's own included.
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
