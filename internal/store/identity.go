package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/visible"
)

// checkIdentity checks what users see of a party. Its name stands above every text, so
// it is held to the same rules, and to one line.
func checkIdentity(p *mssp.Party) error {
	n := utf8.RuneCountInString(p.Name)
	switch {
	case n > mssp.MaxPartyName:
		return fmt.Errorf("store: the name of a party has %d characters: at most %d are allowed", n, mssp.MaxPartyName)
	case strings.TrimSpace(p.Name) != p.Name:
		return errors.New("store: the name of a party begins or ends with a space")
	case strings.ContainsAny(p.Name, "\t\n\r\f"):
		return errors.New("store: the name of a party has more than one line")
	}
	if err := visible.Check(p.Name); err != nil {
		return fmt.Errorf("store: the name of a party: %w", err)
	}
	return checkTexts(field{"logo", p.Logo})
}

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
	if !isKey(id) {
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
