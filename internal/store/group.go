package store

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signum-mssp/signum/internal/fair"
	"github.com/signum-mssp/signum/internal/mssp"
)

// ErrClosed is returned by writes after Close.
var ErrClosed = errors.New("store: closed")

// write is one change on its way into the database: a first statement, then a
// function that depends on its effect; either may be missing. An error made with
// refuse is a refusal; any other error rolls the transaction back.
type write struct {
	// row names a row that several callers change at the same time, such as that of
	// a card or an App. All writes of one row go to the same writer: two writers
	// that lock many rows in different orders would wait for each other. Empty: any
	// writer.
	row string
	// fresh marks a write that begins work, such as a new transaction. It comes after the
	// others of its party: what has begun can only end, and make room, if it goes on.
	fresh bool
	first *query
	args  []any
	then  func(ctx context.Context, s *session, affected int64) error

	party    string      // whose turn it is
	since    time.Time   // when it came
	taken    atomic.Bool // by a writer, or by the caller when it gave up
	left     bool        // the caller was told that the fate of the write is unknown; under the lock of the queue
	answer   chan error  // capacity 1
	affected int64       // rows, by the first statement
	err      error       // the refusal, kept until the transaction has committed
}

// refusal is an error that does not affect the transaction: the write changed
// nothing, and its neighbours go on.
type refusal struct{ error }

func refuse(err error) error { return refusal{err} }

// queue holds the writes that wait for a transaction. Parties have their turns, so that
// the many writes of one do not hold back the few of another.
type queue struct {
	seed  maphash.Seed
	limit time.Duration // of a caller

	mu      sync.Mutex
	arrived sync.Cond
	waiting line   // for any writer
	own     []line // by writer, for it alone
	closed  bool
}

type line = fair.Queue[*write]

func newQueue(writers int) *queue {
	q := &queue{seed: maphash.MakeSeed(), own: make([]line, writers), limit: defaultLimits.wait}
	q.arrived.L = &q.mu
	return q
}

// add appends a write to the line it belongs to and wakes the writers that may take it.
func (q *queue) add(w *write) {
	to, wake := &q.waiting, q.arrived.Signal
	if w.row != "" && len(q.own) > 1 {
		to, wake = &q.own[maphash.String(q.seed, w.row)%uint64(len(q.own))], q.arrived.Broadcast
	}
	if w.fresh {
		to.Push(w.party, w, w.since)
	} else {
		to.PushBegun(w.party, w, w.since)
	}
	wake()
}

// giveBack makes writes wait again that a writer has taken and that had no effect. Their
// callers may withdraw them. Those whose callers have left are dropped: what was looked up and
// not found must not be written later. It returns false if the queue is closed.
func (q *queue) giveBack(group []*write) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	for _, w := range group {
		if !w.left {
			w.taken.Store(false)
			q.add(w)
		}
	}
	return true
}

// do queues the write and waits until it is on disk or refused. If the context
// ends before a writer has taken the write, the write is withdrawn. Once it is
// taken, do waits for the result even if the caller is gone, because what follows the
// write must follow. Only at a deadline of the context, or after the limit of the queue,
// it returns mssp.ErrUncertain: a database that hangs must not hold its callers.
func (q *queue) do(ctx context.Context, w *write) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w.answer, w.party, w.since = make(chan error, 1), fair.Key(ctx), time.Now()
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return ErrClosed
	}
	q.add(w)
	q.mu.Unlock()

	limit := time.NewTimer(q.limit)
	defer limit.Stop()
	for done := ctx.Done(); ; {
		var late error
		select {
		case err := <-w.answer:
			return err
		case <-done:
			late = ctx.Err()
		case <-limit.C:
			late = &TimeoutError{Limit: "write", After: q.limit}
		}
		inTime := !errors.Is(late, context.DeadlineExceeded)
		switch {
		case q.withdraw(w, inTime):
			return late
		case !inTime:
			return fmt.Errorf("store: write: %w: %w", mssp.ErrUncertain, late)
		}
		done = nil
	}
}

// withdraw takes a write back that no writer has taken, and reports whether it did. If it
// did not, the caller goes on waiting (stay) or leaves.
func (q *queue) withdraw(w *write, stay bool) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !w.taken.CompareAndSwap(false, true) {
		w.left = !stay
		return false
	}
	// The withdrawn writes of the party that would be next would make the queue look old.
	isTaken := func(w *write) bool { return w.taken.Load() }
	q.waiting.Trim(w.party, isTaken)
	for i := range q.own {
		q.own[i].Trim(w.party, isTaken)
	}
	return true
}

// take waits for writes and appends at most limit of them to group. It returns an
// empty group once the queue is closed and holds nothing more for this writer.
func (q *queue) take(writer int, group []*write, limit int) []*write {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		group = q.move(writer, group, limit)
		if len(group) > 0 || q.closed {
			return group
		}
		q.arrived.Wait()
	}
}

// poll appends to group what has arrived meanwhile, without waiting.
func (q *queue) poll(writer int, group []*write, limit int) []*write {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.move(writer, group, limit)
}

// pollMore is poll for a group that holds locks. With several writers it leaves out the
// writes of a row: their rows may come before those that are locked already.
func (q *queue) pollMore(writer int, group []*write, limit int) []*write {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.own) == 1 {
		return q.move(writer, group, limit)
	}
	return q.moveFrom(&q.waiting, group, limit)
}

// move takes writes from the lines of the writer and leaves out withdrawn ones.
func (q *queue) move(writer int, group []*write, limit int) []*write {
	return q.moveFrom(&q.waiting, q.moveFrom(&q.own[writer], group, limit), limit)
}

func (q *queue) moveFrom(from *line, group []*write, limit int) []*write {
	for len(group) < limit {
		w, ok := from.Pop()
		if !ok {
			break
		}
		if w.taken.CompareAndSwap(false, true) {
			group = append(group, w)
		}
	}
	return group
}

// age returns for how long the write has waited that is the oldest of its line.
func (q *queue) age(oldest func(*line) time.Time) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	first := oldest(&q.waiting)
	for i := range q.own {
		if at := oldest(&q.own[i]); !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	if first.IsZero() {
		return 0
	}
	return time.Since(first)
}

// close refuses further writes; those that already wait are still taken.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.arrived.Broadcast()
}
