package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
)

const (
	sweepBatch   = 512             // transactions read at a time
	sweepWorkers = 32              // enough to share commits
	purgeEvery   = time.Minute     // old outcomes
	purgeBatch   = 1000            // rows a delete
	outage       = 5 * time.Second // pause after a failed sweep
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
			if err := e.redispatch(ctx, t); err != nil {
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
	for _, id := range e.receipts.overdue(e.now()) {
		if err := e.endReceipt(ctx, id, signum.ReceiptLost); err != nil {
			return err
		}
	}
	for {
		ids, err := e.cfg.Store.ExpiredTransactions(ctx, e.now(), sweepBatch)
		if err != nil {
			return err
		}
		if err := e.each(ctx, ids, func(ctx context.Context, t *mssp.Transaction) error {
			return e.expire(ctx, t)
		}); err != nil {
			return err
		}
		if len(ids) < sweepBatch {
			return nil
		}
	}
}

// poll wakes those who wait here for what another node decided.
func (e *Engine) poll(ctx context.Context) error {
	for _, id := range e.receipts.ids() {
		if err := e.pollReceipt(ctx, id); err != nil {
			return err
		}
	}
	ids := e.waiters.ids()
	for len(ids) > 0 {
		n := min(len(ids), sweepBatch)
		ended, err := e.cfg.Store.EndedTransactions(ctx, ids[:n])
		if err != nil {
			return err
		}
		ids = ids[n:]
		if err := e.each(ctx, ended, func(_ context.Context, t *mssp.Transaction) error {
			if t.State != mssp.StateOutstanding {
				e.wake(t, t.Outcome)
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// each reads transactions and calls f for those that exist, several at a time.
func (e *Engine) each(ctx context.Context, ids []string, f func(context.Context, *mssp.Transaction) error) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(sweepWorkers)
	for _, id := range ids {
		g.Go(func() (err error) {
			defer event.RescueTo(&err, e.cfg.Logger, "engine worker")
			t, err := e.cfg.Store.Transaction(gctx, id)
			if errors.Is(err, mssp.ErrNotFound) {
				return nil
			}
			if err != nil {
				return err
			}
			return f(gctx, t)
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
