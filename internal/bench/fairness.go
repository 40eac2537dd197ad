package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/signum-mssp/signum/internal/lab/sandbox"
)

// The parties of the fairness benchmark: both are in every sandbox.
const (
	bigParty   = sandbox.APID
	smallParty = sandbox.OpenAPID
)

// The targets of the fairness benchmark: what a party notices of another one.
const (
	targetFairP50 = 2.0
	targetFairP99 = 5.0
	targetFairBig = 0.95
)

// sharing is one round of the fairness benchmark.
type sharing struct {
	alone  result // the small party by itself
	mixed  result // the same requests in the name of the big party, beside it: there is nothing to share
	fair   result // the small party beside the big one
	bigWas result // the big party, while its name was on all requests
	big    result // the big party beside the small one
}

// runFairness measures what a party with one request at a time notices of a party with
// many connections.
func runFairness(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("fairness", flag.ExitOnError)
	rounds := fs.Int("rounds", 3, "rounds")
	length := fs.Duration("time", 10*time.Second, "length of one load")
	workers := fs.Int("workers", 500, "connections of the big party, each with one request at a time")
	delay := fs.Duration("delay", 100*time.Millisecond, "what a user takes to approve")
	profile := fs.String("profile", "", "file for a CPU profile of the server, of a further round")
	dir := fs.String("dir", "", "parent of the temporary directory; its disk determines the cost of a commit")
	fs.Parse(args)
	tmp, err := os.MkdirTemp(*dir, "signum-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	s := &subject{name: simPath, dir: filepath.Join(tmp, "fairness")}
	srv, err := start(ctx, "server", "-dir", s.dir, "-users", strconv.Itoa(*workers+1), "-light", "-delay", delay.String(), "-cpuprofile", *profile)
	if err != nil {
		return err
	}
	s.server = srv
	fmt.Printf("SIM path: a party with one request at a time, alone and beside a party with %d connections\n", *workers)
	fmt.Printf("%-28s %10s %10s %12s\n", "", "p50", "p99", "others per s")
	var all []sharing
	for range *rounds {
		r, err := s.share(ctx, *workers, *length)
		if err != nil {
			return err
		}
		r.print()
		all = append(all, r)
	}
	printSharing(all)
	if *profile != "" {
		err = errors.Join(srv.profile(), func() error { _, err := s.beside(ctx, smallParty, *workers, *length); return err }())
		_, done := srv.say(doneWord)
		err = errors.Join(err, done)
	}
	return errors.Join(err, srv.stop())
}

func (s *subject) share(ctx context.Context, workers int, length time.Duration) (r sharing, err error) {
	if r.alone, err = s.one(ctx, smallParty, length); err != nil {
		return r, err
	}
	pair, err := s.beside(ctx, bigParty, workers, length)
	if err != nil {
		return r, err
	}
	r.mixed, r.bigWas = pair[0], pair[1]
	if pair, err = s.beside(ctx, smallParty, workers, length); err != nil {
		return r, err
	}
	r.fair, r.big = pair[0], pair[1]
	return r, nil
}

// one loads the server with one request at a time.
func (s *subject) one(ctx context.Context, party string, length time.Duration) (r result, err error) {
	err = load(ctx, &r, "load", "-dir", s.dir, "-url", s.server.addr, "-workers", "1", "-party", party, "-time", length.String())
	return r, err
}

// headStart is how long the big load runs by itself.
const headStart = 3 * time.Second

// beside does the same beside the connections of the big party. The small load begins
// after the big one and ends before it.
func (s *subject) beside(ctx context.Context, party string, workers int, length time.Duration) (pair [2]result, err error) {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		return load(ctx, &pair[1], "load", "-dir", s.dir, "-url", s.server.addr, "-workers", strconv.Itoa(workers), "-first", "1",
			"-party", bigParty, "-time", (length + headStart).String())
	})
	g.Go(func() (err error) {
		time.Sleep(headStart) // until the others are connected
		pair[0], err = s.one(ctx, party, length)
		return err
	})
	return pair, g.Wait()
}

func (r *sharing) print() {
	row := func(name string, small, big result) {
		others := "-"
		if big.Requests > 0 {
			others = fmt.Sprintf("%.0f", big.rate())
			if big.Refused > 0 {
				others += fmt.Sprintf(" (%d refused)", big.Refused)
			}
		}
		fmt.Printf("%-28s %10s %10s %12s\n", name, small.P50.Round(10*time.Microsecond), small.P99.Round(10*time.Microsecond), others)
	}
	row("alone", r.alone, result{})
	row("beside, in the same name", r.mixed, r.bigWas)
	row("beside, as another party", r.fair, r.big)
}

// printSharing prints the medians of the ratios.
func printSharing(all []sharing) {
	median := func(of func(*sharing) float64) float64 {
		var list []float64
		for i := range all {
			list = append(list, of(&all[i]))
		}
		slices.Sort(list)
		return list[len(list)/2]
	}
	ratio := func(a, b time.Duration) float64 { return a.Seconds() / b.Seconds() }
	fmt.Printf("medians of %d rounds, beside to alone: p50 %.1f (target: below %.0f), p99 %.1f (target: below %.0f)\n", len(all),
		median(func(r *sharing) float64 { return ratio(r.fair.P50, r.alone.P50) }), targetFairP50,
		median(func(r *sharing) float64 { return ratio(r.fair.P99, r.alone.P99) }), targetFairP99)
	fmt.Printf("the big party keeps %.2f of its rate (target: at least %.2f)\n",
		median(func(r *sharing) float64 { return r.big.rate() / r.bigWas.rate() }), targetFairBig)
}
