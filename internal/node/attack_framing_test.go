package node

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// TestAttackSmuggling: a request with both Content-Length and Transfer-Encoding is
// answered with 400 on every listener, wherever it stands on the connection, and what
// follows it is not looked at.
func TestAttackSmuggling(t *testing.T) {
	c := opsConfig(t)
	c.Listen.Web.TLS = c.Listen.MSS.TLS
	n := serve(t, c, Deps{})
	const (
		chunked  = "POST /nowhere HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"
		sized    = "POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nab"
		smuggled = "\r\n\r\n0\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n"
		both     = "POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked" + smuggled
	)
	for name, tt := range map[string]struct {
		good []string // answered first
		bad  string
	}{
		"first":            {nil, both},
		"other order":      {nil, "POST /nowhere HTTP/1.1\r\nHost: localhost\r\ntransfer-encoding:chunked\r\ncontent-length:5" + smuggled},
		"after a good one": {[]string{chunked, sized, chunked}, both},
		"in one piece":     {nil, chunked + both},
		"on two lines":     {nil, "POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length:\r\n 5\r\nTransfer-Encoding: chunked" + smuggled},
		"HTTP/1.0":         {nil, "POST /nowhere HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\nContent-Length: 5\r\nTransfer-Encoding: chunked" + smuggled},
	} {
		for listener, addr := range n.addresses() {
			c := dialFrom(t, 1, addr)
			if listener == "mss" || listener == "web" {
				c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
			}
			if err := smuggle(c, tt.good, tt.bad); err != nil {
				t.Errorf("%s: %s: %v", listener, name, err)
			}
		}
	}
	_, text := get(t, n.OpsURL()+"/metrics")
	if !strings.Contains(text, `signum_connections_refused_total{listener="mss",reason="framing"}`) {
		t.Error("nothing is counted")
	}
}

func smuggle(c net.Conn, good []string, bad string) error {
	in := bufio.NewReader(c)
	answer := func() (int, error) {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			return 0, err
		}
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode, err
	}
	for i, request := range good {
		if _, err := io.WriteString(c, request); err != nil {
			return err
		}
		if status, err := answer(); status == 0 || status == http.StatusBadRequest || err != nil {
			return fmt.Errorf("good request %d: %d, %w", i, status, err)
		}
	}
	if _, err := io.WriteString(c, bad); err != nil {
		return err
	}
	status, err := answer()
	if status != http.StatusBadRequest || err != nil {
		return fmt.Errorf("%d, %w", status, err)
	}
	if rest, err := io.ReadAll(in); len(rest) > 0 || err != nil {
		return fmt.Errorf("the connection goes on: %q, %w", rest, err)
	}
	return nil
}
