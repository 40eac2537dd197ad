package person

import (
	"log/slog"
	"sync"

	"github.com/signum-mssp/signum/internal/event"
)

// Pool runs work on a bounded number of goroutines that exist only while
// there is work. Its queue is not bounded: each entry belongs to a request that
// was accepted, and handing over must not wait.
type Pool struct {
	log   *slog.Logger
	limit int

	mu      sync.Mutex
	idle    sync.Cond // signalled when running falls to 0
	queue   []func()
	head    int // of queue
	running int
	closed  bool
}

// NewPool returns a pool of at most limit goroutines. Work that panics is
// logged and costs the pool no goroutine.
func NewPool(log *slog.Logger, limit int) *Pool {
	p := &Pool{log: log, limit: limit}
	p.idle.L = &p.mu
	return p
}

// Submit returns false, and forgets the work, once the pool is closed.
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
			// A queue that never runs empty must not grow forever.
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

// Close refuses new work and waits for what was accepted.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for p.running > 0 {
		p.idle.Wait()
	}
}
