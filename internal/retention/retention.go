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

// Store is what the job needs of the store. Each Purge deletes at most limit rows whose end
// was before the time, and returns how many it deleted.
type Store interface {
	// MakePartitions makes the partitions of the next hours, if rows are kept for so long.
	MakePartitions(ctx context.Context, now time.Time, keep time.Duration) error
	// DropPartitions drops those whose last request ended as long ago as rows are kept,
	// and returns how many it dropped. No request takes longer than life, from its Instant.
	DropPartitions(ctx context.Context, now time.Time, keep, life time.Duration) (int, error)
	// Partitions returns how many there are, and how many transactions are in none.
	Partitions(ctx context.Context) (partitions, rest int, err error)

	// PurgeRest deletes transactions that are in no partition.
	PurgeRest(ctx context.Context, before time.Time, limit int) (int, error)
	PurgeDevices(ctx context.Context, before time.Time, limit int) (int, error)
	PurgeCertificates(ctx context.Context, before time.Time, limit int) (int, error)
	PurgeInvites(ctx context.Context, before time.Time, limit int) (int, error)
	PurgeConsents(ctx context.Context, before time.Time, limit int) (int, error)
	PurgeNotices(ctx context.Context, before time.Time, limit int) (int, error)
}

// Config says what is kept, and for how long.
type Config struct {
	Store    Store
	Clock    mssp.Clock
	Logger   *slog.Logger
	Evidence time.Duration // of transactions, after their end
	// Life is how much later than its Instant a request may end while a node runs.
	Life time.Duration
	// Devices and Certificates are kept for so long after their end; 0: always.
	Devices, Certificates time.Duration
}

// Job deletes what is due.
type Job struct {
	cfg   Config
	kinds []*kind
	stats counters
}

// kind are rows that are deleted in slices.
type kind struct {
	name    string // in metrics
	keep    time.Duration
	purge   func(ctx context.Context, before time.Time, limit int) (int, error)
	deleted atomic.Uint64
}

type counters struct {
	dropped, failures atomic.Uint64

	partitions, rest atomic.Int64
}

// Stats counts what the job did since it was made.
type Stats struct {
	Deleted  map[string]uint64 // rows by kind
	Dropped  uint64            // partitions, with all transactions in them
	Failures uint64            // rounds that ended with an error

	// As the last round saw them: the partitions, and the transactions in none of them.
	Partitions, Rest int
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
	j := &Job{cfg: cfg, kinds: []*kind{
		{name: "transaction", keep: cfg.Evidence, purge: cfg.Store.PurgeRest},
		// Nobody can use these any more.
		{name: "invite", purge: cfg.Store.PurgeInvites},
		{name: "consent", purge: cfg.Store.PurgeConsents},
		{name: "notice", purge: cfg.Store.PurgeNotices},
	}}
	// Devices first: the certificate of a device stays.
	if cfg.Devices > 0 {
		j.kinds = append(j.kinds, &kind{name: "device", keep: cfg.Devices, purge: cfg.Store.PurgeDevices})
	}
	if cfg.Certificates > 0 {
		j.kinds = append(j.kinds, &kind{name: "certificate", keep: cfg.Certificates, purge: cfg.Store.PurgeCertificates})
	}
	return j, nil
}

// Stats may be called at any time.
func (j *Job) Stats() Stats {
	deleted := make(map[string]uint64)
	for _, k := range j.kinds {
		deleted[k.name] = k.deleted.Load()
	}
	return Stats{
		Deleted: deleted, Dropped: j.stats.dropped.Load(), Failures: j.stats.failures.Load(),
		Partitions: int(j.stats.partitions.Load()), Rest: int(j.stats.rest.Load()),
	}
}

// Prepare makes the partitions of now, so that the first requests find theirs.
func (j *Job) Prepare(ctx context.Context) error {
	return j.cfg.Store.MakePartitions(ctx, j.cfg.Clock.Now(), j.cfg.Evidence)
}

// Run works until ctx ends.
func (j *Job) Run(ctx context.Context) error {
	for wait(ctx, every) {
		if err := j.round(ctx); err != nil && ctx.Err() == nil {
			j.stats.failures.Add(1)
			j.cfg.Logger.ErrorContext(ctx, "retention: not done; trying again in a minute", "err", err)
		}
	}
	return nil
}

// round deletes what is due now. A panic becomes its error.
func (j *Job) round(ctx context.Context) (err error) {
	defer event.RescueTo(&err, j.cfg.Logger, "retention")
	defer func() { err = errors.Join(err, j.look(ctx)) }()
	now := j.cfg.Clock.Now()
	prepared := j.Prepare(ctx) // what is due is deleted in any case
	n, dropped := j.cfg.Store.DropPartitions(ctx, now, j.cfg.Evidence, j.cfg.Life)
	j.stats.dropped.Add(uint64(n))
	errs := []error{prepared, dropped}
	for _, k := range j.kinds {
		errs = append(errs, slices(ctx, func() (int, error) {
			n, err := k.purge(ctx, now.Add(-k.keep), slice)
			k.deleted.Add(uint64(n))
			return n, err
		}))
	}
	return errors.Join(errs...)
}

// look counts the partitions for Stats.
func (j *Job) look(ctx context.Context) error {
	partitions, rest, err := j.cfg.Store.Partitions(ctx)
	if err == nil {
		j.stats.partitions.Store(int64(partitions))
		j.stats.rest.Store(int64(rest))
	}
	return err
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
