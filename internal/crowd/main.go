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
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	run, args := runCrowd, os.Args[1:]
	if len(args) > 0 && args[0] == "node" {
		run, args = runNode, args[1:]
	}
	if err := run(ctx, args); err != nil {
		fmt.Fprintln(os.Stderr, "crowd:", err)
		os.Exit(1)
	}
}

// plan is what a run does.
type plan struct {
	requests int           // that wait at a time, and users
	parties  int           // that make them
	conns    int           // connections of HTTP/2, of all parties
	approve  int           // one of so many users of a SIM approves
	after    time.Duration // for how long those users think
	timeout  int           // TimeOut in seconds of requests that nobody answers
	extra    int           // requests of each party beyond its limit
	lenient  bool          // on a machine that is too slow: 900 is no outcome, if the database has one
	profile  string        // beginning of the names of two heap profiles of the node; empty: none

	dir, store string
	out        io.Writer
}

func (p *plan) check() error {
	switch {
	case p.requests < 2*p.parties || p.parties < 1 || p.approve < 1:
		return errors.New("there must be at least two requests for each party, and -approve must be at least 1")
	case p.conns < p.parties:
		return errors.New("each party needs a connection")
	case p.timeout < 1 || p.timeout > longest || p.after > (longest-60)*time.Second:
		return fmt.Errorf("-timeout must be 1 to %d, and -after at most %ds", longest, longest-60)
	}
	return nil
}

// runCrowd runs "make crowd".
func runCrowd(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("crowd", flag.ExitOnError)
	p := plan{out: os.Stdout}
	fs.IntVar(&p.requests, "requests", 50_000, "requests that wait at a time, each for a user of its own")
	fs.IntVar(&p.parties, "parties", 5, "parties that make them")
	fs.IntVar(&p.conns, "conns", 400, "connections of HTTP/2, of all parties together")
	fs.IntVar(&p.approve, "approve", 4, "one of so many users of a SIM approves, after the time of -after")
	fs.DurationVar(&p.after, "after", 2*time.Minute, "how long those users think: all requests should wait by then")
	fs.IntVar(&p.timeout, "timeout", 180, "TimeOut in seconds of the requests that nobody answers")
	fs.IntVar(&p.extra, "extra", 100, "requests of each party beyond its limit")
	fs.StringVar(&p.profile, "profile", "", "beginning of the names of two heap profiles of the node: .before, and .waiting while all requests wait")
	stores := fs.String("store", "sqlite,postgres", "stores, one after the other")
	dir := fs.String("dir", "", "parent of the temporary directory; its disk determines the cost of a commit")
	fs.Parse(args)
	if err := p.check(); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(*dir, "signum-crowd-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	var faults []error
	for _, store := range strings.Split(*stores, ",") {
		p := p
		p.dir = filepath.Join(tmp, store)
		fmt.Fprintln(p.out, store)
		if err := on(ctx, store, p); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", store, err))
		}
	}
	return errors.Join(faults...)
}

// on runs a plan on a kind of store.
func on(ctx context.Context, store string, p plan) error {
	switch store {
	case "sqlite":
		return crowd(ctx, p)
	case "postgres":
		pg, err := pgtest.NewServer(ctx, io.Discard)
		if err != nil {
			return err
		}
		defer pg.Remove()
		p.store = pg.URL()
		return crowd(ctx, p)
	}
	return fmt.Errorf("-store %s: not one of sqlite, postgres", store)
}
