package main

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/signum-mssp/signum/client"
)

// clearEnvironment forgets the variables that name a sandbox.
func clearEnvironment(t *testing.T) {
	t.Helper()
	for _, name := range []string{envSandbox, envConfig, "SIGNUM_DIR", "SIGNUM_URL", "SIGNUM_ADDR", "SIGNUM_SERVER_CA"} {
		t.Setenv(name, "")
	}
}

// boxOf makes the directory of a sandbox that is at an address.
func boxOf(t *testing.T, address string, ca []byte) string {
	t.Helper()
	dir, party := t.TempDir(), newFakeService(t).dir
	for _, name := range []string{client.SandboxCert, client.SandboxKey} {
		if err := os.Link(filepath.Join(party, name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	info, err := json.Marshal(client.Sandbox{BaseURL: address})
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, client.SandboxFile), info, 0o600)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, client.SandboxServerCA), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca}), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestHealth: one line says whether a sandbox or a node is ready, and otherwise what is wrong.
func TestHealth(t *testing.T) {
	clearEnvironment(t)
	status, body := http.StatusOK, ""
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if want := map[bool]string{true: "/sandbox/health", false: "/readyz?verbose"}[r.TLS != nil]; r.URL.RequestURI() != want && r.URL.Path != "/own" {
			t.Errorf("asked for %s", r.URL)
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	})
	secure, plain := httptest.NewUnstartedServer(answer), httptest.NewServer(answer)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	defer plain.Close()
	ca := secure.Certificate().Raw
	dir := boxOf(t, secure.URL, ca)
	_, port, _ := net.SplitHostPort(secure.Listener.Addr().String())
	known, unknown := "https://example.com:"+port, "https://signum.invalid:"+port // httptest's certificate is for example.com
	closed := httptest.NewServer(nil)
	closed.Close()
	serverCA := "--server-ca=" + dir + "/" + client.SandboxServerCA
	ready := `{"status":"ready"}`
	for _, tt := range []struct {
		args   []string
		status int
		body   string
		want   string // of standard output, or of the error
		ok     bool
	}{
		{[]string{"--sandbox", dir}, 200, ready, "ready " + secure.URL + "\n", true},
		{[]string{"--url", secure.URL, serverCA}, 200, ready, "ready " + secure.URL, true},
		{[]string{"--url", secure.URL + "/", serverCA}, 200, ready, "ready ", true},
		{[]string{"--url", secure.URL + "/own", serverCA}, 200, "", "ready ", true},
		{[]string{"--url", plain.URL}, 200, "ready\n", "ready " + plain.URL, true},
		{[]string{"--sandbox", dir}, 503, `{"status":"starting","reason":"the users get their Apps"}`, "not ready: starting: the users get their Apps", false},
		{[]string{"--sandbox", dir}, 503, `{"status":"stopping"}`, "not ready: stopping", false},
		{[]string{"--url", plain.URL}, 503, "[+] listeners: ok\n[-] store: no answer\n[-] smsc: none\x1b[2J\nnot ready: store, smsc\n", `not ready: store: no answer; smsc: none\x1b[2J`, false},
		{[]string{"--url", plain.URL}, 503, "not ready: store\n", "not ready: not ready: store", false},
		{[]string{"--sandbox", dir}, 404, "", "not the address of a sandbox or node of this version: HTTP 404", false},
		{[]string{"--url", secure.URL}, 200, ready, "its certificate is not trusted: give the CA of the sandbox with --server-ca FILE", false},
		{[]string{"--sandbox", boxOf(t, unknown, ca)}, 200, ready, "its certificate is for other names (example.com, *.example.com): start the sandbox with --host signum.invalid", false},
		{[]string{"--url", unknown, serverCA}, 200, ready, "this machine finds no address of the name signum.invalid", false},
		{[]string{"--sandbox", boxOf(t, strings.Replace(closed.URL, "http:", "https:", 1), ca)}, 200, ready, "nothing listens there; start it with: signum sandbox --dir ", false},
		{[]string{"--sandbox", boxOf(t, "https://signum.invalid:1", ca)}, 200, ready, "nothing listens on this port here, and this machine finds no address of the name signum.invalid; start it", false},
		{[]string{"--sandbox", dir + "/nothing"}, 200, ready, "has no sandbox.json: the sandbox has not been ready yet", false},
		{[]string{"--url", strings.Replace(plain.URL, "http:", "https:", 1)}, 200, ready, "does not speak https", false},
		{[]string{"--url", strings.Replace(secure.URL, "https:", "http:", 1)}, 200, ready, "speaks https", false},
		{[]string{"--url", "signum:8443"}, 200, ready, "must be an address such as https://signum:8443", false},
		{[]string{"--url", secure.URL, "--server-ca", dir + "/nothing"}, 200, ready, "--server-ca: ", false},
		{[]string{"--url", known, "--sandbox", dir}, 200, ready, "sandbox url", false},
		{[]string{"--wait", "-1s", "--sandbox", dir}, 200, ready, "--wait must not be negative", false},
	} {
		status, body = tt.status, tt.body
		stdout, stderr, code := execute(t.Context(), newRootCmd(), "", append([]string{"health"}, tt.args...)...)
		said := map[bool]string{true: stdout, false: stderr}[tt.ok]
		if (code == 0) != tt.ok || code > 1 || !strings.Contains(said, tt.want) || strings.Count(stdout+stderr, "\n") != 1 {
			t.Errorf("health %v, HTTP %d: exit %d, %s%s", tt.args, tt.status, code, stdout, stderr)
		}
	}
}

