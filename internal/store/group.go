package store

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
)

// ErrClosed is returned by writes after Close.
var ErrClosed = errors.New("store: closed")

// write is one change on its way into the database: a statement, then what
// depends on its effect; either may be missing. A refusal is an error made
// with refuse; anything else that goes wrong rolls the transaction back.
type write struct {
	first *query
	args  []any
	then  func(ctx context.Context, s *session, affected int64) error

	taken    atomic.Bool // by a writer, or by the caller who gave up
	answer   chan error  // capacity 1
	affected int64       // rows, by the first statement
	err      error       // the refusal, kept until the transaction has committed
}

// refusal is an error that leaves the transaction sound: the write changed
// nothing, its neighbours go on.
type refusal struct{ error }

func refuse(err error) error { return refusal{err} }

// queue holds the writes that wait for a transaction.
type queue struct {
	mu      sync.Mutex
	arrived sync.Cond
	waiting []*write
	closed  bool
}

func newQueue() *queue {
	q := new(queue)
	q.arrived.L = &q.mu
	return q
}

// do queues the write and waits until it is on disk or refused. A caller whose
// context ends before a writer took the write withdraws it; after that the
// caller waits, so that an answer is never ambiguous.
func (q *queue) do(ctx context.Context, w *write) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w.answer = make(chan error, 1)
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return ErrClosed
	}
	q.waiting = append(q.waiting, w)
	q.mu.Unlock()
	q.arrived.Signal()

	select {
	case err := <-w.answer:
		return err
	case <-ctx.Done():
		if w.taken.CompareAndSwap(false, true) {
			return ctx.Err()
		}
		return <-w.answer
	}
}

// take waits for writes and appends at most limit of them to group; it returns
// an empty group once the queue is closed and drained.
func (q *queue) take(group []*write, limit int) []*write {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		group = q.move(group, limit)
		if len(group) > 0 || q.closed {
			return group
		}
		q.arrived.Wait()
	}
}

// poll appends to group what has arrived meanwhile, without waiting.
func (q *queue) poll(group []*write, limit int) []*write {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.move(group, limit)
}

// move takes writes over from the queue, those withdrawn left out.
func (q *queue) move(group []*write, limit int) []*write {
	n := 0
	for ; n < len(q.waiting) && len(group) < limit; n++ {
		if w := q.waiting[n]; w.taken.CompareAndSwap(false, true) {
			group = append(group, w)
		}
	}
	rest := copy(q.waiting, q.waiting[n:])
	clear(q.waiting[rest:])
	q.waiting = q.waiting[:rest]
	return group
}

// close lets no more writes in; those that wait are still taken.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.arrived.Broadcast()
}
