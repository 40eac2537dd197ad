//go:build linux

package pgtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// Server is a PostgreSQL server with one database, to be treated badly. It dies with this
// process.
type Server struct {
	Bin  string // the directory of its programs
	dir  string
	port string
	args []string
	user *syscall.Credential
	log  io.Writer
	cmd  *exec.Cmd
	dead chan struct{} // closed when cmd has ended
}

// NewServer makes a server, and starts it. Remove removes it. It flushes to the disk as one
// in production does, unless the settings (name=value) say otherwise.
func NewServer(ctx context.Context, log io.Writer, settings ...string) (*Server, error) {
	dir, err := os.MkdirTemp("", "signum-pgtest-")
	if err != nil {
		return nil, err
	}
	s, err := NewServerIn(ctx, dir, log, settings...)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

// NewServerIn is NewServer with an empty directory, for a server with a disk of its own.
func NewServerIn(ctx context.Context, dir string, log io.Writer, settings ...string) (*Server, error) {
	s := &Server{dir: dir, log: log}
	var err error
	if s.Bin, err = Binaries(); err != nil {
		return nil, err
	}
	if s.port, err = FreePort(); err != nil {
		return nil, err
	}
	s.args = []string{"-D", s.Data(), "-h", "127.0.0.1", "-p", s.port, "-c", "unix_socket_directories=", "-c", "shared_buffers=64MB"}
	for _, setting := range settings {
		s.args = append(s.args, "-c", setting)
	}
	if s.user, err = Credential(s.dir); err != nil {
		return nil, err
	}
	initdb := exec.CommandContext(ctx, filepath.Join(s.Bin, "initdb"), "--pgdata="+s.Data(), "--username=postgres",
		"--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync", "--data-checksums")
	initdb.Dir, initdb.SysProcAttr = s.dir, &syscall.SysProcAttr{Credential: s.user}
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	if err := s.Start(ctx); err != nil {
		return nil, errors.Join(err, s.Remove())
	}
	return s, nil
}

// Data returns the directory of the data.
func (s *Server) Data() string { return filepath.Join(s.dir, "data") }

// URL returns the URL of the database.
func (s *Server) URL() string {
	return "postgres://postgres@127.0.0.1:" + s.port + "/postgres?sslmode=disable"
}

// Start starts a server that is down, and returns when it takes connections. After a kill
// that takes a moment, because the server first waits until nothing is left of the last one.
func (s *Server) Start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		if s.down() {
			if err := s.launch(); err != nil {
				return err
			}
		}
		conn, err := pgx.Connect(ctx, s.URL())
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("PostgreSQL does not start: %w", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (s *Server) launch() error {
	cmd, dead := exec.Command(filepath.Join(s.Bin, "postgres"), s.args...), make(chan struct{})
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, s.log, s.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Credential: s.user, Setpgid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	s.cmd, s.dead = cmd, dead
	go func() {
		defer close(dead)
		_ = cmd.Wait() // killed, mostly
	}()
	return nil
}

// down reports whether the server has ended, or was never started.
func (s *Server) down() bool {
	if s.dead == nil {
		return true
	}
	select {
	case <-s.dead:
		return true
	default:
		return false
	}
}

// Stop is pg_ctl stop -m fast: clients are disconnected.
func (s *Server) Stop() { s.end(syscall.SIGINT) }

// Kill kills all processes of the server.
func (s *Server) Kill() { s.end(syscall.SIGKILL) }

func (s *Server) end(how syscall.Signal) {
	if !s.down() {
		s.signal(how)
		<-s.dead
	}
}

// Freeze stops all processes of the server, as a machine does that hangs, until Thaw.
func (s *Server) Freeze() { s.signal(syscall.SIGSTOP) }

// Thaw lets a frozen server go on.
func (s *Server) Thaw() { s.signal(syscall.SIGCONT) }

// signal sends a signal to the server and to its children, each of which has a session of
// its own. Those that stop the server go to the server alone, which tells its children.
func (s *Server) signal(sig syscall.Signal) {
	pid := s.cmd.Process.Pid
	if sig == syscall.SIGINT || sig == syscall.SIGQUIT {
		_ = syscall.Kill(pid, sig)
		return
	}
	if sig == syscall.SIGKILL { // its children are unknown once it is dead
		_ = syscall.Kill(pid, syscall.SIGSTOP)
	}
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	_ = syscall.Kill(pid, sig)
	for _, child := range strings.Fields(string(children)) {
		if n, err := strconv.Atoi(child); err == nil {
			_ = syscall.Kill(n, sig)
		}
	}
}

// Remove ends the server, and removes its data.
func (s *Server) Remove() error {
	if !s.down() {
		s.Thaw()
	}
	s.end(syscall.SIGQUIT)
	return os.RemoveAll(s.dir)
}
