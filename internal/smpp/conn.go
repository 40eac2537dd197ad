package smpp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signum-mssp/signum/internal/event"
)

const (
	outQueue  = 64 // PDUs that wait to be written
	badInARow = 10 // PDUs in a row whose commands cannot be of SMPP, which end the connection
)

type connConfig struct {
	enquire time.Duration // silence after which enquire_link is sent
	respond time.Duration // for a response, for the rest of a PDU, for one write
	trace   func(sent bool, p PDU, at time.Time)
	events  *event.Recorder
	log     *slog.Logger
}

// conn is a connection, bound or not; client and server use it alike.
type conn struct {
	nc     net.Conn
	source string // address of the peer, without the port
	cfg    connConfig
	out    chan outgoing
	done   chan struct{} // closed with the connection
	born   time.Time

	heard       atomic.Int64  // when the last PDU arrived, as a time since born
	closing     chan struct{} // closed when the last PDU is on its way: nothing more is sent or handled
	closingOnce sync.Once

	mu      sync.Mutex
	cause   error // not nil: closed
	seq     uint32
	pending map[uint32]*request
}

type outgoing struct {
	frame []byte
	pdu   PDU
	last  error // not nil: the connection ends after this PDU, for this reason
}

func newConn(nc net.Conn, cfg connConfig) *conn {
	return &conn{
		nc: nc, source: hostOf(nc.RemoteAddr()), cfg: cfg, born: time.Now(),
		out: make(chan outgoing, outQueue), done: make(chan struct{}), closing: make(chan struct{}), pending: make(map[uint32]*request),
	}
}

// run reads until the connection ends, calls handle for one request after the
// other, and returns why the connection ended. handle must not block.
func (c *conn) run(handle func(PDU)) error {
	var wg sync.WaitGroup
	wg.Go(c.write)
	wg.Go(c.watch)
	c.close(c.read(handle))
	wg.Wait()
	return c.ended()
}

func (c *conn) ended() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause
}

// close ends the connection. Outstanding requests fail with ErrTimeout.
func (c *conn) close(cause error) {
	c.mu.Lock()
	if c.cause != nil {
		c.mu.Unlock()
		return
	}
	c.cause = cause
	open := c.pending
	c.pending = nil
	c.mu.Unlock()
	close(c.done)
	_ = c.nc.Close()
	for _, r := range open {
		r.finish(PDU{}, unanswered(cause))
	}
}

// request is a request that was sent and waits for its response.
type request struct {
	cmd     CommandID
	timer   *time.Timer
	result  chan result // holds one
	release func()
}

type result struct {
	pdu PDU
	err error
}

func (r *request) finish(p PDU, err error) {
	r.timer.Stop()
	r.result <- result{p, err}
	r.release()
}

// wait returns the response; its status may be an error, which is not returned as
// one. When the context ends first, the request goes on waiting for its response.
func (r *request) wait(ctx context.Context) (PDU, error) {
	select {
	case res := <-r.result:
		return res.pdu, res.err
	case <-ctx.Done():
		return PDU{}, unanswered(ctx.Err())
	}
}

// errPanic ends a connection whose reader or writer has panicked.
var errPanic = errors.New("smpp: internal error")

// errNotSent means that the connection ended before the request was sent.
var errNotSent = errors.New("smpp: not sent")

// send sends a request. After an error nothing was sent. release is called exactly
// once: when the response arrives, when it can no longer arrive, or after an error.
func (c *conn) send(b Body, release func()) (*request, error) {
	r := &request{cmd: b.Command(), result: make(chan result, 1), release: release}
	p, frame, err := c.register(b, r)
	if err != nil {
		release()
		return nil, err
	}
	select {
	case c.out <- outgoing{frame: frame, pdu: p}:
	case <-c.done: // close has finished the request
		<-r.result
		return nil, errNotSent
	}
	return r, nil
}

