package retention

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
)

const (
	every = time.Minute // how often to look for rows that are due
	slice = 200         // rows that are deleted at a time, and pages that are given back
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
	// If exported is true, those that were not exported stay.
	DropPartitions(ctx context.Context, now time.Time, keep, life time.Duration, exported bool) (int, error)
	// ExportPartitions exports those that DropPartitions would drop.
	ExportPartitions(ctx context.Context, now time.Time, keep time.Duration, export exported) error
	// ExportRest exports transactions that are in no partition and ended in one span of
	// time, and returns its end; the zero time if nothing is due.
	ExportRest(ctx context.Context, now time.Time, keep time.Duration, export exported) (until time.Time, err error)
	// Partitions returns how many there are, and how many transactions are in none.
	Partitions(ctx context.Context) (partitions, rest int, err error)

	// PurgeRest deletes transactions that are in no partition.
	PurgeRest(ctx context.Context, before time.Time, limit int) (int, error)
	PurgeDevices(ctx context.Context, before time.Time, limit int) (int, error)
	PurgeCertificates(ctx context.Context, before time.Time, limit int) (int, error)
	PurgeInvites(ctx context.Context, before time.Time, limit int) (int, error)
	PurgeConsents(ctx context.Context, before time.Time, limit int) (int, error)
	PurgeNotices(ctx context.Context, before time.Time, limit int) (int, error)
	PurgeSIMRequests(ctx context.Context, before time.Time, limit int) (int, error)
	PurgeValues(ctx context.Context, before time.Time, limit int) (int, error)
	PurgeParts(ctx context.Context, before time.Time, limit int) (int, error)

	// Shrink gives at most limit pages of a file back, if many are free, and returns how
	// many it gave back.
	Shrink(ctx context.Context, limit int) (int, error)
}

// exported takes a set of transactions. The name is the same if the set comes again. rows
// calls add for each transaction, with a line of JSON.
type exported = func(name string, rows func(add func(id string, line []byte) error) error) error

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
	// Export is the directory of the files into which transactions are written before they
	// are deleted; empty: they are not. No other process may use it.
	Export string
}

// Job deletes what is due.
type Job struct {
	cfg          Config
	export       *exporter // nil: nothing is exported
	transactions kind
	others       []*kind
	stats        counters
}

// kind are rows that are deleted in slices.
type kind struct {
	name    string // in metrics
	keep    time.Duration
	purge   func(ctx context.Context, before time.Time, limit int) (int, error)
	deleted atomic.Uint64
}

type counters struct {
	dropped, failures, exported, notExported atomic.Uint64

	partitions, rest atomic.Int64
}

// Stats counts what the job did since it was made.
type Stats struct {
	Deleted  map[string]uint64 // rows by kind
	Dropped  uint64            // partitions, with all transactions in them
	Failures uint64            // rounds that ended with an error

	Exported       uint64 // transactions
	ExportFailures uint64 // files that could not be written

	// As the last round saw them: the partitions, and the transactions in none of them.
	Partitions, Rest int
}

// partsFor is for how long the parts of a message are kept that is not complete.
const partsFor = time.Minute

// New returns a job; Run makes it work.
func New(cfg Config) (*Job, error) {
	if cfg.Store == nil || cfg.Evidence <= 0 {
		return nil, errors.New("retention: a store, and how long transactions are kept, are needed")
	}
	if cfg.Clock == nil {
		cfg.Clock = mssp.SystemClock{}
	}
	cfg.Logger = cmp.Or(cfg.Logger, slog.New(slog.DiscardHandler))
	j := &Job{cfg: cfg, transactions: kind{name: "transaction", keep: cfg.Evidence, purge: cfg.Store.PurgeRest}}
	// Nobody can use these any more.
	j.add("invite", 0, cfg.Store.PurgeInvites)
	j.add("consent", 0, cfg.Store.PurgeConsents)
	j.add("notice", 0, cfg.Store.PurgeNotices)
	j.add("SIM request", 0, cfg.Store.PurgeSIMRequests)
	j.add("shared value", 0, cfg.Store.PurgeValues)
	j.add("message part", partsFor, cfg.Store.PurgeParts)
	// Devices first: the certificate of a device stays.
	if cfg.Devices > 0 {
		j.add("device", cfg.Devices, cfg.Store.PurgeDevices)
	}
	if cfg.Certificates > 0 {
		j.add("certificate", cfg.Certificates, cfg.Store.PurgeCertificates)
	}
	if cfg.Export == "" {
		return j, nil
	}
	var err error
	if j.export, err = newExporter(cfg.Export); err != nil {
		return nil, fmt.Errorf("retention.export: %w", err)
	}
	return j, nil
}

func (j *Job) add(name string, keep time.Duration, purge func(context.Context, time.Time, int) (int, error)) {
	j.others = append(j.others, &kind{name: name, keep: keep, purge: purge})
}

// Stats may be called at any time.
func (j *Job) Stats() Stats {
	deleted := map[string]uint64{j.transactions.name: j.transactions.deleted.Load()}
	for _, k := range j.others {
		deleted[k.name] = k.deleted.Load()
	}
	return Stats{
		Deleted: deleted, Dropped: j.stats.dropped.Load(), Failures: j.stats.failures.Load(),
		Partitions: int(j.stats.partitions.Load()), Rest: int(j.stats.rest.Load()),
		Exported: j.stats.exported.Load(), ExportFailures: j.stats.notExported.Load(),
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
	errs := []error{j.Prepare(ctx)} // what is due is deleted in any case
	if j.export == nil {
		errs = append(errs, j.drop(ctx, now), j.purge(ctx, &j.transactions, now.Add(-j.cfg.Evidence)))
	} else {
		errs = append(errs, j.exportAndDelete(ctx, now))
	}
	for _, k := range j.others {
		errs = append(errs, j.purge(ctx, k, now.Add(-k.keep)))
	}
	errs = append(errs, inSlices(ctx, func() (int, error) { return j.cfg.Store.Shrink(ctx, slice) }))
	return errors.Join(errs...)
}

func (j *Job) drop(ctx context.Context, now time.Time) error {
	n, err := j.cfg.Store.DropPartitions(ctx, now, j.cfg.Evidence, j.cfg.Life, j.export != nil)
	j.stats.dropped.Add(uint64(n))
	return err
}

func (j *Job) purge(ctx context.Context, k *kind, before time.Time) error {
	return inSlices(ctx, func() (int, error) {
		n, err := k.purge(ctx, before, slice)
		k.deleted.Add(uint64(n))
		return n, err
	})
}

// exportAndDelete deletes what has been exported. What could not be exported stays.
func (j *Job) exportAndDelete(ctx context.Context, now time.Time) error {
	partitions := j.cfg.Store.ExportPartitions(ctx, now, j.cfg.Evidence, j.write)
	dropped := j.drop(ctx, now)
	for {
		until, err := j.cfg.Store.ExportRest(ctx, now, j.cfg.Evidence, j.write)
		if err == nil && !until.IsZero() {
			err = j.purge(ctx, &j.transactions, until)
		}
		if err != nil || until.IsZero() {
			return errors.Join(partitions, dropped, err)
		}
	}
}

func (j *Job) write(name string, rows func(add func(id string, line []byte) error) error) error {
	n, err := j.export.write(name, rows)
	if err != nil {
		j.stats.notExported.Add(1)
		return fmt.Errorf("%s was not written to %s, and stays in the database: %w", name, j.cfg.Export, err)
	}
	j.stats.exported.Add(uint64(n))
	return nil
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

// inSlices does one slice after the other until one is not full.
func inSlices(ctx context.Context, purge func() (int, error)) error {
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
