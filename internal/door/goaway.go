package door

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signum-mssp/signum/internal/event"
)

// A server that ends an HTTP/2 connection should send GOAWAY twice (RFC 9113, clause
// 6.8): first for all streams that there can be, so that the client opens no more, and
// a little later for those that it has opened. The requests that were on their way at the
// first are answered. net/http sends the second one only, and then drops what is on
// its way: many clients report that as an error.
//
// So the door sends the first one itself. For that it must see where frames end, and
// net/http must write through it. net/http takes a *tls.Conn for HTTP/2; a connection of
// another type is what it takes for HTTP/2 without TLS, under a key that
// golang.org/x/net/http2 knows as well. Should the key not exist, the first
// GOAWAY is not sent, and nothing else changes.

const (
	h2Key      = "h2"
	plainH2Key = "unencrypted_http2"
	h2Preface  = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	frameHead  = 9 // octets
)

// goAway is a GOAWAY frame without an error, for all streams.
var goAway = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32([]byte{0, 0, 8, 7, 0, 0, 0, 0, 0}, 1<<31-1), 0)

// multiplexed are the HTTP/2 connections of a door.
type multiplexed struct {
	mu    sync.Mutex
	conns map[*h2conn]struct{}
}

// serve makes a server serve HTTP/2 by connections that the door can write to. It must be
// called after the server has set up HTTP/2, and before it accepts.
func (d *Door) serveH2(srv *http.Server) {
	plain := srv.TLSNextProto[plainH2Key]
	if plain == nil {
		return
	}
	srv.TLSNextProto[h2Key] = func(s *http.Server, t *tls.Conn, h http.Handler) {
		c := &h2conn{Conn: t}
		d.h2.add(c)
		defer d.h2.remove(c)
		plain(s, tls.Client(carrier{t, c}, nil), h)
	}
}

// carrier hands a connection to net/http in a *tls.Conn.
type carrier struct {
	net.Conn
	carried *h2conn
}

// UnencryptedNetConn is called by net/http.
func (c carrier) UnencryptedNetConn() net.Conn { return c.carried }

func (m *multiplexed) add(c *h2conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.conns == nil {
		m.conns = make(map[*h2conn]struct{})
	}
	m.conns[c] = struct{}{}
}

func (m *multiplexed) remove(c *h2conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.conns, c)
}

// farewell sends the first GOAWAY on all connections that have not had it. It returns
// how many these are.
func (d *Door) farewellH2() (n int) {
	d.h2.mu.Lock()
	defer d.h2.mu.Unlock()
	for c := range d.h2.conns {
		if c.goAway.Swap(true) {
			continue
		}
		n++
		go func() { // a client may not read
			defer event.Rescue(d.Log, "GOAWAY", func() { _ = c.Close() })
			c.flush()
		}()
	}
	return n
}

// h2conn is a connection that speaks HTTP/2. It follows the frames that are written, as
// far as is needed to find where one ends.
type h2conn struct {
	*tls.Conn
	began bool // the preface of the client was read

	goAway atomic.Bool // the first GOAWAY is due, or was sent

	mu   sync.Mutex
	sent bool            // the first GOAWAY
	head [frameHead]byte // of a frame, as far as it was written
	have int             // octets of head
	left int             // octets of the frame that are still to come
	any  bool            // a frame was written: the first one must be SETTINGS
}

// Read takes the preface of the client off, as net/http wants it.
func (c *h2conn) Read(p []byte) (int, error) {
	if !c.began {
		if err := c.preface(); err != nil {
			return 0, err
		}
		c.began = true
	}
	return c.Conn.Read(p)
}

func (c *h2conn) preface() error {
	_ = c.SetReadDeadline(time.Now().Add(headerTimeout))
	got := make([]byte, len(h2Preface))
	if _, err := io.ReadFull(c.Conn, got); err != nil {
		return err
	}
	if !bytes.Equal(got, []byte(h2Preface)) {
		return errors.New("http: bogus greeting of an HTTP/2 client")
	}
	return c.SetReadDeadline(time.Time{})
}

func (c *h2conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	n, err := c.Conn.Write(p)
	c.follow(p[:n])
	c.mu.Unlock()
	if err == nil && c.goAway.Load() {
		c.flush()
	}
	return n, err
}

// flush sends the GOAWAY that is due, if a frame has just ended. Otherwise, or if
// something is being written, that is for the next Write to do.
func (c *h2conn) flush() {
	if !c.mu.TryLock() {
		return
	}
	defer c.mu.Unlock()
	if !c.sent && c.any && c.have == 0 && c.left == 0 {
		c.sent = true
		_, _ = c.Conn.Write(goAway) // net/http notices if this fails
	}
}

// follow notes what was written.
func (c *h2conn) follow(p []byte) {
	for len(p) > 0 {
		if c.left > 0 {
			n := min(c.left, len(p))
			c.left -= n
			p = p[n:]
			continue
		}
		n := copy(c.head[c.have:], p)
		c.have += n
		p = p[n:]
		if c.have == frameHead {
			c.left = int(c.head[0])<<16 | int(c.head[1])<<8 | int(c.head[2])
			c.have, c.any = 0, true
		}
	}
}
