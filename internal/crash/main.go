//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := crashes(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "crash:", err)
		os.Exit(1)
	}
}

// crashes runs "make crash".
func crashes(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("crash", flag.ExitOnError)
	p := plan{say: os.Stderr}
	fs.DurationVar(&p.length, "time", 5*time.Minute, "how long processes are killed, with each store; at most 50m, because outcomes are kept for an hour")
	fs.Uint64Var(&p.seed, "seed", uint64(time.Now().UnixNano()), "what users do, and when processes are killed")
	fs.IntVar(&p.users, "users", 64, "users")
	store := fs.String("store", "sqlite,postgres", "stores, one after the other")
	fs.StringVar(&p.dir, "dir", "", "directory for data, logs and the ledgers, which stay; default a temporary one, which stays if something is wrong")
	fs.Parse(args)
	if p.length <= 0 || p.length > 50*time.Minute || p.users < 1 {
		return errors.New("-time must be between 0 and 50m, and -users at least 1")
	}
	keep := p.dir != ""
	if !keep {
		var err error
		if p.dir, err = os.MkdirTemp("", "signum-crash-"); err != nil {
			return err
		}
	}
	fmt.Fprintln(os.Stderr, "data, logs and ledgers are in", p.dir)
	var err error
	if p.binary, err = buildProgram(ctx, p.dir); err != nil {
		return err
	}
	var faults []error
	for _, s := range strings.Split(*store, ",") {
		faults = append(faults, crashOn(ctx, p, s))
	}
	if err := errors.Join(faults...); err != nil || keep {
		return err
	}
	return os.RemoveAll(p.dir)
}

// crashOn runs a plan on a store, and prints what it found.
func crashOn(ctx context.Context, p plan, store string) error {
	p.dir = filepath.Join(p.dir, store)
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return err
	}
	switch store {
	case "sqlite":
	case "postgres":
		log, err := os.Create(filepath.Join(p.dir, "postgres.log"))
		if err != nil {
			return err
		}
		defer log.Close()
		if p.pg, err = newPostgres(ctx, log); err != nil {
			return err
		}
		defer p.pg.stop()
	default:
		return fmt.Errorf("-store %s: not one of sqlite, postgres", store)
	}
	r, err := crash(ctx, p)
	if err != nil {
		return fmt.Errorf("%s, seed %d: %w", store, p.seed, err)
	}
	r.report(os.Stdout)
	if len(r.wrong) > 0 {
		return fmt.Errorf("%s, seed %d: %d faults", store, p.seed, len(r.wrong))
	}
	return nil
}
