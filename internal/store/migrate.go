package store

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"time"
)

// MigrationLimits bound what a migration does to others that use the database at the
// same time, on PostgreSQL. On SQLite a migration waits for the writer as every write does.
type MigrationLimits struct {
	// Lock is how long a statement waits for a lock. While it waits, all others who
	// want the table wait behind it, so it is short, and the migration is tried again.
	Lock time.Duration
	// Wait is how long the migration tries to get its locks in all.
	Wait time.Duration
	// Statement is how long one statement may take.
	Statement time.Duration
	// Slice is how many rows of a table are changed at a time, where that is possible. A
	// pause as long as it took follows, so that others get half of the database's time.
	Slice int
}

// DefaultMigrationLimits are those of a migration for which nothing else is said.
var DefaultMigrationLimits = MigrationLimits{Lock: 3 * time.Second, Wait: 10 * time.Minute, Statement: time.Hour, Slice: 1000}

// MigrationStep reports progress.
type MigrationStep struct {
	Version int    // that the migration makes
	Name    string // of the migration
	Number  int    // of the migration in this run, from 1
	Of      int    // migrations of this run
	Rows    int64  // changed so far, if the migration works in slices
	Took    time.Duration
	Done    bool
}

const (
	// The keys are "signum" in ASCII, and the next.
	lockSchemaKey   = 126896544052589
	lockInstanceKey = lockSchemaKey + 1
)

var (
	// lockSchema keeps other processes from changing the schema until the transaction
	// ends, lockInstance from deciding to whom the database belongs. On SQLite the
	// transaction does both by itself, because it is immediate.
	lockSchema   = fmt.Sprintf(`SELECT pg_advisory_xact_lock(%d)`, lockSchemaKey)
	lockInstance = fmt.Sprintf(`SELECT pg_advisory_xact_lock(%d)`, lockInstanceKey)
	// tryRun is for the whole run of several migrations. It belongs to the session.
	tryRun = fmt.Sprintf(`SELECT pg_try_advisory_lock(%d)`, lockSchemaKey)
	endRun = fmt.Sprintf(`SELECT pg_advisory_unlock(%d)`, lockSchemaKey)
)

// tieFunc decides to whom the database belongs, see tieInstance.
type tieFunc func(ctx context.Context, tx *sql.Tx, version int) error

// migrator brings a database to the version that a program needs.
type migrator struct {
	*pools
	schema
	limits   MigrationLimits
	log      *slog.Logger
	progress func(MigrationStep) // may be nil
	tie      tieFunc             // may be nil

	restoring bool // part of a restore, which has not finished
}

// open makes the schema of an empty database, and checks that of another one. Only with
// upgrade does it run migrations. The tie is decided before anything is changed.
func (m *migrator) open(ctx context.Context, upgrade bool) error {
	if err := m.refuseUnfinished(ctx); err != nil {
		return err
	}
	s, err := readState(ctx, m.write, m.engine)
	if err != nil {
		return err
	}
	if s.version == 0 {
		level := slog.LevelWarn // perhaps the URL is wrong
		if upgrade {
			level = slog.LevelInfo // databases come and go, as in a sandbox
		}
		if s, err = m.create(ctx, level); err != nil {
			return err
		}
	}
	behind := s.version < m.newest()
	if !behind || !upgrade {
		if err := s.admit(m.newest()); err != nil {
			return err
		}
	}
	if err := m.decideTie(ctx, s.version); err != nil || !behind {
		return err
	}
	if err := m.run(ctx); err != nil || s.version >= instanceSince {
		return err
	}
	return m.decideTie(ctx, m.newest())
}

// create makes the schema in one transaction with the tie, so that an empty database
// stays empty if it is refused. If another process was first, its state is returned. The
// log says at a level that there is a new database.
func (m *migrator) create(ctx context.Context, level slog.Level) (s state, err error) {
	created := false
	err = m.transaction(ctx, m.write.BeginTx, "creating the schema", func(tx *sql.Tx) error {
		created = false // it may be tried again
		if s, err = readState(ctx, tx, m.engine); err != nil || s.version > 0 {
			return err
		}
		if err := m.createIn(ctx, tx); err != nil {
			return err
		}
		s, created = state{m.newest(), m.newest()}, true
		return m.lockedTie(ctx, tx, s.version)
	})
	if err == nil && created {
		m.log.Log(ctx, level, "store: the database was empty: a new one was created", "version", s.version)
	}
	return s, err
}

// createIn makes the schema in a transaction.
func (m *migrator) createIn(ctx context.Context, tx *sql.Tx) error {
	if _, err := tx.ExecContext(ctx, createVersion); err != nil {
		return err
	}
	for i, x := range m.list {
		text, err := m.text(x, m.engine)
		if err != nil {
			return err
		}
		if x.index != nil {
			text = x.index.create(false)
		}
		if err := m.make(ctx, tx, i+1, text); err != nil {
			return err
		}
	}
	return nil
}

// make runs the text of a migration and records its version.
func (m *migrator) make(ctx context.Context, tx *sql.Tx, version int, text string) error {
	x := m.list[version-1]
	if _, err := tx.ExecContext(ctx, text); err != nil {
		return fmt.Errorf("migration %s: %w", x.name, err)
	}
	return m.record(ctx, tx, version)
}

func (m *migrator) record(ctx context.Context, tx *sql.Tx, version int) (err error) {
	if version < compatibleSince {
		_, err = tx.ExecContext(ctx, insertVersion, version)
	} else {
		_, err = tx.ExecContext(ctx, insertCompatibleVersion, version, m.list[version-1].compatible)
	}
	return err
}

