package store

import (
	"context"
	"database/sql"

	"github.com/signum-mssp/signum/internal/mssp"
)

// session is a connection of a writer, with its transaction and its prepared
// statements. They are prepared on the connection and not through the
// transaction, which would parse them anew each time.
type session struct {
	engine engine
	conn   *sql.Conn
	tx     *sql.Tx
	stmts  map[*query]*sql.Stmt
}

func newSession(ctx context.Context, db *sql.DB, e engine) (*session, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	if e == postgres {
		if _, err := conn.ExecContext(ctx, groupLockTimeout); err != nil {
			conn.Close()
			return nil, err
		}
	}
	return &session{engine: e, conn: conn, stmts: make(map[*query]*sql.Stmt)}, nil
}

func (s *session) begin(ctx context.Context) (err error) {
	s.tx, err = s.conn.BeginTx(ctx, nil)
	return err
}

// beginSingle begins a transaction for one write, which may wait for a lock as
// long as the transaction may take.
func (s *session) beginSingle(ctx context.Context) error {
	if err := s.begin(ctx); err != nil || s.engine != postgres {
		return err
	}
	_, err := s.tx.ExecContext(ctx, singleLockTimeout)
	return err
}

func (s *session) commit() error   { return s.tx.Commit() }
func (s *session) rollback() error { return s.tx.Rollback() }

func (s *session) stmt(ctx context.Context, q *query) (*sql.Stmt, error) {
	if st, ok := s.stmts[q]; ok {
		return st, nil
	}
	st, err := s.conn.PrepareContext(ctx, q.sql(s.engine))
	if err != nil {
		return nil, err
	}
	s.stmts[q] = st
	return st, nil
}

// exec returns the number of rows affected.
func (s *session) exec(ctx context.Context, q *query, args ...any) (int64, error) {
	st, err := s.stmt(ctx, q)
	if err != nil {
		return 0, err
	}
	res, err := st.ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// row reads at most one row; found is false if there is none.
func (s *session) row(ctx context.Context, q *query, args []any, dest ...any) (found bool, err error) {
	st, err := s.stmt(ctx, q)
	if err != nil {
		return false, err
	}
	err = st.QueryRowContext(ctx, args...).Scan(dest...)
	if err == sql.ErrNoRows {
		return false, nil
	}
	return err == nil, err
}

// each calls scan for every row.
func (s *session) each(ctx context.Context, q *query, args []any, scan func(*sql.Rows) error) error {
	st, err := s.stmt(ctx, q)
	if err != nil {
		return err
	}
	rows, err := st.QueryContext(ctx, args...)
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

// demand refuses with ErrNotFound if the query, which selects 1, finds nothing.
func (s *session) demand(ctx context.Context, q *query, args ...any) error {
	var one int
	found, err := s.row(ctx, q, args, &one)
	if err == nil && !found {
		err = refuse(mssp.ErrNotFound)
	}
	return err
}

func (s *session) close() {
	for _, st := range s.stmts {
		st.Close()
	}
	s.conn.Close()
}
