package engine

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
)

const (
	sweepBatch = 512 // transactions read at a time
	// sweepWorkers share commits. When tens of thousands of requests end within seconds,
	// their parties wait for it.
	sweepWorkers = 256
	// maxFailures is how many rows may fail before a round gives up: by then
	// the cause is an outage, not single rows.
	maxFailures = 8
	outage      = time.Second // pause after a failed sweep
)

// Run recovers the transactions that an earlier run left outstanding, then ends what is
// overdue until ctx ends. It returns when everything that it started has ended.
func (e *Engine) Run(ctx context.Context) error {
	e.round.turned()
	loop := func(every time.Duration, what string, f func(context.Context) error) {
		if every <= 0 {
			return
		}
		e.running.Go(func() {
			defer event.Rescue(e.cfg.Logger, what)
			e.repeat(ctx, every, what, f)
		})
	}
	loop(e.cfg.Sweep, "release", e.release)
	for {
		err := e.recover(ctx)
		if err == nil {
			break
		}
		if ctx.Err() == nil {
			e.cfg.Logger.ErrorContext(ctx, "recovery", "err", err)
		}
		select {
		case <-ctx.Done():
			e.running.Wait()
			return nil
		case <-time.After(outage): // a store that fails now may come back
		}
	}
	loop(e.cfg.Sweep, "sweep", func(ctx context.Context) error {
		defer e.round.turned()
		ctx, cancel := e.soon(ctx)
		defer cancel()
		return e.sweep(ctx)
	})
	loop(receiptsEvery, "receipts", e.loseReceipts)
	if e.alone() {
		loop(e.cfg.Poll, "poll", e.poll)
	} else {
		for what, f := range map[string]func(context.Context){"news of other nodes": e.follow, "watch over other nodes": e.watch} {
			e.running.Go(func() {
				defer event.Rescue(e.cfg.Logger, what)
				f(ctx)
			})
		}
	}
	<-ctx.Done()
	e.running.Wait()
	return nil
}

func (e *Engine) repeat(ctx context.Context, every time.Duration, what string, f func(context.Context) error) {
	tick := time.NewTimer(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		next := every
		if err := e.once(ctx, what, f); err != nil && ctx.Err() == nil {
			e.cfg.Logger.ErrorContext(ctx, what, "err", err)
			next = max(every, outage)
		}
		tick.Reset(next)
	}
}

// once runs f. A panic becomes its error.
func (e *Engine) once(ctx context.Context, what string, f func(context.Context) error) (err error) {
	defer event.RescueTo(&err, e.cfg.Logger, what)
	return f(ctx)
}

// recover hands over all outstanding transactions again, because a crash may
// have happened between commit and hand-over. A phone recognises a transaction
// that it has already seen. If other nodes share the store, these go on with their own.
func (e *Engine) recover(ctx context.Context) error {
	if err := e.sweep(ctx); err != nil {
		return err
	}
	if !e.alone() {
		return e.adopt(ctx)
	}
	for after, n := "", 0; ; {
		e.round.turned()
		ts, err := e.cfg.Store.OutstandingTransactions(ctx, e.now(), after, sweepBatch)
		if err != nil {
			return err
		}
		for _, t := range ts {
			err := e.guarded(ctx, t, "recovery", func(ctx context.Context) error { return e.redispatch(ctx, t) })
			if err != nil && asRowError(err) == nil && asPanic(err) == nil {
				return err
			}
		}
		if n += len(ts); len(ts) < sweepBatch {
			if n > 0 {
				e.cfg.Logger.InfoContext(ctx, "outstanding transactions handed over again", "count", n)
			}
			return nil
		}
		after = ts[len(ts)-1].ID
	}
}

// redispatch hands over an outstanding transaction again. A phone recognises a
// request that it has already seen. Nothing recognises a text message, so a
// one-time password needs a closer look.
func (e *Engine) redispatch(ctx context.Context, t *mssp.Transaction) error {
	t.Resumed = true
	e.flights.resume(t, e.dueIn(e.local(t.Expires).Sub(e.now())))
	if t.OTP() {
		if due, err := e.otpDue(ctx, t); !due {
			return err
		}
	}
	var candidates []*mssp.Device
	if mssp.MethodOf(t.Method).Several {
		var err error
		candidates, err = e.candidates(ctx, t)
		if f := signum.AsFault(err); f != nil {
			_, err := e.finish(ctx, t, mssp.Failed(f), mssp.EndWithdrawn)
			return err
		}
		if err != nil {
			return err
		}
	}
	e.dispatch(ctx, t, candidates)
	return nil
}

// sweep ends overdue transactions, whichever node started them. Of the receipts
// it ends only those that a request on this node waits for, because nobody will
// ask for the others.
func (e *Engine) sweep(ctx context.Context) error {
	if err := e.each(ctx, e.receipts.overdue(e.cfg.Clock.Now()), e.loseReceipt); err != nil {
		return err
	}
	if err := e.each(ctx, e.flights.overdue(e.cfg.Clock.Now()), e.expireID); err != nil {
		return err
	}
	for {
		all, err := e.cfg.Store.ExpiredTransactions(ctx, e.storeTime().Add(-e.foreignGrace()), sweepBatch)
		if err != nil {
			return err
		}
		ids := e.flights.notWaiting(all, e.cfg.Clock.Now())
		if err := e.each(ctx, ids, e.expireID); err != nil {
			return err
		}
		if len(all) < sweepBatch || len(ids) == 0 {
			break
		}
	}
	// A request whose transaction has ended waits on only if the store could not
	// tell whether the end was committed.
	return e.each(ctx, e.waiters.overdue(e.cfg.Clock.Now()), e.wakeID)
}

