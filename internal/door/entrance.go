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
	pending map[net.Conn]struct{} // not yet ready; nil once the entrance is closed
}

type arrival struct {
	conn net.Conn
	err  error
}

func newEntrance(d *Door) *entrance {
	return &entrance{d: d, ready: make(chan arrival), closed: make(chan struct{}), pending: make(map[net.Conn]struct{})}
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
	behind := e.d.Proxy != nil && e.d.Proxy(clientaddr.OfConn(c))
	if !behind && e.d.TLS == nil {
		if in := e.admit(c); in != nil {
			return e.hand(arrival{conn: asHTTP(in, nil)})
		}
		return true
	}
	if !e.begin(c) {
		return false
	}
	e.work.Go(func() {
		defer event.Rescue(e.d.Log, "new connection", func() { _ = c.Close() })
		defer e.end(c)
		e.greet(c, behind)
	})
	return true
}

// greet does what takes as long as the client likes, within headerTimeout.
func (e *entrance) greet(c net.Conn, behind bool) {
	deadline := time.Now().Add(headerTimeout)
	if behind {
		_ = c.SetDeadline(deadline)
		if c = e.unwrap(c); c == nil {
			return
		}
	}
	in := e.admit(c)
	if in == nil {
		return
	}
	_ = in.SetDeadline(deadline)
	var t *tls.Conn
	if e.d.TLS != nil {
		if t = e.handshake(in); t == nil {
			return
		}
	}
	_ = in.SetDeadline(time.Time{})
	e.hand(arrival{conn: asHTTP(in, t)})
}

// unwrap reads which client is behind a proxy. It returns nil if the proxy does not
// say.
func (e *entrance) unwrap(c net.Conn) net.Conn {
	client, err := clientaddr.Behind(c)
	if err != nil {
		e.d.Refused(ReasonProxy)
		e.d.ErrorLog.Printf("http: PROXY header of %s: %v", clientaddr.OfConn(c), err)
		_ = c.Close()
		return nil
	}
	return client
}

// admit counts a connection. If there are too many, it is closed (then the result is
// nil), or an idle one of the same address, or of the address that has most.
func (e *entrance) admit(c net.Conn) *conn {
	in := &conn{Conn: c, patience: e.d.WriteTimeout, census: e.d.census}
	a := clientaddr.OfConn(c)
	victim, reason, ok := e.d.census.enter(in, a, e.d.Exempt != nil && e.d.Exempt(a))
	if !ok {
		victim = in
	}
	if victim != nil {
		e.d.Refused(reason)
		_ = victim.Conn.Close()
	}
	if !ok {
		return nil
	}
	return in
}

func (e *entrance) begin(c net.Conn) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.pending == nil {
		_ = c.Close()
		return false
	}
	e.pending[c] = struct{}{}
	return true
}

func (e *entrance) end(c net.Conn) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.pending, c)
}

// waiting is how many connections are not ready yet.
func (e *entrance) waiting() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.pending)
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

// handshake returns nil if the client does not speak TLS.
func (e *entrance) handshake(c *conn) *tls.Conn {
	t := tls.Server(c, e.d.TLS)
	if err := t.Handshake(); err != nil {
		e.d.ErrorLog.Printf("http: TLS handshake error from %s: %v", clientaddr.OfConn(c), err)
		explain(err)
		_ = c.Close()
		return nil
	}
	if e.d.Known != nil && e.d.Known(t.ConnectionState()) {
		c.known = true
		c.Vouch()
	}
	return t
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
	if errors.Is(err, net.ErrClosed) {
		return nil // Drain has closed it
	}
	return err
}

// Addr implements net.Listener.
func (e *entrance) Addr() net.Addr { return e.d.Listener.Addr() }
