package phone

import "sync"

// pool runs work on a bounded number of goroutines that exist only while
// there is work. Its queue is not bounded: each entry belongs to a request that
// was accepted, and handing over must not wait.
type pool struct {
	limit int

	mu      sync.Mutex
	idle    sync.Cond // signalled when running falls to 0
	queue   []func()
	head    int // of queue
	running int
	closed  bool
}

func newPool(limit int) *pool {
	p := &pool{limit: limit}
	p.idle.L = &p.mu
	return p
}

// submit returns false, and forgets the work, once the pool is closed.
func (p *pool) submit(f func()) bool {
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

func (p *pool) work() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.head < len(p.queue) {
		f := p.queue[p.head]
		p.queue[p.head] = nil
		p.head++
		if p.head == len(p.queue) {
			p.queue, p.head = p.queue[:0], 0
		} else if p.head >= 1024 && p.head*2 >= len(p.queue) {
			// A queue that never runs empty must not grow for ever.
			n := copy(p.queue, p.queue[p.head:])
			clear(p.queue[n:])
			p.queue, p.head = p.queue[:n], 0
		}
		p.mu.Unlock()
		f()
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

// close refuses new work and waits for what was accepted.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for p.running > 0 {
		p.idle.Wait()
	}
}
