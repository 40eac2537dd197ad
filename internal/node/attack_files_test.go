package node

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"testing"
)

// nodeProcess is set in a process of its own that TestNodeProcess serves.
const nodeProcess = "SIGNUM_TEST_NODE_PROCESS"

// TestNodeProcess serves a node until its input ends, for tests that need a process with
// limits of its own. Without such a test it has nothing to do.
func TestNodeProcess(t *testing.T) {
	if os.Getenv(nodeProcess) == "" {
		return
	}
	n := serve(t, testConfig(t), Deps{})
	fmt.Println("addresses", n.listeners.mss.Addr(), n.listeners.pki.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// TestAttackDescriptors: strangers keep open more connections to one listener than the
// process may have files, and a party is still served.
func TestAttackDescriptors(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the test needs ulimit, and many addresses on loopback")
	}
	const files = 400
	child := exec.Command("sh", "-c", fmt.Sprintf(`ulimit -n %d; exec "$0" -test.run='^TestNodeProcess$'`, files), os.Args[0])
	child.Env = append(os.Environ(), nodeProcess+"=1")
	child.Stderr = os.Stderr
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { // the clients hang up after that
		in.Close()
		_, _ = io.Copy(io.Discard, out)
		if err := child.Wait(); err != nil {
			t.Error(err)
		}
	}()
	var mss, pki string
	lines := bufio.NewReader(out)
	if line, err := lines.ReadString('\n'); err != nil {
		t.Fatal(err)
	} else if _, err := fmt.Sscanf(line, "addresses %s %s", &mss, &pki); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	for i := range files + 50 {
		c := dialFrom(t, byte(10+i/20), pki)
		// The connection is kept, or refused. If it is neither, the process has no file
		// left.
		if _, err := ask(c, "GET", "/nowhere", ""); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("connection %d is not accepted", i)
			break
		}
	}
	c := tls.Client(dialFrom(t, 1, mss), &tls.Config{InsecureSkipVerify: true})
	if status, err := ask(c, "POST", "/rest/service/sign", "{}"); status != http.StatusInternalServerError {
		t.Errorf("a party: %d, %v", status, err)
	}
}
