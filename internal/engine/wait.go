package engine

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
)

// keepTransactions is how many transactions are kept in memory with the
// requests that wait for them, which saves their answers a read of 40 µs.
// Beyond that number an answer reads the transaction: at 1.5 KB each, tens of
// thousands of them would add a tenth to the cost of a waiting connection.
const keepTransactions = 1024

// waiter is a synchronous request that waits on this node.
type waiter struct {
	id      string
	profile string            // for the answer
	t       *mssp.Transaction // nil if it is not kept in memory
	due     time.Time         // when its time is up; by the monotonic clock, if the Clock has one
	seen    time.Time         // when release first saw that the time is up; zero: not yet
	lost    mssp.Outcome      // why the phone could not be shown the receipt; zero: it could
	result  chan *result      // capacity 1
}

// result is how a transaction, or its receipt, ended.
type result struct {
	mssp.Outcome
	status   signum.Code // as in the answer
	cms      []byte
	services []signum.ServiceResponse
	receipt  signum.ReceiptResult
	err      error
}

func newWaiter(t *mssp.Transaction, due time.Time) *waiter {
	return &waiter{id: t.ID, profile: t.Profile, due: due, result: make(chan *result, 1)}
}

// end delivers the result. Only the first one counts.
func (w *waiter) end(r *result) {
	select {
	case w.result <- r:
	default:
	}
}

type waiters struct {
	mu   sync.Mutex
	m    map[string]*waiter
	kept int // how many of them hold a transaction
}

// add registers the waiter, and keeps the transaction with it while there is
// room. A transaction that still waits for an activation is not kept, because
// it will change before it is signed.
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
		return // asynchronous requests are never registered
	}
	delete(ws.m, w.id)
	if w.t != nil {
		ws.kept--
	}
}

// get returns nil if no request on this node waits for the transaction.
func (ws *waiters) get(id string) *waiter {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	return ws.m[id]
}

func (ws *waiters) len() int {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	return len(ws.m)
}

// Waiting returns how many requests wait on this node for the outcome of a
// transaction or a receipt.
func (e *Engine) Waiting() int { return e.waiters.len() }

func (ws *waiters) ids() []string {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ids := make([]string, 0, len(ws.m))
	for id := range ws.m {
		ids = append(ids, id)
	}
	return ids
}

// overdue returns the transactions or receipts whose time is up.
func (ws *waiters) overdue(now time.Time) []string {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	var ids []string
	for id, w := range ws.m {
		if !w.due.After(now) {
			ids = append(ids, id)
		}
	}
	return ids
}

// late returns those whose time has been up for the grace. It counts from when that was
// first seen: a process that stood still gives the store its time, too.
func (ws *waiters) late(now time.Time) (list []*waiter) {
	seen := time.Now()
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for _, w := range ws.m {
		switch {
		case w.due.After(now):
		case w.seen.IsZero():
			w.seen = seen
		case seen.Sub(w.seen) >= grace:
			list = append(list, w)
		}
	}
	return list
}

// grace is how long after its time a request still waits for the store to record how it
// ended. The party hears within another second.
const grace = time.Second

// errStoreLate is what a request gets whose time is over and whose outcome the store
// could not take. The party is told 900, which is no outcome: a status query tells that.
var errStoreLate = errors.New("the time is over, and the store has not recorded the outcome yet")

// errStoreWait is the cause of a context that ended because a call took longer than
// Config.StoreWait.
var errStoreWait = errors.New("what a call needs before it waits for a phone took too long")

// soon limits the part of a call in which it waits for the store and not for a phone.
func (e *Engine) soon(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, e.cfg.StoreWait, errStoreWait)
}

// inItsTime limits it further, to the time of the request and the grace, if that is less.
func (e *Engine) inItsTime(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	if timeout == 0 || timeout+grace >= e.cfg.StoreWait {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, timeout+grace, errStoreWait)
}

// untilDue returns a context for what must be done with a transaction even if its party
// hangs up. It ends in time for the party to get its answer.
func (e *Engine) untilDue(ctx context.Context, id string) (context.Context, context.CancelFunc) {
	left := e.cfg.HandOver
	if f, known := e.flights.get(id); known {
		left = f.due.Sub(e.cfg.Clock.Now())
	}
	return context.WithTimeoutCause(context.WithoutCancel(ctx), left+grace, errStoreLate)
}

// release ends the waiting of requests whose time is over, whatever the store does.
func (e *Engine) release(context.Context) error {
	e.horizon() // looks at the clock, whatever the store does
	for _, ws := range []*waiters{&e.waiters, &e.receipts} {
		for _, w := range ws.late(e.cfg.Clock.Now()) {
			w.end(&result{err: errStoreLate})
		}
	}
	return nil
}

// wait waits for the outcome. If the party hangs up, the waiting ends but the
// transaction continues. There is no timer, because the sweep ends whatever is
// overdue, and release the waiting if the sweep cannot.
func (ws *waiters) wait(ctx context.Context, w *waiter) *result {
	select {
	case r := <-w.result:
		ws.remove(w)
		return r
	case <-ctx.Done():
		return ws.abandon(ctx, w)
	}
}

// abandon ends the waiting when the party has hung up or the node stops.
//
//go:noinline
func (ws *waiters) abandon(ctx context.Context, w *waiter) *result {
	ws.remove(w)
	return &result{err: context.Cause(ctx)}
}

// wake gives the outcome to the request that waits on this node, if there is
// one.
func (e *Engine) wake(t *mssp.Transaction, o mssp.Outcome) {
	if w := e.waiters.get(t.ID); w != nil {
		w.end(e.result(t, o))
	}
}

// result builds what an answer says about a transaction that has ended. If that
// panics, the answer is 900: the request that waits must not wait forever.
func (e *Engine) result(t *mssp.Transaction, o mssp.Outcome) (r *result) {
	r = &result{Outcome: o, status: o.Code}
	defer event.RescueTo(&r.err, e.cfg.Logger, "result")
	switch o.Code {
	case signum.SignatureMade:
		r.cms, r.err = e.cms(t, o)
		r.services = answers(&t.Services, o.Location)
		if t.Services.Validate {
			r.status = signum.ValidSignature // every signature is verified; these parties ask to be told
		}
	case signum.RequestOK:
		r.services = answers(&t.Services, nil)
	}
	return r
}
