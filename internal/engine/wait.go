package engine

import (
	"context"
	"sync"

	"github.com/signum-mssp/signum"
)

// waiter is one synchronous request that waits on this node. It keeps its
// transaction, so that the answer need not read it again.
type waiter struct {
	t    *signum.Transaction
	done chan struct{}
	once sync.Once
	// What came of it; set before done is closed.
	out signum.Outcome
	cms []byte
	err error
}

func newWaiter(t *signum.Transaction) *waiter { return &waiter{t: t, done: make(chan struct{})} }

func (w *waiter) end(o signum.Outcome, cms []byte, err error) {
	w.once.Do(func() {
		w.out, w.cms, w.err = o, cms, err
		close(w.done)
	})
}

type waiters struct {
	mu sync.Mutex
	m  map[string]*waiter
}

func (ws *waiters) add(w *waiter) {
	ws.mu.Lock()
	ws.m[w.t.ID] = w
	ws.mu.Unlock()
}

func (ws *waiters) remove(id string) {
	ws.mu.Lock()
	delete(ws.m, id)
	ws.mu.Unlock()
}

// get is nil if nobody waits here for the transaction.
func (ws *waiters) get(id string) *waiter {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	return ws.m[id]
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

// wait waits for the outcome. A party that hangs up ends the waiting, not the
// transaction. No timer: the sweep ends what is overdue. Tens of thousands
// wait here, so the frames that stay on their stacks are kept small.
func (e *Engine) wait(ctx context.Context, w *waiter) error {
	select {
	case <-w.done:
		e.waiters.remove(w.t.ID)
		return w.err
	case <-ctx.Done():
		e.waiters.remove(w.t.ID)
		return context.Cause(ctx)
	}
}

// wake tells the one who waits on this node, if there is one.
func (e *Engine) wake(t *signum.Transaction, o signum.Outcome) {
	if w := e.waiters.get(t.ID); w != nil {
		cms, err := e.cms(t, o)
		w.end(o, cms, err)
	}
}
