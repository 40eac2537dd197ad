package engine

import (
	"context"
	"sync"

	"github.com/signum-mssp/signum"
)

// waiter is one synchronous request that waits on this node.
type waiter struct {
	done chan struct{}
	out  signum.Outcome // set before done is closed
	once sync.Once
}

func (w *waiter) end(o signum.Outcome) {
	w.once.Do(func() {
		w.out = o
		close(w.done)
	})
}

type waiters struct {
	mu sync.Mutex
	m  map[string]*waiter
}

func (ws *waiters) add(id string) *waiter {
	w := &waiter{done: make(chan struct{})}
	ws.mu.Lock()
	ws.m[id] = w
	ws.mu.Unlock()
	return w
}

func (ws *waiters) remove(id string) {
	ws.mu.Lock()
	delete(ws.m, id)
	ws.mu.Unlock()
}

// wake tells the one who waits for the transaction, if it is on this node.
func (ws *waiters) wake(id string, o signum.Outcome) {
	ws.mu.Lock()
	w := ws.m[id]
	ws.mu.Unlock()
	if w != nil {
		w.end(o)
	}
}

func (ws *waiters) ids() []string {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ids := make([]string, 0, len(ws.m))
	for id := range ws.m {
		ids = append(ids, id)
	}
	return ids
}

// wait returns the outcome. A party that hangs up ends the waiting, not the
// transaction. No timer: the sweep ends what is overdue.
func (e *Engine) wait(ctx context.Context, id string, w *waiter) (signum.Outcome, error) {
	defer e.waiters.remove(id)
	select {
	case <-w.done:
		return w.out, nil
	case <-ctx.Done():
		return signum.Outcome{}, context.Cause(ctx)
	}
}