func (c *conn) register(b Body, r *request) (PDU, []byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause != nil || c.isClosing() {
		return PDU{}, nil, errNotSent
	}
	p := PDU{Sequence: c.next(), Body: b}
	frame, err := p.Marshal()
	if err != nil {
		return PDU{}, nil, err
	}
	c.pending[p.Sequence] = r
	r.timer = time.AfterFunc(c.cfg.respond, func() {
		defer event.Rescue(c.cfg.log, "SMPP response timeout")
		c.resolve(p.Sequence, PDU{}, unanswered(fmt.Errorf("none to %v after %v", r.cmd, c.cfg.respond)))
	})
	return p, frame, nil
}

// next returns a sequence number that no outstanding request has.
func (c *conn) next() uint32 {
	for {
		if c.seq++; c.seq > maxSeq {
			c.seq = 1
		}
		if _, used := c.pending[c.seq]; !used {
			return c.seq
		}
	}
}

func (c *conn) resolve(seq uint32, p PDU, err error) {
	c.mu.Lock()
	r := c.pending[seq]
	delete(c.pending, seq)
	c.mu.Unlock()
	if r == nil {
		c.cfg.log.Debug("SMPP response without a request", "command", p.Command().String(), "sequence", seq)
		return
	}
	if cmd := p.Command(); err == nil && cmd != r.cmd|respBit && cmd != CmdGenericNack {
		err = unanswered(fmt.Errorf("%v answers %v", cmd, r.cmd))
	}
	if err == nil && p.Command() == CmdGenericNack && p.Status == StatusOK {
		p.Status = StatusUnknown // a refusal without a reason
	}
	r.finish(p, err)
}

// respond answers a request.
func (c *conn) respond(seq uint32, st Status, b Body) { c.respondLast(seq, st, b, nil) }

// respondLast answers and, if there is a cause, ends the connection with it.
func (c *conn) respondLast(seq uint32, st Status, b Body, cause error) {
	p := PDU{Status: st, Sequence: seq, Body: b}
	frame, err := p.Marshal()
	if err != nil { // such as a message_id that is too long
		p = PDU{Status: StatusSysErr, Sequence: seq, Body: GenericNack{}}
		if frame, err = p.Marshal(); err != nil {
			return
		}
	}
	select {
	case c.out <- outgoing{frame: frame, pdu: p, last: cause}:
	case <-c.done:
	}
}

// unbind unbinds, waits for the response and closes.
func (c *conn) unbind() {
	if r, err := c.send(Unbind{}, func() {}); err == nil {
		_, _ = r.wait(context.Background()) // a response has a timeout
	}
	c.close(errClosing)
}

func (c *conn) write() {
	defer event.Rescue(c.cfg.log, "SMPP writer", func() { c.close(errPanic) })
	for {
		select {
		case o := <-c.out:
			c.traced(true, o.pdu)
			_ = c.nc.SetWriteDeadline(time.Now().Add(c.cfg.respond))
			if _, err := c.nc.Write(o.frame); err != nil {
				c.close(err)
				return
			}
			if o.last != nil {
				c.close(o.last)
				return
			}
		case <-c.done:
			return
		}
	}
}

func (c *conn) traced(sent bool, p PDU) {
	if c.cfg.trace == nil {
		return
	}
	if b, ok := p.Body.(*Bind); ok {
		open := *b
		open.Password = ""
		p.Body = &open
	}
	c.cfg.trace(sent, p, time.Now())
}

// watch sends enquire_link when the peer has been silent, and closes the
// connection if there is no answer.
func (c *conn) watch() {
	defer event.Rescue(c.cfg.log, "SMPP watch", func() { c.close(errPanic) })
	for {
		quiet := time.Since(c.born) - time.Duration(c.heard.Load())
		if quiet >= c.cfg.enquire {
			heard := c.heard.Load()
			r, err := c.send(EnquireLink{}, func() {})
			if err != nil {
				return
			}
			// Anything shows that the peer is alive, such as a response to another
			// sequence number.
			if _, err = r.wait(context.Background()); err != nil && c.heard.Load() == heard {
				c.close(errSilent)
				return
			}
			continue
		}
		t := time.NewTimer(c.cfg.enquire - quiet)
		select {
		case <-t.C:
		case <-c.done:
			t.Stop()
			return
		}
	}
}

