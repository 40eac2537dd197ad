package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/app"
	"github.com/signum-mssp/signum/internal/config"
	"github.com/signum-mssp/signum/internal/door"
	"github.com/signum-mssp/signum/internal/edge"
	"github.com/signum-mssp/signum/internal/rest"
	"github.com/signum-mssp/signum/internal/soap"
)

// held is how long a server may hold what it should have ended. The limits under test
// are far shorter.
const held = time.Minute

// route is a method and a path of a listener.
type route struct{ method, path string }

// routes are those of a listener, from the code that registers them, and one that does
// not exist.
func routes(t *testing.T, listener string) []route {
	t.Helper()
	all := []route{{"POST", "/nowhere"}, {"PUT", "/"}}
	add := func(pattern string) {
		method, path, _ := strings.Cut(pattern, " ")
		all = append(all, route{method, strings.NewReplacer("{$}", "", "{name}", "style.css").Replace(path)})
	}
	fewest := 3
	switch listener {
	case "mss":
		for _, w := range []edge.Wire{rest.Wire{}, soap.Wire{}} {
			for _, e := range w.Endpoints() {
				add("POST " + e.Path)
			}
			for _, d := range w.Documents() {
				add("GET " + d.Path + "?" + d.Query)
			}
		}
		scan(t, "../lab/sandbox", add)
		fewest = 15
	case "web":
		scan(t, "../app", add)
		scan(t, "../web/portal", add)
		scan(t, "../web/phonepage", add)
		scan(t, "../lab/handsetpage", add)
		add("GET /phone")
		fewest = 40
	case "pki":
		for _, p := range []string{"POST /ocsp", "GET /ocsp/AAAA", "GET /crl/issuing.crl", "GET /ca/root.cer"} {
			add(p)
		}
	case "ops":
		scan(t, ".", add)
		fewest = 5
	}
	if len(all) < fewest {
		t.Fatalf("only %d routes of %s were found", len(all), listener)
	}
	return all
}

var (
	pattern    = regexp.MustCompile(`"((?:GET|POST|PUT|DELETE) /[^"]*)"`)
	appPattern = regexp.MustCompile(`"(GET|POST|DELETE) "\+(Base|inboxPath)(?:\+"([^"]*)")?`)
)

// scan finds the patterns of http.ServeMux in the code of a package.
func scan(t *testing.T, dir string, add func(string)) {
	t.Helper()
	files, err := filepath.Glob(dir + "/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		code, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range pattern.FindAllSubmatch(code, -1) {
			add(string(m[1]))
		}
		for _, m := range appPattern.FindAllSubmatch(code, -1) {
			path := app.Base + string(m[3])
			if string(m[2]) == "inboxPath" {
				path = app.Base + "/inbox"
			}
			add(string(m[1]) + " " + path)
		}
	}
}

// narrow accepts connections that can hold few bytes, so that a test need not send
// megabytes to a client that does not read.
type narrow struct{ net.Listener }

func (n narrow) Accept() (net.Conn, error) {
	c, err := n.Listener.Accept()
	if err == nil {
		_ = c.(*net.TCPConn).SetWriteBuffer(4 << 10)
	}
	return c, err
}

// slowNode is a node with TLS on mss and web, and short time limits.
func slowNode(t *testing.T) *Node {
	t.Helper()
	c := opsConfig(t)
	c.Listen.Web.TLS = c.Listen.MSS.TLS
	c.Limits.ReadTimeout, c.Limits.WriteTimeout = 300*time.Millisecond, 300*time.Millisecond
	unlimited := config.Rate{PerMinute: 60_000_000, Burst: 60_000_000}
	c.App.Limits = config.AppLimits{Begin: unlimited, Address: unlimited, Device: unlimited, Subscriber: unlimited}
	n, err := New(t.Context(), c, Deps{})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []*door.Door{n.doors.mss, n.doors.web, n.doors.pki, n.doors.ops} {
		d.Listener = narrow{d.Listener}
	}
	run(t, n)
	return n
}

func (n *Node) addresses() map[string]string {
	return map[string]string{
		"mss": n.MSSAddr(), "web": n.listeners.web.Addr().String(), "pki": n.listeners.pki.Addr().String(), "ops": n.listeners.ops.Addr().String(),
	}
}

func dial(t *testing.T, listener, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.(*net.TCPConn).SetReadBuffer(4 << 10)
	_ = c.SetDeadline(time.Now().Add(held))
	if listener == "mss" || listener == "web" {
		return tls.Client(c, &tls.Config{InsecureSkipVerify: true})
	}
	return c
}

