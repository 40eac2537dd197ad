package sim

import (
	"log/slog"
	"sync"

	"github.com/signum-mssp/signum/internal/event"
)

// pool runs jobs in order, a limited number at a time. It has no goroutines while
// there is nothing to do.
type pool struct {
	log     *slog.Logger
	mu      sync.Mutex
	limit   int
	running int
	queue   []func()
	closed  bool
	wg      sync.WaitGroup
}

func newPool(log *slog.Logger, limit int) *pool { return &pool{log: log, limit: limit} }

// do queues a job. It returns false if the pool is closed.
func (p *pool) do(job func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	if p.running < p.limit {
		p.running++
		p.wg.Add(1)
		go p.work(job)
		return true
	}
	p.queue = append(p.queue, job)
	return true
}

func (p *pool) work(job func()) {
	defer event.Rescue(p.log, "SIM worker")
	defer p.wg.Done()
	for job != nil {
		p.run(job)
		job = p.next()
	}
}

// run runs one job. If it panics, the worker goes on with the next.
func (p *pool) run(job func()) {
	defer event.Rescue(p.log, "SIM worker")
	job()
}

// next returns the next job; nil ends the worker.
func (p *pool) next() func() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) == 0 || p.closed {
		p.running--
		return nil
	}
	job := p.queue[0]
	p.queue[0] = nil
	if p.queue = p.queue[1:]; len(p.queue) == 0 {
		p.queue = nil // free the array
	}
	return job
}

func (p *pool) waiting() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.queue)
}

// close drops the jobs that have not started and waits for the others.
func (p *pool) close() {
	p.mu.Lock()
	p.closed, p.queue = true, nil
	p.mu.Unlock()
	p.wg.Wait()
}
