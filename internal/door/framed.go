package door

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

// framed is a connection that speaks HTTP/1.1 without TLS, framedTLS one with TLS.
// HTTP/2 has frames of its own.
type framed struct {
	*conn
	framing framing
}

type framedTLS struct {
	*tls.Conn
	framing framing
}

func (c *framed) Read(p []byte) (int, error) {
	n, err := c.conn.Read(p)
	c.framing.scan(p[:n])
	return n, err
}

func (c *framedTLS) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.framing.scan(p[:n])
	return n, err
}

// framingOf returns the framing of a connection; nil if it speaks HTTP/2.
func framingOf(c net.Conn) *framing {
	switch c := c.(type) {
	case *framed:
		return &c.framing
	case *framedTLS:
		return &c.framing
	}
	return nil
}

// asHTTP returns what net/http gets to serve.
func asHTTP(c *conn, t *tls.Conn) net.Conn {
	switch {
	case t == nil:
		return &framed{conn: c}
	case t.ConnectionState().NegotiatedProtocol == "h2":
		return t
	}
	return &framedTLS{Conn: t}
}

type framingKey struct{}

type connKey struct{}

// withConn gives requests over HTTP/1.1 the framing of their connection, and those
// over HTTP/2 the connection itself.
func withConn(ctx context.Context, c net.Conn) context.Context {
	if f := framingOf(c); f != nil {
		return context.WithValue(ctx, framingKey{}, f)
	}
	return context.WithValue(ctx, connKey{}, connOf(c))
}

// unambiguous is next for requests that everybody divides in the same way. Others are
// answered with 400, and the connection is closed.
func (d *Door) unambiguous(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f, ok := r.Context().Value(framingKey{}).(*framing); ok && !f.ok() {
			d.Refused(ReasonFraming)
			w.Header().Set("Connection", "close")
			_ = http.NewResponseController(w).SetReadDeadline(time.Now()) // nobody reads the body
			http.Error(w, "A request has either Content-Length or Transfer-Encoding.", http.StatusBadRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}
