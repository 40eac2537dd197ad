//go:build linux

package container

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/signum-mssp/signum/internal/testkit"
)

// machine stands for a container: it has a host name, a network, processes and a view of
// the file system of its own, by namespaces of Linux. Its first process waits for the end
// of its standard input. With it end all processes of the machine, so that nothing stays
// when the test's process ends, however it does.
type machine struct {
	name string
	pid  int // of the process that made the namespaces, outside of them
}

// hold names the machine and hides the files with which the host finds names.
const hold = `
hostname "$1"
mount --bind "$2/hosts" /etc/hosts
mount --bind "$2/resolv.conf" /etc/resolv.conf
ip link set lo up
echo up
read -r end
`

// newMachine starts a machine. hosts is its /etc/hosts, besides localhost.
func newMachine(t *testing.T, name, hosts string) *machine {
	t.Helper()
	testkit.Needs(t, "unshare", "nsenter", "ip", "mount", "hostname")
	if os.Getuid() != 0 {
		testkit.Missing(t, "only root makes network namespaces")
	}
	dir := t.TempDir()
	for file, text := range map[string]string{"hosts": "127.0.0.1 localhost\n" + hosts, "resolv.conf": ""} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("unshare", "--net", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc", "--", "sh", "-ec", hold, "sh", name, dir)
	var stderr testkit.Buffer
	cmd.Stderr = &stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "up\n" {
		t.Fatalf("machine %s: %v\n%s", name, err, stderr.String())
	}
	return &machine{name, cmd.Process.Pid}
}

// connect gives machines a network, with these addresses in it. Its switch is the bridge of a
// machine of its own.
func connect(t *testing.T, addresses map[*machine]string) {
	t.Helper()
	bridge := newMachine(t, "switch", "")
	bridge.run(t, "", nil, "ip", "link", "add", "switch", "up", "type", "bridge")
	for m, address := range addresses {
		port := fmt.Sprintf("port%d", m.pid)
		// Outside of the machines, where their processes have these ids.
		cable := exec.Command("ip", "link", "add", port, "netns", strconv.Itoa(bridge.pid), "type", "veth", "peer", "name", "eth0", "netns", strconv.Itoa(m.pid))
		if out, err := cable.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		bridge.run(t, "", nil, "ip", "link", "set", port, "up", "master", "switch")
		m.run(t, "", nil, "ip", "address", "add", address+"/24", "dev", "eth0")
		m.run(t, "", nil, "ip", "link", "set", "eth0", "up")
	}
}

// dial connects to an address as a program on the machine does.
func (m *machine) dial(ctx context.Context, network, address string) (net.Conn, error) {
	type dialled struct {
		conn net.Conn
		err  error
	}
	done := make(chan dialled, 1)
	go func() {
		runtime.LockOSThread() // the thread ends with this goroutine, and is in that network until then
		conn, err := m.dialHere(ctx, network, address)
		done <- dialled{conn, err}
	}()
	d := <-done
	return d.conn, d.err
}

// dialHere moves the thread into the network of the machine.
func (m *machine) dialHere(ctx context.Context, network, address string) (net.Conn, error) {
	ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", m.pid))
	if err != nil {
		return nil, err
	}
	defer ns.Close()
	if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
		return nil, fmt.Errorf("network of %s: %w", m.name, err)
	}
	var d net.Dialer
	return d.DialContext(ctx, network, address)
}

// command returns a command that runs on the machine, as root. It and what it
// started are asked to end when the context ends.
func (m *machine) command(ctx context.Context, args ...string) *exec.Cmd {
	pid := strconv.Itoa(m.pid)
	enter := []string{"--target", pid, "--net", "--mount", "--uts", "--pid=/proc/" + pid + "/ns/pid_for_children", "--"}
	cmd := exec.CommandContext(ctx, "nsenter", append(enter, args...)...)
	// nsenter passes no signal on. The group has its child, too.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	return cmd
}

// run runs a command on a machine in a directory (empty: the root), and returns what it prints. If
// it fails, so does the test.
func (m *machine) run(t *testing.T, dir string, env []string, args ...string) string {
	t.Helper()
	// The way into the machine ends at the root.
	cmd := m.command(t.Context(), append([]string{"sh", "-ec", `cd "$0" && exec "$@"`, filepath.Join("/", dir)}, args...)...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + t.TempDir()}, env...)
	var stderr testkit.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("on %s, %s: %v\n%s%s", m.name, strings.Join(args, " "), err, out, stderr.String())
	}
	return string(out)
}

// server is a program that runs until the test ends or stops it.
type server struct {
	name   string
	cmd    *exec.Cmd
	output testkit.Buffer
	ready  chan struct{} // closed when it printed its ready line
	ended  chan error
}

// serve starts a program, which ends with the test.
func serve(t *testing.T, name string, cmd *exec.Cmd) *server {
	t.Helper()
	s := &server{name: name, cmd: cmd, ready: make(chan struct{}), ended: make(chan error, 1)}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = &s.output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		lines := bufio.NewScanner(io.TeeReader(out, &s.output))
		for lines.Scan() {
			if strings.HasPrefix(lines.Text(), "ready ") {
				close(s.ready)
				break
			}
		}
		_, _ = io.Copy(&s.output, out)
		s.ended <- cmd.Wait()
		close(s.ended)
	}()
	t.Cleanup(func() { // the context of the test has ended
		for range s.ended {
		}
		if t.Failed() {
			t.Logf("%s printed\n%s", name, s.output.String())
		}
	})
	return s
}

// awaitReady waits for the ready line.
func (s *server) awaitReady(t *testing.T) {
	t.Helper()
	select {
	case <-s.ready:
	case err := <-s.ended:
		t.Fatalf("%s ended before it was ready: %v\n%s", s.name, err, s.output.String())
	case <-time.After(time.Minute):
		t.Fatalf("%s is not ready\n%s", s.name, s.output.String())
	}
}

// end ends the program by a signal. The group has it and the process that waits for it.
func (s *server) end(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(-s.cmd.Process.Pid, sig); err != nil {
		t.Fatal(err)
	}
	<-s.ended
}
