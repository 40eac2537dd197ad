package engine

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
)

const (
	sweepBatch   = 512         // transactions read at a time
	sweepWorkers = 32          // enough to share commits
	purgeEvery   = time.Minute // old outcomes
	purgeBatch   = 1000        // rows a delete
	// maxFailures are errors of single rows after which a round gives up: it is
	// an outage then, and not the rows.
	maxFailures = 8
	outage      = 5 * time.Second // pause after a failed sweep
)

// Run recovers what an earlier run left outstanding, then expires and purges
// until ctx ends. It returns after everything it started has ended.
func (e *Engine) Run(ctx context.Context) error {
	if err := e.recover(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // stopped before it began
		}
		return fmt.Errorf("recovery: %w", err)
	}
	loop := func(every time.Duration, what string, f func(context.Context) error) {
		if every <= 0 {
			return
		}
		e.running.Go(func() {
			defer event.Rescue(e.cfg.Logger, what)
			e.repeat(ctx, every, what, f)
		})
	}
	loop(e.cfg.Sweep, "sweep", e.sweep)
	loop(purgeEvery, "purge", e.purge)
	loop(e.cfg.Poll, "poll", e.poll)
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

// once does one round. A round that panics has failed like any other: the next
// one comes after a pause.
func (e *Engine) once(ctx context.Context, what string, f func(context.Context) error) (err error) {
	defer event.RescueTo(&err, e.cfg.Logger, what)
	return f(ctx)
}

// recover hands over again what is outstanding: a crash may have come between
// commit and hand-over. Phones know a transaction they have seen.
func (e *Engine) recover(ctx context.Context) error {
	if err := e.sweep(ctx); err != nil {
		return err
	}
	for after, n := "", 0; ; {
		ts, err := e.cfg.Store.OutstandingTransactions(ctx, e.now(), after, sweepBatch)
		if err != nil {
			return err
		}
		for _, t := range ts {
			if err := e.redispatch(ctx, t); err != nil && asRowError(err) == nil {
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

// redispatch hands over what is outstanding. A phone recognises a request that
// comes again; nothing recognises a text.
func (e *Engine) redispatch(ctx context.Context, t *mssp.Transaction) error {
	if t.OTP() {
		if due, err := e.otpDue(ctx, t); !due {
			return err
		}
	}
	e.dispatch(ctx, t)
	return nil
}

// sweep ends what is overdue, whichever node began it. Of receipts, only those
// that somebody waits for here: the others concern nobody any more.
func (e *Engine) sweep(ctx context.Context) error {
	lost := func(ctx context.Context, id string) error { return e.endReceipt(ctx, id, signum.ReceiptLost) }
	if err := e.each(ctx, e.receipts.overdue(e.now()), lost); err != nil {
		return err
	}
	for {
		ids, err := e.cfg.Store.ExpiredTransactions(ctx, e.now(), sweepBatch)
		if err != nil {
			return err
		}
		if err := e.each(ctx, ids, e.expireID); err != nil {
			return err
		}
		if len(ids) < sweepBatch {
			return nil
		}
	}
}

// expireID ends an overdue transaction. One that cannot be read ends by what is
// known of it.
func (e *Engine) expireID(ctx context.Context, id string) error {
	t, err := e.cfg.Store.Transaction(ctx, id)
	switch bad := asRowError(err); {
	case errors.Is(err, mssp.ErrNotFound):
		return nil
	case bad != nil:
		t = bad.Transaction
	case err != nil:
		return err
	}
	return e.expire(ctx, t)
}

// asRowError is the error as that of a row that cannot be read, nil if it is
// another one.
func asRowError(err error) *mssp.RowError {
	var bad *mssp.RowError
	errors.As(err, &bad)
	return bad
}

// poll wakes those who wait here for what another node decided.
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

// wakeID tells the one who waits here how a transaction ended. If it succeeded and
// cannot be read, what belongs to the answer is known to newer nodes only.
func (e *Engine) wakeID(ctx context.Context, id string) error {
	t, err := e.known(ctx, id)
	switch {
	case errors.Is(err, mssp.ErrNotFound):
	case asRowError(err) != nil:
		if w := e.waiters.get(id); w != nil {
			w.end(&result{err: err})
		}
	case err != nil:
		return err
	case t.State != mssp.StateOutstanding:
		e.wake(t, t.Outcome)
	}
	return nil
}

// known reads a transaction. One that cannot be read is what its plain columns
// say, unless it succeeded: what belongs to its outcome is missing then.
func (e *Engine) known(ctx context.Context, id string) (*mssp.Transaction, error) {
	t, err := e.cfg.Store.Transaction(ctx, id)
	if bad := asRowError(err); bad != nil {
		if state := bad.Transaction.State; state == mssp.StateOutstanding || state == mssp.StateFailed {
			return bad.Transaction, nil
		}
	}
	return t, err
}

// each calls f for all ids, several at a time. An error of one, or a panic, does
// not keep the others from being done; after maxFailures it gives up. It returns
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
			if err = f(ctx, id); err != nil {
				failures.Add(1)
			}
			return err
		})
	}
	return g.Wait()
}

func (e *Engine) purge(ctx context.Context) error {
	for {
		n, err := e.cfg.Store.PurgeTransactions(ctx, e.now().Add(-e.cfg.Retention), purgeBatch)
		if err != nil || n < purgeBatch {
			return err
		}
	}
}
