package sim

import (
	"log/slog"
	"sync"
	"time"

	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/fair"
)

// pool runs the jobs of parties in turn, a limited number at a time. It has no goroutines
// while there is nothing to do.
type pool struct {
	log     *slog.Logger
	now     func() time.Time
	mu      sync.Mutex
	limit   int
	running int
	queue   fair.Queue[job]
	closed  bool
	wg      sync.WaitGroup
}

type job struct {
	party string
	begun bool // it continues what began, such as the second step of a request
	run   func()
}

func newPool(log *slog.Logger, now func() time.Time, limit int) *pool {
	return &pool{log: log, now: now, limit: limit}
}

// do queues a job. It returns false if the pool is closed.
func (p *pool) do(j job) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	if p.running < p.limit {
		p.running++
		p.wg.Add(1)
		go p.work(j.run)
		return true
	}
	if j.begun {
		p.queue.PushBegun(j.party, j, p.now())
	} else {
		p.queue.Push(j.party, j, p.now())
	}
	return true
}

func (p *pool) work(run func()) {
	defer event.Rescue(p.log, "SIM worker")
	defer p.wg.Done()
	for run != nil {
		p.run(run)
		run = p.next()
	}
}

// run runs one job. If it panics, the worker goes on with the next.
func (p *pool) run(run func()) {
	defer event.Rescue(p.log, "SIM worker")
	run()
}

// next returns the next job; nil ends the worker.
func (p *pool) next() func() {
	p.mu.Lock()
	defer p.mu.Unlock()
	j, ok := p.queue.Pop()
	if !ok {
		p.running--
		return nil
	}
	return j.run
}

func (p *pool) waiting() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.queue.Len()
}

// age returns for how long the job has waited that has waited longest.
func (p *pool) age() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.since(p.queue.Oldest())
}

// ageOf returns the same of the jobs of one party.
func (p *pool) ageOf(party string) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.since(p.queue.OldestOf(party))
}

func (p *pool) since(at time.Time) time.Duration {
	if at.IsZero() {
		return 0
	}
	return p.now().Sub(at)
}

// close drops the jobs that have not started and waits for the others.
func (p *pool) close() {
	p.mu.Lock()
	p.closed, p.queue = true, fair.Queue[job]{}
	p.mu.Unlock()
	p.wg.Wait()
}
