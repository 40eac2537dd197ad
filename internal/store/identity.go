package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/storable"
)

var (
	insertLogo = &query{text: `INSERT INTO logos (id, png) VALUES ($1, $2) ON CONFLICT DO NOTHING`}
	selectLogo = &query{text: `SELECT png FROM logos WHERE id = $1`}
)

// PutLogo implements mssp.Store.
func (s *Store) PutLogo(ctx context.Context, l *mssp.Logo) error {
	if err := l.Check(); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return s.write(ctx, &write{row: l.ID, first: insertLogo, args: []any{l.ID, l.PNG}})
}

// Logo implements mssp.Store.
func (s *Store) Logo(ctx context.Context, id string) (png []byte, err error) {
	if !storable.IsKey(id) {
		return nil, mssp.ErrNotFound
	}
	err = s.read.row(ctx, selectLogo, []any{id}, &png)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, mssp.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("store: logo: %w", err)
	}
	return png, nil
}
