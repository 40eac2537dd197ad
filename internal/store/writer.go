package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
)

const (
	// maxGroup limits the writes of one transaction, so that the first does not wait
	// long for the last.
	maxGroup = 256
	// groupPause is about as long as a commit. Under load it turns groups of two
	// writes into groups of seven and makes everything faster, single requests
	// included. Four times as long makes everything slower.
	groupPause = time.Millisecond
	// largeGroup is the size from which groups form by themselves, without a pause.
	largeGroup = 24
	// maxAttempts limits how often a single write runs if PostgreSQL keeps rolling it
	// back in favour of others. retryPause is the unit of the random pauses in
	// between, whose upper bound doubles each time.
	maxAttempts = 6
	retryPause  = 10 * time.Millisecond
)

// writer runs groups of writes, each in one transaction.
type writer struct {
	*pools
	limits limits
	queue  *queue
	number int // in the queue, from 0
	limit  int // writes of a group, at most
	log    *slog.Logger
	before func() // each commit; may be nil

	pause   time.Duration // see linger
	outage  time.Duration // the last pause because the database was interrupted; 0: it is not
	last    int           // writes of the last group
	session *session      // nil until needed, and after its connection failed
}

// run works until the queue is closed and drained.
func (w *writer) run() {
	group := make([]*write, 0, w.limit)
	for {
		group = w.queue.take(w.number, group[:0], w.limit)
		if len(group) == 0 {
			break
		}
		group = w.linger(group)
		w.rescued(group)
		w.last = len(group)
		clear(group[:cap(group)])
	}
	w.drop()
}

// rescued commits a group. A write that panics fails like any other, see commit. If
// the writer itself panics, the transaction goes with its connection, and every
// write that has no answer yet gets one.
func (w *writer) rescued(group []*write) {
	defer event.Rescue(w.log, "store writer", func() {
		w.abandon()
		for _, op := range group[:cap(group)] { // those taken meanwhile stand behind it
			if op == nil {
				continue
			}
			select {
			case op.answer <- errWriterPanic:
			default: // answered already
			}
		}
	})
	w.commit(group)
}

var errWriterPanic = fmt.Errorf("store: write: the writer failed: %w", mssp.ErrUncertain)

// linger waits a little for more writes while there is much to do, because a commit
// costs as much for two writes as for twenty. It does not delay a write that comes
// alone, nor groups that are large already.
func (w *writer) linger(group []*write) []*write {
	if w.last > 1 && w.last < largeGroup && w.pause > 0 {
		time.Sleep(w.pause)
		group = w.queue.poll(w.number, group, w.limit)
	}
	return group
}

// commit runs the group in one transaction and answers each write after it is
// on disk. If anything unexpected happens before the COMMIT, the group is rolled
// back and each write gets its own transaction.
func (w *writer) commit(group []*write) {
	ctx, cancel := w.context()
	defer cancel()
	if err := w.startTransaction(ctx, (*session).beginGroup); err != nil {
		w.failOrWait(group, explain(ctx, err))
		return
	}
	group, err := w.apply(ctx, group)
	if err == nil {
		if err := w.finish(ctx, group); err != nil {
			w.fail(group, err)
		}
		return
	}
	if !w.undo(err) {
		w.failOrWait(group, explain(ctx, err))
		return
	}
	if len(group) > 1 {
		w.done.split.Add(1)
		w.log.Warn("store: group of writes rolled back, running them one by one", "writes", len(group), "err", err)
	}
	for i := range group {
		if err := w.single(group[i : i+1 : i+1]); err != nil {
			// The database cannot be reached to begin a transaction.
			w.failOrWait(group[i:], err)
			return
		}
	}
}

// apply runs the writes and those that arrive meanwhile. It returns the group with
// the latter added.
func (w *writer) apply(ctx context.Context, group []*write) ([]*write, error) {
	for done := 0; done < len(group); {
		if w.engine == postgres {
			// Nodes that lock the same rows, such as those of cards, do so in the same order: they
			// wait for each other for the time of a commit, and not in a circle.
			slices.SortStableFunc(group[done:], func(a, b *write) int { return strings.Compare(a.row, b.row) })
		}
		if err := w.session.run(ctx, group[done:]); err != nil {
			return group, err
		}
		done = len(group)
		group = w.queue.pollMore(w.number, group, w.limit)
	}
	return group, nil
}

// single runs one write in its own transaction and answers it. It returns an error,
// and answers nobody, only if no transaction could be started. If PostgreSQL rolls the
// write back in favour of others, it is run again, up to maxAttempts times and
// within the time limit of a transaction.
func (w *writer) single(one []*write) error {
	ctx, cancel := w.context()
	defer cancel()
	for attempt := 1; ; attempt++ {
		if err := w.startTransaction(ctx, (*session).beginSingle); err != nil {
			return explain(ctx, err)
		}
		err := w.session.run(ctx, one)
		if err == nil {
			err = w.finish(ctx, one)
		} else {
			w.undo(err)
		}
		if err == nil {
			return nil
		}
		if interrupted(err) && !errors.Is(err, mssp.ErrUncertain) {
			w.failOrWait(one, explain(ctx, err))
			return nil
		}
		if !transient(err) || attempt == maxAttempts || !pause(ctx, rand.N(retryPause<<attempt)) {
			w.fail(one, explain(ctx, err))
			return nil
		}
	}
}

