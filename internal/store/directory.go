package store

import (
	"context"
	"database/sql"
	"fmt"
	"github.com/signum-mssp/signum/internal/store/storable"
)

var (
	selectPartyIDs = &query{text: `SELECT id FROM parties ORDER BY id`}
	selectNumbers  = &query{text: `SELECT msisdn FROM subscribers WHERE msisdn > $1 ORDER BY msisdn LIMIT $2`}
)

// PartyIDs implements mssp.Store.
func (s *Store) PartyIDs(ctx context.Context) ([]string, error) {
	return s.keys(ctx, "parties", selectPartyIDs)
}

// Numbers implements mssp.Store.
func (s *Store) Numbers(ctx context.Context, after string, limit int) ([]string, error) {
	if limit <= 0 || !storable.IsKey(after) {
		return nil, nil
	}
	return s.keys(ctx, "numbers", selectNumbers, after, int64(limit))
}

// keys reads a column of texts.
func (s *Store) keys(ctx context.Context, what string, q *query, args ...any) (all []string, err error) {
	err = s.read.each(ctx, q, args, func(rows *sql.Rows) error {
		var key string
		if err := rows.Scan(&key); err != nil {
			return err
		}
		all = append(all, key)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("store: %s: %w", what, err)
	}
	return all, nil
}
