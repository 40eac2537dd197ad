package smsc

import (
	"context"
	"errors"
	"fmt"

	"github.com/signum-mssp/signum/internal/smpp"
	"github.com/signum-mssp/signum/internal/sms"
)

// Submit accepts an SMS-SUBMIT TPDU from a phone (MSISDN with a plus sign) without
// waiting for its delivery. Errors, which the radio network reports to the phone:
// sms.ErrMalformed, ErrCongested, ErrClosed.
func (s *SMSC) Submit(msisdn string, tpdu []byte) error {
	sub, err := sms.ParseSubmit(tpdu)
	if err != nil {
		return fmt.Errorf("smsc: %w", err)
	}
	d, err := deliverSMOf(msisdn, sub)
	if err != nil {
		return fmt.Errorf("smsc: %w", err)
	}
	lifetime := s.cfg.Lifetime
	switch {
	case sub.Validity > 0:
		lifetime = min(lifetime, sub.Validity)
	case !sub.Expires.IsZero():
		lifetime = min(lifetime, sub.Expires.Sub(s.cfg.Clock.Now()))
	}
	w := s.ways[ToESME]
	f := w.faults.next()
	if f.throttled {
		return ErrCongested
	}
	if f.lost {
		w.taken.Add(1)
		return nil
	}
	if !s.carry(w, &parcel{key: msisdn, lifetime: lifetime, fate: f, try: s.toESME(s.sender(msisdn), d, f)}) {
		if s.ctx.Err() != nil {
			return ErrClosed
		}
		return ErrCongested
	}
	return nil
}

// sender returns the system_id to which a phone answers; empty: any.
func (s *SMSC) sender(msisdn string) string {
	id, _ := s.senders.Load(msisdn)
	name, _ := id.(string)
	return name
}

// receipt sends a delivery receipt to the ESME that sent the message.
func (s *SMSC) receipt(m *message, d *smpp.DeliverSM) {
	w := s.ways[ToESME]
	f := w.faults.next()
	if f.lost {
		w.taken.Add(1)
		return
	}
	if !s.carry(w, &parcel{key: m.msisdn, lifetime: s.cfg.Lifetime, fate: f, try: s.toESME(m.systemID, d, f)}) {
		s.log.Warn("receipt dropped", "id", m.id)
	}
}

// toESME returns an attempt to hand a message to the ESME with the system_id, or
// to any ESME if that is empty.
func (s *SMSC) toESME(systemID string, d *smpp.DeliverSM, f fate) func(context.Context, int) verdict {
	if s.cfg.Local != nil {
		return func(ctx context.Context, _ int) verdict {
			v := s.judge(s.cfg.Local(ctx, d), "")
			if v == delivered && f.twice {
				_ = s.cfg.Local(ctx, d)
			}
			return v
		}
	}
	return func(ctx context.Context, attempt int) verdict {
		session := s.session(systemID)
		if session == nil {
			return later
		}
		if f.cut != notCut && attempt == 0 {
			if f.cut == cutAfter { // the ESME gets the message, its answer is lost
				_, _ = session.Deliver(ctx, d)
			}
			session.Close()
			return later
		}
		v := s.deliver(ctx, session, d)
		if v == delivered && f.twice {
			_ = s.deliver(ctx, session, d)
		}
		return v
	}
}

func (s *SMSC) deliver(ctx context.Context, session *smpp.Session, d *smpp.DeliverSM) verdict {
	st, err := session.Deliver(ctx, d)
	switch {
	case errors.Is(err, smpp.ErrUnbound) || errors.Is(err, smpp.ErrTimeout):
		return later
	case err != nil:
		s.log.Warn("message that SMPP cannot carry", "err", err)
		return refused
	}
	return s.judge(st, session.SystemID())
}

// judge is the verdict on an ESME's answer.
func (s *SMSC) judge(st smpp.Status, systemID string) verdict {
	switch {
	case st == smpp.StatusOK:
		return delivered
	case st.Temporary():
		return later
	}
	s.log.Info("ESME refused a message", "system_id", systemID, "status", st.String())
	return refused
}

// session returns a session that receives messages, in turn; if systemID is not
// empty, one with that system_id. It returns nil if there is none.
func (s *SMSC) session(systemID string) *smpp.Session {
	all := s.sessions()
	from := int(s.nextTo.Add(1) % (1 << 30))
	for i := range all {
		ss := all[(from+i)%len(all)]
		if ss.Receives() && (systemID == "" || ss.SystemID() == systemID) {
			return ss
		}
	}
	return nil
}
