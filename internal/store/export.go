package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Exported takes a set of transactions away before they are deleted. The name of the set is
// the same if it comes again after a failure, with rows that may have been taken then. rows
// calls add for each transaction, with a line of JSON.
type Exported = func(name string, rows func(add func(id string, line []byte) error) error) error

const selectUnexported = `
SELECT name FROM partitions p WHERE complete <= $1 AND NOT exported` + noneOutstanding

// ExportPartitions exports those that DropPartitions would drop, and marks them.
func (s *Store) ExportPartitions(ctx context.Context, now time.Time, keep time.Duration, export Exported) error {
	if s.engine != postgres {
		return nil
	}
	for more := true; more; {
		more = false
		err := s.partitioning(ctx, func(tx *sql.Tx) error {
			var name string
			err := tx.QueryRowContext(ctx, selectUnexported, micros(now.Add(-keep))).Scan(&name)
			if errors.Is(err, sql.ErrNoRows) {
				return errLeft
			}
			if err != nil {
				return err
			}
			// The advisory lock keeps other nodes from the same work.
			if _, err := tx.ExecContext(ctx, `SET LOCAL statement_timeout = 0`); err != nil {
				return err
			}
			from := fmt.Sprintf(`transactions_%[1]s t LEFT JOIN receipts_%[1]s r ON r.trans_id = t.id LEFT JOIN verifications_%[1]s v ON v.trans_id = t.id`, name)
			err = export("requested-"+name, func(add func(string, []byte) error) error { return s.exportRows(ctx, tx, from, nil, add) })
			if err == nil {
				_, err = tx.ExecContext(ctx, fmt.Sprintf(markExported, name))
			}
			more = err == nil
			return err
		})
		if err != nil {
			return fmt.Errorf("store: export: %w", err)
		}
	}
	return nil
}

const markExported = `
DO $$ BEGIN
    EXECUTE format('COMMENT ON TABLE transactions_%[1]s IS %%L', obj_description('transactions_%[1]s'::regclass, 'pg_class') || ', exported');
END $$`

// ExportRest exports the transactions that are in no partition and ended in one span of
// time, the oldest, if all that ended in it is due. It returns the end of the span: what
// ended before can be purged. The zero time means that nothing is due.
func (s *Store) ExportRest(ctx context.Context, now time.Time, keep time.Duration, export Exported) (until time.Time, err error) {
	table, same := "transactions", ""
	if s.engine == postgres {
		table, same = "transactions_default", " AND %[1]s.ap_instant = t.ap_instant"
	}
	tx, err := s.read.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: s.engine == postgres})
	if err != nil {
		return until, fmt.Errorf("store: export: %w", err)
	}
	defer tx.Rollback()
	if s.engine == postgres {
		if _, err := tx.ExecContext(ctx, `SET LOCAL statement_timeout = 0`); err != nil {
			return until, fmt.Errorf("store: export: %w", err)
		}
	}
	due := now.Add(-keep)
	var first sql.NullInt64
	if err := tx.QueryRowContext(ctx, `SELECT min(finished) FROM `+table+` WHERE finished < $1`, micros(due)).Scan(&first); err != nil {
		return until, fmt.Errorf("store: export: %w", err)
	}
	width := partitionWidth(keep)
	low := timeOf(first.Int64).Truncate(width)
	if high := low.Add(width); !first.Valid || high.After(due) {
		return until, nil
	} else {
		until = high
	}
	join := func(table, alias string) string {
		return ` LEFT JOIN ` + table + ` ` + alias + ` ON ` + alias + `.trans_id = t.id` + strings.ReplaceAll(same, "%[1]s", alias)
	}
	from := table + ` t` + join("receipts", "r") + join("verifications", "v")
	err = export("ended-"+low.UTC().Format(partitionName), func(add func(string, []byte) error) error {
		return s.exportRows(ctx, tx, from, &span{low, until}, add)
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("store: export: %w", err)
	}
	return until, nil
}

// exportRows calls add for each transaction with its receipt, its evidence and its
// certificate. It knows nothing of what the columns mean, so it exports what a node
// cannot read as well.
func (s *Store) exportRows(ctx context.Context, tx *sql.Tx, from string, ended *span, add func(string, []byte) error) error {
	var columns []exportColumn
	for _, part := range []struct{ alias, table string }{{"t", "transactions"}, {"r", "receipts"}} {
		t, err := s.read.table(ctx, tx, part.table)
		if err != nil {
			return err
		}
		for _, c := range t.Columns {
			columns = append(columns, exportColumn{part.alias, c})
		}
	}
	columns = append(columns, exportColumn{"v", Column{"evidence", Text}}, exportColumn{"c", Column{"der", Bytes}})
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.of + `."` + c.Name + `"`
	}
	statement := `SELECT ` + strings.Join(names, ", ") + ` FROM ` + from + ` LEFT JOIN certificates c ON c.serial = t.cert_serial`
	var args []any
	if ended != nil {
		statement, args = statement+` WHERE t.finished >= $1 AND t.finished < $2`, []any{micros(ended.low), micros(ended.high)}
	}
	values, dest := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		dest[i] = &values[i]
	}
	rows, err := tx.QueryContext(ctx, statement, args...)
	return scanAll(rows, err, func(r *sql.Rows) error {
		if err := r.Scan(dest...); err != nil {
			return err
		}
		id, line, err := exportLine(columns, values)
		if err != nil {
			return err
		}
		return add(id, line)
	})
}

type exportColumn struct {
	of string // the alias of its table
	Column
}

// exportLine is one transaction as JSON. What is NULL is left out.
func exportLine(columns []exportColumn, values []any) (id string, line []byte, err error) {
	all, receipt := make(map[string]any), make(map[string]any)
	for i, c := range columns {
		v := exportValue(c.Column, values[i])
		switch {
		case v == nil:
		case c.of == "r":
			receipt[c.Name] = v
		case c.of == "c":
			all["certificate"] = v
		default:
			all[c.Name] = v
		}
	}
	if len(receipt) > 0 {
		all["receipt"] = receipt
	}
	id, _ = all["id"].(string)
	line, err = json.Marshal(all)
	return id, line, err
}

// Columns that are not what their type says.
var (
	exportTimes = []string{"ap_instant", "created", "expires", "finished"}
	exportJSON  = []string{"services", "location", "evidence"}
)

func exportValue(c Column, v any) any {
	switch v := v.(type) {
	case int64:
		if c.Type == Boolean { // SQLite has no booleans
			return v != 0
		}
		if slices.Contains(exportTimes, c.Name) {
			return timeOf(v).UTC().Format("2006-01-02T15:04:05.000000Z")
		}
	case string:
		if slices.Contains(exportJSON, c.Name) && json.Valid([]byte(v)) {
			return json.RawMessage(v)
		}
	}
	return v
}
