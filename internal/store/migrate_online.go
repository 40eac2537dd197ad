package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// fillTable changes the rows of a table in slices, each in a transaction of its own, and
// records the version when nothing is left. After a crash it goes on where it was,
// because a slice finds only rows that still need the change.
func (m *migrator) fillTable(ctx context.Context, conn *sql.Conn, step MigrationStep) (rows int64, err error) {
	x := m.list[step.Version-1]
	for {
		var n int64
		began := time.Now()
		err := m.transaction(ctx, conn.BeginTx, x.name, func(tx *sql.Tx) error {
			due, err := m.due(ctx, tx, step.Version)
			if n = 0; err != nil || !due {
				return err
			}
			r, err := tx.ExecContext(ctx, x.fill.slice, m.limits.Slice)
			if err != nil {
				return fmt.Errorf("migration %s: %w", x.name, err)
			}
			if n, err = r.RowsAffected(); err != nil || n > 0 {
				return err
			}
			return m.record(ctx, tx, step.Version)
		})
		if err != nil || n == 0 {
			return rows, err
		}
		rows += n
		step.Rows, step.Took = rows, step.Took+time.Since(began)
		m.report(step)
		if !pause(ctx, time.Since(began)) {
			return rows, ctx.Err()
		}
	}
}

const (
	selectIndex = `
SELECT i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE c.oid = to_regclass($1)`
	dropIndex = `DROP INDEX CONCURRENTLY IF EXISTS `
	// Building an index keeps no reader and no writer away, however long it waits.
	indexSettings = `SET lock_timeout = '%[1]s'; SET statement_timeout = '%[2]s'`
	resetSettings = `RESET lock_timeout; RESET statement_timeout`
)

// buildIndex builds an index and records its version. What a failed or killed attempt
// left is dropped first: PostgreSQL keeps such an index and marks it as invalid.
func (m *migrator) buildIndex(ctx context.Context, conn *sql.Conn, version int) error {
	x := m.list[version-1]
	if m.engine == postgres {
		if m.pooled {
			return fmt.Errorf("migration %s builds an index outside of a transaction, which no pooler allows: "+
				"give signum migrate a URL that leads to PostgreSQL itself", x.name)
		}
		if err := m.buildConcurrently(ctx, conn, x.index); err != nil {
			return fmt.Errorf("migration %s: %w", x.name, err)
		}
	}
	return m.transaction(ctx, conn.BeginTx, x.name, func(tx *sql.Tx) error {
		if due, err := m.due(ctx, tx, version); err != nil || !due {
			return err
		}
		if m.engine == sqlite {
			return m.make(ctx, tx, version, x.index.create(false))
		}
		return m.record(ctx, tx, version)
	})
}

func (m *migrator) buildConcurrently(ctx context.Context, conn *sql.Conn, x *index) (err error) {
	settings := fmt.Sprintf(indexSettings, milliseconds(m.limits.Wait), milliseconds(m.limits.Statement))
	if _, err := conn.ExecContext(ctx, settings); err != nil {
		return err
	}
	defer func() {
		_, reset := conn.ExecContext(context.WithoutCancel(ctx), resetSettings)
		err = errors.Join(err, reset)
	}()
	wait := m.patience()
	for {
		var valid bool
		switch err := conn.QueryRowContext(ctx, selectIndex, x.name).Scan(&valid); {
		case err == nil && valid:
			return nil
		case err == nil:
			if _, err := conn.ExecContext(ctx, dropIndex+x.name); err != nil {
				return err
			}
		case !errors.Is(err, sql.ErrNoRows):
			return err
		}
		_, err := conn.ExecContext(ctx, x.create(true))
		if err != nil && !m.retriable(err) {
			return err
		}
		if err != nil {
			err = wait.pause(ctx, "building the index "+x.name, err)
		}
		if err != nil {
			return err
		}
	}
}

// patience is how long a migration still tries to get what others have.
type patience struct {
	*migrator
	began time.Time
	next  time.Duration // upper bound of the next pause
}

const (
	firstPause = 250 * time.Millisecond
	maxPause   = 10 * time.Second
)

func (m *migrator) patience() *patience {
	return &patience{migrator: m, began: time.Now(), next: firstPause}
}

// pause waits before the next attempt, twice as long each time, and says why. When the
// time is over it returns an error that names who is in the way.
func (p *patience) pause(ctx context.Context, what string, cause error) error {
	waited := time.Since(p.began)
	if waited >= p.limits.Wait {
		err := fmt.Errorf("%s: gave up after %v: end the transactions that are in the way%s, or try at a quieter time",
			what, waited.Round(time.Second), p.others(ctx))
		if cause != nil {
			err = fmt.Errorf("%w (%w)", err, cause)
		}
		return err
	}
	p.log.Warn("store: a migration waits for others and tries again", "what", what, "waited", waited.Round(time.Millisecond),
		"others", strings.TrimSpace(p.others(ctx)), "err", cause)
	d := min(rand.N(p.next)+p.next/2, p.limits.Wait-waited)
	p.next = min(2*p.next, maxPause)
	if !pause(ctx, d) {
		return context.Cause(ctx)
	}
	return nil
}

// selectOldest lists the sessions of this database whose transactions are oldest and last
// for longer than a migration waits for a lock. What a session runs is left out, because it
// may hold data of users.
const selectOldest = `
SELECT pid, COALESCE(application_name, ''), COALESCE(state, ''), CAST(EXTRACT(epoch FROM clock_timestamp() - xact_start) AS bigint)
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start < clock_timestamp() - $1::interval
ORDER BY xact_start LIMIT 3`

// others says whose transactions are old, for a person who looks for the one in the way.
func (p *patience) others(ctx context.Context) string {
	if p.engine != postgres {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	var list []string
	rows, err := p.read.QueryContext(ctx, selectOldest, milliseconds(p.limits.Lock))
	_ = scanAll(rows, err, func(r *sql.Rows) error {
		var pid, age int64
		var name, state string
		if err := r.Scan(&pid, &name, &state, &age); err != nil {
			return err
		}
		list = append(list, fmt.Sprintf("pid %d %s, %s, for %d s", pid, name, state, age))
		return nil
	})
	if len(list) == 0 {
		return ""
	}
	return " (" + strings.Join(list, "; ") + ")"
}
