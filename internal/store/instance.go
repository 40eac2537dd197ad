package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
)

const (
	// The versions that have the tables and columns below.
	cardsSince   = 4
	issuersSince = 5

	selectInstance = `SELECT id, created, root_ca, master_key FROM instance`
	upsertInstance = `
INSERT INTO instance (one, id, created, root_ca, master_key) VALUES (1, $1, $2, $3, $4)
ON CONFLICT (one) DO UPDATE SET root_ca = excluded.root_ca, master_key = excluded.master_key`
	selectAnyIssuer = `SELECT issuer FROM certificates WHERE issuer <> '' AND state <> 'INTENDED' AND not_after > $1 LIMIT 1`
	selectSomeCards = `SELECT iccid, kic, kid FROM sim_cards LIMIT 20`
)

// WithInstance lets a function decide whether the database belongs to the service that
// opens it. The function returns the instance to write, or an error, which Open returns.
// It is called before the schema of an older version is upgraded, and then again if that
// version has no place for the instance; for an empty database, in the transaction that
// makes its schema. After an error, the database is as it was before, and two processes
// that open a new database decide one after the other.
func WithInstance(tie func(mssp.Ties) (mssp.Instance, error)) Option {
	return func(o *options) { o.tie = tie }
}

// tieInstance calls tie and writes what it returns, if the version of the schema has a
// table for it.
func tieInstance(ctx context.Context, tx *sql.Tx, version int, tie func(mssp.Ties) (mssp.Instance, error)) error {
	known, err := readTies(ctx, tx, version, time.Now())
	if err != nil {
		return err
	}
	i, err := tie(known)
	if err != nil || version < instanceSince || known.Instance != nil && *known.Instance == i {
		return err
	}
	_, err = tx.ExecContext(ctx, upsertInstance, i.ID, micros(i.Created), i.RootCA, i.MasterKey)
	return err
}

// readTies reads what tells to whom the database belongs, as far as its version has that.
func readTies(ctx context.Context, tx *sql.Tx, version int, now time.Time) (known mssp.Ties, err error) {
	if version >= instanceSince {
		if known.Instance, err = readInstance(ctx, tx); err != nil || known.Instance != nil {
			return known, err
		}
	}
	if version >= issuersSince {
		if err := tx.QueryRowContext(ctx, selectAnyIssuer, micros(now)).Scan(&known.Issuer); err != nil && !errors.Is(err, sql.ErrNoRows) {
			return known, err
		}
	}
	if version >= cardsSince {
		known.Cards, err = readSomeCards(ctx, tx)
	}
	return known, err
}

// readInstance returns nil if the database names nobody.
func readInstance(ctx context.Context, q querier) (*mssp.Instance, error) {
	var i mssp.Instance
	var created int64
	err := q.QueryRowContext(ctx, selectInstance).Scan(&i.ID, &created, &i.RootCA, &i.MasterKey)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	i.Created = time.UnixMicro(created).UTC()
	return &i, err
}

func readSomeCards(ctx context.Context, tx *sql.Tx) (cards []mssp.Card, err error) {
	rows, err := tx.QueryContext(ctx, selectSomeCards)
	err = scanAll(rows, err, func(r *sql.Rows) error {
		var c mssp.Card
		err := r.Scan(&c.ICCID, &c.KIc, &c.KID)
		cards = append(cards, c)
		return err
	})
	return cards, err
}
