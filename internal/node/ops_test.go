package node

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/signum-mssp/signum/internal/config"
	"github.com/signum-mssp/signum/internal/testkit"
)

// get asks the ops listener.
func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	h := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := h.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func opsConfig(t *testing.T) config.Config {
	c := testConfig(t)
	c.Listen.Ops.Address = "127.0.0.1:0"
	return c
}

// TestReady: a node is ready while it runs and everything that it needs answers.
func TestReady(t *testing.T) {
	n, err := New(t.Context(), opsConfig(t), Deps{})
	if err != nil {
		t.Fatal(err)
	}
	var down atomic.Bool // of the store; the engine, which needs it too, would end the node
	ping := n.health.ping
	n.health.ping = func(ctx context.Context) error {
		if down.Load() {
			return errors.New("connection refused")
		}
		return ping(ctx)
	}
	run(t, n)
	type answer struct {
		status int
		body   string
	}
	ask := func(path string) answer {
		status, body := get(t, n.OpsURL()+path)
		return answer{status, body}
	}
	if got, want := ask("/livez"), (answer{200, "ok\n"}); got != want {
		t.Errorf("livez: %v", got)
	}
	if got, want := ask("/readyz"), (answer{200, "ready\n"}); got != want {
		t.Errorf("readyz: %v", got)
	}
	if got, want := ask("/readyz?verbose"), (answer{200, "[+] listeners: ok\n[+] store: ok\nready\n"}); got != want {
		t.Errorf("readyz?verbose: %v", got)
	}
	n.health.set(stopping)
	if got, want := ask("/readyz?verbose"), (answer{503, "[-] listeners: the node is stopping\n[+] store: ok\nnot ready: listeners\n"}); got != want {
		t.Errorf("while stopping: %v", got)
	}
	n.health.set(running)
	down.Store(true)
	if got, want := ask("/readyz"), (answer{503, "not ready: store\n"}); got != want {
		t.Errorf("without a store: %v", got)
	}
	if got := ask("/livez"); got.status != 200 {
		t.Errorf("livez without a store: %v", got)
	}
	w := httptest.NewRecorder()
	if n.doors.ops.Handler.ServeHTTP(w, httptest.NewRequest("POST", "/readyz", nil)); w.Code != 405 {
		t.Errorf("POST: %d", w.Code)
	}
}

// TestStopping: while a request drains, the node says that it is not ready, and
// lives.
func TestStopping(t *testing.T) {
	n, err := New(t.Context(), opsConfig(t), Deps{})
	if err != nil {
		t.Fatal(err)
	}
	begun, release := make(chan struct{}), make(chan struct{})
	n.HandleWeb("/slow", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(begun)
		<-release
	}))
	ctx, stop := context.WithCancel(t.Context())
	ended, answered := make(chan error, 1), make(chan struct{})
	go func() { ended <- n.Run(ctx) }()
	go func() {
		defer close(answered)
		if status, _ := get(t, n.WebListenerURL()+"/slow"); status != 200 {
			t.Errorf("the request that drained got %d", status)
		}
	}()
	<-begun
	stop()
	for {
		status, body := get(t, n.OpsURL()+"/readyz?verbose")
		if status == 503 && strings.Contains(body, "the node is stopping") {
			break
		}
	}
	if status, _ := get(t, n.OpsURL()+"/livez"); status != 200 {
		t.Errorf("livez: %d", status)
	}
	close(release)
	<-answered
	if err := errors.Join(<-ended, n.Close()); err != nil {
		t.Error(err)
	}
}

// TestReadySMSC: with an SMSC that does not answer a node is not ready.
func TestReadySMSC(t *testing.T) {
	c := withSMSCs(opsConfig(t), testSMSC("north", "127.0.0.1:1"), testSMSC("south", "127.0.0.1:1"))
	c.SIM.SMSCs[1].Transceivers = 2
	n := serve(t, c, Deps{})
	status, body := get(t, n.OpsURL()+"/readyz?verbose")
	if status != 503 || !strings.Contains(body, "[-] smsc: no SMSC is bound for both directions\n    [-] north: 0 of 1 sessions bound\n    [-] south: 0 of 2 sessions bound\n") {
		t.Errorf("%d %s", status, body)
	}
	if status, body := get(t, n.OpsURL()+"/readyz?exclude=smsc"); status != 200 || body != "ready\n" {
		t.Errorf("without the SMSC: %d %s", status, body)
	}
}