// expireID ends an overdue transaction. That of this node which nobody has answered is not
// read. If a row cannot be read, it is ended by the columns that can be.
func (e *Engine) expireID(ctx context.Context, id string) error {
	if t := e.flights.plain(id, e.cfg.Clock.Now()); t != nil {
		end := e.flights.ending(id)
		if won, err := e.end(ctx, t, end.Outcome, end.why, nil); won || err != nil {
			return err
		}
	}
	t, err := e.cfg.Store.Transaction(ctx, id)
	switch bad := asRowError(err); {
	case errors.Is(err, mssp.ErrNotFound):
		e.flights.missing(id, e.cfg.Clock.Now())
		return nil
	case bad != nil:
		t = bad.Transaction
	case err != nil:
		return err
	}
	if t.State != mssp.StateOutstanding {
		return e.wakeID(ctx, id)
	}
	return e.expire(ctx, t)
}

// asRowError returns the error in err's chain that says that the row of a
// transaction cannot be read, or nil.
func asRowError(err error) *mssp.RowError {
	if bad, ok := errors.AsType[*mssp.RowError](err); ok && bad.Transaction != nil {
		return bad
	}
	return nil
}

// asPanic returns the panic that err comes from, or nil.
func asPanic(err error) *event.Panic {
	p, _ := errors.AsType[*event.Panic](err)
	return p
}

// guarded runs a step in the life of a transaction. If the step panics, the
// transaction ends with 900, so that the party gets an answer and the subscriber
// is free for the next request.
func (e *Engine) guarded(ctx context.Context, t *mssp.Transaction, where string, step func(context.Context) error) error {
	err := e.once(ctx, where, step)
	if asPanic(err) != nil {
		defer event.Rescue(e.cfg.Logger, where)
		ctx = context.WithoutCancel(ctx)
		won, err := e.finish(ctx, t, mssp.Failed(signum.NewFault(signum.InternalError)), mssp.EndWithdrawn)
		if err == nil && !won {
			err = e.wakeID(ctx, t.ID) // it had ended before the panic
		}
		if err != nil {
			e.cfg.Logger.ErrorContext(ctx, "ending transaction", "trans_id", t.ID, "err", err)
		}
	}
	return err
}

// poll wakes the requests that wait on this node for an outcome that another
// node decided.
func (e *Engine) poll(ctx context.Context) error {
	if err := e.each(ctx, e.receipts.ids(), e.pollReceipt); err != nil {
		return err
	}
	ids := e.waiters.ids()
	for len(ids) > 0 {
		n := min(len(ids), sweepBatch)
		ended, err := e.cfg.Store.EndedTransactions(ctx, ids[:n])
		if err != nil {
			return err
		}
		ids = ids[n:]
		if err := e.each(ctx, ended, e.wakeID); err != nil {
			return err
		}
	}
	return nil
}

// wakeID tells the request that waits on this node how its transaction ended.
// If the transaction succeeded but cannot be read, only newer nodes know what
// belongs in the answer.
func (e *Engine) wakeID(ctx context.Context, id string) error {
	t, err := e.known(ctx, id)
	switch {
	case errors.Is(err, mssp.ErrNotFound): // one that is being inserted waits already
	case asRowError(err) != nil:
		e.flights.over(id)
		if w := e.waiters.get(id); w != nil {
			w.end(&result{err: err})
		}
	case err != nil:
		return err
	case t.State != mssp.StateOutstanding:
		e.flights.over(id)
		e.wake(t, t.Outcome)
	}
	return nil
}

// known reads a transaction. If the row cannot be read, it returns what the
// plain columns say, unless the transaction succeeded: then a part of its
// outcome is missing.
func (e *Engine) known(ctx context.Context, id string) (*mssp.Transaction, error) {
	t, err := e.cfg.Store.Transaction(ctx, id)
	if bad := asRowError(err); bad != nil {
		if state := bad.Transaction.State; state == mssp.StateOutstanding || state == mssp.StateFailed {
			return bad.Transaction, nil
		}
	}
	return t, err
}

// each calls f for every id, several at a time. An error or a panic in one call
// does not stop the others; after maxFailures of them it gives up. It returns
// the first error.
func (e *Engine) each(ctx context.Context, ids []string, f func(context.Context, string) error) error {
	var g errgroup.Group
	g.SetLimit(sweepWorkers)
	var failures atomic.Int32
	for _, id := range ids {
		if failures.Load() >= maxFailures || ctx.Err() != nil {
			break
		}
		g.Go(func() (err error) {
			defer event.RescueTo(&err, e.cfg.Logger, "engine worker")
			failed := true // until f has returned: a panic counts too
			defer func() {
				if failed {
					failures.Add(1)
				}
			}()
			err = f(ctx, id)
			failed = err != nil
			return err
		})
	}
	return g.Wait()
}
