package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A second signal ends a node at once that waits for a load balancer to notice.
func TestSecondSignal(t *testing.T) {
	dir := t.TempDir()
	if _, err := newCertificate(filepath.Join(dir, "mss.pem"), "mss"); err != nil {
		t.Fatal(err)
	}
	config := `service: {mssp_uri: "http://mss.example.com/"}
listen:
  mss: {address: "127.0.0.1:0", tls: {certificate_file: mss.pem, key_file: mss.pem}}
  web: {address: "127.0.0.1:0"}
  pki: {address: "127.0.0.1:0"}
  ops: {address: ""}
store: {url: "sqlite:signum.db"}
ca: {directory: ca, create: true}
drain: {announce: 1h}
`
	if err := os.WriteFile(filepath.Join(dir, "signum.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	node := exec.Command(os.Args[0], "serve", "--config", "signum.yaml")
	node.Args[0], node.Dir = "signum", dir
	stderr, err := node.StderrPipe()
	if err == nil {
		err = node.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer node.Process.Kill()
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		switch text := lines.Text(); {
		case strings.Contains(text, "msg=ready"), strings.Contains(text, `msg="drain begins"`):
			if err := node.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = node.Wait()
	if status, ok := node.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGTERM {
		t.Errorf("the node ended with %s", node.ProcessState)
	}
}
