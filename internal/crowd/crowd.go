//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signum-mssp/signum"
)

// run is one run of a plan.
type run struct {
	plan
	node    *child
	parties *parties
	settled atomic.Int64  // requests that wait or are over
	moved   chan struct{} // told when that may have changed

	mu    sync.Mutex
	got   map[outcome]int
	busy  int // refusals because of overload, after which a request was made again
	late  int // requests that were told 900 because the outcome was not in the database in time
	wrong []string
}

// outcome is what a kind of user led to.
type outcome struct {
	kind
	code signum.Code
}

// crowd runs a plan.
func crowd(ctx context.Context, p plan) error {
	r := &run{plan: p, got: make(map[outcome]int), moved: make(chan struct{}, 1)}
	began := time.Now()
	var err error
	if r.node, err = startNode(ctx, &p); err != nil {
		return err
	}
	defer r.node.kill()
	r.print("%d users in %s", p.requests, time.Since(began).Round(time.Second/10))
	if r.parties, err = connect(ctx, p.dir, r.node.base, p.conns); err != nil {
		return err
	}
	alone, err := r.others(ctx, func() bool { return false })
	if err != nil {
		return err
	}
	if err := r.wait(ctx, alone); err != nil {
		return err
	}
	if err := r.internalErrors(ctx); err != nil {
		return err
	}
	if err := r.node.stop(); err != nil {
		return err
	}
	if err := r.compare(ctx); err != nil {
		return err
	}
	r.verify()
	for _, w := range r.wrong[:min(len(r.wrong), 20)] {
		r.print("WRONG: %s", w)
	}
	if len(r.wrong) > 0 {
		return fmt.Errorf("%d faults", len(r.wrong))
	}
	return nil
}

func (r *run) print(format string, args ...any) { fmt.Fprintf(r.out, "  "+format+"\n", args...) }

func (r *run) fault(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wrong = append(r.wrong, fmt.Sprintf(format, args...))
}

// wait has all requests wait, and returns when they have ended.
func (r *run) wait(ctx context.Context, alone []time.Duration) error {
	before, err := r.node.settle()
	if err != nil {
		return err
	}
	if err := r.heap(".before"); err != nil {
		return err
	}
	used, began := r.node.cpu(), time.Now()
	all := make(chan error, 1)
	go func() { all <- r.askAll(ctx) }()
	beside := make(chan error, 1)
	ended := make(chan struct{})
	var took []time.Duration
	go func() {
		var err error
		took, err = r.others(ctx, func() bool {
			select {
			case <-ended:
				return false
			default:
				return true
			}
		})
		beside <- err
	}()
	peak, err := r.full(ctx)
	if err == nil {
		r.print("%d of %d requests wait after %s, CPU of node and phones %s", peak, r.requests, time.Since(began).Round(time.Second/10), (r.node.cpu() - used).Round(time.Second/10))
		err = r.atPeak(ctx, before, peak)
	}
	err = errors.Join(err, <-all)
	close(ended)
	err = errors.Join(err, <-beside)
	r.print("all have ended after %s, CPU of node and phones %s", time.Since(began).Round(time.Second/10), (r.node.cpu() - used).Round(time.Second/10))
	r.print("another party, one request at a time: alone %s, meanwhile %s", quantiles(alone), quantiles(took))
	return err
}

// atPeak looks at the node while all requests wait, and asks for more.
func (r *run) atPeak(ctx context.Context, before usage, peak int) error {
	most, err := r.node.usage()
	if err != nil {
		return err
	}
	after, err := r.node.settle()
	if err != nil {
		return err
	}
	kib := func(a, b int64) float64 { return float64(b-a) / 1024 / float64(peak) }
	r.print("memory of node and phones: %d MiB before, %d MiB with all requests, %d MiB after a collection", before.resident>>20, most.resident>>20, after.resident>>20)
	r.print("a waiting request: %.1f KiB, of it heap %.1f and stacks %.1f; %d files are open, %d before",
		kib(before.resident, after.resident), kib(before.heap, after.heap), kib(before.stack, after.stack), after.files, before.files)
	if err := r.heap(".waiting"); err != nil {
		return err
	}
	if peak < r.requests {
		return nil // some have ended, so that there is room
	}
	return r.tooMany(ctx)
}

// heap has the node write a heap profile, if the plan wants one.
func (r *run) heap(suffix string) error {
	if r.profile == "" {
		return nil
	}
	said, err := r.node.say(profileWord + " " + r.profile + suffix)
	if err == nil && said != done {
		err = errors.New(said)
	}
	return err
}

// tooMany asks for more than the parties may have open, until the first request has ended.
func (r *run) tooMany(ctx context.Context) error {
	var took []time.Duration
	for i := range r.extra * r.plan.parties {
		a, err := r.parties.ask(ctx, i, partyOf(i%r.plan.parties), msisdn(0), r.timeout)
		if err != nil {
			return err
		}
		if !a.limited() {
			if r.over() > 0 {
				return nil // there is room again
			}
			r.fault("a request beyond the limit of its party: %d %q, Retry-After %s", a.code, a.detail, a.wait)
		}
		took = append(took, a.took)
	}
	r.print("%d requests beyond the limits of their parties were refused: %s", len(took), quantiles(took))
	return nil
}

