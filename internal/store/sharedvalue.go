package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/storable"
)

var _ mssp.SharedValues = (*Store)(nil)

const sqliteMicros = `CAST(unixepoch('now', 'subsec') * 1000000 AS INTEGER)`

// clocked is a statement in which {NOW} stands for the clock of the database.
func clocked(text string) *query {
	return &query{text: strings.ReplaceAll(text, "{NOW}", sqliteMicros), postgres: strings.ReplaceAll(text, "{NOW}", inMicros)}
}

var (
	insertOnce = clocked(`
INSERT INTO shared_values AS v (kind, key, value, expires) VALUES ($1, $2, $3, $4)
ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value, expires = excluded.expires WHERE v.expires <= {NOW}`)
	putValue = &query{text: `
INSERT INTO shared_values (kind, key, value, expires) VALUES ($1, $2, $3, $4)
ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value, expires = excluded.expires`}
	selectValue = clocked(`SELECT value FROM shared_values WHERE kind = $1 AND key = $2 AND expires > {NOW}`)
	takeValue   = clocked(`DELETE FROM shared_values WHERE kind = $1 AND key = $2 AND expires > {NOW} RETURNING value`)
	purgeValues = &query{
		text: `
DELETE FROM shared_values WHERE rowid IN (SELECT rowid FROM shared_values WHERE expires < $1 ORDER BY expires LIMIT $2)`,
		postgres: `
WITH due AS MATERIALIZED (
    SELECT ctid AS place FROM shared_values WHERE expires < $1 ORDER BY expires LIMIT $2 FOR UPDATE SKIP LOCKED)
DELETE FROM shared_values WHERE ctid IN (SELECT place FROM due)`,
	}
)

// Once implements mssp.SharedValues.
func (s *Store) Once(ctx context.Context, kind, key string, until time.Time) (bool, error) {
	if err := storable.Keys(storable.F("kind", kind), storable.F("key", key)); err != nil {
		return false, err
	}
	return s.swap(ctx, insertOnce, kind, key, []byte{}, micros(until))
}

// KeepValue implements mssp.SharedValues.
func (s *Store) KeepValue(ctx context.Context, kind, key string, value []byte, until time.Time) (kept []byte, err error) {
	if err := storable.Keys(storable.F("kind", kind), storable.F("key", key)); err != nil {
		return nil, err
	}
	if kept, err = s.Value(ctx, kind, key); !errors.Is(err, mssp.ErrNotFound) {
		return kept, err
	}
	if _, err := s.swap(ctx, insertOnce, kind, key, value, micros(until)); err != nil {
		return nil, err
	}
	return s.Value(ctx, kind, key)
}

// PutValue implements mssp.SharedValues.
func (s *Store) PutValue(ctx context.Context, kind, key string, value []byte, until time.Time) error {
	if err := storable.Keys(storable.F("kind", kind), storable.F("key", key)); err != nil {
		return err
	}
	if value == nil {
		value = []byte{}
	}
	return s.write(ctx, &write{row: kind + " " + key, first: putValue, args: []any{kind, key, value, micros(until)}})
}

// Value implements mssp.SharedValues.
func (s *Store) Value(ctx context.Context, kind, key string) (value []byte, err error) {
	if !storable.IsKey(kind) || !storable.IsKey(key) {
		return nil, mssp.ErrNotFound
	}
	err = s.read.row(ctx, selectValue, []any{kind, key}, &value)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, mssp.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("store: shared value: %w", err)
	}
	return value, nil
}

// TakeValue implements mssp.SharedValues.
func (s *Store) TakeValue(ctx context.Context, kind, key string) ([]byte, error) {
	if !storable.IsKey(kind) || !storable.IsKey(key) {
		return nil, mssp.ErrNotFound
	}
	var value []byte
	err := s.write(ctx, &write{row: kind + " " + key, then: func(ctx context.Context, s *session, _ int64) error {
		value = nil // a group that was rolled back runs again
		found, err := s.row(ctx, takeValue, []any{kind, key}, &value)
		if err == nil && !found {
			err = refuse(mssp.ErrNotFound)
		}
		return err
	}})
	if err != nil {
		return nil, err
	}
	return value, nil
}

// PurgeValues deletes at most limit shared values that expired before the time, and returns
// how many it deleted.
func (s *Store) PurgeValues(ctx context.Context, before time.Time, limit int) (int, error) {
	return s.purgeRows(ctx, before, limit, purgeValues)
}
