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
	"slices"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// Replica makes a streaming replica of a server. From then on the server confirms a commit
// when the replica has it, too. Remove removes it.
func (s *Server) Replica(ctx context.Context, log io.Writer) (*Server, error) {
	dir, err := os.MkdirTemp("", "signum-pgtest-")
	if err != nil {
		return nil, err
	}
	r := &Server{Bin: s.Bin, dir: dir, log: log}
	if r.port, err = FreePort(); err != nil {
		return nil, err
	}
	r.args = append(slices.Clone(s.args), "-D", r.Data(), "-p", r.port) // the last ones count
	if r.user, err = Credential(dir); err != nil {
		return nil, err
	}
	copying := exec.CommandContext(ctx, filepath.Join(s.Bin, "pg_basebackup"), "--host=127.0.0.1", "--port="+s.port, "--username=postgres",
		"--pgdata="+r.Data(), "--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-sync")
	copying.Dir, copying.SysProcAttr = dir, &syscall.SysProcAttr{Credential: r.user}
	if out, err := copying.CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("pg_basebackup: %w: %s", err, out), os.RemoveAll(dir))
	}
	if err := r.Start(ctx); err != nil {
		return nil, errors.Join(err, r.Remove())
	}
	for _, statement := range []string{"ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"} {
		if err := s.exec(ctx, statement); err != nil {
			return nil, errors.Join(err, r.Remove())
		}
	}
	return r, s.until(ctx, "SELECT count(*) > 0 FROM pg_stat_replication WHERE sync_state = 'sync'")
}

// Promote makes a replica a primary, and returns when it takes writes.
func (s *Server) Promote(ctx context.Context) error {
	if err := s.exec(ctx, "SELECT pg_promote(wait => true, wait_seconds => 60)"); err != nil {
		return err
	}
	return s.until(ctx, "SELECT NOT pg_is_in_recovery()")
}

// Both is the URL of a database that either of two servers has.
func Both(a, b *Server) string {
	return "postgres://postgres@127.0.0.1:" + a.port + ",127.0.0.1:" + b.port + "/postgres?sslmode=disable"
}

func (s *Server) exec(ctx context.Context, statement string) error {
	conn, err := pgx.Connect(ctx, s.URL())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statement)
	return err
}

// until waits until a query returns true.
func (s *Server) until(ctx context.Context, query string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for {
		var is bool
		if err := conn.QueryRow(ctx, query).Scan(&is); err != nil || is {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: never: %w", query, ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}