// sending is how many requests are on their way to their phones at a time.
const sending = 256

// askAll makes one request for each user, and returns when all have ended. The next
// request is made when few of those before are neither waiting nor over.
func (r *run) askAll(ctx context.Context) error {
	failed := make(chan error, 1)
	var all sync.WaitGroup
	for n := range r.requests {
		for n-int(r.settled.Load()) >= sending {
			select {
			case <-r.moved:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		all.Go(func() {
			if err := r.askUser(ctx, n); err != nil {
				select {
				case failed <- fmt.Errorf("request %d: %w", n, err):
				default:
				}
			}
		})
	}
	all.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// longest is the longest TimeOut that a request may name, in seconds.
const longest = 300

// askUser makes the request for a user, and makes it again when the node was too busy.
func (r *run) askUser(ctx context.Context, n int) error {
	k := kindOf(n, r.approve)
	timeout := r.timeout
	if k.approves {
		timeout = longest
	}
	for {
		// A party has connections of its own: n modulo the parties stays the same.
		a, err := r.parties.ask(ctx, n%(len(r.parties.conns)/r.plan.parties*r.plan.parties), partyOf(n%r.plan.parties), msisdn(n), timeout)
		if err != nil {
			return err
		}
		if !a.busy() {
			r.note(k, &a)
			return nil
		}
		if a.wait <= 0 {
			r.fault("busy without Retry-After")
		}
		r.mu.Lock()
		r.busy++
		r.mu.Unlock()
		select {
		case <-time.After(max(a.wait, time.Second)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// note counts an answer.
func (r *run) note(k kind, a *answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lenient && a.code == signum.InternalError {
		r.late++
		return
	}
	o := outcome{k, a.code}
	if r.got[o]++; r.got[o] == 1 && a.code != k.code() {
		if r.lenient && !k.slow(a.code) {
			r.wrong = append(r.wrong, fmt.Sprintf("%d for a user of a %s", a.code, k.method))
		}
		r.print("%d for a user of a %s: %q after %s", a.code, k.method, a.detail, a.took.Round(time.Millisecond))
	}
}

// pause is between two requests of the other party.
const pause = 50 * time.Millisecond

// others makes the requests of the other party, a few at least and then until more says no.
func (r *run) others(ctx context.Context, more func() bool) (took []time.Duration, err error) {
	for i := 0; i < otherUsers || more(); i++ {
		a, err := r.parties.ask(ctx, i, otherParty, msisdn(r.requests+i%otherUsers), 60)
		switch {
		case err != nil:
			return nil, fmt.Errorf("the other party: %w", err)
		case a.busy():
			time.Sleep(max(a.wait, time.Second))
		case a.code != signum.SignatureMade:
			r.fault("the other party was told %d %q", a.code, a.detail)
		}
		took = append(took, a.took)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return took, nil
}

// full waits until each request waits or is over, and returns how many have waited at a
// time.
func (r *run) full(ctx context.Context) (most int, err error) {
	for {
		n, err := r.node.metric(ctx, "signum_requests_waiting")
		if err != nil {
			return 0, err
		}
		over := r.over()
		most = max(most, n)
		r.settled.Store(int64(n + over))
		select {
		case r.moved <- struct{}{}:
		default:
		}
		if n+over >= r.requests {
			return min(most, r.requests), nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// over returns how many requests are over.
func (r *run) over() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, of := range r.got {
		n += of
	}
	return n + r.late
}

// internalErrors is a fault for calls that failed because of the service.
func (r *run) internalErrors(ctx context.Context) error {
	n, err := r.node.metric(ctx, "signum_internal_errors_total")
	if n > 0 && !r.lenient {
		r.fault("%d calls failed because of the service", n)
	}
	return err
}

// verify compares what the parties were told with what their users do.
func (r *run) verify() {
	want := make(map[outcome]int)
	for n := range r.requests {
		k := kindOf(n, r.approve)
		want[outcome{k, k.code()}]++
	}
	all := r.over()
	for o, n := range r.got {
		does := "no answer"
		if o.approves {
			does = "approval"
		}
		r.print("%s, %s: %d times %s", o.method, does, n, strconv.Itoa(int(o.code)))
		if n != want[o] && !r.lenient {
			r.fault("%s, %s: %d times %d, not %d times", o.method, does, n, o.code, want[o])
		}
	}
	if all != r.requests {
		r.fault("%d answers to %d requests", all, r.requests)
	}
	if r.late > 0 {
		r.print("%d times 900, because the outcome came too late", r.late)
	}
	if r.busy > 0 {
		r.print("%d refusals because of overload, after which the request was made again", r.busy)
	}
}

// quantiles describes times.
func quantiles(times []time.Duration) string {
	if len(times) == 0 {
		return "none"
	}
	slices.Sort(times)
	at := func(percent int) time.Duration {
		return times[(len(times)-1)*percent/100].Round(100 * time.Microsecond)
	}
	return fmt.Sprintf("p50 %s, p99 %s, max %s (%d)", at(50), at(99), at(100), len(times))
}
