//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"time"

	"github.com/signum-mssp/signum/internal/store/pgtest"
	"github.com/signum-mssp/signum/internal/testkit"
)

// plan is what a run does.
type plan struct {
	binary string
	dir    string             // for everything that the run writes
	pg     *pgtest.Server     // nil: SQLite
	disk   *testkit.SmallDisk // of the database; nil: that of all others
	serve  bool               // the service and the phones are processes of their own
	nodes  int                // of the service, on PostgreSQL; more than one need serve
	seed   uint64
	length time.Duration // of the load, at least
	least  int           // kills; the load goes on until there were so many
	pause  time.Duration // between two disturbances, at most
	users  int
	say    io.Writer // progress
}

// run is one run.
type run struct {
	plan
	rand   *rand.Rand
	target target
	person operator
	ledger *ledger
	load   *load
	watch  cardWatch
	kills  int
	early  int             // of them, while the service started
	others map[string]int  // disturbances, by name
	starts []time.Duration // until it was ready
	findings
}

// target is a service under test that can be killed.
type target interface {
	service
	// launch starts the process of the service, and ready waits until it serves.
	launch() error
	ready(ctx context.Context) error
	// kill ends it at once, stop as an operator does. Alive says whether it runs.
	kill()
	stop() error
	alive() error
	// close ends all processes.
	close()
	database() string               // URL
	configuration() (string, error) // the file for the commands of operators
	cards() string                  // the directory of the cards; empty while they are in use
	// disturbances are what may happen to this one besides.
	disturbances(*run) []disturbance
}

// startTime is how long the service may take to start on a busy machine.
const startTime = 2 * time.Minute

func newRun(p plan) *run {
	r := &run{plan: p, rand: rand.New(rand.NewPCG(p.seed, 1<<32)), watch: cardWatch{dir: p.dir}, others: make(map[string]int)}
	r.person = operator{run: r, took: make(map[string]time.Duration)}
	return r
}

// crash runs a plan to its end. The error is that of the run itself; what it found
// wrong with the service is in the findings.
func crash(ctx context.Context, p plan) (*run, error) {
	r := newRun(p)
	store := ""
	switch {
	case p.pg != nil:
		store = p.pg.URL()
	case p.disk != nil:
		store = "sqlite:" + p.disk.Path("signum.db")
	}
	var err error
	if p.serve {
		r.target, err = newNode(ctx, p.binary, p.dir, store, apart(p.users), max(p.nodes, 1), p.seed)
	} else {
		r.target, err = newBox(p.binary, p.dir, store, p.users)
	}
	if err != nil {
		return nil, err
	}
	defer r.target.close()
	if err := r.start(ctx); err != nil {
		return nil, err
	}
	path := filepath.Join(p.dir, "ledger.jsonl")
	if r.ledger, err = newLedger(path); err != nil {
		return nil, err
	}
	defer r.ledger.close()
	r.load = newLoad(r.target, r.ledger)
	working, giveUp := context.WithCancel(ctx)
	defer giveUp()
	r.load.begin(working, p.seed)
	var texters texters
	if p.nodes > 1 {
		for i := range texterCount {
			r.load.running.Go(func() { texters.texter(working, r.load, i, p.seed) })
		}
	}
	failed := r.disturb(ctx)
	if failed != nil {
		giveUp() // nobody answers any more
	}
	r.progress("the load ends")
	if err := errors.Join(failed, r.load.end(), ctx.Err()); err != nil {
		return r, err
	}
	if err := r.check(ctx, path); err != nil || p.nodes <= 1 {
		return r, err
	}
	return r, r.checkPhones(texters.all)
}

// checkPhones compares what was asked for with what phones showed.
func (r *run) checkPhones(passwords []password) error {
	n := r.target.(*node)
	s, err := readSeen(n.path(eventsFile))
	if err != nil {
		return err
	}
	if len(s.shown) == 0 {
		r.fault("the phones showed nothing")
	}
	r.shownTwice(s, n.off)
	r.findings.passwords(passwords, s, n.off)
	return nil
}

func (r *run) progress(format string, args ...any) {
	fmt.Fprintf(r.say, "%s %s\n", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}

// start starts the service and waits until it is ready.
func (r *run) start(ctx context.Context) error {
	begin := time.Now()
	if err := r.target.launch(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	if err := r.target.ready(ctx); err != nil {
		return err
	}
	r.starts = append(r.starts, time.Since(begin))
	return nil
}

// check says what was lost.
func (r *run) check(ctx context.Context, ledger string) error {
	settled := time.Now()
	if err := r.everybodySigns(ctx, newLoad(r.target, r.ledger), r.seed); err != nil {
		return err
	}
	calls, err := readLedger(ledger)
	if err != nil {
		return err
	}
	outcomes := r.readAnswers(calls)
	r.expired(calls, r.target.crowd())
	if err := r.queries(ctx, r.target, r.target.connections(true), outcomes); err != nil {
		return err
	}
	if err := r.target.stop(); err != nil {
		r.fault("%v", err)
	}
	r.target.close()
	if err := r.look(ctx); err != nil {
		return err
	}
	if err := r.person.check(ctx); err != nil {
		return err
	}
	r.looks = r.watch.looks
	r.wrong = append(r.wrong, r.watch.wrong...)
	return r.checkDatabase(ctx, r.target.database(), r.dir, r.target.configs()[0].APID, calls, settled)
}

// sleep reports whether ctx has not ended meanwhile.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
