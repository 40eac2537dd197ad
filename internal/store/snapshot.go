package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/signum-mssp/signum/internal/mssp"
)

// Table is a table of a database, whichever the engine.
type Table struct {
	Name    string   `json:"name"`
	Columns []Column `json:"columns"`
}

// Column is a column of a table.
type Column struct {
	Name string     `json:"name"`
	Type ColumnType `json:"type"`
}

// ColumnType is what a column holds, on either engine.
type ColumnType string

// The types that the schema uses.
const (
	Text    ColumnType = "text"
	Integer ColumnType = "integer"
	Boolean ColumnType = "boolean"
	Bytes   ColumnType = "bytes"
)

// columnTypes are the names of the types in the schema.
var columnTypes = map[string]ColumnType{
	"text": Text, "bigint": Integer, "integer": Integer, "smallint": Integer, "boolean": Boolean, "bytea": Bytes,
}

// schemaTables hold what the schema says of itself. They are made with it.
var schemaTables = []string{"signum_schema", restoreTable}

// derivedTable repeats what is in another table, on PostgreSQL only: see fillDerived.
const derivedTable = "outstanding"

// nodeTables are about the nodes that run. What they share is used up soon, or made again: also their
// keys, which must not be in a backup.
var nodeTables = []string{"nodes", "leases", "sms_parts", "shared_values"}

// fillDerived fills it from the other table.
const fillDerived = `
INSERT INTO outstanding (id, ap_instant, msisdn, method, expires)
SELECT id, ap_instant, msisdn, method, expires FROM transactions WHERE state = 'outstanding'`

var (
	selectTables = &query{
		text: `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY name`,
		postgres: `
SELECT relname FROM pg_class
WHERE relnamespace = CAST(current_schema() AS regnamespace) AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY relname`,
	}
	selectColumns = &query{
		text: `SELECT name, lower(type) FROM pragma_table_xinfo($1) WHERE hidden = 0 ORDER BY cid`,
		postgres: `
SELECT attname, format_type(atttypid, NULL) FROM pg_attribute
WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum`,
	}
	selectReferenced = &query{
		text: `SELECT DISTINCT "table" FROM pragma_foreign_key_list($1)`,
		postgres: `
SELECT DISTINCT relname FROM pg_constraint f JOIN pg_class c ON c.oid = f.confrelid
WHERE f.conrelid = to_regclass($1) AND f.contype = 'f'`,
	}
)

// rowsQuerier is a connection or a transaction.
type rowsQuerier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func (p *pools) strings(ctx context.Context, q rowsQuerier, what *query, args ...any) (all []string, err error) {
	rows, err := q.QueryContext(ctx, what.sql(p.engine), args...)
	err = scanAll(rows, err, func(r *sql.Rows) error {
		var one string
		err := r.Scan(&one)
		all = append(all, one)
		return err
	})
	return all, err
}

// tables lists the tables of a database, each after those that it refers to.
func (p *pools) tables(ctx context.Context, q rowsQuerier) ([]Table, error) {
	names, err := p.strings(ctx, q, selectTables)
	if err != nil {
		return nil, err
	}
	names = slices.DeleteFunc(names, func(n string) bool {
		return n == derivedTable || slices.Contains(schemaTables, n) || slices.Contains(nodeTables, n)
	})
	refers := make(map[string][]string)
	for _, n := range names {
		if refers[n], err = p.strings(ctx, q, selectReferenced, n); err != nil {
			return nil, err
		}
		if n == "receipts" || n == "verifications" { // a foreign key on SQLite only
			refers[n] = append(refers[n], "transactions")
		}
	}
	var all []Table
	done := make(map[string]bool)
	for len(all) < len(names) {
		before := len(all)
		for _, n := range names {
			waits := func(other string) bool { return other != n && !done[other] }
			if done[n] || slices.ContainsFunc(refers[n], waits) {
				continue
			}
			t, err := p.table(ctx, q, n)
			if err != nil {
				return nil, err
			}
			all, done[n] = append(all, t), true
		}
		if len(all) == before {
			return nil, errors.New("the tables refer to each other in a circle")
		}
	}
	return all, nil
}