// ends reports what is wrong if a connection was still open when its own deadline
// came.
func ends(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("held for %s", held)
	}
	return nil
}

// attacks are ways to hold a connection. Each returns when the server has ended it.
var attacks = map[string]func(c net.Conn, r route) error{
	"a body that never comes": func(c net.Conn, r route) error {
		fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n", r.method, r.path)
		_, err := io.Copy(io.Discard, c)
		return ends(err)
	},
	"a slow body": func(c net.Conn, r route) error {
		fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n", r.method, r.path)
		ctx, stop := context.WithCancel(context.Background())
		var sender sync.WaitGroup
		sender.Go(func() {
			for tick := time.NewTicker(20 * time.Millisecond); ctx.Err() == nil; <-tick.C {
				if _, err := io.WriteString(c, "1\r\n \r\n"); err != nil {
					return
				}
			}
		})
		_, err := io.Copy(io.Discard, c)
		stop()
		sender.Wait()
		return ends(err)
	},
	"a slow reader": func(c net.Conn, r route) error {
		request := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}", r.method, r.path)
		for {
			if _, err := io.WriteString(c, strings.Repeat(request, 10)); err != nil {
				return ends(err)
			}
		}
	},
}

// TestAttackSlowClients: no route of any listener holds a connection for a client that
// sends slowly or not at all, or does not read.
func TestAttackSlowClients(t *testing.T) {
	n := slowNode(t)
	var all sync.WaitGroup
	defer all.Wait()
	parallel := make(chan bool, 200)
	for listener, addr := range n.addresses() {
		for _, r := range routes(t, listener) {
			for name, attack := range attacks {
				parallel <- true
				c := dial(t, listener, addr)
				all.Go(func() {
					defer func() { <-parallel }()
					if err := attack(c, r); err != nil {
						t.Errorf("%s: %s %s: %s: %v", listener, r.method, r.path, name, err)
					}
					c.Close()
				})
			}
		}
	}
}

// TestAttackSlowStreams is TestAttackSlowClients over HTTP/2, where the connection may
// stay and the request must end.
func TestAttackSlowStreams(t *testing.T) {
	n := slowNode(t)
	var all sync.WaitGroup
	defer all.Wait()
	parallel := make(chan bool, 200)
	for listener, addr := range n.addresses() {
		if listener == "pki" || listener == "ops" {
			continue // HTTP/1.1 only
		}
		for _, r := range routes(t, listener) {
			for name, body := range map[string]bool{"a body that never comes": true, "a slow reader": false} {
				parallel <- true
				h := dialH2(t, addr)
				_ = h.SetDeadline(time.Now().Add(held))
				all.Go(func() {
					defer func() { <-parallel }()
					defer h.Close()
					if err := h.ended(h.request(r.method, r.path, body)); err != nil {
						t.Errorf("%s: %s %s: %s: %v", listener, r.method, r.path, name, err)
					}
				})
			}
		}
	}
}

// TestWaitingHandler: the time limits do not touch a handler that waits for a user once
// it has its request.
func TestWaitingHandler(t *testing.T) {
	c := testConfig(t)
	c.Listen.Web.TLS = c.Listen.MSS.TLS
	c.Limits.ReadTimeout, c.Limits.WriteTimeout = 300*time.Millisecond, 300*time.Millisecond
	n, err := New(t.Context(), c, Deps{})
	if err != nil {
		t.Fatal(err)
	}
	n.HandleWeb("POST /wait", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		select {
		case <-r.Context().Done():
			t.Errorf("%s: the request ended: %v", r.Proto, context.Cause(r.Context()))
		case <-time.After(2 * c.Limits.ReadTimeout): // longer than either limit
		}
		fmt.Fprintf(w, "%s %v", body, err)
	}))
	run(t, n)
	for _, h2 := range []bool{false, true} {
		transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: h2}
		client := &http.Client{Transport: transport}
		for range 2 { // on one connection
			resp, err := client.Post("https://"+n.listeners.web.Addr().String()+"/wait", "text/plain", strings.NewReader("hello"))
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || string(body) != "hello <nil>" || (resp.ProtoMajor == 2) != h2 {
				t.Errorf("%s: %q, %v", resp.Proto, body, err)
			}
		}
		transport.CloseIdleConnections()
	}
}
