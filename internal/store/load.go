package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

const (
	// restoreTable exists while a restore has not finished. No node opens such a database.
	restoreTable  = "signum_restore"
	createRestore = `CREATE TABLE signum_restore (began bigint NOT NULL)`
	dropRestore   = `DROP TABLE signum_restore`
)

var selectRestore = &query{
	text:     `SELECT COUNT(*) FROM sqlite_schema WHERE type = 'table' AND name = 'signum_restore'`,
	postgres: `SELECT COUNT(*) FROM pg_class WHERE oid = to_regclass('signum_restore')`,
}

// ErrUnfinishedRestore means that a restore stopped before its end.
var ErrUnfinishedRestore = errors.New("a restore of this database was interrupted: run signum restore --replace again")

// refuseUnfinished returns ErrUnfinishedRestore where it is due.
func (m *migrator) refuseUnfinished(ctx context.Context) error {
	var n int
	err := m.write.QueryRowContext(ctx, selectRestore.sql(m.engine)).Scan(&n)
	if err == nil && n > 0 && !m.restoring {
		return ErrUnfinishedRestore
	}
	return err
}

// RestoredFile is the name that a restored file of SQLite has while it takes the place of
// the database at a path.
func RestoredFile(path string) string { return path + ".restored" }

// refuseUnfinishedFile returns ErrUnfinishedRestore where it is due.
func refuseUnfinishedFile(path string) error {
	switch _, err := os.Lstat(RestoredFile(path)); {
	case err == nil:
		return ErrUnfinishedRestore
	case errors.Is(err, fs.ErrNotExist):
		return nil
	default:
		return err
	}
}

// withRestoring opens a database that is being restored.
func withRestoring() Option { return func(o *options) { o.restoring = true } }

// Load fills an empty database with the rows of a snapshot, in one transaction.
type Load struct {
	pools  *pools
	conn   *sql.Conn
	tx     *sql.Tx
	tables map[string]Table
	insert map[string]*sql.Stmt // SQLite
	parts  *loadedParts         // nil: the schema has no partitions
}

// OpenLoad makes the schema of a version in a database that is empty, or that is emptied
// with replace. Until Commit, the database stays as it was; until FinishLoad, no node opens it.
func OpenLoad(ctx context.Context, url string, version int, tables []Table, replace bool, opts ...Option) (l *Load, err error) {
	o := newOptions(append([]Option{WithApplication("restore")}, opts...))
	if version > o.schema.newest() {
		return nil, fmt.Errorf("store: the backup is of version %d, this program knows versions up to %d: use a newer program", version, o.schema.newest())
	}
	p, err := openPools(ctx, url, o)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	l = &Load{pools: p, tables: make(map[string]Table), insert: make(map[string]*sql.Stmt)}
	defer func() {
		if err != nil {
			l.Close()
			err = fmt.Errorf("store: %w", err)
		}
	}()
	if l.conn, err = p.write.Conn(ctx); err != nil {
		return nil, err
	}
	if l.tx, err = l.conn.BeginTx(ctx, p.isolation()); err != nil {
		return nil, err
	}
	s := schema{o.schema.files, o.schema.list[:version]}
	return l, l.begin(ctx, s, o, tables, replace)
}

// ErrNotEmpty means that a database has tables of a service already.
var ErrNotEmpty = errors.New("the database is not empty")

func (l *Load) begin(ctx context.Context, s schema, o *options, tables []Table, replace bool) error {
	m := &migrator{pools: l.pools, schema: s, limits: o.migrate, log: o.log}
	if l.pools.engine == postgres {
		settings := m.settings("SET LOCAL") + `; SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0`
		for _, statement := range []string{settings, lockSchema} {
			if _, err := l.tx.ExecContext(ctx, statement); err != nil {
				return err
			}
		}
	}
	is, err := readState(ctx, l.tx, l.pools.engine)
	if err != nil {
		return err
	}
	if is.version > 0 && !replace {
		return ErrNotEmpty
	}
	if is.version > 0 {
		if err := l.empty(ctx, o.schema); err != nil {
			return err
		}
	}
	if _, err := l.tx.ExecContext(ctx, createRestore); err != nil {
		return err
	}
	if err := m.createIn(ctx, l.tx); err != nil {
		return err
	}
	return l.prepare(ctx, tables)
}

var createsTable = regexp.MustCompile(`(?i)CREATE TABLE\s+(?:IF NOT EXISTS\s+)?(\w+)`)

