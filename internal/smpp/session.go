package smpp

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/signum-mssp/signum/internal/event"
)

// Session is the SMSC's side of one connection.
type Session struct {
	s       *Server
	conn    *conn
	slots   chan struct{} // for Submit
	window  chan struct{} // an element for each deliver_sm without a response
	handler sync.WaitGroup
	timer   *time.Timer // until the bind; used by the reader only

	mu       sync.Mutex
	mode     CommandID // 0: not bound
	systemID string
}

func newSession(s *Server, nc net.Conn) *Session {
	return &Session{
		s: s, slots: make(chan struct{}, s.cfg.Window), window: make(chan struct{}, s.cfg.DeliverWindow),
		conn: newConn(nc, connConfig{
			enquire: s.cfg.EnquireLink, respond: s.cfg.ResponseTimeout, trace: s.cfg.Trace, events: s.cfg.Events, log: s.log,
		}),
	}
}

// SystemID is the one in the bind; empty before it.
func (ss *Session) SystemID() string {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return ss.systemID
}

// Mode is the bind command of the session; 0 before it.
func (ss *Session) Mode() CommandID {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return ss.mode
}

// Receives reports whether the session is bound for deliver_sm.
func (ss *Session) Receives() bool {
	m := ss.Mode()
	return m == CmdBindReceiver || m == CmdBindTransceiver
}

// RemoteAddr is the address of the peer.
func (ss *Session) RemoteAddr() net.Addr { return ss.conn.nc.RemoteAddr() }

// Done is closed when the session has ended.
func (ss *Session) Done() <-chan struct{} { return ss.conn.done }

// Close ends the session at once, without unbind.
func (ss *Session) Close() { ss.conn.close(errClosing) }

// Deliver sends a message as soon as there is room in the window, and returns the
// ESME's answer. Errors: ErrUnbound, nothing was sent; ErrTimeout, there is no
// response, so the ESME may have it or not; *ProtocolError, SMPP cannot carry the
// message. When the context ended, the error wraps the context's error too.
func (ss *Session) Deliver(ctx context.Context, d *DeliverSM) (Status, error) {
	if !ss.Receives() {
		return 0, ErrUnbound
	}
	select {
	case ss.window <- struct{}{}:
	case <-ss.conn.done:
		return 0, ErrUnbound
	case <-ctx.Done():
		return 0, notSentFor(ctx)
	}
	r, err := ss.conn.send(d, func() { <-ss.window })
	if err == errNotSent {
		return 0, ErrUnbound
	}
	if err != nil {
		return 0, err
	}
	p, err := r.wait(ctx)
	return p.Status, err
}

func (ss *Session) run() error {
	ss.timer = time.AfterFunc(ss.s.cfg.BindTimeout, func() {
		defer event.Rescue(ss.s.log, "SMPP bind timeout")
		ss.conn.close(errNoBind)
	})
	err := ss.conn.run(ss.handle)
	ss.timer.Stop()
	ss.mu.Lock()
	ss.mode = 0
	ss.mu.Unlock()
	ss.handler.Wait()
	return err
}

// unbind ends the session, at the latest after closeGrace.
func (ss *Session) unbind() {
	limit := time.AfterFunc(closeGrace, func() {
		defer event.Rescue(ss.s.log, "SMPP close")
		ss.Close()
	})
	defer limit.Stop()
	if ss.Mode() == 0 {
		ss.Close()
		return
	}
	ss.conn.unbind()
}

// handle is called by the reader only.
func (ss *Session) handle(p PDU) {
	switch b := p.Body.(type) {
	case *Bind:
		ss.bind(p.Sequence, b)
	case *SubmitSM:
		ss.submit(p.Sequence, b)
	default:
		ss.conn.respond(p.Sequence, StatusInvCmdID, GenericNack{})
	}
}

func (ss *Session) bind(seq uint32, b *Bind) {
	if ss.Mode() != 0 {
		ss.conn.respond(seq, StatusAlreadyBound, &BindResp{Mode: b.Mode})
		return
	}
	st := StatusBindFailed
	if ss.s.cfg.Authenticate != nil {
		st = ss.s.cfg.Authenticate(b.SystemID, b.Password)
	}
	if st != StatusOK {
		ss.s.log.Warn("SMPP bind refused", "system_id", b.SystemID, "status", st.String())
		ss.conn.lastPDU(PDU{Status: st, Sequence: seq, Body: &BindResp{Mode: b.Mode}}, errRefused)
		return
	}
	resp := &BindResp{Mode: b.Mode, SystemID: ss.s.cfg.SystemID}
	if b.Version >= version3_4 { // older versions have no TLVs
		resp.TLVs = []TLV{{TagVersion, []byte{version3_4}}}
	}
	ss.s.log.Info("SMPP session bound", "system_id", b.SystemID, "mode", b.Mode.String())
	ss.timer.Stop()
	ss.conn.respond(seq, StatusOK, resp)
	ss.mu.Lock() // after the response: no deliver_sm may overtake it
	ss.mode, ss.systemID = b.Mode, b.SystemID
	ss.mu.Unlock()
	if ss.s.cfg.Bound != nil {
		ss.s.cfg.Bound(ss)
	}
}

// inSlot handles a message. Its slot is free before the response leaves: an ESME
// that keeps to the window may send the next message at once.
func (ss *Session) inSlot(m *SubmitSM) (id string, st Status, answered func()) {
	defer func() { <-ss.slots }()
	return ss.s.cfg.Submit(ss.s.ctx, ss, m)
}

func (ss *Session) submit(seq uint32, m *SubmitSM) {
	refuse := func(st Status) { ss.conn.respond(seq, st, &SubmitSMResp{}) }
	switch {
	case ss.Mode() != CmdBindTransmitter && ss.Mode() != CmdBindTransceiver:
		refuse(StatusInvBindStatus)
		return
	case ss.s.cfg.Submit == nil:
		refuse(StatusSubmitFailed)
		return
	}
	select {
	case ss.slots <- struct{}{}:
	default:
		refuse(StatusThrottled)
		return
	}
	ss.handler.Go(func() {
		defer event.Rescue(ss.s.log, "submit_sm", func() { refuse(StatusSysErr) })
		id, st, answered := ss.inSlot(m)
		if st != StatusOK {
			id = ""
		}
		ss.conn.respond(seq, st, &SubmitSMResp{MessageID: id})
		if answered != nil {
			answered()
		}
	})
}