func (m *migrator) decideTie(ctx context.Context, version int) error {
	if m.tie == nil {
		return nil
	}
	tx, err := m.write.BeginTx(ctx, m.isolation())
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := m.lockedTie(ctx, tx, version); err != nil {
		return err
	}
	return tx.Commit()
}

// lockedTie lets processes decide one after the other.
func (m *migrator) lockedTie(ctx context.Context, tx *sql.Tx, version int) error {
	if m.tie == nil {
		return nil
	}
	if m.engine == postgres {
		if _, err := tx.ExecContext(ctx, lockInstance); err != nil {
			return err
		}
	}
	return m.tie(ctx, tx, version)
}

// run executes the migrations that are missing, one transaction each, so that a long one
// does not hold the locks of all. Everything runs on one connection, which keeps other
// processes out: if it breaks, the lock ends with the work.
func (m *migrator) run(ctx context.Context) error {
	conn, err := m.write.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	end, err := m.beginRun(ctx, conn)
	if err != nil {
		return err
	}
	defer end()
	s, err := readState(ctx, conn, m.engine)
	first := s.version
	for err == nil && s.version < m.newest() {
		step := MigrationStep{Version: s.version + 1, Name: m.list[s.version].name, Number: s.version + 1 - first, Of: m.newest() - first}
		if err = m.step(ctx, conn, step); err == nil {
			s, err = readState(ctx, conn, m.engine)
		}
	}
	return err
}

// beginRun takes the lock for the whole run. Behind a pooler no lock can outlive a
// transaction: there, each transaction takes it for itself, which is enough for
// migrations that consist of one.
func (m *migrator) beginRun(ctx context.Context, conn *sql.Conn) (end func(), err error) {
	if m.engine != postgres || m.pooled {
		return func() {}, nil
	}
	wait := m.patience()
	for {
		var got bool
		if err := conn.QueryRowContext(ctx, tryRun).Scan(&got); err != nil {
			return nil, err
		}
		if got {
			return func() { _, _ = conn.ExecContext(context.WithoutCancel(ctx), endRun) }, nil
		}
		if err := wait.pause(ctx, "another process migrates the database", nil); err != nil {
			return nil, err
		}
	}
}

// step runs one migration.
func (m *migrator) step(ctx context.Context, conn *sql.Conn, step MigrationStep) error {
	began := time.Now()
	m.report(step)
	x := m.list[step.Version-1]
	var err error
	switch {
	case x.index != nil:
		err = m.buildIndex(ctx, conn, step.Version)
	case x.fill != nil:
		step.Rows, err = m.fillTable(ctx, conn, step)
	default:
		err = m.change(ctx, conn, step.Version)
	}
	if err != nil {
		return err
	}
	step.Done, step.Took = true, time.Since(began)
	m.report(step)
	m.log.Info("store: migrated", "version", step.Version, "migration", x.name, "took", step.Took)
	return nil
}

func (m *migrator) report(s MigrationStep) {
	if m.progress != nil {
		m.progress(s)
	}
}

// change runs a migration that is one transaction.
func (m *migrator) change(ctx context.Context, conn *sql.Conn, version int) error {
	text, err := m.text(m.list[version-1], m.engine)
	if err != nil {
		return err
	}
	return m.transaction(ctx, conn.BeginTx, m.list[version-1].name, func(tx *sql.Tx) error {
		if due, err := m.due(ctx, tx, version); err != nil || !due {
			return err
		}
		return m.make(ctx, tx, version, text)
	})
}

// due reports whether the version is still the next one.
func (m *migrator) due(ctx context.Context, tx *sql.Tx, version int) (bool, error) {
	s, err := readState(ctx, tx, m.engine)
	return s.version == version-1, err
}

// transaction runs do in a transaction that has the schema for itself. If it does not get
// a lock in time, it gives way to those that wait behind it, and tries again.
func (m *migrator) transaction(ctx context.Context, begin func(context.Context, *sql.TxOptions) (*sql.Tx, error), what string, do func(*sql.Tx) error) error {
	wait := m.patience()
	for {
		err := m.attempt(ctx, begin, do)
		if !m.retriable(err) {
			return err
		}
		if err := wait.pause(ctx, what, err); err != nil {
			return err
		}
	}
}

func (m *migrator) attempt(ctx context.Context, begin func(context.Context, *sql.TxOptions) (*sql.Tx, error), do func(*sql.Tx) error) error {
	tx, err := begin(ctx, m.isolation())
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if m.engine == postgres {
		for _, s := range []string{m.settings("SET LOCAL"), lockSchema} {
			if _, err := tx.ExecContext(ctx, s); err != nil {
				return err
			}
		}
	}
	if err := do(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// settings are the limits of a migration in place of those of a writer.
func (m *migrator) settings(set string) string {
	return fmt.Sprintf("%[1]s lock_timeout = '%[2]s'; %[1]s statement_timeout = '%[3]s'; %[1]s idle_in_transaction_session_timeout = '1min'",
		set, milliseconds(m.limits.Lock), milliseconds(m.limits.Statement))
}

// retriable reports whether others were in the way, who will go on.
func (m *migrator) retriable(err error) bool {
	if m.engine == sqlite {
		return isBusy(err)
	}
	return err != nil && (transient(err) || sqlState(err) == lockNotAvailable)
}
