package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

// query is one statement of the common set. Where PostgreSQL needs its own
// text, that stands beside the common one and takes the same arguments.
type query struct {
	text     string
	postgres string // empty: text serves both
}

func (q *query) sql(e engine) string {
	if e == postgres && q.postgres != "" {
		return q.postgres
	}
	return q.text
}

// reader runs queries outside of a transaction, on a pool of connections, each
// statement prepared once per connection; behind a pooler, not at all.
type reader struct {
	*pools
	limit time.Duration // of a query on PostgreSQL
	stmts sync.Map      // *query to *sql.Stmt
}

// query runs a query. The rows must be read before the context ends.
func (r *reader) query(ctx context.Context, q *query, args []any) (*sql.Rows, error) {
	if r.pooled {
		return r.read.QueryContext(ctx, q.sql(r.engine), args...)
	}
	s, err := r.stmt(ctx, q)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

func (r *reader) stmt(ctx context.Context, q *query) (*sql.Stmt, error) {
	if s, ok := r.stmts.Load(q); ok {
		return s.(*sql.Stmt), nil
	}
	s, err := r.read.PrepareContext(ctx, q.sql(r.engine))
	if err != nil {
		return nil, err
	}
	if other, lost := r.stmts.LoadOrStore(q, s); lost {
		s.Close()
		return other.(*sql.Stmt), nil
	}
	return s, nil
}

// detach is the context to read with. On SQLite a read takes microseconds and
// a context that can end costs two goroutines a query, so that it is asked
// only once; on PostgreSQL the network may hang, so that it is kept, with a limit.
func (r *reader) detach(ctx context.Context) (context.Context, context.CancelFunc, error) {
	if r.engine == postgres {
		ctx, cancel := limited(ctx, "query", r.limit)
		return ctx, cancel, nil
	}
	return context.WithoutCancel(ctx), func() {}, ctx.Err()
}

// row reads at most one row into dest; sql.ErrNoRows if there is none.
func (r *reader) row(ctx context.Context, q *query, args []any, dest ...any) error {
	ctx, cancel, err := r.detach(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	return r.again(ctx, func() error { return r.rowOnce(ctx, q, args, dest...) })
}

func (r *reader) rowOnce(ctx context.Context, q *query, args []any, dest ...any) error {
	if r.pooled {
		return r.read.QueryRowContext(ctx, q.sql(r.engine), args...).Scan(dest...)
	}
	s, err := r.stmt(ctx, q)
	if err == nil {
		err = s.QueryRowContext(ctx, args...).Scan(dest...)
	}
	return err
}

// dropIdle closes the connections that are idle, after a statement took too long. If the server
// hangs, each of them would cost the same time again.
func dropIdle(db *sql.DB) {
	db.SetMaxIdleConns(-1)
	db.SetMaxIdleConns(db.Stats().MaxOpenConnections)
}

// again reads again while the database is interrupted, until ctx ends.
func (r *reader) again(ctx context.Context, read func() error) error {
	for wait := firstWait; ; wait = min(2*wait, lastWait) {
		err := read()
		if _, slow := errors.AsType[*TimeoutError](context.Cause(ctx)); slow && err != nil {
			dropIdle(r.read)
		}
		if r.engine != postgres || !interrupted(err) || !pause(ctx, wait/2+rand.N(wait/2)) {
			return explain(ctx, err)
		}
	}
}

// each calls scan for every row.
func (r *reader) each(ctx context.Context, q *query, args []any, scan func(*sql.Rows) error) error {
	ctx, cancel, err := r.detach(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	began := false
	var late error // what was read is not read again
	err = r.again(ctx, func() error {
		rows, err := r.query(ctx, q, args)
		err = scanAll(rows, err, func(rows *sql.Rows) error {
			began = true
			return scan(rows)
		})
		if began {
			late, err = err, nil
		}
		return err
	})
	return cmp.Or(err, explain(ctx, late))
}

// scanAll calls scan for every row of a query and closes it.
func scanAll(rows *sql.Rows, err error, scan func(*sql.Rows) error) error {
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// ofRow reports whether a scan failed because of the row, whose key is its first
// column, and not because of the connection.
func ofRow(rows *sql.Rows, key string) bool { return key != "" && rows.Err() == nil }

func (r *reader) close() error {
	r.stmts.Range(func(_, s any) bool {
		s.(*sql.Stmt).Close()
		return true
	})
	return r.read.Close()
}