func (p *pools) table(ctx context.Context, q rowsQuerier, name string) (Table, error) {
	t := Table{Name: name}
	rows, err := q.QueryContext(ctx, selectColumns.sql(p.engine), name)
	err = scanAll(rows, err, func(r *sql.Rows) error {
		var c Column
		var kind string
		if err := r.Scan(&c.Name, &kind); err != nil {
			return err
		}
		var known bool
		if c.Type, known = columnTypes[kind]; !known {
			return fmt.Errorf("column %s.%s has the type %s, which is not one of Signum's", name, c.Name, kind)
		}
		t.Columns = append(t.Columns, c)
		return nil
	})
	return t, err
}

// columns are the names for a statement.
func (t Table) columns() string {
	var b strings.Builder
	for i, c := range t.Columns {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(`"` + c.Name + `"`)
	}
	return b.String()
}

// Snapshot is a database as it was at one moment. Others go on writing: nobody waits for a
// snapshot. But the space of what they delete is free again only when it is closed.
type Snapshot struct {
	// Version is that of the schema, and Compatible the oldest whose programs can use it.
	Version, Compatible int
	Engine              string
	Instance            *mssp.Instance // nil: the database belongs to nobody yet
	Tables              []Table        // each after those that it refers to

	pools *pools
	tx    *sql.Tx
}

// OpenSnapshot begins a snapshot of a database.
func OpenSnapshot(ctx context.Context, url string, opts ...Option) (s *Snapshot, err error) {
	if exists, err := databaseExists(url); err != nil || !exists {
		return nil, errors.Join(err, errEmpty)
	}
	p, err := openPools(ctx, url, lookOptions(append([]Option{WithApplication("backup")}, opts...)))
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	var how *sql.TxOptions
	if p.engine == postgres {
		how = &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
	}
	s = &Snapshot{pools: p, Engine: string(p.engine)}
	if s.tx, err = p.read.BeginTx(ctx, how); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	if err := s.begin(ctx); err != nil {
		s.tx.Rollback()
		if errors.Is(err, errEmpty) {
			return nil, err
		}
		return nil, fmt.Errorf("store: snapshot: %w", err)
	}
	return s, nil
}

var errEmpty = errors.New("the database is empty: there is nothing to save; check store.url")

func (s *Snapshot) begin(ctx context.Context) error {
	if s.pools.engine == postgres {
		const unlimited = `SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0`
		if _, err := s.tx.ExecContext(ctx, unlimited); err != nil {
			return err
		}
	}
	is, err := readState(ctx, s.tx, s.pools.engine)
	if err != nil {
		return err
	}
	if is.version == 0 {
		return errEmpty
	}
	s.Version, s.Compatible = is.version, is.compatible
	if is.version >= instanceSince {
		if s.Instance, err = readInstance(ctx, s.tx); err != nil {
			return err
		}
	}
	s.Tables, err = s.pools.tables(ctx, s.tx)
	return err
}

// Rows calls each with the values of every row: nil, string, int64, bool or []byte, valid
// until it returns.
func (s *Snapshot) Rows(ctx context.Context, t Table, each func([]any) error) error {
	rows, err := s.tx.QueryContext(ctx, `SELECT `+t.columns()+` FROM "`+t.Name+`"`)
	values, dest := make([]any, len(t.Columns)), make([]any, len(t.Columns))
	for i := range values {
		dest[i] = &values[i]
	}
	err = scanAll(rows, err, func(r *sql.Rows) error {
		if err := r.Scan(dest...); err != nil {
			return err
		}
		for i, c := range t.Columns {
			if n, ok := values[i].(int64); ok && c.Type == Boolean { // SQLite has no booleans
				values[i] = n != 0
			}
		}
		return each(values)
	})
	if err != nil {
		return fmt.Errorf("store: snapshot of %s: %w", t.Name, err)
	}
	return nil
}

// Close ends the snapshot.
func (s *Snapshot) Close() error {
	err := s.tx.Rollback()
	s.pools.close()
	return err
}
