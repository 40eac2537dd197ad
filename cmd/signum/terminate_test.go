//go:build !nolab

package main

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/signum-mssp/signum/client"
)

// TestTerminated: a container ends with SIGTERM. Neither clients that are connected and say nothing, nor
// requests that wait for a user, nor a page that does not answer keep the sandbox from its end. A
// service manager hears when it is ready and when it stops.
func TestTerminated(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "box")
	manager, err := net.ListenPacket("unixgram", filepath.Join(t.TempDir(), "n"))
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	p := startProcessIn(t, []string{"NOTIFY_SOCKET=" + manager.LocalAddr().String()}, "sandbox", "--dir", dir, "--addr", "127.0.0.1:0", "--phone", "+41791000001=silent", "--log", "info")
	p.said(t, "ready ")
	box, err := client.LoadSandbox(dir)
	if err != nil {
		t.Fatal(err)
	}
	service := strings.TrimPrefix(box.BaseURL, "https://")
	pages := "127.0.0.1" + box.WebURL[strings.LastIndex(box.WebURL, ":"):]
	const upgrade = "GET /app/v2/inbox HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
	for _, c := range []struct {
		address string
		secure  bool
		sent    string
		answers string
	}{
		{service, false, "", ""}, // no handshake
		{service, true, "", ""},
		{service, true, "GET /sandbox/health HTTP/1.1\r\nHo", ""},
		{service, true, "GET /sandbox/health HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200"},                                                   // kept alive
		{service, true, "POST /rest/service/sign HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{", ""}, // half a body
		{pages, false, "", ""},
		{pages, false, "GET /phone HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 200"},
		{pages, false, upgrade, "HTTP/1.1 101"},
	} {
		conn, err := net.Dial("tcp", c.address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if c.secure {
			conf := box.Config.TLS.Clone()
			conf.ServerName = "127.0.0.1"
			conn = tls.Client(conn, conf)
			if err := conn.(*tls.Conn).Handshake(); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := io.WriteString(conn, c.sent); err != nil {
			t.Fatal(err)
		}
		start := make([]byte, len(c.answers))
		if _, err := io.ReadFull(conn, start); err != nil || string(start) != c.answers {
			t.Fatalf("%q to %s: %q, %v", c.sent, c.address, start, err)
		}
	}
	c, err := client.New(box.Config)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	told := make(chan error, 1)
	go func() {
		_, err := c.Sign(context.Background(), client.SignRequest{MSISDN: "+41791000001", Text: "Sandbox: Hello", Lang: "en"})
		told <- err
	}()
	onPhone := regexp.MustCompile(`op=proof .*msisdn=\+41\*{4}01`)
	for !onPhone.MatchString(p.stderr.String()) {
		time.Sleep(time.Millisecond)
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := p.code(); code != 0 {
		t.Errorf("exit %d\n%s%s", code, &p.stdout, p.stderr)
	}
	if err := <-told; err == nil || !strings.Contains(err.Error(), "The service is stopping") {
		t.Errorf("the waiting client was told %v", err)
	}
	if err := manager.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"READY=1\nSTATUS=Serving at https://", "STOPPING=1\n"} {
		state := make([]byte, 1000)
		n, _, err := manager.ReadFrom(state)
		if err != nil || !strings.HasPrefix(string(state[:n]), want) {
			t.Errorf("the service manager was told %q, not %s: %v", state[:n], want, err)
		}
	}
}