// empty drops the tables that the schema has ever made, and nothing else: an operator may
// keep other tables in the same database.
func (l *Load) empty(ctx context.Context, s schema) error {
	names := slices.Clone(schemaTables)
	for _, m := range s.list {
		text, err := s.text(m, l.pools.engine)
		if err != nil {
			return err
		}
		for _, found := range createsTable.FindAllStringSubmatch(text, -1) {
			names = append(names, found[1])
		}
	}
	if l.pools.engine == sqlite {
		return errors.New("a file of SQLite is replaced as a whole")
	}
	for i, n := range names {
		if slices.Contains(names[:i], n) {
			continue
		}
		if _, err := l.tx.ExecContext(ctx, `DROP TABLE IF EXISTS "`+n+`" CASCADE`); err != nil {
			return err
		}
	}
	return nil
}

// prepare checks that the schema has the tables of the snapshot, and removes the rows with
// which migrations made them.
func (l *Load) prepare(ctx context.Context, tables []Table) error {
	have, err := l.pools.tables(ctx, l.tx)
	if err != nil {
		return err
	}
	for _, t := range tables {
		if slices.Contains(nodeTables, t.Name) { // of an earlier version, and not restored
			continue
		}
		i := slices.IndexFunc(have, func(h Table) bool { return h.Name == t.Name })
		if i < 0 {
			return fmt.Errorf("the schema has no table %s", t.Name)
		}
		for _, c := range t.Columns {
			if !slices.Contains(have[i].Columns, c) {
				return fmt.Errorf("the schema has no column %s.%s of type %s", t.Name, c.Name, c.Type)
			}
		}
		l.tables[t.Name] = t
	}
	if err := l.preparePartitions(ctx); err != nil {
		return err
	}
	for _, t := range slices.Backward(have) {
		if _, err := l.tx.ExecContext(ctx, `DELETE FROM "`+t.Name+`"`); err != nil {
			return err
		}
	}
	return nil
}

// Insert adds rows to a table, with values as Snapshot.Rows returned them.
func (l *Load) Insert(ctx context.Context, table string, rows [][]any) (err error) {
	t, known := l.tables[table]
	if !known {
		return fmt.Errorf("store: no table %s", table)
	}
	if l.pools.engine == postgres {
		if err = l.makePartitions(ctx, t, rows); err == nil {
			err = l.copy(t, rows, ctx)
		}
	} else {
		err = l.insertEach(ctx, t, rows)
	}
	if err != nil {
		return fmt.Errorf("store: %s: %w", table, err)
	}
	return nil
}

func (l *Load) copy(t Table, rows [][]any, ctx context.Context) error {
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = c.Name
	}
	return l.conn.Raw(func(c any) error {
		_, err := c.(*stdlib.Conn).Conn().CopyFrom(ctx, pgx.Identifier{t.Name}, names, pgx.CopyFromRows(rows))
		return err
	})
}

func (l *Load) insertEach(ctx context.Context, t Table, rows [][]any) (err error) {
	s := l.insert[t.Name]
	if s == nil {
		marks := strings.TrimSuffix(strings.Repeat("?, ", len(t.Columns)), ", ")
		if s, err = l.tx.PrepareContext(ctx, `INSERT INTO "`+t.Name+`" (`+t.columns()+`) VALUES (`+marks+`)`); err != nil {
			return err
		}
		l.insert[t.Name] = s
	}
	for _, row := range rows {
		if _, err := s.ExecContext(ctx, row...); err != nil {
			return err
		}
	}
	return nil
}

// Commit makes the rows permanent. FinishLoad must follow.
func (l *Load) Commit() error {
	if err := l.derive(); err != nil {
		return fmt.Errorf("store: %s: %w", derivedTable, err)
	}
	if err := l.tx.Commit(); err != nil {
		return fmt.Errorf("store: commit: %w", err)
	}
	return nil
}

// derive fills the table that no snapshot has, if the loaded version has it.
func (l *Load) derive() error {
	if l.parts == nil {
		return nil
	}
	_, err := l.tx.Exec(fillDerived)
	return err
}

// Close ends the load. Without Commit, it leaves nothing behind.
func (l *Load) Close() {
	if l.tx != nil {
		_ = l.tx.Rollback()
	}
	if l.conn != nil {
		_ = l.conn.Close()
	}
	l.pools.close()
}

// FinishLoad brings the schema of a loaded database up to date, calls settle with its store,
// and lets nodes open it.
func FinishLoad(ctx context.Context, url string, settle func(*Store) error, opts ...Option) (err error) {
	s, err := Open(ctx, url, append([]Option{WithApplication("restore"), WithMigrations(), withRestoring()}, opts...)...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := settle(s); err != nil {
		return err
	}
	return s.write(ctx, &write{first: &query{text: dropRestore}})
}
