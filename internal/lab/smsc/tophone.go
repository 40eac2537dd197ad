package smsc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/smpp"
	"github.com/signum-mssp/signum/internal/sms"
)

// submitSM handles a submit_sm. The delivery receipt waits until the submit_sm is
// answered.
func (s *SMSC) submitSM(ctx context.Context, session *smpp.Session, m *smpp.SubmitSM) (string, smpp.Status, func()) {
	answered := make(chan struct{})
	id, st := s.take(ctx, session, m, answered)
	return id, st, func() { close(answered) }
}

// SubmitSM takes a message of the ESME in this process (Config.Local). An error is a
// smpp.Status.
func (s *SMSC) SubmitSM(ctx context.Context, m *smpp.SubmitSM) (messageID string, err error) {
	answered := make(chan struct{})
	defer close(answered)
	id, st := s.take(ctx, nil, m, answered)
	if st != smpp.StatusOK {
		return "", st
	}
	return id, nil
}

func (s *SMSC) take(ctx context.Context, session *smpp.Session, m *smpp.SubmitSM, answered <-chan struct{}) (string, smpp.Status) {
	w := s.ways[ToPhone]
	f := w.faults.next()
	switch {
	case f.throttled:
		return "", smpp.StatusThrottled
	case session == nil: // no connection can be cut
	case f.cut == cutBefore:
		session.Close()
		return "", smpp.StatusSysErr
	case f.cut == cutAfter:
		session.Close() // the ESME does not learn the result
	}
	from := ""
	if session != nil {
		from = session.SystemID()
	}
	msg, st := s.accept(from, m)
	if st == smpp.StatusOK && w.faults.isFull(msg.msisdn) {
		st = smpp.StatusMsgQFull
	}
	if st != smpp.StatusOK {
		w.refused.Add(1)
		return "", st
	}
	if s.cfg.AnswerSender {
		s.senders.Store(msg.msisdn, msg.systemID)
	}
	if f.lost {
		w.taken.Add(1)
		return msg.id, smpp.StatusOK
	}
	p := &parcel{key: msg.msisdn, lifetime: msg.lifetime, fate: f, try: s.toPhone(msg, f)}
	p.done = func(v verdict) { msg.ended(v, answered) }
	result := make(chan verdict, 1)
	switch m.ESMClass & smpp.ModeMask {
	case smpp.ModeTransaction:
		p.once, p.lifetime = true, min(p.lifetime, s.cfg.RadioTimeout)
		p.done = func(v verdict) { result <- v }
	case smpp.ModeDatagram:
		p.once, p.done = true, nil
	default:
		result <- delivered // answered before the first attempt
	}
	if p.done == nil {
		result <- delivered
	}
	if !s.carry(w, p) {
		return "", smpp.StatusMsgQFull
	}
	select {
	case v := <-result:
		return msg.id, statusOf(v)
	case <-ctx.Done():
		return "", smpp.StatusSysErr
	}
}

func statusOf(v verdict) smpp.Status {
	switch v {
	case delivered:
		return smpp.StatusOK
	case unknown:
		return smpp.StatusInvalidDst
	case occupied:
		return smpp.StatusRxTempError
	}
	return smpp.StatusDeliveryFailure
}

// message is a submit_sm that was accepted.
type message struct {
	s        *SMSC
	id       string
	systemID string
	msisdn   string
	tpdu     []byte
	lifetime time.Duration
	taken    time.Time
	submit   *smpp.SubmitSM
}

// accept builds the TPDU of a message and determines its lifetime.
func (s *SMSC) accept(systemID string, m *smpp.SubmitSM) (*message, smpp.Status) {
	now := s.cfg.Clock.Now()
	msg := &message{s: s, systemID: systemID, taken: now, submit: m, lifetime: s.cfg.Lifetime}
	var ok bool
	if msg.msisdn, ok = msisdnOf(m.Dest); !ok {
		return nil, smpp.StatusInvalidDst
	}
	if m.Schedule != "" {
		return nil, smpp.StatusInvSchedule // not emulated
	}
	if m.Validity != "" {
		until, err := smpp.ParseTime(m.Validity, now)
		if err != nil || !until.After(now) {
			return nil, smpp.StatusInvExpiry
		}
		msg.lifetime = min(until.Sub(now), s.cfg.Lifetime)
	}
	d, st := deliverOf(m, now)
	if st != smpp.StatusOK {
		return nil, st
	}
	var err error
	if msg.tpdu, err = d.MarshalBinary(); err != nil {
		s.log.Warn("submit_sm that does not fit an SMS-DELIVER", "err", err)
		return nil, smpp.StatusInvSrc // deliverOf has checked everything else
	}
	msg.id = fmt.Sprintf("%08X", s.nextID.Add(1))
	return msg, smpp.StatusOK
}

// toPhone returns an attempt. A duplicate follows the acknowledged message, as it
// does when an acknowledgement is lost.
func (s *SMSC) toPhone(m *message, f fate) func(context.Context, int) verdict {
	return func(ctx context.Context, _ int) verdict {
		v := s.radio(ctx, m)
		if v == delivered && f.twice {
			_ = s.radio(ctx, m)
		}
		return v
	}
}

func (s *SMSC) radio(ctx context.Context, m *message) verdict {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.RadioTimeout)
	defer cancel()
	report, err := s.cfg.Radio.DeliverSM(ctx, m.msisdn, m.tpdu)
	switch {
	case errors.Is(err, ErrUnknown):
		return unknown
	case err != nil:
		s.log.Debug("phone not reached", "msisdn", signum.MaskMSISDN(m.msisdn), "err", err)
		return later
	case len(report) == 0:
		return delivered
	}
	r, err := sms.ParseReport(report)
	if err != nil {
		s.log.Warn("malformed delivery report of a phone", "msisdn", signum.MaskMSISDN(m.msisdn), "err", err)
		return refused
	}
	switch r.Failure {
	case sms.FailureNone:
		return delivered
	case sms.FailureToolkitBusy, sms.FailureMemoryFull:
		return occupied
	}
	s.log.Debug("phone refused", "msisdn", signum.MaskMSISDN(m.msisdn), "err", r.Failure)
	return refused
}

// ended sends a delivery receipt if one was requested. It waits for the response,
// from which the sender learns the id that is in the receipt.
func (m *message) ended(v verdict, answered <-chan struct{}) {
	const always, onFailure = 1, 2
	wanted := m.submit.RegisteredDelivery & 3
	if wanted != always && (wanted != onFailure || v == delivered) {
		return
	}
	select {
	case <-answered:
	case <-m.s.ctx.Done():
	}
	if m.s.ctx.Err() != nil {
		return
	}
	r := &smpp.Receipt{MessageID: m.id, Submitted: m.taken.UTC(), Done: m.s.cfg.Clock.Now().UTC()}
	switch v {
	case delivered:
		r.State = smpp.StateDelivered
	case unknown:
		r.State, r.Error = smpp.StateUndeliverable, 1 // unknown subscriber (TS 29.002)
	case refused:
		r.State, r.Error = smpp.StateUndeliverable, 32 // delivery failure
	default:
		r.State, r.Error = smpp.StateExpired, 27 // absent subscriber
	}
	m.s.receipt(m, r.Deliver(m.submit.Dest, m.submit.Source))
}
