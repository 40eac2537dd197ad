package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
)

const (
	selectInstance = `SELECT id, created, root_ca, master_key FROM instance`
	upsertInstance = `
INSERT INTO instance (one, id, created, root_ca, master_key) VALUES (1, $1, $2, $3, $4)
ON CONFLICT (one) DO UPDATE SET root_ca = excluded.root_ca, master_key = excluded.master_key`
	selectAnyIssuer = `SELECT issuer FROM certificates WHERE issuer <> '' AND state <> 'INTENDED' AND not_after > $1 LIMIT 1`
	selectSomeCards = `SELECT iccid, kic, kid FROM sim_cards LIMIT 20`
)

// WithInstance lets a function decide whether the database belongs to the service that
// opens it. The function returns the instance to write, or an error, which Open returns.
// It runs in the transaction that upgrades the schema: after an error, the database is as
// it was before, and two processes that open a new database decide one after the other.
func WithInstance(tie func(mssp.Ties) (mssp.Instance, error)) Option {
	return func(o *options) { o.tie = tie }
}

// tieInstance calls tie and writes what it returns.
func tieInstance(ctx context.Context, tx *sql.Tx, tie func(mssp.Ties) (mssp.Instance, error)) error {
	known, err := readTies(ctx, tx, time.Now())
	if err != nil {
		return err
	}
	i, err := tie(known)
	if err != nil || known.Instance != nil && *known.Instance == i {
		return err
	}
	_, err = tx.ExecContext(ctx, upsertInstance, i.ID, micros(i.Created), i.RootCA, i.MasterKey)
	return err
}

func readTies(ctx context.Context, tx *sql.Tx, now time.Time) (known mssp.Ties, err error) {
	var i mssp.Instance
	var created int64
	err = tx.QueryRowContext(ctx, selectInstance).Scan(&i.ID, &created, &i.RootCA, &i.MasterKey)
	if err == nil {
		i.Created = time.UnixMicro(created).UTC()
		known.Instance = &i
		return known, nil
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return known, err
	}
	err = tx.QueryRowContext(ctx, selectAnyIssuer, micros(now)).Scan(&known.Issuer)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return known, err
	}
	rows, err := tx.QueryContext(ctx, selectSomeCards)
	if err != nil {
		return known, err
	}
	defer rows.Close()
	for rows.Next() {
		var c mssp.Card
		if err := rows.Scan(&c.ICCID, &c.KIc, &c.KID); err != nil {
			return known, err
		}
		known.Cards = append(known.Cards, c)
	}
	return known, rows.Err()
}
