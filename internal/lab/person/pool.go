package person

import (
	"log/slog"
	"sync"

	"github.com/signum-mssp/signum/internal/event"
)

// Pool runs work on a bounded number of goroutines, which exist only while there
// is work. Its queue is unbounded: each entry belongs to a request that was
// accepted, and Submit must not block.
type Pool struct {
	log   *slog.Logger
	limit int

	mu      sync.Mutex
	idle    sync.Cond // signalled when running falls to 0
	queue   []func()
	head    int // index of the next entry in queue
	running int
	closed  bool
}

// NewPool returns a pool of at most limit goroutines. A panic in the work is
// logged and does not end its goroutine.
func NewPool(log *slog.Logger, limit int) *Pool {
	p := &Pool{log: log, limit: limit}
	p.idle.L = &p.mu
	return p
}

// Submit queues work. It returns false, and drops the work, if the pool is closed.
func (p *Pool) Submit(f func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.queue = append(p.queue, f)
	if p.running < p.limit {
		p.running++
		go p.work()
	}
	return true
}

func (p *Pool) work() {
	defer event.Rescue(p.log, "person")
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.head < len(p.queue) {
		f := p.queue[p.head]
		p.queue[p.head] = nil
		p.head++
		if p.head == len(p.queue) {
			p.queue, p.head = p.queue[:0], 0
		} else if p.head >= 1024 && p.head*2 >= len(p.queue) {
			// A queue that never becomes empty must not grow without bound.
			n := copy(p.queue, p.queue[p.head:])
			clear(p.queue[n:])
			p.queue, p.head = p.queue[:n], 0
		}
		p.mu.Unlock()
		p.run(f)
		p.mu.Lock()
	}
	p.running--
	if p.running == 0 {
		if cap(p.queue) > 4096 {
			p.queue = nil
		}
		p.idle.Broadcast()
	}
}

func (p *Pool) run(f func()) {
	defer event.Rescue(p.log, "person")
	f()
}

// Close refuses new work and waits for the work that was accepted.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for p.running > 0 {
		p.idle.Wait()
	}
}
