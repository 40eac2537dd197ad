package clientaddr

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/pires/go-proxyproto"
)

// maxProxyHeader limits a header of the PROXY protocol, in bytes: addresses, and what a
// proxy adds about a connection.
const maxProxyHeader = 4 << 10

var errProxyHeader = errors.New("no header of PROXY protocol version 2")

// Behind reads the header of PROXY protocol version 2 with which a trusted proxy begins
// a connection, and nothing after it. The result has the client as its peer. If the
// proxy speaks for itself (LOCAL), as its health checks do, it stays the peer. The
// caller sets a deadline, and makes sure that the peer is trusted.
func Behind(c net.Conn) (net.Conn, error) {
	const fixed = 16
	head := make([]byte, fixed)
	if _, err := io.ReadFull(c, head); err != nil {
		return nil, fmt.Errorf("%w: %w", errProxyHeader, err)
	}
	length := int(binary.BigEndian.Uint16(head[fixed-2:]))
	if !bytes.HasPrefix(head, proxyproto.SIGV2) || length > maxProxyHeader {
		return nil, errProxyHeader
	}
	head = append(head, make([]byte, length)...)
	if _, err := io.ReadFull(c, head[fixed:]); err != nil {
		return nil, fmt.Errorf("%w: %w", errProxyHeader, err)
	}
	h, err := proxyproto.Read(bufio.NewReaderSize(bytes.NewReader(head), len(head)))
	if err != nil {
		return nil, err
	}
	if h.Command == proxyproto.LOCAL {
		return c, nil
	}
	client, ok := h.SourceAddr.(*net.TCPAddr)
	if !ok {
		return nil, errors.New("the header of the PROXY protocol names no TCP client")
	}
	return &proxied{Conn: c, client: client}, nil
}

// proxied is a connection that a proxy passes on.
type proxied struct {
	net.Conn
	client net.Addr
}

// RemoteAddr implements net.Conn.
func (p *proxied) RemoteAddr() net.Addr { return p.client }

// CloseWrite ends what is written, as that of net.TCPConn does.
func (p *proxied) CloseWrite() error {
	if w, ok := p.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return nil
}
