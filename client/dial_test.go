package client

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
)

// TestDialSandbox: the name of a sandbox need not be known on its own machine. Any other address is what it is.
func TestDialSandbox(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	for _, host := range []string{"127.0.0.1", "signum.invalid"} {
		conn, err := dialSandbox(t.Context(), "tcp", net.JoinHostPort(host, port))
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
	}
	l.Close()
	for host, want := range map[string]string{"127.0.0.1": "connection refused", "signum.invalid": "and nothing listens on port " + port + " here"} {
		if _, err := dialSandbox(t.Context(), "tcp", net.JoinHostPort(host, port)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", host, err, want)
		}
	}
}

func TestDialContext(t *testing.T) {
	asked := ""
	cfg := Config{BaseURL: "https://signum.invalid", APID: "mid://test", DialContext: func(_ context.Context, _, address string) (net.Conn, error) {
		asked = address
		return nil, net.ErrClosed
	}}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Sign(t.Context(), SignRequest{MSISDN: "+41791000001", Text: "Hello"}); err == nil || asked != "signum.invalid:443" {
		t.Errorf("dialled %q, %v", asked, err)
	}
	cfg.HTTPClient = new(http.Client)
	if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), "exclude each other") {
		t.Error(err)
	}
}
