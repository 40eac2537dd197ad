package smpp

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/signum-mssp/signum/internal/event"
)

// bindSession is one bound connection of a client.
type bindSession struct {
	c      *Client
	mode   CommandID
	line   *line
	conn   *conn
	window chan struct{} // an element for each submit_sm without a response
	stop   chan struct{} // closed: offer no more of the window
}

// submits reports whether the session carries submit_sm.
func (s *bindSession) submits() bool { return s.mode != CmdBindReceiver }

func (s *bindSession) bind(ctx context.Context) error {
	r, err := s.conn.send(s.c.cfg.bind(s.mode), func() {})
	if err != nil {
		return s.conn.ended()
	}
	p, err := r.wait(ctx)
	if err != nil {
		return err
	}
	if p.Status != StatusOK {
		return fmt.Errorf("%w: %w", errRefused, p.Status)
	}
	return nil
}

// slot is a reserved slot of a session's window.
type slot struct {
	*bindSession
	passage
	suspect bool // for a destination that was refused or not reached lately
}

func (s slot) release() {
	s.bindSession.release()
	s.c.turns.Leave()
	if s.suspect {
		s.c.half.Leave()
	}
}

// offer reserves one slot of the window after the other and offers each to Submit.
func (s *bindSession) offer() {
	defer event.Rescue(s.c.log, "SMPP window", func() { s.conn.close(errPanic) })
	for {
		why, ok := s.reserve()
		if !ok {
			return
		}
		if !s.handOut(why) {
			s.release()
			return
		}
	}
}

// reserve waits for room in the window and for the rate of the bind. It returns what
// it had to wait for.
func (s *bindSession) reserve() (why wait, ok bool) {
	select {
	case s.window <- struct{}{}:
	default:
		why = waitWindow
		select {
		case s.window <- struct{}{}:
		case <-s.stop:
			return why, false
		}
	}
	if d := s.line.delay(); d > 0 {
		why = waitRate
		if !s.sleep(d, nil) {
			s.release()
			return why, false
		}
	}
	return why, true
}

// sleep waits for a time, at most until sooner is closed; false if the session ends.
func (s *bindSession) sleep(d time.Duration, sooner <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-sooner:
	case <-s.stop:
		return false
	}
	return true
}

// handOut gives the slot to a message as soon as the gate lets one pass; false if the
// session ends first.
func (s *bindSession) handOut(why wait) bool {
	for {
		p := s.line.gate.pass()
		switch {
		case p.open:
			if taken, ended := s.offerOne(p, why); taken || ended {
				return taken
			}
			continue
		case p.wait == 0:
			p.wait = s.c.cfg.MaxBackoff // changed comes sooner
		}
		why = waitGate
		if !s.sleep(p.wait, p.changed) {
			return false
		}
	}
}

// offerOne offers a slot until it is taken, the gate changes or the session ends. A
// destination that was refused lately gets a probe only if no other waits for one: it
// would say less about the bind.
func (s *bindSession) offerOne(p passage, why wait) (taken, ended bool) {
	o := slot{bindSession: s, passage: p}
	last := s.c.last
	if p.probe {
		last = nil
	}
	select {
	case s.c.ready <- o:
		s.c.counts.waited(why)
		return true, false
	case last <- o:
		s.c.counts.waited(why)
		return true, false
	default:
	}
	select {
	case s.c.ready <- o:
	case s.c.last <- o:
	case <-p.changed:
		s.line.gate.withdraw(p)
		return false, false
	case <-s.stop:
		s.line.gate.withdraw(p)
		return false, true
	}
	return true, false
}

func (s *bindSession) release() { <-s.window }

// submit uses the slot. It becomes free when the response arrives or can no longer
// arrive, even if the caller stopped waiting.
func (s slot) submit(ctx context.Context, m *SubmitSM) (id string, err error) {
	defer func() {
		s.line.gate.leave(m.Dest.Addr, s.probe, err)
		s.c.counts.refused(err)
		if errors.Is(err, StatusDeliveryFailure) || errors.Is(err, ErrTimeout) && ctx.Err() == nil && s.conn.ended() == nil {
			s.c.full.away(m.Dest.Addr)
		}
	}()
	r, err := s.conn.send(m, s.release)
	if err != nil {
		return "", err
	}
	p, err := r.wait(ctx)
	if err != nil {
		return "", err
	}
	if p.Status != StatusOK {
		return "", p.Status
	}
	resp, _ := p.Body.(*SubmitSMResp)
	if resp == nil {
		return "", nil
	}
	return resp.MessageID, nil
}

// drain waits for the outstanding responses, each of which has a timeout, and for
// Deliver.
func (s *bindSession) drain() {
	s.c.mu.Lock()
	s.c.draining = true
	s.c.mu.Unlock()
	for range cap(s.window) {
		s.window <- struct{}{}
	}
	s.c.work.Wait()
}

// handle answers a request of the SMSC. It does not wait.
func (s *bindSession) handle(p PDU) {
	switch b := p.Body.(type) {
	case *DeliverSM:
		s.receive(p.Sequence, b, &DeliverSMResp{})
	case *DataSM:
		s.receive(p.Sequence, b.Deliver(), &DataSMResp{})
	default:
		s.conn.respond(p.Sequence, StatusInvCmdID, GenericNack{})
	}
}

// receive handles a message in the form of deliver_sm. resp is the form of its answer.
func (s *bindSession) receive(seq uint32, d *DeliverSM, resp Body) {
	if s.mode == CmdBindTransmitter {
		s.conn.respond(seq, StatusInvBindStatus, resp)
		return
	}
	e := s.c.cfg.Events.Begin(entrance, opDeliver, s.conn.source)
	answer := func(ctx context.Context, st Status) {
		s.conn.respond(seq, st, resp)
		s.c.emit(ctx, e, st)
	}
	if !s.c.start(d.Source.Addr, func(ctx context.Context) Status { return s.c.deliver(ctx, d, e) }, answer) {
		e.Reason = reasonBusy
		answer(context.Background(), StatusRxTempError) // the SMSC tries again
	}
}
