package store

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// Stats counts what the store wrote since it was opened.
type Stats struct {
	Commits uint64 // transactions
	Writes  uint64 // in them, refused ones included
	Split   uint64 // groups that were rolled back and run one by one
}

// counters are the Stats while they grow.
type counters struct {
	commits, writes, split atomic.Uint64
	failing                atomic.Bool // the last transaction was not committed
}

// Stats tells what was written so far.
func (s *Store) Stats() Stats {
	return Stats{Commits: s.done.commits.Load(), Writes: s.done.writes.Load(), Split: s.done.split.Load()}
}

// Age returns for how long the write has waited for its transaction that has waited longest.
func (s *Store) Age() time.Duration { return s.queue.age((*line).Oldest) }

// AgeOf returns the same of the writes of one party.
func (s *Store) AgeOf(party string) time.Duration {
	return s.queue.age(func(l *line) time.Time { return l.OldestOf(party) })
}

var pingQuery = &query{text: "SELECT count(*) FROM signum_schema"}

// Ping reads from the database. On SQLite it does not wait for a context that
// ends meanwhile.
func (s *Store) Ping(ctx context.Context) error {
	ctx, cancel, err := s.read.detach(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	var n int
	err = explain(ctx, s.read.rowOnce(ctx, pingQuery, nil, &n))
	if s.engine == postgres && errors.Is(err, context.DeadlineExceeded) {
		dropIdle(s.read.read)
	}
	return err
}

// oldWrite is how long a write waits before Check doubts that the database takes any.
const oldWrite = 5 * time.Second

// touch writes to the disk and changes nothing.
var touch = &query{text: "UPDATE signum_schema SET version = version"}

// Check reads from the database. If the last write failed, or one has waited for long,
// it writes as well: a full disk can still be read.
func (s *Store) Check(ctx context.Context) error {
	if err := s.Ping(ctx); err != nil {
		return err
	}
	if !s.done.failing.Load() && s.Age() < oldWrite {
		return nil
	}
	return s.write(ctx, &write{first: touch})
}
