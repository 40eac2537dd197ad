package store

import (
	"context"
	"database/sql"
	"log/slog"

	"github.com/signum-mssp/signum/internal/mssp"
)

// session is a connection of a writer, with its transaction and its prepared
// statements. They are prepared on the connection and not through the
// transaction, which would parse them again each time.
//
// Behind a pooler nothing is prepared, because the next transaction may get a
// different connection of the server.
type session struct {
	*pools
	log   *slog.Logger
	conn  *sql.Conn
	tx    *sql.Tx
	stmts map[*query]*sql.Stmt
}

func newSession(ctx context.Context, p *pools, log *slog.Logger) (*session, error) {
	conn, err := p.write.Conn(ctx)
	if err != nil {
		return nil, err
	}
	return &session{pools: p, log: log, conn: conn, stmts: make(map[*query]*sql.Stmt)}, nil
}

// isolation is used for every transaction, whatever the database's default is. The
// statements rely on it: a compare-and-set that waited for another transaction
// sees what that one committed. SQLite has a single, stronger isolation level.
func (p *pools) isolation() *sql.TxOptions {
	if p.engine == sqlite {
		return nil
	}
	return &sql.TxOptions{Isolation: sql.LevelReadCommitted}
}

func (s *session) beginGroup(ctx context.Context) error { return s.beginWith(ctx, s.begin) }

// beginWith begins a transaction and applies settings to it.
func (s *session) beginWith(ctx context.Context, settings string) (err error) {
	if s.tx, err = s.conn.BeginTx(ctx, s.isolation()); err != nil || settings == "" {
		return err
	}
	_, err = s.tx.ExecContext(ctx, settings)
	return err
}

// beginSingle begins a transaction for one write, which may wait for a lock as
// long as the transaction may take.
func (s *session) beginSingle(ctx context.Context) error {
	if s.engine != postgres {
		return s.beginGroup(ctx)
	}
	return s.beginWith(ctx, s.begin+`SET LOCAL lock_timeout = 0`)
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
	var res sql.Result
	var err error
	if s.pooled {
		res, err = s.conn.ExecContext(ctx, q.sql(s.engine), args...)
	} else {
		var st *sql.Stmt
		if st, err = s.stmt(ctx, q); err != nil {
			return 0, err
		}
		res, err = st.ExecContext(ctx, args...)
	}
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// row reads at most one row; found is false if there is none.
func (s *session) row(ctx context.Context, q *query, args []any, dest ...any) (found bool, err error) {
	if s.pooled {
		err = s.conn.QueryRowContext(ctx, q.sql(s.engine), args...).Scan(dest...)
	} else {
		var st *sql.Stmt
		if st, err = s.stmt(ctx, q); err != nil {
			return false, err
		}
		err = st.QueryRowContext(ctx, args...).Scan(dest...)
	}
	if err == sql.ErrNoRows {
		return false, nil
	}
	return err == nil, err
}

// each calls scan for every row.
func (s *session) each(ctx context.Context, q *query, args []any, scan func(*sql.Rows) error) error {
	if s.pooled {
		rows, err := s.conn.QueryContext(ctx, q.sql(s.engine), args...)
		return scanAll(rows, err, scan)
	}
	st, err := s.stmt(ctx, q)
	if err != nil {
		return err
	}
	rows, err := st.QueryContext(ctx, args...)
	return scanAll(rows, err, scan)
}

// require refuses with ErrNotFound if the query, which selects 1, finds nothing.
func (s *session) require(ctx context.Context, q *query, args ...any) error {
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
