package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// PostgreSQL divides the large tables by the time of the request (ap_instant), so that
// what is due is dropped in one step and leaves no holes. The three tables have the same
// partitions: receipts and evidence have the time of their transaction.
//
// A node that makes or drops partitions holds an advisory lock, so any number of them may
// try. Locks on the tables are waited for only shortly, because everybody else waits
// behind them; then it is tried again.
var partitioned = []struct{ table, options string }{
	{"transactions", "WITH (fillfactor = 75, toast_tuple_target = 8160)"},
	{"receipts", "WITH (fillfactor = 75)"},
	{"verifications", ""},
}

const (
	// partitionAhead is how far partitions reach beyond now, at least.
	partitionAhead = 3 * time.Hour
	// partitionsKept is about how many partitions there are. Each costs every statement
	// that does not know the time a look into an index.
	partitionsKept = 12

	partitionName = "20060102t150405" // its beginning

	// A backup holds locks for as long as it takes. Trying harder would slow down others
	// each minute, for nothing.
	partitionTries = 5
	partitionPause = 200 * time.Millisecond

	// Others wait behind the locks for no longer than a statement takes.
	partitionSettings = `SET LOCAL lock_timeout = '50ms'; SET LOCAL statement_timeout = '5s'`
	// The key is "partit" in ASCII.
	lockPartitions = `SELECT pg_try_advisory_xact_lock(123610453141876)`
)

// partitionWidth is the time that one partition spans, if rows are kept for so long.
func partitionWidth(keep time.Duration) time.Duration {
	for _, w := range []time.Duration{time.Hour, 6 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour} {
		if keep <= partitionsKept*w {
			return w
		}
	}
	return 28 * 24 * time.Hour
}

// MakePartitions makes the partitions of the next hours, if rows are kept for so long.
// Rows whose time has no partition go to one for the rest, which has to be purged row
// by row. SQLite has no partitions.
func (s *Store) MakePartitions(ctx context.Context, now time.Time, keep time.Duration) error {
	if s.engine != postgres {
		return nil
	}
	width := partitionWidth(keep)
	// A request may be as old as the clocks may differ, which is less than half of the
	// time for which outcomes are kept.
	from := now.Add(-max(time.Hour, min(keep/2, 24*time.Hour))).Truncate(width)
	until := now.Add(max(partitionAhead, width))
	var exist []span
	err := s.read.each(ctx, selectSpans, []any{micros(from), micros(until)}, func(rows *sql.Rows) error {
		var low, high int64
		err := rows.Scan(&low, &high)
		exist = append(exist, span{timeOf(low), timeOf(high)})
		return err
	})
	if err != nil {
		return fmt.Errorf("store: partitions: %w", err)
	}
	for _, p := range gaps(exist, from, until, width) {
		err := s.partitioning(ctx, func(tx *sql.Tx) error { return makePartition(ctx, tx, p) })
		if err != nil {
			return fmt.Errorf("store: making a partition: %w", err)
		}
	}
	return nil
}

var selectSpans = &query{postgres: `
SELECT greatest(low, 0), high FROM partitions WHERE high > $1 AND low < $2 ORDER BY low`}

// span is the time of a partition, without its end.
type span struct{ low, high time.Time }

// gaps returns spans that are missing between two times, divided where a multiple of width
// is. Those that exist are in order.
func gaps(exist []span, from, until time.Time, width time.Duration) (missing []span) {
	for at := from; at.Before(until); {
		if len(exist) > 0 && !exist[0].low.After(at) {
			if exist[0].high.After(at) {
				at = exist[0].high
			}
			exist = exist[1:]
			continue
		}
		high := at.Truncate(width).Add(width)
		if len(exist) > 0 && exist[0].low.Before(high) {
			high = exist[0].low
		}
		missing = append(missing, span{at, high})
		at = high
	}
	return missing
}