func (c *conn) read(handle func(PDU)) (err error) {
	defer event.RescueTo(&err, c.cfg.log, "SMPP reader")
	br := bufio.NewReaderSize(c.nc, 4<<10)
	bad := 0
	for {
		frame, err := c.frame(br)
		if err != nil {
			return err
		}
		c.heard.Store(int64(time.Since(c.born)))
		p, err := c.parse(frame)
		if err == nil {
			bad = 0
			c.traced(false, p)
			c.dispatch(p, handle)
			continue
		}
		if h := parseHeader(frame); h.cmd.plausible() {
			bad = 0
		} else if bad++; bad >= badInARow {
			return errGarbage
		}
		c.refuse(err)
	}
}

// parse is Parse. A PDU that makes the parser panic is refused like any other
// unreadable one: without an answer, the SMSC would deliver it again to the next
// session and end that one too.
func (c *conn) parse(frame []byte) (p PDU, err error) {
	defer event.Rescue(c.cfg.log, "SMPP parser", func() {
		h := parseHeader(frame)
		err = &ProtocolError{Command: h.cmd, Sequence: h.seq, Status: StatusSysErr, Answered: h.status, Reason: "the parser failed"}
	})
	return Parse(frame)
}

// frame reads one PDU. Its first octet may arrive at any time; once it has, the
// rest must follow within the response timeout.
func (c *conn) frame(br *bufio.Reader) ([]byte, error) {
	if _, err := br.Peek(1); err != nil {
		return nil, err
	}
	_ = c.nc.SetReadDeadline(time.Now().Add(c.cfg.respond))
	defer func() { _ = c.nc.SetReadDeadline(time.Time{}) }()
	head := make([]byte, headerLen, 256)
	if _, err := io.ReadFull(br, head); err != nil {
		return nil, err
	}
	h := parseHeader(head)
	if h.length < headerLen || h.length > MaxPDU {
		// It is unknown where the next PDU begins, so the stream cannot be used any more.
		err := &ProtocolError{Command: h.cmd, Sequence: h.seq, Status: StatusInvCmdLen, Reason: fmt.Sprintf("length %d", h.length)}
		if !h.cmd.IsResponse() {
			c.lastPDU(PDU{Status: err.Status, Sequence: h.seq, Body: GenericNack{}}, err)
		}
		return nil, err
	}
	frame := append(head, make([]byte, int(h.length)-headerLen)...)
	_, err := io.ReadFull(br, frame[headerLen:])
	return frame, err
}

// beginClosing reports whether it is called for the first time.
func (c *conn) beginClosing() (first bool) {
	c.closingOnce.Do(func() { close(c.closing); first = true })
	return first
}

func (c *conn) isClosing() bool {
	select {
	case <-c.closing:
		return true
	default:
		return false
	}
}

// lastPDU sends the last PDU and waits until it is written or the connection has
// ended.
func (c *conn) lastPDU(p PDU, cause error) {
	c.beginClosing()
	c.respondLast(p.Sequence, p.Status, p.Body, cause)
	<-c.done // each write has a timeout
}

func (c *conn) dispatch(p PDU, handle func(PDU)) {
	switch p.Body.(type) {
	case Alert, Outbind: // there is nothing to answer
	case EnquireLink:
		c.respond(p.Sequence, StatusOK, EnquireLinkResp{})
	case Unbind:
		if c.beginClosing() {
			c.respondLast(p.Sequence, StatusOK, UnbindResp{}, errPeerUnbind)
		}
	default:
		if p.Command().IsResponse() {
			c.resolve(p.Sequence, p, nil)
		} else if !c.isClosing() {
			handle(p)
		}
	}
}

// refuse answers a PDU that cannot be read. The status of a response counts even if the
// rest of it cannot be read.
func (c *conn) refuse(err error) {
	e, ok := errors.AsType[*ProtocolError](err)
	if !ok {
		return
	}
	c.unreadable(e)
	if e.Command.IsResponse() {
		c.resolve(e.Sequence, PDU{Status: e.Answered, Sequence: e.Sequence, Body: unread(e.Command)}, nil)
		return
	}
	c.respond(e.Sequence, e.Status, answerTo(e.Command))
}
