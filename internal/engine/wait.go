package engine

import (
	"context"
	"sync"

	"github.com/signum-mssp/signum"
)

// keepTransactions is how many transactions are kept in memory with those who
// wait for them, so that their answers need not read them again: 40 µs each.
// The others are read: at 1.5 KB each, tens of thousands would be a tenth of
// what a waiting connection costs.
const keepTransactions = 1024

// waiter is one synchronous request that waits on this node.
type waiter struct {
	id      string
	profile string              // of the method, for the answer
	t       *signum.Transaction // nil if it is not kept
	result  chan *result        // capacity 1
}

// result is what came of a transaction.
type result struct {
	signum.Outcome
	cms []byte
	err error
}

func newWaiter(t *signum.Transaction) *waiter {
	return &waiter{id: t.ID, profile: signum.ProfileOf(t.Method), t: t, result: make(chan *result, 1)}
}

// end gives the result; the first one counts.
func (w *waiter) end(r *result) {
	select {
	case w.result <- r:
	default:
	}
}

type waiters struct {
	mu   sync.Mutex
	m    map[string]*waiter
	kept int // of them with a transaction
}

func (ws *waiters) add(w *waiter) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.m[w.id] = w
	if ws.kept++; ws.kept > keepTransactions {
		ws.kept--
		w.t = nil
	}
}

func (ws *waiters) remove(w *waiter) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.m[w.id] != w {
		return // an asynchronous one was never there
	}
	delete(ws.m, w.id)
	if w.t != nil {
		ws.kept--
	}
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
// transaction. No timer: the sweep ends what is overdue.
func (e *Engine) wait(ctx context.Context, w *waiter) *result {
	select {
	case r := <-w.result:
		e.waiters.remove(w)
		return r
	case <-ctx.Done():
		return e.abandon(ctx, w)
	}
}

// abandon is for a party that hung up, or a node that stops.
//
//go:noinline
func (e *Engine) abandon(ctx context.Context, w *waiter) *result {
	e.waiters.remove(w)
	return &result{err: context.Cause(ctx)}
}

// wake tells the one who waits on this node, if there is one.
func (e *Engine) wake(t *signum.Transaction, o signum.Outcome) {
	if w := e.waiters.get(t.ID); w != nil {
		cms, err := e.cms(t, o)
		w.end(&result{Outcome: o, cms: cms, err: err})
	}
}
