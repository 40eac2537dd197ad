//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/signum-mssp/signum/internal/store/pgtest"
	"github.com/signum-mssp/signum/internal/testkit"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	run, args := crashes, os.Args[1:]
	if len(args) > 0 && args[0] == "power" {
		run, args = powerTests, args[1:]
	}
	if len(args) > 0 && args[0] == "upgrade" {
		run, args = upgrades, args[1:]
	}
	if err := run(ctx, args); err != nil {
		fmt.Fprintln(os.Stderr, "crash:", err)
		os.Exit(1)
	}
}

// crashes runs "make crash".
func crashes(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("crash", flag.ExitOnError)
	p := plan{say: os.Stderr, pause: 2500 * time.Millisecond}
	fs.DurationVar(&p.length, "time", 5*time.Minute, "how long processes are killed, with each store; at most 50m, because outcomes are kept for an hour")
	fs.Uint64Var(&p.seed, "seed", uint64(time.Now().UnixNano()), "what users do, and when processes are killed")
	fs.IntVar(&p.users, "users", 64, "users")
	fs.BoolVar(&p.serve, "serve", false, "test signum serve, with phones that do not die with it, instead of a sandbox")
	fs.IntVar(&p.nodes, "nodes", 1, "nodes of signum serve on one PostgreSQL, which die one at a time, or two, or are frozen")
	store := fs.String("store", "sqlite,postgres", "stores, one after the other")
	fs.StringVar(&p.dir, "dir", "", "directory for data, logs and the ledgers, which stay; default a temporary one, which stays if something is wrong")
	fs.Parse(args)
	if p.nodes > 1 {
		p.serve, *store = true, "postgres"
	}
	if p.length <= 0 || p.length > 50*time.Minute || p.users < 1 {
		return errors.New("-time must be between 0 and 50m, and -users at least 1")
	}
	return inDir(ctx, p.dir, *store, func(dir, binary, store string) error {
		p := p
		p.dir, p.binary = dir, binary
		return crashOn(ctx, p, store)
	})
}

// inDir builds the program in a directory, and calls do for each store, with a directory
// of its own. A temporary directory stays if something is wrong.
func inDir(ctx context.Context, dir, stores string, do func(dir, binary, store string) error) error {
	keep := dir != ""
	if !keep {
		var err error
		if dir, err = os.MkdirTemp("", "signum-crash-"); err != nil {
			return err
		}
	}
	fmt.Fprintln(os.Stderr, "data, logs and ledgers are in", dir)
	binary, err := buildProgram(ctx, dir)
	if err != nil {
		return err
	}
	var faults []error
	for _, store := range strings.Split(stores, ",") {
		if store != "sqlite" && store != "postgres" {
			return fmt.Errorf("-store %s: not one of sqlite, postgres", store)
		}
		of := filepath.Join(dir, store)
		err := os.MkdirAll(of, 0o700)
		if err == nil {
			err = do(of, binary, store)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", store, err))
		}
	}
	if err := errors.Join(faults...); err != nil || keep {
		return err
	}
	return os.RemoveAll(dir)
}

// crashOn runs a plan on a store, and prints what it found.
func crashOn(ctx context.Context, p plan, store string) (err error) {
	if p.disk, err = testkit.NewSmallDisk(1024); err != nil {
		fmt.Fprintln(p.say, "no disk of its own for the database, which is never full:", err)
	}
	defer func() { err = errors.Join(err, p.disk.Remove()) }()
	if store == "postgres" {
		log, err := os.Create(filepath.Join(p.dir, "postgres.log"))
		if err != nil {
			return err
		}
		defer log.Close()
		if p.pg, err = newPostgres(ctx, p.disk, log); err != nil {
			return err
		}
		defer p.pg.Remove()
	}
	r, err := crash(ctx, p)
	if err != nil {
		return fmt.Errorf("seed %d: %w", p.seed, err)
	}
	r.report(os.Stdout)
	if len(r.wrong) > 0 {
		return fmt.Errorf("seed %d: %d faults", p.seed, len(r.wrong))
	}
	return nil
}

// newPostgres starts a server of PostgreSQL, on a disk if there is one.
func newPostgres(ctx context.Context, d *testkit.SmallDisk, log io.Writer) (*pgtest.Server, error) {
	if d == nil {
		return pgtest.NewServer(ctx, log)
	}
	dir := d.Path("postgres")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	return pgtest.NewServerIn(ctx, dir, log, "max_wal_size=128MB")
}
