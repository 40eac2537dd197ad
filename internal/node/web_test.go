package node

import (
	"crypto/tls"
	"net"
	"strings"
	"testing"
)

func TestWebOrigin(t *testing.T) {
	secure := Web{Certificate: new(tls.Certificate)}
	for _, tt := range []struct {
		web        Web
		addr, want string
	}{
		{Web{}, "127.0.0.1", "http://localhost:8444"},
		{Web{}, "::1", "http://localhost:8444"},
		{secure, "127.0.0.1", "https://localhost:8444"},
		{secure, "0.0.0.0", "https://localhost:8444"},
		{secure, "::", "https://localhost:8444"},
		{secure, "192.0.2.1", "https://192.0.2.1:8444"},
		{secure, "2001:db8::1", "https://[2001:db8::1]:8444"},
	} {
		if got := tt.web.origin(&net.TCPAddr{IP: net.ParseIP(tt.addr), Port: 8444}); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.addr, got, tt.want)
		}
	}
}

// TestWebWithoutTLS: pages are not served in the clear to other machines.
func TestWebWithoutTLS(t *testing.T) {
	_, err := Web{Addr: "0.0.0.0:0"}.listen()
	if err == nil || !strings.Contains(err.Error(), "without TLS") {
		t.Errorf("got %v", err)
	}
}

func TestReachable(t *testing.T) {
	for addr, want := range map[string]string{
		"127.0.0.1": "127.0.0.1:1", "0.0.0.0": "127.0.0.1:1", "::": "127.0.0.1:1", "::1": "[::1]:1", "192.0.2.1": "192.0.2.1:1",
	} {
		if got := reachable(&net.TCPAddr{IP: net.ParseIP(addr), Port: 1}); got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
}
