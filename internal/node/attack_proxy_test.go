package node

import (
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/pires/go-proxyproto"

	"github.com/signum-mssp/signum/internal/testkit"
)

// proxyHeader is that of a client, or of the proxy itself.
func proxyHeader(version byte, client string) []byte {
	h := &proxyproto.Header{Version: version, Command: proxyproto.LOCAL}
	if client != "" {
		h = proxyproto.HeaderProxyFromAddrs(version, net.TCPAddrFromAddrPort(netip.MustParseAddrPort(client)), &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 443})
	}
	text, err := h.Format()
	if err != nil {
		panic(err)
	}
	return text
}

// proxyNode believes the proxy 127.0.0.1.
func proxyNode(t *testing.T, log io.Writer) *Node {
	t.Helper()
	c := opsConfig(t)
	c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	c.Listen.MSS.Connections.ProxyProtocol, c.Listen.PKI.Connections.ProxyProtocol = true, true
	c.Listen.PKI.Connections.PerAddress = 3
	return serve(t, c, Deps{Logger: slog.New(slog.NewTextHandler(log, nil))})
}

// TestProxyProtocol: behind a trusted proxy the client has its own address, with and
// without TLS, and the checks of the proxy itself work.
func TestProxyProtocol(t *testing.T) {
	var log testkit.Buffer
	n := proxyNode(t, &log)
	// Each client calls another operation, because the log samples refusals of one kind.
	for _, tt := range []struct{ client, source, operation string }{
		{"203.0.113.9:4711", "203.0.113.9", "sign"}, {"[2001:db8::7]:4711", "2001:db8::7", "status"}, {"", "127.0.0.1", "receipt"},
	} {
		for _, listener := range []string{"mss", "pki"} {
			c, seen := dialFrom(t, 1, n.addresses()[listener]), len(log.String())
			if _, err := c.Write(proxyHeader(2, tt.client)); err != nil {
				t.Fatal(err)
			}
			method, path, want := "GET", "/crl/issuing.crl", http.StatusOK
			if listener == "mss" {
				c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
				method, path, want = "POST", "/rest/service/"+tt.operation, http.StatusInternalServerError
			}
			if status, err := ask(c, method, path, "{}"); status != want {
				t.Errorf("%s for %q: %d, %v", listener, tt.client, status, err)
			}
			c.Close()
			if source := "source=" + tt.source + " "; !strings.Contains(log.String()[seen:], source) {
				t.Errorf("%s for %q: no %s in %s", listener, tt.client, source, log.String()[seen:])
			}
		}
	}
}

// TestAttackProxyHeader: nobody chooses an address with the header of the PROXY protocol
// but a trusted proxy, which must send one, of version 2.
func TestAttackProxyHeader(t *testing.T) {
	var log testkit.Buffer
	n := proxyNode(t, &log)
	forged := proxyHeader(2, "203.0.113.9:4711")
	for name, tt := range map[string]struct {
		host   byte
		header []byte
	}{
		"from a stranger":   {2, forged},
		"none from a proxy": {1, nil},
		"version 1":         {1, proxyHeader(1, "203.0.113.9:4711")},
		"too long":          {1, append(append([]byte(nil), forged[:14]...), 0xff, 0xff)},
		"of another family": {1, append(append([]byte(nil), forged[:13]...), append([]byte{0x31}, forged[14:]...)...)},
		"of a datagram":     {1, append(append([]byte(nil), forged[:13]...), append([]byte{0x12}, forged[14:]...)...)},
		"two of them":       {1, append(append([]byte(nil), forged...), forged...)},
	} {
		for _, listener := range []string{"mss", "pki"} {
			c := dialFrom(t, tt.host, n.addresses()[listener])
			if _, err := c.Write(tt.header); err != nil {
				t.Fatal(err)
			}
			if listener == "mss" {
				c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
			}
			if status, err := ask(c, "GET", "/crl/issuing.crl", ""); status != 0 && status != http.StatusBadRequest {
				t.Errorf("%s: a header %s: %d, %v", listener, name, status, err)
			}
		}
	}
	if strings.Contains(log.String(), "source=203.0.113.9") {
		t.Errorf("a forged address was believed:\n%s", log.String())
	}
	if c := dialFrom(t, 2, n.addresses()["pki"]); true {
		if status, err := ask(c, "GET", "/crl/issuing.crl", ""); status != http.StatusOK {
			t.Errorf("a stranger without a header: %d, %v", status, err)
		}
	}
}

// TestAttackManyBehindProxy: the clients behind a proxy are limited each by its own
// address.
func TestAttackManyBehindProxy(t *testing.T) {
	n := proxyNode(t, io.Discard)
	busy := func(client string) net.Conn {
		c := dialFrom(t, 1, n.addresses()["pki"])
		if _, err := c.Write(proxyHeader(2, client)); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "POST /ocsp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n")
		return c
	}
	answer := make([]byte, 12)
	for i := range 5 {
		_, err := io.ReadFull(busy("203.0.113.9:4711"), answer)
		if want := i < 3; (err == nil && string(answer) == "HTTP/1.1 100") != want {
			t.Errorf("connection %d: %q, %v", i, answer, err)
		}
	}
	if _, err := io.ReadFull(busy("203.0.113.10:4711"), answer); err != nil {
		t.Errorf("another client: %v", err)
	}
}
