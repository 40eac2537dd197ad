package node

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"slices"
	"testing"
)

// Frames and settings of HTTP/2 (RFC 9113) that the tests use.
const (
	h2Data, h2Headers, h2Reset, h2Settings, h2GoAway = 0, 1, 3, 4, 7

	h2EndStream, h2EndHeaders, h2Ack = 1, 4, 1
)

// h2conn is an HTTP/2 client that behaves as badly as a test wants. It grants no
// window to any stream.
type h2conn struct {
	net.Conn
	next uint32 // stream
}

func dialH2(t *testing.T, addr string, certs ...tls.Certificate) *h2conn {
	t.Helper()
	c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}, Certificates: certs})
	if err != nil {
		t.Fatal(err)
	}
	if p := c.ConnectionState().NegotiatedProtocol; p != "h2" {
		t.Fatalf("the server speaks %q", p)
	}
	h := &h2conn{Conn: c, next: 1}
	if _, err := io.WriteString(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	h.frame(h2Settings, 0, 0, []byte{0, 4, 0, 0, 0, 0}) // SETTINGS_INITIAL_WINDOW_SIZE = 0
	return h
}

func (h *h2conn) frame(kind, flags byte, stream uint32, payload []byte) {
	head := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags}
	_, _ = h.Write(slices.Concat(binary.BigEndian.AppendUint32(head, stream), payload))
}

// request sends the header of a request and returns its stream. If there is a body, it
// never comes.
func (h *h2conn) request(method, path string, body bool) uint32 {
	var block []byte
	for _, f := range [][2]string{{":method", method}, {":path", path}, {":scheme", "https"}, {":authority", "localhost"}, {"content-type", "application/json"}} {
		block = append(block, 0, byte(len(f[0])))
		block = append(block, f[0]...)
		block = append(block, byte(len(f[1])))
		block = append(block, f[1]...)
	}
	flags := byte(h2EndHeaders)
	if !body {
		flags |= h2EndStream
	}
	stream := h.next
	h.next += 2
	h.frame(h2Headers, flags, stream, block)
	return stream
}

// read returns the next frame. It confirms settings.
func (h *h2conn) read() (kind, flags byte, stream uint32, payload []byte, err error) {
	head := make([]byte, 9)
	if _, err := io.ReadFull(h, head); err != nil {
		return 0, 0, 0, nil, err
	}
	payload = make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
	if _, err := io.ReadFull(h, payload); err != nil {
		return 0, 0, 0, nil, err
	}
	if kind, flags = head[3], head[4]; kind == h2Settings && flags&h2Ack == 0 {
		h.frame(h2Settings, h2Ack, 0, nil)
	}
	return kind, flags, binary.BigEndian.Uint32(head[5:]), payload, nil
}

// ended reads until the server has ended the stream.
func (h *h2conn) ended(stream uint32) error {
	for {
		kind, flags, of, _, err := h.read()
		if err != nil {
			return err
		}
		if of == stream && (kind == h2Reset || (kind == h2Headers || kind == h2Data) && flags&h2EndStream != 0) {
			return nil
		}
	}
}

// answered reads until the server has begun to answer some stream.
func (h *h2conn) answered() (stream uint32, err error) {
	for {
		kind, _, of, _, err := h.read()
		if err != nil || kind == h2Headers {
			return of, err
		}
	}
}

// mostStreams reads how many streams the server allows on the connection.
func (h *h2conn) mostStreams() (uint32, error) {
	for {
		kind, flags, _, payload, err := h.read()
		if err != nil {
			return 0, err
		}
		if kind != h2Settings || flags&h2Ack != 0 {
			continue
		}
		for ; len(payload) >= 6; payload = payload[6:] {
			if binary.BigEndian.Uint16(payload) == 3 { // SETTINGS_MAX_CONCURRENT_STREAMS
				return binary.BigEndian.Uint32(payload[2:]), nil
			}
		}
	}
}
