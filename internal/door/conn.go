package door

import (
	"errors"
	"net"
	"sync/atomic"
	"time"
)

// piece is how many bytes of an answer must be taken within the time limit.
const piece = 16 << 10

var began = time.Now()

// conn is the connection below TLS and HTTP. A peer that does not read what is
// written within its patience loses the connection. net/http has no such limit: its
// WriteTimeout begins with the request, and would cut off those who wait for a user.
type conn struct {
	net.Conn
	patience time.Duration
	census   *census
	home     home         // the census's
	known    bool         // the client showed who it is in the TLS handshake
	streams  atomic.Int32 // requests of a stranger that are open over HTTP/2
	// until is the write deadline that others have set, in Unix nanoseconds; 0: none.
	until atomic.Int64
	// renewed is when Write set the deadline last, as a time.Duration since began, which
	// no change of the wall clock moves; 0: others set it.
	renewed atomic.Int64
}

// connOf returns the connection below a TLS connection; nil if there is none.
func connOf(c net.Conn) *conn {
	switch t := c.(type) {
	case *framed:
		return t.conn
	case interface{ NetConn() net.Conn }: // TLS
		c = t.NetConn()
	}
	below, _ := c.(*conn)
	return below
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.census.exit(c)
	return c.Conn.Close()
}

// Vouch says that the client is known: its connection no longer counts by address. It
// is for handlers that took the connection over.
func (c *conn) Vouch() { c.census.vouch(c) }

func (c *conn) Write(p []byte) (written int, err error) {
	for first := true; first || len(p) > 0; first = false {
		part := p[:min(len(p), piece)]
		if err := c.extend(); err != nil {
			return written, err
		}
		n, err := c.Conn.Write(part)
		if written += n; err != nil {
			return written, err
		}
		p = p[n:]
	}
	return written, nil
}

// extend gives the next piece its time, and a little more: a deadline is renewed when an
// eighth of it has passed, because that costs more than a small write.
func (c *conn) extend() error {
	now, slack := time.Now(), c.patience/8
	since := now.Sub(began)
	if last := c.renewed.Load(); last != 0 && since-time.Duration(last) < slack {
		return nil
	}
	c.renewed.Store(int64(since))
	own := now.Add(c.patience + slack)
	if until := c.until.Load(); until != 0 && until < own.UnixNano() {
		own = time.Unix(0, until)
	}
	return c.Conn.SetWriteDeadline(own)
}

// SetWriteDeadline sets a deadline that comes before that of each piece.
func (c *conn) SetWriteDeadline(t time.Time) error {
	until := int64(0)
	if !t.IsZero() {
		until = t.UnixNano()
	}
	c.until.Store(until)
	c.renewed.Store(0)
	return c.Conn.SetWriteDeadline(t)
}

func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// CloseWrite lets net/http end an answer before the connection.
func (c *conn) CloseWrite() error {
	if tcp, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return tcp.CloseWrite()
	}
	return nil
}
