package smpp

import (
	"context"
	"fmt"

	"github.com/signum-mssp/signum/internal/event"
)

// bindSession is one bound connection of a client.
type bindSession struct {
	c      *Client
	mode   CommandID
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

// offer reserves one slot of the window after the other and offers the session
// to Submit with it.
func (s *bindSession) offer() {
	defer event.Rescue(s.c.log, "SMPP window", func() { s.conn.close(errPanic) })
	for {
		select {
		case s.window <- struct{}{}:
		case <-s.stop:
			return
		}
		select {
		case s.c.ready <- s:
		case <-s.stop:
			s.release()
			return
		}
	}
}

func (s *bindSession) release() { <-s.window }

// submit uses a reserved slot of the window. The slot becomes free when the
// response arrives or can no longer arrive, even if the caller stopped waiting.
func (s *bindSession) submit(ctx context.Context, m *SubmitSM) (string, error) {
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
	d, ok := p.Body.(*DeliverSM)
	if !ok {
		s.conn.respond(p.Sequence, StatusInvCmdID, GenericNack{})
		return
	}
	if s.mode == CmdBindTransmitter {
		s.conn.respond(p.Sequence, StatusInvBindStatus, &DeliverSMResp{})
		return
	}
	e := s.c.cfg.Events.Begin(entrance, opDeliver, s.conn.source)
	answer := func(ctx context.Context, st Status) {
		s.conn.respond(p.Sequence, st, &DeliverSMResp{})
		s.c.emit(ctx, e, st)
	}
	if !s.c.start(func(ctx context.Context) Status { return s.c.deliver(ctx, d, e) }, answer) {
		e.Reason = reasonBusy
		answer(context.Background(), StatusRxTempError) // the SMSC tries again
	}
}
