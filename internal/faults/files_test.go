//go:build linux

package faults

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/config"
)

const (
	// childEnv is set in the process that has few file descriptors: the test runs itself.
	childEnv = "SIGNUM_FAULTS_FEW_FILES"
	fewFiles = 150
	// toParent begins the lines of that process for its parent: connect with an address of
	// a listener, and hang up.
	toParent = "PARENT "
)

// TestFewFiles: connections on which nothing is sent use up the file descriptors.
func TestFewFiles(t *testing.T) {
	if os.Getenv(childEnv) != "" {
		fewFilesChild(t)
		return
	}
	t.Parallel()
	child := exec.Command(os.Args[0], "-test.run=^TestFewFiles$", "-test.v", "-longer", longer.String())
	child.Env = append(os.Environ(), childEnv+"=1")
	child.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := child.StdoutPipe()
	if err == nil {
		child.Stderr = t.Output()
		err = child.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	silent := &crowd{}
	defer silent.hangUp()
	for in := bufio.NewScanner(out); in.Scan(); {
		switch order, found := strings.CutPrefix(in.Text(), toParent); {
		case !found:
			fmt.Fprintln(t.Output(), in.Text())
		case order == "hang up":
			silent.hangUp()
		default:
			silent.connect(t, strings.TrimPrefix(order, "connect "))
		}
	}
	if err := child.Wait(); err != nil {
		t.Error("the process with few files:", err)
	}
}

// crowd is connections on which nothing is sent.
type crowd struct{ conns []net.Conn }

func (c *crowd) connect(t *testing.T, addr string) {
	for range 2 * fewFiles { // the system takes those that the process does not
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Error(err)
			return
		}
		c.conns = append(c.conns, conn)
	}
}

func (c *crowd) hangUp() {
	for _, conn := range c.conns {
		conn.Close()
	}
	c.conns = nil
}

func fewFilesChild(t *testing.T) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	// The limits that keep descriptors free are those of a node that thinks it has more.
	w := newWorld(t, "sqlite:"+filepath.Join(dir, "signum.db"), 2, func(c *config.Config) {
		c.Listen.MSS.Connections = config.Connections{Max: 4 * fewFiles, PerAddress: 4 * fewFiles}
	})
	limit.Cur = fewFiles
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	asked := w.asked(number(0), long)
	fmt.Println(toParent + "connect " + w.node.MSSAddr())
	w.eventually("the log", func() bool {
		return strings.Contains(w.log.String(), `level=ERROR msg="a connection could not be accepted" listener=mss`)
	})
	w.release(number(0))
	w.wants("who was asked", (<-asked.answer).err, signum.SignatureMade, "")
	// A connection that exists goes on: the client has one over HTTP/2.
	w.wants("who asks meanwhile", w.sign(number(1), long), signum.SignatureMade, "")
	if *longer > 0 {
		<-time.After(*longer)
	}
	fmt.Println(toParent + "hang up")
	w.eventually("the metric", func() bool {
		_, body := w.get("/metrics")
		return strings.Contains(body, `signum_accept_errors_total{listener="mss"} `) && !strings.Contains(body, `signum_accept_errors_total{listener="mss"} 0`)
	})
	w.client.Close() // so that the next call makes a connection
	w.eventually("a new connection", func() bool { return w.sign(number(1), long) == nil })
	if text := w.ready(); text != "" {
		t.Error(text)
	}
}
