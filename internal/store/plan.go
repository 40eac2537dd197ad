package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
)

// Plan says what Migrate would do.
type Plan struct {
	// Version is that of the database's schema; 0: the database is empty.
	Version int `json:"version"`
	// Known is the newest version that this program knows.
	Known int `json:"known"`
	// Compatible is the oldest version whose programs can use the database as it is.
	Compatible int                `json:"min_compatible"`
	Migrations []PlannedMigration `json:"migrations"`
	// InUse says who uses the database now, as far as that can be seen; empty: nobody.
	InUse string `json:"in_use,omitempty"`
}

// PlannedMigration is one that has not run yet.
type PlannedMigration struct {
	Version int    `json:"version"`
	Name    string `json:"name"`
	Says    string `json:"says"`
	// Expands means that programs of the version before may go on while it runs and after.
	Expands bool `json:"expands"`
	// Rows is about how many rows it reads or writes, where that takes time.
	Rows int64 `json:"rows,omitempty"`
}

// Contracts reports whether nodes of the version before must be stopped first.
func (p *Plan) Contracts() bool {
	for _, m := range p.Migrations {
		if !m.Expands && p.Version > 0 {
			return true
		}
	}
	return false
}

// PlanMigration returns what Migrate would do. It takes no locks that others notice, and
// creates nothing.
func PlanMigration(ctx context.Context, url string, opts ...Option) (*Plan, error) {
	o := lookOptions(opts)
	if exists, err := databaseExists(url); err != nil || !exists {
		return planFor(state{}, o.schema), err
	}
	inUse, err := InUse(ctx, url, opts...)
	if err != nil {
		return nil, err
	}
	p, err := openPools(ctx, url, o)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	defer p.close()
	s, err := readState(ctx, p.read, p.engine)
	if err != nil {
		return nil, fmt.Errorf("store: schema: %w", err)
	}
	plan := planFor(s, o.schema)
	plan.InUse = inUse
	for i := range plan.Migrations {
		m := &plan.Migrations[i]
		if m.Rows, err = p.countRows(ctx, o.schema.list[m.Version-1].table); err != nil {
			return nil, fmt.Errorf("store: schema: %w", err)
		}
	}
	return plan, nil
}

func planFor(s state, known schema) *Plan {
	p := &Plan{Version: s.version, Known: known.newest(), Compatible: s.compatible}
	for v := s.version + 1; v <= known.newest(); v++ {
		m := known.list[v-1]
		p.Migrations = append(p.Migrations, PlannedMigration{Version: v, Name: m.name, Says: m.says, Expands: known.kind(v) == expand})
	}
	return p
}

// countRows is an estimate on PostgreSQL. A table that does not exist yet has no rows.
func (p *pools) countRows(ctx context.Context, table string) (n int64, err error) {
	if table == "" {
		return 0, nil
	}
	if p.engine == postgres {
		err = p.read.QueryRowContext(ctx, `
SELECT CAST(GREATEST(reltuples, 0) AS bigint) FROM pg_class WHERE oid = to_regclass($1)`, table).Scan(&n)
		if errors.Is(err, sql.ErrNoRows) {
			return 0, nil
		}
		return n, err
	}
	var tables int
	err = p.read.QueryRowContext(ctx, `SELECT COUNT(*) FROM sqlite_schema WHERE type = 'table' AND name = $1`, table).Scan(&tables)
	if err != nil || tables == 0 {
		return 0, err
	}
	err = p.read.QueryRowContext(ctx, `SELECT COUNT(*) FROM `+table).Scan(&n)
	return n, err
}

// Migrate brings the schema of a database up to date, or makes it.
func Migrate(ctx context.Context, url string, opts ...Option) error {
	o := newOptions(append([]Option{WithApplication("migrate"), WithMigrations()}, opts...))
	p, err := openPools(ctx, url, o)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	defer p.close()
	return prepare(ctx, p, o)
}

// lookOptions are those of a command that looks at a database. It logs nothing, because
// what it finds is its result.
func lookOptions(opts []Option) *options {
	return newOptions(append([]Option{WithApplication("look"), WithLogger(slog.New(slog.DiscardHandler))}, opts...))
}

// WithApplication names the sessions of a command on PostgreSQL, so that they are not
// taken for those of a node.
func WithApplication(command string) Option {
	return func(o *options) { o.app = applicationName + " " + command }
}

// isPostgres reports whether a URL is one of PostgreSQL.
func isPostgres(url string) bool {
	return strings.HasPrefix(url, "postgres://") || strings.HasPrefix(url, "postgresql://")
}

// databaseExists is false for a file of SQLite that does not exist or is empty.
func databaseExists(url string) (bool, error) {
	if isPostgres(url) {
		return true, nil
	}
	path := sqlitePath(url)
	if err := refuseUnfinishedFile(path); err != nil {
		return false, fmt.Errorf("store: %w", err)
	}
	return fileExists(path)
}

func fileExists(path string) (bool, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && info.Size() > 0, err
}

func sqlitePath(url string) string { return filepath.Clean(strings.TrimPrefix(url, "sqlite:")) }

// selectNodes counts the sessions of nodes of this database.
const selectNodes = `
SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1`

// sessionEnd is how long PostgreSQL may still list the sessions of a node that has stopped.
const sessionEnd = time.Second

// InUse says who uses a database, or nothing if nobody is seen. On PostgreSQL it sees nodes
// whose URL does not give them another application_name, on SQLite every process that has
// the file open.
func InUse(ctx context.Context, url string, opts ...Option) (string, error) {
	if !isPostgres(url) {
		path := sqlitePath(url)
		if exists, err := fileExists(path); err != nil || !exists {
			return "", err
		}
		return sqliteInUse(ctx, path)
	}
	p, err := openPools(ctx, url, lookOptions(opts))
	if err != nil {
		return "", fmt.Errorf("store: %w", err)
	}
	defer p.close()
	var nodes int
	for end := time.Now().Add(sessionEnd); ; {
		if err := p.read.QueryRowContext(ctx, selectNodes, applicationName).Scan(&nodes); err != nil || nodes == 0 {
			return "", err
		}
		if time.Now().After(end) || !pause(ctx, sessionEnd/20) {
			break
		}
	}
	return fmt.Sprintf("%d sessions of running nodes", nodes), nil
}

// ReadTies returns what tells to whom a database belongs. An empty one belongs to nobody.
func ReadTies(ctx context.Context, url string, opts ...Option) (known mssp.Ties, err error) {
	if exists, err := databaseExists(url); err != nil || !exists {
		return known, err
	}
	p, err := openPools(ctx, url, lookOptions(opts))
	if err != nil {
		return known, fmt.Errorf("store: %w", err)
	}
	defer p.close()
	tx, err := p.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: p.engine == postgres})
	if err != nil {
		return known, fmt.Errorf("store: %w", err)
	}
	defer tx.Rollback()
	s, err := readState(ctx, tx, p.engine)
	if err == nil && s.version > 0 {
		known, err = readTies(ctx, tx, s.version, time.Now())
	}
	if err != nil {
		return known, fmt.Errorf("store: %w", err)
	}
	return known, nil
}

// NewestVersion is the version of the schema that this program needs.
func NewestVersion() int { return latest.newest() }
