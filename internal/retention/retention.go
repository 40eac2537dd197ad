package retention

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
)

const (
	every = time.Minute // how often to look for rows that are due
	slice = 200         // rows that are deleted at a time
	// share is how many times longer the pause after a slice is than the slice itself:
	// deleting takes at most a fifth of the store's time.
	share    = 4
	maxPause = 10 * time.Second
)

// Store is what the job needs of the store.
type Store interface {
	// PurgeTransactions deletes at most limit transactions that finished before the
	// time, and returns how many it deleted.
	PurgeTransactions(ctx context.Context, before time.Time, limit int) (int, error)
}

// Config says what is kept, and for how long.
type Config struct {
	Store    Store
	Clock    mssp.Clock
	Logger   *slog.Logger
	Evidence time.Duration // of transactions, after their end
}

// Job deletes what is due.
type Job struct {
	cfg   Config
	stats counters
}

type counters struct{ transactions, failures atomic.Uint64 }

// Stats counts what the job did since it was made.
type Stats struct {
	Transactions uint64 // that were deleted
	Failures     uint64 // rounds that ended with an error
}

// New returns a job; Run makes it work.
func New(cfg Config) (*Job, error) {
	if cfg.Store == nil || cfg.Evidence <= 0 {
		return nil, errors.New("retention: a store, and how long transactions are kept, are needed")
	}
	if cfg.Clock == nil {
		cfg.Clock = mssp.SystemClock{}
	}
	cfg.Logger = cmp.Or(cfg.Logger, slog.New(slog.DiscardHandler))
	return &Job{cfg: cfg}, nil
}

// Stats may be called at any time.
func (j *Job) Stats() Stats {
	return Stats{Transactions: j.stats.transactions.Load(), Failures: j.stats.failures.Load()}
}

// Run works until ctx ends.
func (j *Job) Run(ctx context.Context) error {
	for wait(ctx, every) {
		if err := j.round(ctx); err != nil && ctx.Err() == nil {
			j.stats.failures.Add(1)
			j.cfg.Logger.ErrorContext(ctx, "retention: rows that are due were not deleted; trying again in a minute", "err", err)
		}
	}
	return nil
}

// round deletes what is due now. A panic becomes its error.
func (j *Job) round(ctx context.Context) (err error) {
	defer event.RescueTo(&err, j.cfg.Logger, "retention")
	before := j.cfg.Clock.Now().Add(-j.cfg.Evidence)
	return slices(ctx, func() (int, error) {
		n, err := j.cfg.Store.PurgeTransactions(ctx, before, slice)
		j.stats.transactions.Add(uint64(n))
		return n, err
	})
}

// slices deletes one slice after the other until one is not full.
func slices(ctx context.Context, purge func() (int, error)) error {
	for {
		start := time.Now()
		n, err := purge()
		if err != nil || n < slice {
			return err
		}
		if !wait(ctx, min(share*time.Since(start), maxPause)) {
			return ctx.Err()
		}
	}
}

// wait returns false if ctx ends first.
func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
