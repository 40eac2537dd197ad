package store

import (
	"context"
	"database/sql"
	"sync"
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
// statement prepared once per connection.
type reader struct {
	db     *sql.DB
	engine engine
	stmts  sync.Map // *query to *sql.Stmt
}

func (r *reader) stmt(ctx context.Context, q *query) (*sql.Stmt, error) {
	if s, ok := r.stmts.Load(q); ok {
		return s.(*sql.Stmt), nil
	}
	s, err := r.db.PrepareContext(ctx, q.sql(r.engine))
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
// only once; on PostgreSQL the network may hang, so that it is kept.
func (r *reader) detach(ctx context.Context) (context.Context, error) {
	if r.engine == postgres {
		return ctx, nil
	}
	return context.WithoutCancel(ctx), ctx.Err()
}

// row reads at most one row into dest; sql.ErrNoRows if there is none.
func (r *reader) row(ctx context.Context, q *query, args []any, dest ...any) error {
	ctx, err := r.detach(ctx)
	if err != nil {
		return err
	}
	s, err := r.stmt(ctx, q)
	if err != nil {
		return err
	}
	return s.QueryRowContext(ctx, args...).Scan(dest...)
}

// each calls scan for every row.
func (r *reader) each(ctx context.Context, q *query, args []any, scan func(*sql.Rows) error) error {
	ctx, err := r.detach(ctx)
	if err != nil {
		return err
	}
	s, err := r.stmt(ctx, q)
	if err != nil {
		return err
	}
	rows, err := s.QueryContext(ctx, args...)
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

func (r *reader) close() error {
	r.stmts.Range(func(_, s any) bool {
		s.(*sql.Stmt).Close()
		return true
	})
	return r.db.Close()
}
