//go:build !nolab

package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/signum-mssp/signum/internal/testkit"
)

// keepAlive asks over one connection for as long as the server leaves it open, and prints the same
// lines as curl: the version of HTTP, the status, 7 if the connection was refused, and how many
// connections the request needed.
const keepAlive = `
import http.client, ssl, sys, time
c = http.client.HTTPSConnection(sys.argv[1], context=ssl._create_unverified_context(), timeout=60)
while True:
    opened = 0
    if c.sock is None:
        opened = 1
        try:
            c.connect()
        except ConnectionRefusedError:
            print("0 000 7 0", flush=True)
            break
    c.request("GET", "/rest/openapi.yaml")
    r = c.getresponse()
    r.read()
    print("1.1", r.status, 0, opened, flush=True)
    time.sleep(0.05)
`

// TestDrainClients stops a node while clients of others ask it over connections that they keep.
// Those that obey the end of a connection lose no request: each is answered, until one
// is refused before it was sent.
func TestDrainClients(t *testing.T) {
	t.Parallel()
	file := operatorFiles(t, "")
	node := exec.Command(os.Args[0], "serve", "--config", file)
	node.Args[0] = "signum"
	node.Env = append(os.Environ(), "SIGNUM_DRAIN_ANNOUNCE=3s")
	stderr, err := node.StderrPipe()
	if err == nil {
		err = node.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = node.Process.Kill() })
	mss, lines := "", bufio.NewScanner(stderr)
	for lines.Scan() && !strings.Contains(lines.Text(), "msg=ready") {
		if m := regexp.MustCompile(`listener=mss address=(\S+)`).FindStringSubmatch(lines.Text()); m != nil {
			mss = m[1]
		}
	}
	rest := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, stderr)
		rest <- err
	}()

	curl := []string{
		testkit.Program(t, "curl"), "-ksS", "--rate", "20/s", "--fail-early", "-o", os.DevNull, "-w", `%{http_version} %{http_code} %{exitcode} %{num_connects}\n`,
		"https://" + mss + "/rest/openapi.yaml?[1-100000]",
	}
	clients := map[string]*bufio.Scanner{
		"curl, HTTP/1.1": asks(t, append(curl, "--http1.1")...),
		"curl, HTTP/2":   asks(t, append(curl, "--http2")...),
		"Python":         asks(t, testkit.Program(t, "python3"), "-c", keepAlive, mss),
	}
	for name, c := range clients {
		if !c.Scan() || !strings.HasSuffix(c.Text(), " 200 0 1") {
			t.Fatalf("%s: %s", name, c.Text())
		}
	}
	if err := node.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for name, c := range clients {
		answered, connected, last := 1, 1, ""
		for c.Scan() {
			last = c.Text()
			var version, status string
			var code, opened int
			if _, err := fmt.Sscan(last, &version, &status, &code, &opened); err != nil {
				t.Fatalf("%s: %q: %v", name, last, err)
			}
			if code != 0 {
				break
			}
			if status != "200" {
				t.Errorf("%s: %s", name, last)
			}
			answered, connected = answered+1, connected+opened
		}
		if last != "0 000 7 0" {
			t.Errorf("%s: after %d answers over %d connections it ends with %q, which is not a refused connection", name, answered, connected, last)
		}
	}
	if err := <-rest; err != nil {
		t.Error(err)
	}
	if err := node.Wait(); err != nil {
		t.Error(err)
	}
}

// asks starts a client, and returns the lines that it prints.
func asks(t *testing.T, args ...string) *bufio.Scanner {
	t.Helper()
	client := exec.CommandContext(t.Context(), args[0], args[1:]...)
	var stderr testkit.Buffer
	client.Stderr = &stderr
	out, err := client.StdoutPipe()
	if err == nil {
		err = client.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // the context of the test has ended
		_ = client.Wait()
		if t.Failed() {
			t.Logf("%q: %s", args[0], stderr.String())
		}
	})
	return bufio.NewScanner(out)
}
