package door

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/signum-mssp/signum/internal/clientaddr"
	"github.com/signum-mssp/signum/internal/event"
)

// entrance is the listener that net/http sees. Its connections have a finished TLS
// handshake, which net/http would otherwise make itself: here it is known who came
// before the first request.
type entrance struct {
	d      *Door
	ready  chan arrival
	closed chan struct{}
	work   sync.WaitGroup

	mu      sync.Mutex
	pending map[*conn]struct{} // in their handshake; nil once the entrance is closed
}

type arrival struct {
	conn net.Conn
	err  error
}

func newEntrance(d *Door) *entrance {
	return &entrance{d: d, ready: make(chan arrival), closed: make(chan struct{}), pending: make(map[*conn]struct{})}
}

// open accepts connections from now on.
func (e *entrance) open() {
	e.work.Go(func() {
		defer event.Rescue(e.d.Log, "accepting connections", func() { e.hand(arrival{err: ErrPanic}) })
		for e.next() {
		}
	})
}

// next accepts one connection. It returns false once the entrance is closed.
func (e *entrance) next() bool {
	c, err := e.d.Listener.Accept()
	switch {
	case errors.Is(err, net.ErrClosed):
		return false
	case err != nil: // net/http waits before it calls Accept for the next arrival
		e.d.Failed()
		e.d.Log.Error("a connection could not be accepted", "listener", e.d.Name, "err", err)
		return e.hand(arrival{err: err})
	}
	in := &conn{Conn: c, patience: e.d.WriteTimeout, census: e.d.census}
	if !e.admit(in) {
		return true
	}
	if e.d.TLS == nil {
		return e.hand(arrival{conn: in})
	}
	if !e.begin(in) {
		return false
	}
	e.work.Go(func() {
		defer event.Rescue(e.d.Log, "TLS handshake", func() { _ = in.Close() })
		defer e.end(in)
		e.handshake(in)
	})
	return true
}

// admit counts a connection. If there are too many, it is closed, or an idle one of
// the same address, or of the address that has most.
func (e *entrance) admit(c *conn) bool {
	a := clientaddr.OfConn(c)
	victim, reason, ok := e.d.census.enter(c, a, e.d.Exempt != nil && e.d.Exempt(a))
	if !ok {
		victim = c
	}
	if victim != nil {
		e.d.Refused(reason)
		_ = victim.Conn.Close()
	}
	return ok
}

func (e *entrance) begin(c *conn) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.pending == nil {
		_ = c.Close()
		return false
	}
	e.pending[c] = struct{}{}
	return true
}

func (e *entrance) end(c *conn) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.pending, c)
}

// hand gives an arrival to net/http. It returns false once the entrance is closed.
func (e *entrance) hand(a arrival) bool {
	select {
	case e.ready <- a:
		return true
	case <-e.closed:
		if a.conn != nil {
			_ = a.conn.Close()
		}
		return false
	}
}

func (e *entrance) handshake(c *conn) {
	_ = c.SetDeadline(time.Now().Add(headerTimeout))
	t := tls.Server(c, e.d.TLS)
	if err := t.Handshake(); err != nil {
		e.d.ErrorLog.Printf("http: TLS handshake error from %s: %v", clientaddr.OfConn(c), err)
		explain(err)
		_ = c.Close()
		return
	}
	_ = c.SetDeadline(time.Time{})
	if e.d.Known != nil && e.d.Known(t.ConnectionState()) {
		c.Vouch()
	}
	e.hand(arrival{conn: t})
}

// explain tells a client that speaks plain HTTP what is wrong.
func explain(err error) {
	plain, ok := errors.AsType[tls.RecordHeaderError](err)
	if ok && plain.Conn != nil && slices.Contains([]string{"GET /", "HEAD ", "POST ", "PUT /", "OPTIO", "DELET"}, string(plain.RecordHeader[:])) {
		_, _ = io.WriteString(plain.Conn, "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n")
	}
}

// Accept implements net.Listener.
func (e *entrance) Accept() (net.Conn, error) {
	select {
	case a := <-e.ready:
		return a.conn, a.err
	case <-e.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. It ends the handshakes that are under way.
func (e *entrance) Close() error {
	e.mu.Lock()
	if e.pending == nil {
		e.mu.Unlock()
		return nil
	}
	for c := range e.pending {
		_ = c.Close()
	}
	e.pending = nil
	e.mu.Unlock()
	close(e.closed)
	err := e.d.Listener.Close()
	e.work.Wait()
	return err
}

// Addr implements net.Listener.
func (e *entrance) Addr() net.Addr { return e.d.Listener.Addr() }
