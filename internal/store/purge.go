package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"
)

// Two nodes that purge at the same time take different rows instead of waiting
// for each other.
var purgeTransactions = &query{
	text: `
DELETE FROM transactions WHERE id IN (
    SELECT id FROM transactions WHERE finished < $1 ORDER BY finished, id LIMIT $2) RETURNING id`,
	// There is no index on the end, so it reads all rows. A node drops partitions instead.
	// Materialized, because PostgreSQL may run a subquery once for each row, and each run
	// would take other rows.
	postgres: `
WITH due AS MATERIALIZED (
    SELECT id, ap_instant FROM transactions WHERE finished < $1 ORDER BY finished, id LIMIT $2 FOR UPDATE SKIP LOCKED)
DELETE FROM transactions WHERE (id, ap_instant) IN (SELECT id, ap_instant FROM due) RETURNING id`,
}

// On PostgreSQL no foreign key deletes what belongs to a transaction. These run after the
// delete of the transactions, whose row locks keep new receipts away.
var purgeDependents = []*query{
	{postgres: `
DELETE FROM receipts WHERE trans_id IN (SELECT jsonb_array_elements_text($1::jsonb) COLLATE "C")`},
	{postgres: `
DELETE FROM verifications WHERE trans_id IN (SELECT jsonb_array_elements_text($1::jsonb) COLLATE "C")`},
}

// PurgeTransactions implements mssp.Store. Those that finished first are deleted
// first. Their receipts are deleted with them and not counted. On PostgreSQL it skips
// rows that another node is purging.
func (s *Store) PurgeTransactions(ctx context.Context, before time.Time, limit int) (int, error) {
	return s.purge(ctx, purgeTransactions, before, limit)
}

func (s *Store) purge(ctx context.Context, q *query, before time.Time, limit int) (int, error) {
	if limit <= 0 {
		return 0, nil
	}
	var n int // the writer's, until there is an answer
	if err := s.write(ctx, purging(q, before, limit, &n)); err != nil {
		return 0, err
	}
	return n, nil
}

// purging is the write that purges. It sets n to how many transactions it deleted.
func purging(q *query, before time.Time, limit int, n *int) *write {
	return &write{then: func(ctx context.Context, s *session, _ int64) error {
		var ids []string
		err := s.each(ctx, q, []any{micros(before), int64(limit)}, func(rows *sql.Rows) error {
			var id string
			err := rows.Scan(&id)
			ids = append(ids, id)
			return err
		})
		*n = len(ids)
		if err != nil || *n == 0 || s.engine != postgres {
			return err
		}
		array, err := json.Marshal(ids)
		if err != nil {
			return err
		}
		for _, q := range purgeDependents {
			if _, err := s.exec(ctx, q, string(array)); err != nil {
				return err
			}
		}
		return nil
	}}
}
