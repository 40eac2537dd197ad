//go:build linux

package main

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

	"github.com/signum-mssp/signum/internal/store/pgtest"
)

// postgres is a PostgreSQL server with one database, to be treated badly. It writes to the
// disk as one in production does.
type postgres struct {
	bin, dir, port string
	user           *syscall.Credential
	log            io.Writer
	process        *process
}

// newPostgres makes a server, and starts it. Stop removes it.
func newPostgres(ctx context.Context, log io.Writer) (*postgres, error) {
	p := &postgres{log: log}
	var err error
	if p.bin, err = pgtest.Binaries(); err != nil {
		return nil, err
	}
	if p.port, err = pgtest.FreePort(); err != nil {
		return nil, err
	}
	if p.dir, err = os.MkdirTemp("", "signum-crash-pg-"); err != nil {
		return nil, err
	}
	if p.user, err = pgtest.Credential(p.dir); err != nil {
		return nil, errors.Join(err, os.RemoveAll(p.dir))
	}
	initdb := exec.CommandContext(ctx, filepath.Join(p.bin, "initdb"), "--pgdata="+p.data(), "--username=postgres",
		"--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync", "--data-checksums")
	initdb.Dir, initdb.SysProcAttr = p.dir, &syscall.SysProcAttr{Credential: p.user}
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("initdb: %w: %s", err, out), os.RemoveAll(p.dir))
	}
	if err := p.start(ctx); err != nil {
		return nil, errors.Join(err, os.RemoveAll(p.dir))
	}
	return p, nil
}

func (p *postgres) data() string { return filepath.Join(p.dir, "data") }

func (p *postgres) url() string {
	return "postgres://postgres@127.0.0.1:" + p.port + "/postgres?sslmode=disable"
}

// start starts the server until it takes connections. After a kill that takes a moment,
// because the server first waits until nothing is left of the last one.
func (p *postgres) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for {
		if p.process == nil || !p.process.alive() {
			var err error
			p.process, err = launch(p.log, p.user, filepath.Join(p.bin, "postgres"), "-D", p.data(), "-h", "127.0.0.1", "-p", p.port,
				"-c", "unix_socket_directories=", "-c", "shared_buffers=64MB")
			if err != nil {
				return err
			}
		}
		conn, err := pgx.Connect(ctx, p.url())
		if err == nil {
			return conn.Close(ctx)
		}
		if !sleep(ctx, 50*time.Millisecond) {
			return fmt.Errorf("PostgreSQL does not start: %w", err)
		}
	}
}

// restart is pg_ctl restart -m fast: clients are disconnected.
func (p *postgres) restart(ctx context.Context, down time.Duration) error {
	_ = syscall.Kill(p.process.cmd.Process.Pid, syscall.SIGINT)
	<-p.process.dead
	sleep(ctx, down)
	return p.start(ctx)
}

// kill kills all processes of the server, and starts it after a time.
func (p *postgres) kill(ctx context.Context, down time.Duration) error {
	p.signal(syscall.SIGKILL)
	<-p.process.dead
	sleep(ctx, down)
	return p.start(ctx)
}

// freeze stops all processes of the server for a time, as a machine does that hangs.
func (p *postgres) freeze(ctx context.Context, length time.Duration) {
	p.signal(syscall.SIGSTOP)
	sleep(ctx, length)
	p.signal(syscall.SIGCONT)
}

// signal sends a signal to the server and then to its children. Each of them has a
// session of its own.
func (p *postgres) signal(s syscall.Signal) {
	pid := p.process.cmd.Process.Pid
	if s == syscall.SIGKILL { // its children are unknown once it is dead
		_ = syscall.Kill(pid, syscall.SIGSTOP)
	}
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	_ = syscall.Kill(pid, s)
	for _, child := range strings.Fields(string(children)) {
		if n, err := strconv.Atoi(child); err == nil {
			_ = syscall.Kill(n, s)
		}
	}
}

// stop ends the server and removes it.
func (p *postgres) stop() error {
	p.signal(syscall.SIGQUIT)
	<-p.process.dead
	return os.RemoveAll(p.dir)
}
