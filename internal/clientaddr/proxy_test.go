package clientaddr

import (
	"bytes"
	"io"
	"net"
	"testing"

	"github.com/pires/go-proxyproto"
)

// fake is a connection of which only Read and RemoteAddr work.
type fake struct {
	net.Conn
	io.Reader
}

func (f fake) Read(p []byte) (int, error) { return f.Reader.Read(p) }
func (fake) RemoteAddr() net.Addr         { return &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 1} }

// FuzzBehind: whatever a proxy sends, a header that is taken is of version 2 and names a
// client or nobody, and what follows it is still there.
func FuzzBehind(f *testing.F) {
	client := &net.TCPAddr{IP: net.IPv4(203, 0, 113, 9), Port: 4711}
	for _, h := range []*proxyproto.Header{
		proxyproto.HeaderProxyFromAddrs(2, client, client), proxyproto.HeaderProxyFromAddrs(1, client, client), {Version: 2, Command: proxyproto.LOCAL},
	} {
		text, err := h.Format()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, header []byte) {
		const after = "GET / HTTP/1.1"
		in := fake{Reader: bytes.NewReader(append(bytes.Clone(header), after...))}
		c, err := Behind(in)
		if err != nil {
			return
		}
		if !OfConn(c).IsValid() {
			t.Errorf("the peer is %v", c.RemoteAddr())
		}
		length := 16 + int(header[14])<<8 + int(header[15])
		rest, err := io.ReadAll(c)
		if err != nil || !bytes.Equal(rest, append(bytes.Clone(header), after...)[length:]) {
			t.Errorf("%q is left after a header of %d bytes, %v", rest, length, err)
		}
	})
}

func TestBehind(t *testing.T) {
	client := &net.TCPAddr{IP: net.ParseIP("2001:db8::7"), Port: 4711}
	text, err := proxyproto.HeaderProxyFromAddrs(2, client, client).Format()
	if err != nil {
		t.Fatal(err)
	}
	c, err := Behind(fake{Reader: bytes.NewReader(text)})
	if err != nil || OfConn(c).String() != "2001:db8::7" {
		t.Errorf("%v, %v", c, err)
	}
	if _, err := Behind(fake{Reader: bytes.NewReader(text[:20])}); err == nil {
		t.Error("half a header was taken")
	}
}