// undo rolls the transaction back after an error, and reports whether it makes
// sense to go on: not if the connection is gone, and with it the transaction.
func (w *writer) undo(err error) bool {
	rolledBack := w.session.rollback() == nil
	if _, panicked := errors.AsType[*event.Panic](err); panicked {
		w.abandon()
		return true
	}
	if !rolledBack || sqlState(err) == readOnly {
		w.drop() // a server that has become a standby keeps its connections
		return false
	}
	return true
}

// pause waits for d and returns false if the context ends first.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// finish commits and answers. If COMMIT fails it answers nobody and returns the
// error, which concerns all writes, refused ones included: the row that refused
// them may itself have been lost.
func (w *writer) finish(ctx context.Context, group []*write) error {
	if w.before != nil {
		w.before()
	}
	if err := w.session.commit(); err != nil {
		w.drop()
		err = explain(ctx, err)
		if w.engine == postgres { // SQLite has rolled back by now
			err = fmt.Errorf("%w: %w", mssp.ErrUncertain, err)
		}
		return fmt.Errorf("commit: %w", err)
	}
	w.outage = 0
	w.done.commits.Add(1)
	w.done.failing.Store(false)
	w.done.writes.Add(uint64(len(group)))
	for _, op := range group {
		op.answer <- op.err
	}
	return nil
}

// failOrWait answers writes that had no effect with an error. If the server was only
// interrupted, they wait for it instead, as long as their callers do.
func (w *writer) failOrWait(group []*write, err error) {
	if w.engine != postgres || !interrupted(err) || !w.queue.giveBack(group) {
		w.fail(group, err)
		return
	}
	if w.done.failing.Store(true); w.outage == 0 {
		w.log.Warn("store: the database is interrupted; writes wait for it", "writes", len(group), "err", err)
	}
	w.outage = min(max(2*w.outage, firstWait), lastWait)
	time.Sleep(w.outage/2 + rand.N(w.outage/2))
}

// The pauses between attempts to reach a database that was interrupted.
const (
	firstWait = 20 * time.Millisecond
	lastWait  = 500 * time.Millisecond
)

func (w *writer) fail(group []*write, err error) {
	w.done.failing.Store(true)
	err = fmt.Errorf("store: write: %w", err)
	for _, op := range group {
		op.answer <- err
	}
}

// startTransaction starts a transaction. It makes a new connection if there is none, or if the
// current one has died since it was last used.
func (w *writer) startTransaction(ctx context.Context, how func(*session, context.Context) error) error {
	if w.session != nil {
		if how(w.session, ctx) == nil {
			return nil
		}
		w.drop()
	}
	s, err := newSession(ctx, w.pools, w.log)
	if err != nil {
		return err
	}
	w.session = s
	if err := how(s, ctx); err != nil {
		w.drop()
		return err
	}
	return nil
}

func (w *writer) drop() {
	if w.session != nil {
		w.session.close()
		w.session = nil
	}
}

// abandon drops a connection that a panic went through. If that was in
// database/sql, a lock may be held for which closing would wait forever. So the
// driver's own connection is closed, which ends its transaction, and the pool
// makes another in its place.
func (w *writer) abandon() {
	s := w.session
	if s == nil {
		return
	}
	w.session = nil
	_ = s.conn.Raw(func(c any) error { return c.(driver.Conn).Close() })
	s.write.SetMaxOpenConns(s.write.Stats().MaxOpenConnections + 1)
}

// context is for one transaction. It does not depend on the callers: a write that
// was taken is completed.
func (w *writer) context() (context.Context, context.CancelFunc) {
	if w.engine == sqlite {
		return context.Background(), func() {}
	}
	return limited(context.Background(), "transaction", w.limits.write)
}

// run executes the writes: first the first statement of each, in order, then the
// function of each. A panic becomes its error.
func (s *session) run(ctx context.Context, group []*write) (err error) {
	defer event.RescueTo(&err, s.log, "store write")
	if err := s.first(ctx, group); err != nil {
		return err
	}
	for _, w := range group {
		if err := s.settle(ctx, w); err != nil {
			return err
		}
	}
	return nil
}

// first executes the first statement of each write.
func (s *session) first(ctx context.Context, group []*write) error {
	if s.engine == postgres {
		return s.pipeline(ctx, group)
	}
	for _, w := range group {
		if w.first == nil {
			continue
		}
		var err error
		if w.affected, err = s.exec(ctx, w.first, w.args...); err != nil {
			return err
		}
	}
	return nil
}

// settle runs the write's function. It keeps a refusal in the write.
func (s *session) settle(ctx context.Context, w *write) error {
	w.err = nil
	if w.then == nil {
		return nil
	}
	err := w.then(ctx, s, w.affected)
	var refused refusal
	if errors.As(err, &refused) {
		w.err = refused.error
		return nil
	}
	return err
}
