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
	badInARow = 10 // PDUs that cannot be read before the connection ends
)

type connConfig struct {
	enquire time.Duration // send enquire_link after so long a silence
	respond time.Duration // for a response, for the rest of a PDU, for one write
	trace   func(sent bool, p PDU, at time.Time)
	events  *event.Recorder
	log     *slog.Logger
}

// conn is a connection of either side, bound or not.
type conn struct {
	nc     net.Conn
	source string // address of the peer, without the port
	cfg    connConfig
	out    chan outgoing
	done   chan struct{} // closed with the connection
	born   time.Time

	heard atomic.Int64  // time since born when a PDU came last
	bye   chan struct{} // closed when the last PDU is on its way: nothing more is sent or taken
	byes  sync.Once

	mu      sync.Mutex
	cause   error // not nil: closed
	seq     uint32
	pending map[uint32]*request
}

type outgoing struct {
	frame []byte
	pdu   PDU
	last  error // not nil: the connection ends with it after this PDU
}

func newConn(nc net.Conn, cfg connConfig) *conn {
	return &conn{
		nc: nc, source: hostOf(nc.RemoteAddr()), cfg: cfg, born: time.Now(),
		out: make(chan outgoing, outQueue), done: make(chan struct{}), bye: make(chan struct{}), pending: make(map[uint32]*request),
	}
}

// run reads until the connection ends, hands requests to handle one by one, and
// says what ended it. Handle must not wait.
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

// close ends the connection; what waits for a response has none.
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

// request is one that waits for its response.
type request struct {
	cmd     CommandID
	timer   *time.Timer
	result  chan result // of one
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

// wait gives the response; an error of its own status is none. When the context
// ends first, the request stays open for its response.
func (r *request) wait(ctx context.Context) (PDU, error) {
	select {
	case res := <-r.result:
		return res.pdu, res.err
	case <-ctx.Done():
		return PDU{}, unanswered(ctx.Err())
	}
}

// errPanic ends a connection whose reader or writer is gone.
var errPanic = errors.New("smpp: internal error")

// errNotSent means that the connection was at its end before the request.
var errNotSent = errors.New("smpp: not sent")

// send sends a request. Release is called once, when it has its response, will
// have none, or was not sent; with an error nothing was sent.
func (c *conn) send(b Body, release func()) (*request, error) {
	r := &request{cmd: b.Command(), result: make(chan result, 1), release: release}
	p, frame, err := c.register(b, r)
	if err != nil {
		release()
		return nil, err
	}
	select {
	case c.out <- outgoing{frame: frame, pdu: p}:
	case <-c.done: // which has finished the request
		<-r.result
		return nil, errNotSent
	}
	return r, nil
}

func (c *conn) register(b Body, r *request) (PDU, []byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause != nil || c.left() {
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
		c.resolve(p.Sequence, PDU{}, unanswered(fmt.Errorf("%v has none after %v", r.cmd, c.cfg.respond)))
	})
	return p, frame, nil
}

// next is a sequence number that no open request has.
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
		c.cfg.log.Debug("SMPP response to nothing open", "command", p.Command().String(), "sequence", seq)
		return
	}
	if cmd := p.Command(); err == nil && cmd != r.cmd|respBit && cmd != CmdGenericNack {
		err = unanswered(fmt.Errorf("%v came for %v", cmd, r.cmd))
	}
	if err == nil && p.Command() == CmdGenericNack && p.Status == StatusOK {
		p.Status = StatusUnknown // a refusal without a reason
	}
	r.finish(p, err)
}

// respond answers a request.
func (c *conn) respond(seq uint32, st Status, b Body) { c.respondLast(seq, st, b, nil) }

// respondLast answers and ends the connection with the cause, if there is one.
func (c *conn) respondLast(seq uint32, st Status, b Body, cause error) {
	p := PDU{Status: st, Sequence: seq, Body: b}
	frame, err := p.Marshal()
	if err != nil { // a message_id too long, say
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

// unbind says goodbye and closes.
func (c *conn) unbind() {
	if r, err := c.send(Unbind{}, func() {}); err == nil {
		_, _ = r.wait(context.Background()) // which has a limit of its own
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

// watch asks whether the other side is there when it has said nothing for long.
func (c *conn) watch() {
	defer event.Rescue(c.cfg.log, "SMPP watch", func() { c.close(errPanic) })
	for {
		quiet := time.Since(c.born) - time.Duration(c.heard.Load())
		if quiet >= c.cfg.enquire {
			r, err := c.send(EnquireLink{}, func() {})
			if err != nil {
				return
			}
			if _, err = r.wait(context.Background()); err != nil {
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
		if bad++; bad >= badInARow {
			return errGarbage
		}
		c.refuse(err)
	}
}

// parse is Parse. A PDU that makes the parser panic is refused like any other
// that cannot be read: without an answer the SMSC would deliver it again to the
// next session, and end that one too.
func (c *conn) parse(frame []byte) (p PDU, err error) {
	defer event.Rescue(c.cfg.log, "SMPP parser", func() {
		h := parseHeader(frame)
		err = &ProtocolError{Command: h.cmd, Sequence: h.seq, Status: StatusSysErr, Reason: "the parser failed"}
	})
	return Parse(frame)
}

// frame reads one PDU. Its first octet may take its time, the others not.
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
		// Where the next PDU begins is not known: the stream is lost.
		err := &ProtocolError{Command: h.cmd, Sequence: h.seq, Status: StatusInvCmdLen, Reason: fmt.Sprintf("length %d", h.length)}
		if !h.cmd.IsResponse() {
			c.farewell(PDU{Status: err.Status, Sequence: h.seq, Body: GenericNack{}}, err)
		}
		return nil, err
	}
	frame := append(head, make([]byte, int(h.length)-headerLen)...)
	_, err := io.ReadFull(br, frame[headerLen:])
	return frame, err
}

// leave reports whether this is the first time.
func (c *conn) leave() (first bool) {
	c.byes.Do(func() { close(c.bye); first = true })
	return first
}

func (c *conn) left() bool {
	select {
	case <-c.bye:
		return true
	default:
		return false
	}
}

// farewell sends a last PDU and waits until it is written or cannot be.
func (c *conn) farewell(p PDU, cause error) {
	c.leave()
	c.respondLast(p.Sequence, p.Status, p.Body, cause)
	<-c.done // the writer has a limit for each PDU
}

func (c *conn) dispatch(p PDU, handle func(PDU)) {
	switch p.Body.(type) {
	case EnquireLink:
		c.respond(p.Sequence, StatusOK, EnquireLinkResp{})
	case Unbind:
		if c.leave() {
			c.respondLast(p.Sequence, StatusOK, UnbindResp{}, errPeerUnbind)
		}
	default:
		if p.Command().IsResponse() {
			c.resolve(p.Sequence, p, nil)
		} else if !c.left() {
			handle(p)
		}
	}
}

// refuse answers a PDU that cannot be read. A response that cannot be read
// leaves its request without a usable one, unless its status says enough.
func (c *conn) refuse(err error) {
	var e *ProtocolError
	if !errors.As(err, &e) {
		return
	}
	c.unreadable(e)
	switch {
	case !e.Command.IsResponse():
		c.respond(e.Sequence, e.Status, answerTo(e.Command))
	case e.Answered != StatusOK:
		c.resolve(e.Sequence, PDU{Status: e.Answered, Body: GenericNack{}}, nil)
	default:
		c.resolve(e.Sequence, PDU{}, unanswered(err))
	}
}