// TestNotReadyYet: before Run the listeners are bound and not served.
func TestNotReadyYet(t *testing.T) {
	n, err := New(t.Context(), testConfig(t), Deps{})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if n.OpsURL() != "" {
		t.Errorf("served at %s without an address", n.OpsURL())
	}
	w := httptest.NewRecorder()
	n.ready(w, httptest.NewRequest("GET", "/readyz?verbose", nil))
	if w.Code != 503 || !strings.Contains(w.Body.String(), "the node is starting") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestPingHangs: a store that hangs makes the node not ready, and holds one query
// only, whose answer all get who ask meanwhile.
func TestPingHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, release := 0, make(chan struct{})
		n := &Node{deps: Deps{}.withDefaults()}
		n.health.ping = func(context.Context) error {
			asked++
			<-release
			return nil
		}
		for range 2 {
			if err := n.pingStore(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("hanging: %v", err)
			}
		}
		shared := make(chan error, 1)
		go func() { shared <- n.pingStore(t.Context()) }()
		synctest.Wait()
		close(release)
		if err := <-shared; err != nil || asked != 1 {
			t.Errorf("shared: %v, asked %d times", err, asked)
		}
		if err := n.pingStore(t.Context()); err != nil || asked != 2 {
			t.Errorf("afterwards: %v, asked %d times", err, asked)
		}
		n.health.ping = func(context.Context) error { panic("boom") }
		for range 2 {
			if err := n.pingStore(t.Context()); err == nil {
				t.Error("a panic is no error")
			}
		}
	})
}

// full is a listener of a process that has run out of file descriptors, some times
// over.
type full struct {
	net.Listener
	times int
}

func (f *full) Accept() (net.Conn, error) {
	if f.times > 0 {
		f.times--
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: syscall.EMFILE}
	}
	return f.Listener.Accept()
}

// TestAcceptErrors: connections that cannot be accepted are counted and are
// errors in the log; the listener goes on.
func TestAcceptErrors(t *testing.T) {
	var log testkit.Buffer
	c := opsConfig(t)
	n, err := New(t.Context(), c, Deps{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	n.doors.web.Listener = &full{n.listeners.web, 3}
	run(t, n)
	if status, body := get(t, n.WebListenerURL()+"/phone"); status != 200 {
		t.Errorf("%d %s", status, body)
	}
	if _, body := get(t, n.OpsURL()+"/metrics"); !strings.Contains(body, `signum_accept_errors_total{listener="web"} 3`) {
		t.Errorf("not counted:\n%s", body)
	}
	if got := strings.Count(log.String(), `level=ERROR msg="a connection could not be accepted" listener=web err="accept tcp: too many open files"`); got != 3 {
		t.Errorf("%d lines, want 3:\n%s", got, log.String())
	}
}

// TestHandshakes: clients that break TLS handshakes get one line together.
func TestHandshakes(t *testing.T) {
	var log testkit.Buffer
	c := opsConfig(t)
	n := serve(t, c, Deps{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	for range 5 {
		conn, err := net.Dial("tcp", n.MSSAddr())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, "this is no client hello\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, conn) // until the server has given up
		conn.Close()
	}
	const want = `signum_log_suppressed_total{kind="http"} 4`
	if _, body := get(t, n.OpsURL()+"/metrics"); !strings.Contains(body, want) {
		t.Errorf("no %s", want)
	}
	if got := strings.Count(log.String(), "TLS handshake error"); got != 1 {
		t.Errorf("%d lines:\n%s", got, log.String())
	}
}

// TestMetricsRegistry: a registry has the metrics of one node, as long as it
// lives.
func TestMetricsRegistry(t *testing.T) {
	registry := prometheus.NewRegistry()
	for range 2 {
		n, err := New(t.Context(), testConfig(t), Deps{Metrics: registry})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := New(t.Context(), testConfig(t), Deps{Metrics: registry}); err == nil {
			t.Error("two nodes have the same metrics")
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}
}
