package engine

import (
	"context"
	"sync"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// keepTransactions is how many transactions are kept in memory with those who
// wait for them, so that their answers need not read them again: 40 µs each.
// The others are read: at 1.5 KB each, tens of thousands would be a tenth of
// what a waiting connection costs.
const keepTransactions = 1024

// waiter is one synchronous request that waits on this node.
type waiter struct {
	id      string
	profile string            // for the answer
	t       *mssp.Transaction // nil if it is not kept
	expires time.Time         // of a receipt
	result  chan *result      // capacity 1
}

// result is what came of a transaction, or of its receipt.
type result struct {
	mssp.Outcome
	status   signum.Code // as the answer says it
	cms      []byte
	services []signum.ServiceResponse
	receipt  signum.ReceiptResult
	err      error
}

func newWaiter(t *mssp.Transaction) *waiter {
	return &waiter{id: t.ID, profile: t.Profile, result: make(chan *result, 1)}
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

// add registers the waiter, and keeps the transaction with it while there is
// room. One that will be changed before it is signed is not kept.
func (ws *waiters) add(w *waiter, t *mssp.Transaction) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.m[w.id] = w
	if t != nil && !t.Activating() && ws.kept < keepTransactions {
		ws.kept++
		w.t = t
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

// overdue are those of receipts whose time is over.
func (ws *waiters) overdue(now time.Time) []string {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	var ids []string
	for id, w := range ws.m {
		if !w.expires.After(now) {
			ids = append(ids, id)
		}
	}
	return ids
}

// wait waits for the outcome. A party that hangs up ends the waiting, not the
// transaction. No timer: the sweep ends what is overdue.
func (ws *waiters) wait(ctx context.Context, w *waiter) *result {
	select {
	case r := <-w.result:
		ws.remove(w)
		return r
	case <-ctx.Done():
		return ws.abandon(ctx, w)
	}
}

// abandon is for a party that hung up, or a node that stops.
//
//go:noinline
func (ws *waiters) abandon(ctx context.Context, w *waiter) *result {
	ws.remove(w)
	return &result{err: context.Cause(ctx)}
}

// wake tells the one who waits on this node, if there is one.
func (e *Engine) wake(t *mssp.Transaction, o mssp.Outcome) {
	if w := e.waiters.get(t.ID); w != nil {
		w.end(e.result(t, o))
	}
}

// result is what an answer says of a transaction that has ended.
func (e *Engine) result(t *mssp.Transaction, o mssp.Outcome) *result {
	r := &result{Outcome: o, status: o.Code}
	switch o.Code {
	case signum.SignatureMade:
		r.cms, r.err = e.cms(t, o)
		r.services = answers(&t.Services, o.Location)
		if t.Services.Validate {
			r.status = signum.ValidSignature // it is always verified; some like to be told
		}
	case signum.RequestOK:
		r.services = answers(&t.Services, nil)
	}
	return r
}