// TestHealthEnvironment: a health check of a container has no arguments.
func TestHealthEnvironment(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer s.Close()
	dir := boxOf(t, s.URL, s.Certificate().Raw)
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	ops := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer ops.Close()
	node := filepath.Join(t.TempDir(), "signum.yaml")
	if err := os.WriteFile(node, []byte("listen: {ops: {address: '"+strings.Replace(ops.Listener.Addr().String(), "127.0.0.1", "0.0.0.0", 1)+"'}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		set  []string
		want string
		ok   bool
	}{
		{[]string{"SIGNUM_ADDR=0.0.0.0:" + port}, "ready https://127.0.0.1:" + port, true},
		{[]string{"SIGNUM_DIR=" + dir, "SIGNUM_ADDR=0.0.0.0:1"}, "ready " + s.URL, true},
		{[]string{"SIGNUM_SANDBOX=" + dir, "SIGNUM_DIR=/nothing"}, "ready " + s.URL, true},
		{[]string{"SIGNUM_URL=" + s.URL, "SIGNUM_SERVER_CA=" + dir + "/server-ca.pem", "SIGNUM_DIR=/nothing"}, "ready " + s.URL, true},
		{[]string{"SIGNUM_CONFIG=" + node}, "ready " + ops.URL, true},
		{[]string{"SIGNUM_CONFIG=" + node, "SIGNUM_LISTEN_OPS_ADDRESS=127.0.0.1:1"}, "http://127.0.0.1:1: nothing listens there; start the node with: signum serve --config ", false},
		{[]string{"SIGNUM_CONFIG=" + node, "SIGNUM_LISTEN_OPS_ADDRESS="}, "listen.ops.address is empty, so the node does not tell its health", false},
		{[]string{"SIGNUM_CONFIG=" + node, "SIGNUM_LISTEN_OPS_ADDRESS=127.0.0.1:0"}, "names no port; give the address with --url", false},
		{[]string{"SIGNUM_CONFIG=/nothing"}, "configuration: open /nothing: ", false},
		{[]string{"SIGNUM_ADDR=0.0.0.0:1"}, "https://127.0.0.1:1: nothing listens there; start it with: signum sandbox; another one has --sandbox DIR or --url URL", false},
	} {
		clearEnvironment(t)
		for _, v := range tt.set {
			name, value, _ := strings.Cut(v, "=")
			t.Setenv(name, value)
		}
		stdout, stderr, code := execute(t.Context(), newRootCmd(), "", "health")
		if (code == 0) != tt.ok || !strings.Contains(stdout+stderr, tt.want) {
			t.Errorf("%v: exit %d, %s%s", tt.set, code, stdout, stderr)
		}
	}
}

// TestHealthWaits: it says once what it waits for, ends when it is ready, when the time is over, or when
// waiting does not help.
func TestHealthWaits(t *testing.T) {
	clearEnvironment(t)
	var asked atomic.Int32
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	least := int32(3)
	var each func()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if each != nil {
			each()
		}
		if asked.Add(1) < least {
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprint(w, `{"status":"starting","reason":"soon"}`)
		}
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	dir := boxOf(t, s.URL, s.Certificate().Raw)
	stdout, stderr, code := execute(ctx, newRootCmd(), "", "health", "--wait", "1m", "--sandbox", dir)
	if code != 0 || stdout != "ready "+s.URL+"\n" || stderr != "waiting up to 1m0s: "+s.URL+": not ready: starting: soon\n" || asked.Load() != 3 {
		t.Errorf("exit %d after %d: %s%s", code, asked.Load(), stdout, stderr)
	}
	least = 1 << 30
	_, stderr, code = execute(ctx, newRootCmd(), "", "health", "--wait", "300ms", "--sandbox", dir)
	if code != exitLocal || !strings.Contains(stderr, "not ready after 300ms: "+s.URL) {
		t.Errorf("exit %d: %s", code, stderr)
	}
	_, stderr, code = execute(ctx, newRootCmd(), "", "health", "--wait", "1h", "--url", s.URL)
	if code != exitLocal || !strings.Contains(stderr, "not trusted") || strings.Contains(stderr, "waiting") {
		t.Errorf("waits for trust: exit %d: %s", code, stderr)
	}
	each = cancel
	_, stderr, code = execute(ctx, newRootCmd(), "", "health", "--wait", "1h", "--sandbox", dir)
	if code != exitLocal || !strings.HasSuffix(stderr, "signum: interrupted\n") {
		t.Errorf("interrupted: exit %d: %s", code, stderr)
	}
}
