package store

import (
	"context"
	"database/sql"
	"fmt"
)

const (
	// shrinkPart is the part of a file of SQLite that may be free: new rows will use it.
	shrinkPart = 4
	// shrinkLeast is how many free pages are worth the work.
	shrinkLeast = 4096
)

// Shrink gives at most limit free pages of a file of SQLite back to the file system, if many
// are free, and returns how many it gave back. PostgreSQL does so by itself, as whole
// partitions go. A file that was made without auto_vacuum stays as large as it is.
func (s *Store) Shrink(ctx context.Context, limit int) (int, error) {
	if s.engine != sqlite || limit <= 0 {
		return 0, nil
	}
	pages, free, err := filePages(ctx, s.read.read)
	if err != nil {
		return 0, fmt.Errorf("store: free pages: %w", err)
	}
	if free < shrinkLeast || free < pages/shrinkPart {
		return 0, nil
	}
	q := &query{text: fmt.Sprintf(`PRAGMA incremental_vacuum(%d)`, limit)}
	err = s.write(ctx, &write{then: func(ctx context.Context, s *session, _ int64) error {
		rows, err := s.conn.QueryContext(ctx, q.text) // each step of it frees a page
		return scanAll(rows, err, func(*sql.Rows) error { return nil })
	}})
	if err != nil {
		return 0, err
	}
	left, _, err := filePages(ctx, s.read.read)
	return max(pages-left, 0), err
}

func filePages(ctx context.Context, db *sql.DB) (pages, free int, err error) {
	if err = db.QueryRowContext(ctx, `PRAGMA page_count`).Scan(&pages); err == nil {
		err = db.QueryRowContext(ctx, `PRAGMA freelist_count`).Scan(&free)
	}
	return pages, free, err
}
