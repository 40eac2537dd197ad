package daemon

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// socket is a socket that listens, and its file for a child.
func socket(t *testing.T) (address string, f *os.File) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if f, err = l.(*net.TCPListener).File(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return l.Addr().String(), f
}

// TestInherit: sockets are for the listener that names them, or that is configured with their
// address. One that nobody would serve is refused.
func TestInherit(t *testing.T) {
	t.Parallel()
	mss, mssFile := socket(t)
	pki, pkiFile := socket(t)
	for _, tt := range []struct {
		name, names, more string
		files             []*os.File
		says              string // empty: it serves
	}{
		{name: "names", names: "mss:pki", files: []*os.File{mssFile, pkiFile}},
		{name: "addresses", names: "signum.socket:signum.socket", files: []*os.File{mssFile, pkiFile}, more: "addresses"},
		{name: "no names", files: []*os.File{pkiFile, mssFile}, more: "addresses"},
		{name: "unknown name", names: "mss:admin", files: []*os.File{mssFile, pkiFile}, says: `the inherited socket "admin" (` + pki + ") is for no listener; its name (FileDescriptorName=) must be one of mss, web, pki, ops"},
		{name: "unknown address", names: "mss:unknown", files: []*os.File{mssFile, pkiFile}, says: `the inherited socket "unknown" (` + pki + ") has the address of no listener"},
		{name: "twice", names: "mss:mss", files: []*os.File{mssFile, pkiFile}, says: "is the second one for the listener mss, after " + mss},
		{name: "not served", names: "ops", files: []*os.File{mssFile}, more: "no ops", says: "the inherited socket ops (" + mss + ") would not be served, because the address is empty"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := writeConfig(t, "")
			switch tt.more {
			case "addresses":
				edit(t, file, `mss: {address: "127.0.0.1:0"`, `mss: {address: "`+mss+`"`)
				edit(t, file, `pki: {address: "127.0.0.1:0"`, `pki: {address: "`+pki+`"`)
			case "no ops":
				edit(t, file, `ops: {address: "127.0.0.1:0"`, `ops: {address: ""`)
			}
			p := start(t, file, "", []string{"LISTEN_FDNAMES=" + tt.names}, tt.files...)
			if tt.says != "" {
				if code := p.code(); code != ExitConfiguration || !strings.Contains(p.stderr.String(), tt.says) {
					t.Errorf("exit %d, want %s\n%s", code, tt.says, p.stderr)
				}
				return
			}
			p.hear(t, "READY=1")
			p.signal(t, syscall.SIGTERM)
			if code := p.code(); code != ExitStopped {
				t.Errorf("exit %d\n%s", code, p.stderr)
			}
			for _, l := range []string{"listener=mss address=" + mss + " inherited=true", "listener=pki address=" + pki + " inherited=true"} {
				if !strings.Contains(p.stderr.String(), l) {
					t.Errorf("not %s:\n%s", l, p.stderr)
				}
			}
		})
	}
}

func edit(t *testing.T, file, from, to string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(data, []byte(from)) {
		t.Fatalf("no %q in\n%s", from, data)
	}
	if err := os.WriteFile(file, bytes.Replace(data, []byte(from), []byte(to), 1), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestUpgrade: a second server takes over the sockets of the first, which then stops. A client that
// connects all the time is never refused, and each of its requests is answered.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	address, f := socket(t)
	file := writeConfig(t, "")
	first := start(t, file, "", []string{"LISTEN_FDNAMES=mss"}, f)
	first.hear(t, "READY=1")
	var asked atomic.Int64
	stop, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- askUntil(stop, "https://"+address+"/rest/openapi.yaml", &asked) }()
	answered(t, &asked, ended)
	second := start(t, file, "", []string{"LISTEN_FDNAMES=mss"}, f)
	second.hear(t, "READY=1")
	answered(t, &asked, ended)
	first.signal(t, syscall.SIGTERM)
	if code := first.code(); code != ExitStopped {
		t.Errorf("exit %d\n%s", code, first.stderr)
	}
	answered(t, &asked, ended)
	close(stop)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	second.signal(t, syscall.SIGTERM)
	if code := second.code(); code != ExitStopped {
		t.Errorf("exit %d\n%s", code, second.stderr)
	}
}

// askUntil asks over a new connection each time, until stop is closed or an answer is missing.
func askUntil(stop <-chan struct{}, url string, asked *atomic.Int64) error {
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	for {
		select {
		case <-stop:
			return nil
		default:
		}
		resp, err := c.Get(url)
		if err != nil {
			return err
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("answer %s after %d requests", resp.Status, asked.Load())
		}
		asked.Add(1)
	}
}

// answered waits for some more answers.
func answered(t *testing.T, asked *atomic.Int64, ended <-chan error) {
	t.Helper()
	most := asked.Load() + 20
	for end := time.Now().Add(time.Minute); asked.Load() < most; time.Sleep(time.Millisecond) {
		select {
		case err := <-ended:
			t.Fatalf("after %d answers: %v", asked.Load(), err)
		default:
		}
		if time.Now().After(end) {
			t.Fatal("no more answers")
		}
	}
}