// makePartition makes a part of each table, unless another node was faster, or rows of its
// time are among the rest. They stay there: moving them would keep everybody waiting.
func makePartition(ctx context.Context, tx *sql.Tx, p span) error {
	var needless bool
	if err := tx.QueryRowContext(ctx, selectNeedless, micros(p.low), micros(p.high)).Scan(&needless); err != nil || needless {
		return err
	}
	for _, t := range partitioned {
		// Unlike CREATE TABLE … PARTITION OF, this does not lock the whole table.
		statement := fmt.Sprintf(`CREATE TABLE %[1]s_%[2]s (LIKE %[1]s INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE) %[3]s;
ALTER TABLE %[1]s ATTACH PARTITION %[1]s_%[2]s FOR VALUES FROM (%[4]d) TO (%[5]d)`,
			t.table, p.low.UTC().Format(partitionName), t.options, micros(p.low), micros(p.high))
		_, err := tx.ExecContext(ctx, statement)
		if sqlState(err) == "23514" { // a row came to the rest meanwhile
			return errLeft
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// errLeft rolls back, and is no failure.
var errLeft = errors.New("left as it is")

const selectNeedless = `
SELECT EXISTS (SELECT 1 FROM partitions WHERE high > $1 AND low < $2)
    OR EXISTS (SELECT 1 FROM transactions_default WHERE ap_instant >= $1 AND ap_instant < $2)`

// DropPartitions drops the partitions whose last request ended as long ago as rows are
// kept, and returns their number.
//
// The Instant says when a request began, and not when it ended: one that nobody ended
// during an outage ends long after. So a partition is marked as complete when it is older
// than the life of a request and has none that is outstanding; and what is kept is kept
// from then on. If exported is true, partitions that were not exported stay.
func (s *Store) DropPartitions(ctx context.Context, now time.Time, keep, life time.Duration, exported bool) (n int, err error) {
	if s.engine != postgres {
		return 0, nil
	}
	mark := fmt.Sprintf(`COMMENT ON TABLE transactions_%%s IS 'complete since %d'`, micros(now))
	if _, err := s.eachPartition(ctx, selectEnded, now.Add(-life), mark); err != nil {
		return 0, err
	}
	due := selectDue
	if exported {
		due = selectDueExported
	}
	return s.eachPartition(ctx, due, now.Add(-keep), `DROP TABLE transactions_%[1]s, receipts_%[1]s, verifications_%[1]s`)
}

const (
	selectEnded = `
SELECT name FROM partitions p WHERE high <= $1 AND complete IS NULL` + noneOutstanding
	selectDue = `
SELECT name FROM partitions p WHERE complete <= $1` + noneOutstanding
	selectDueExported = `
SELECT name FROM partitions p WHERE complete <= $1 AND exported` + noneOutstanding

	noneOutstanding = `
AND NOT EXISTS (SELECT 1 FROM outstanding o WHERE o.ap_instant >= p.low AND o.ap_instant < p.high)
ORDER BY high LIMIT 1`
)

// eachPartition changes one partition after the other, each in a transaction, until none is
// found, and returns their number.
func (s *Store) eachPartition(ctx context.Context, find string, before time.Time, change string) (n int, err error) {
	for {
		var name string
		err := s.partitioning(ctx, func(tx *sql.Tx) error {
			name = ""
			err := tx.QueryRowContext(ctx, find, micros(before)).Scan(&name)
			if errors.Is(err, sql.ErrNoRows) {
				return errLeft
			}
			if err == nil {
				_, err = tx.ExecContext(ctx, fmt.Sprintf(change, name))
			}
			return err
		})
		if err != nil {
			return n, fmt.Errorf("store: partition %s: %w", name, err)
		}
		if name == "" {
			return n, nil
		}
		n++
	}
}

// partitioning runs f in a transaction, alone among all nodes. If another node is at it,
// partitioning does nothing: that node does what is needed. It tries again if a lock on
// a table is not free.
func (s *Store) partitioning(ctx context.Context, f func(*sql.Tx) error) error {
	for try := 1; ; try++ {
		err := s.partitionOnce(ctx, f)
		if err == errLeft {
			return nil
		}
		locked := sqlState(err) == lockNotAvailable || transient(err)
		if !locked || try == partitionTries || !pause(ctx, partitionPause/2+rand.N(partitionPause)) {
			return err
		}
	}
}

func (s *Store) partitionOnce(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := s.read.read.BeginTx(ctx, s.read.isolation())
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, partitionSettings); err != nil {
		return err
	}
	var mine bool
	if err := tx.QueryRowContext(ctx, lockPartitions).Scan(&mine); err != nil || !mine {
		return err
	}
	if err := f(tx); err != nil {
		return err
	}
	return tx.Commit()
}

var (
	selectPartitions = &query{postgres: `SELECT count(*) FROM partitions`}
	selectRest       = &query{postgres: `SELECT count(*) FROM (SELECT 1 FROM transactions_default LIMIT 100000) t`}
	// Unlike purgeTransactions it walks along an index: ids begin with the time.
	purgeRest = &query{postgres: `
WITH due AS MATERIALIZED (
    SELECT id, ap_instant FROM transactions_default WHERE finished < $1
    ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED)
DELETE FROM transactions_default WHERE (id, ap_instant) IN (SELECT id, ap_instant FROM due) RETURNING id`}
)

// Partitions returns how many partitions there are, and how many transactions are in
// none of them, counted up to 100,000.
func (s *Store) Partitions(ctx context.Context) (partitions, rest int, err error) {
	if s.engine != postgres {
		return 0, 0, nil
	}
	if err = s.read.row(ctx, selectPartitions, nil, &partitions); err == nil {
		err = s.read.row(ctx, selectRest, nil, &rest)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("store: partitions: %w", err)
	}
	return partitions, rest, nil
}

// PurgeRest is PurgeTransactions for rows that no partition takes along when it is
// dropped. On SQLite these are all.
func (s *Store) PurgeRest(ctx context.Context, before time.Time, limit int) (int, error) {
	if s.engine != postgres {
		return s.PurgeTransactions(ctx, before, limit)
	}
	return s.purge(ctx, purgeRest, before, limit)
}
