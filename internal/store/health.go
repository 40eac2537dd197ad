package store

import (
	"context"
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
type counters struct{ commits, writes, split atomic.Uint64 }

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
	var n int
	return s.read.row(ctx, pingQuery, nil, &n)
}
