package daemon

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/config"
	"github.com/signum-mssp/signum/internal/testkit"
)

// asServer makes the test binary the server that a test starts.
const asServer = "SIGNUM_TEST_SERVE"

func TestMain(m *testing.M) {
	file := os.Getenv(asServer)
	if file == "" {
		os.Exit(m.Run())
	}
	if os.Getenv("LISTEN_FDS") != "" { // a parent cannot know the id of its child before it starts
		os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	err := Serve(ctx, Options{File: file, Environ: os.Environ(), Stderr: os.Stderr, Version: "v0.0.0-test"})
	for _, fault := range config.Faults(err) {
		fmt.Fprintln(os.Stderr, fault)
	}
	os.Exit(ExitCode(err))
}

// process is a server as a process of its own, with a service manager.
type process struct {
	cmd    *exec.Cmd
	stderr *testkit.Buffer
	told   net.PacketConn // what it tells the service manager
}

// writeConfig makes a directory with all that a node needs, and returns the file of its
// configuration.
func writeConfig(t *testing.T, more string) string {
	t.Helper()
	dir := t.TempDir()
	key := testkit.ECKey(t)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(1000 * time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	cert := testkit.Certify(t, tmpl, tmpl, key.Public(), key)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, data []byte) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	write("mss.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}))
	write("mss.key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	return write("signum.yaml", []byte(strings.ReplaceAll(`service: {mssp_uri: http://mss.example.com/}
listen:
  mss: {address: "127.0.0.1:0", tls: {certificate_file: DIR/mss.pem, key_file: DIR/mss.key}}
  web: {address: "127.0.0.1:0"}
  pki: {address: "127.0.0.1:0"}
  ops: {address: "127.0.0.1:0"}
store: {url: "sqlite:DIR/signum.db"}
ca: {directory: DIR/ca, create: true}
drain: {announce: 0s}
`, "DIR", dir)+more))
}

// start runs a server. Files become its descriptors from 3 on; socket is the name of a notify
// socket, one of the test's own if it is empty.
func start(t *testing.T, file, socket string, environ []string, files ...*os.File) *process {
	t.Helper()
	if socket == "" {
		socket = filepath.Join(shortDir(t), "notify")
	}
	told, err := net.ListenPacket("unixgram", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { told.Close() })
	p := &process{cmd: exec.Command(os.Args[0]), stderr: new(testkit.Buffer), told: told}
	p.cmd.Env = append(append(os.Environ(), asServer+"="+file, "NOTIFY_SOCKET="+socket), environ...)
	if len(files) > 0 {
		p.cmd.Env = append(p.cmd.Env, fmt.Sprintf("LISTEN_FDS=%d", len(files)))
	}
	p.cmd.Stderr, p.cmd.ExtraFiles = p.stderr, files
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			_ = p.cmd.Process.Kill()
			_ = p.cmd.Wait()
		}
	})
	return p
}

// shortDir is a directory whose name leaves room in that of a socket.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sd")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// hear returns the next message that contains an assignment.
func (p *process) hear(t *testing.T, assignment string) string {
	t.Helper()
	if err := p.told.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	heard := make([]byte, 4096)
	for {
		n, _, err := p.told.ReadFrom(heard)
		if err != nil {
			t.Fatalf("the service manager was not told %s: %v\n%s", assignment, err, p.stderr)
		}
		if text := string(heard[:n]); strings.Contains("\n"+text, "\n"+assignment) {
			return text
		}
	}
}

func (p *process) signal(t *testing.T, s os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// code waits for the end and returns the exit code.
func (p *process) code() int {
	_ = p.cmd.Wait()
	return p.cmd.ProcessState.ExitCode()
}
