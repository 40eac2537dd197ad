//go:build linux

package main

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// operator gives commands while the service runs, as a person does who looks after it.
// Some of them are killed.
type operator struct {
	*run
	spare string                   // URL of a database for restores; empty: it was not made yet
	took  map[string]time.Duration // by a command that was not killed
}

// do runs a command, on the database of the service or on another one.
func (o *operator) do(ctx context.Context, store string, args ...string) (output string, ok bool, err error) {
	begin := time.Now()
	cmd, out, err := o.launch(ctx, store, args)
	if err != nil {
		return "", false, err
	}
	ok = cmd.Wait() == nil
	o.took[args[0]] = time.Since(begin)
	return out.String(), ok, ctx.Err()
}

// kill runs a command and kills it at a random time, which may come too late.
func (o *operator) kill(ctx context.Context, store string, args ...string) error {
	after := o.took[args[0]]
	if after == 0 {
		after = time.Second
	}
	cmd, _, err := o.launch(ctx, store, args)
	if err != nil {
		return err
	}
	sleep(ctx, o.upTo(after*5/4))
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	return ctx.Err()
}

func (o *operator) launch(ctx context.Context, store string, args []string) (*exec.Cmd, *strings.Builder, error) {
	config, err := o.target.configuration()
	if err != nil {
		return nil, nil, err
	}
	cmd, out := command(ctx, o.binary, config, store, args...), new(strings.Builder)
	cmd.Stdout, cmd.Stderr = out, out
	return cmd, out, cmd.Start()
}

// command is one of the program, on the database of a configuration or on another one.
func command(ctx context.Context, binary, config, store string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, binary, append(slices.Clone(args), "--config", config)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if store != "" {
		cmd.Env = append(os.Environ(), "SIGNUM_STORE_URL="+store)
	}
	return cmd
}

// check is what "signum check" says at the end.
func (o *operator) check(ctx context.Context) error {
	out, ok, err := o.do(ctx, "", "check")
	if err == nil && !ok {
		o.fault("signum check: %s", out)
	}
	return err
}

// killedBackup kills a backup. One that is there is whole.
func (o *operator) killedBackup(ctx context.Context) error {
	archive := filepath.Join(o.dir, "killed.tar.gz")
	if err := o.kill(ctx, "", "backup", archive); err != nil {
		return err
	}
	if _, err := os.Stat(archive); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	out, ok, err := o.do(ctx, "", "check", "--backup", archive)
	if err == nil && !ok {
		o.fault("a backup that was killed has its name, but it is not whole: %s", out)
	}
	return errors.Join(err, os.Remove(archive))
}

// killedRestores restores a backup of the running service into another database, which
// is killed some times before. What a party was told before the backup is in it.
func (o *operator) killedRestores(ctx context.Context) error {
	calls, err := readLedger(o.ledger.file.Name())
	if err != nil {
		return err
	}
	archive := filepath.Join(o.dir, "backup.tar.gz")
	if out, ok, err := o.do(ctx, "", "backup", archive); err != nil || !ok {
		o.fault("signum backup: %s", out)
		return err
	}
	defer os.Remove(archive)
	if left, err := filepath.Glob(filepath.Join(o.dir, ".signum-backup-*")); err != nil || len(left) > 0 {
		o.fault("a backup did not remove what was left by others that were killed: %q", left)
	}
	if o.spare == "" {
		if o.spare, err = o.empty(ctx, "spare"); err != nil {
			return err
		}
	}
	for range 1 + o.rand.IntN(3) {
		if err := o.kill(ctx, o.spare, "restore", archive, "--replace"); err != nil {
			return err
		}
		out, ok, err := o.do(ctx, o.spare, "check")
		if err != nil {
			return err
		}
		told := strings.Contains(out, "was interrupted: run signum restore") || strings.Contains(out, "the database is empty")
		if !ok && !told {
			o.fault("a restore was killed, and signum check says: %s", out)
		}
	}
	for _, command := range [][]string{{"restore", archive, "--replace"}, {"check"}} {
		if out, ok, err := o.do(ctx, o.spare, command...); err != nil || !ok {
			o.fault("signum %s: %s", command[0], out)
			return err
		}
	}
	return o.restored(ctx, calls)
}

// killedMigrations kills what makes the schema of an empty database.
func (o *operator) killedMigrations(ctx context.Context) error {
	url, err := o.empty(ctx, "fresh")
	if err != nil {
		return err
	}
	for range 1 + o.rand.IntN(3) {
		if err := o.kill(ctx, url, "migrate"); err != nil {
			return err
		}
	}
	for _, command := range [][]string{{"migrate"}, {"migrate", "--plan"}} {
		if out, ok, err := o.do(ctx, url, command...); err != nil || !ok {
			o.fault("signum %s, after others that were killed: %s", strings.Join(command, " "), out)
			return err
		}
	}
	return nil
}

// empty makes an empty database of that name, and returns its URL.
func (o *operator) empty(ctx context.Context, name string) (url string, err error) {
	if o.pg == nil {
		path := filepath.Join(o.dir, name+".db")
		for _, end := range []string{"", "-wal", "-shm"} {
			if gone := os.Remove(path + end); !errors.Is(gone, os.ErrNotExist) {
				err = errors.Join(err, gone)
			}
		}
		return "sqlite:" + path, err
	}
	db, err := sql.Open("pgx", o.pg.URL())
	if err != nil {
		return "", err
	}
	defer db.Close()
	for _, statement := range []string{"DROP DATABASE IF EXISTS " + name + " WITH (FORCE)", "CREATE DATABASE " + name} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return "", err
		}
	}
	return strings.Replace(o.pg.URL(), "/postgres?", "/"+name+"?", 1), nil
}

// restored checks that the other database has every outcome that was told before.
func (o *operator) restored(ctx context.Context, calls []*call) error {
	old, err := filepath.Glob(filepath.Join(o.dir, "spare.db.replaced-*"))
	for _, name := range old {
		err = errors.Join(err, os.Remove(name))
	}
	if err != nil {
		return err
	}
	db, err := openDatabase(o.spare, o.dir)
	if err != nil {
		return err
	}
	defer db.Close()
	rows, err := transactions(ctx, db, o.target.configs()[0].APID)
	if err != nil {
		return err
	}
	for _, c := range calls {
		for _, a := range c.answers {
			if c.Do != doSign && c.Do != doAsync || !isOutcome(a.Code) {
				continue
			}
			if r := rows[triplet{c.TransID, c.Instant}]; r.code != a.Code {
				o.fault("call %d ended with %d before a backup, and is in the restored database with %d", c.Call, a.Code, r.code)
			}
		}
	}
	return nil
}

// disturbances are commands that are killed.
func (o *operator) disturbances() []disturbance {
	return []disturbance{
		{"backups killed", 2, o.killedBackup},
		{"restores killed, and repeated", 1, o.killedRestores},
		{"migrations killed, and repeated", 1, o.killedMigrations},
	}
}
