package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/storable"
)

const transactionFields = `
SELECT t.id, t.ap_id, t.ap_trans_id, t.ap_instant, t.msisdn, t.msisdn_sent, t.device_id, t.method, t.profile,
    t.async, t.lang, t.mime_type, t.dtbd, t.services, t.signed_attrs, t.cert_serial, t.state, t.code, t.detail,
    t.signature, t.location, t.created, t.expires, t.finished, t.replaced,
    c.serial, c.device_id, c.state, c.der, c.not_before, c.not_after, c.revoked_at, c.reason`

const transactionColumns = transactionFields + `
FROM transactions t LEFT JOIN certificates c ON c.serial = t.cert_serial `

var selectTransaction = &query{text: transactionColumns + `WHERE t.id = $1`}

// Transaction implements mssp.Store.
func (s *Store) Transaction(ctx context.Context, id string) (*mssp.Transaction, error) {
	if !storable.IsKey(id) {
		return nil, mssp.ErrNotFound
	}
	var r transactionRow
	err := s.read.row(ctx, selectTransaction, []any{id}, r.dest()...)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, mssp.ErrNotFound
	case err != nil && r.t.ID == "":
		return nil, fmt.Errorf("store: transaction: %w", err)
	}
	t, err := r.transaction(err)
	var bad *mssp.RowError
	if errors.As(err, &bad) {
		s.unreadable.report(bad)
		return nil, fmt.Errorf("store: %w", err)
	}
	return t, nil
}

// transactionRow is where a row of transactionColumns is read into.
type transactionRow struct {
	t                         mssp.Transaction
	services, location        string
	code                      int64
	instant, created, expires int64
	finished                  sql.NullInt64
	cert                      certificateRow
}

func (r *transactionRow) dest() []any {
	t := &r.t
	return append([]any{&t.ID, &t.APID, &t.APTransID, &r.instant, &t.MSISDN, &t.MSISDNSent, &t.DeviceID, &t.Method,
		&t.Profile, &t.Async, &t.Lang, &t.MimeType, &t.Text, &r.services, &t.SignedAttrs, &t.CertSerial, &t.State,
		&r.code, &t.Outcome.Detail, &t.Outcome.Signature, &r.location, &r.created, &r.expires, &r.finished, &t.Outcome.Replaced}, r.cert.dest()...)
}

// transaction returns the row, or a *mssp.RowError. scanned is the error of the
// scan, which must concern a column after the first.
func (r *transactionRow) transaction(scanned error) (*mssp.Transaction, error) {
	t := &r.t
	t.APInstant, t.Created, t.Expires = timeOf(r.instant), timeOf(r.created), timeOf(r.expires)
	t.Outcome.Code = signum.Code(r.code)
	if r.finished.Valid {
		t.Finished = timeOf(r.finished.Int64)
	}
	if t.Method == storable.TextMethod {
		t.Method = ""
	}
	if scanned != nil {
		return nil, &mssp.RowError{Kind: mssp.RowTransaction, Key: t.ID, Transaction: t, Err: scanned}
	}
	t.Certificate = r.cert.certificate()
	if err := decodeJSON("services", r.services, &t.Services); err != nil {
		t.Services = mssp.ServiceOptions{} // half of them would be worse than none
		return nil, &mssp.RowError{Kind: mssp.RowTransaction, Key: t.ID, Transaction: t, Err: err}
	}
	if r.location != "" {
		l := new(mssp.Location)
		if err := decodeJSON("location", r.location, l); err != nil {
			return nil, &mssp.RowError{Kind: mssp.RowTransaction, Key: t.ID, Transaction: t, Err: err}
		}
		t.Outcome.Location = l
	}
	return t, nil
}

// TransactionUsed implements mssp.Store.
func (s *Store) TransactionUsed(ctx context.Context, apID, apTransID string, instant time.Time) (bool, error) {
	if !storable.IsKey(apID) || !storable.IsKey(apTransID) {
		return false, nil
	}
	var one int
	err := s.read.row(ctx, selectUsed, []any{apID, apTransID, micros(instant)}, &one)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("store: uniqueness of a transaction: %w", err)
	}
	return true, nil
}

var selectExpired = &query{text: `
SELECT id FROM outstanding WHERE expires <= $1 ORDER BY expires, id LIMIT $2`}

// ExpiredTransactions implements mssp.Store; those that expire in the same
// microsecond come in the order of their IDs.
func (s *Store) ExpiredTransactions(ctx context.Context, now time.Time, limit int) ([]string, error) {
	if limit <= 0 {
		return nil, nil
	}
	var ids []string
	err := s.read.each(ctx, selectExpired, []any{micros(now), int64(limit)}, func(rows *sql.Rows) error {
		var id string
		err := rows.Scan(&id)
		ids = append(ids, id)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("store: expired transactions: %w", err)
	}
	return ids, nil
}

// The page of ids comes from the table of outstanding transactions, which is small
// however many have ended. A walk along the primary key would pass all of them.
var selectOutstanding = &query{
	text: transactionColumns + `
WHERE t.id IN (
    SELECT id FROM outstanding WHERE expires > $1 AND id > $2 ORDER BY id LIMIT $3)
ORDER BY t.id`,
	postgres: transactionColumns + `
WHERE (t.id, t.ap_instant) IN (
    SELECT id, ap_instant FROM outstanding WHERE expires > $1 AND id > $2 ORDER BY id LIMIT $3)
ORDER BY t.id`,
}

// OutstandingTransactions implements mssp.Store. IDs are compared byte by
// byte.
func (s *Store) OutstandingTransactions(ctx context.Context, now time.Time, after string, limit int) ([]*mssp.Transaction, error) {
	if limit <= 0 {
		return nil, nil
	}
	if !storable.IsKey(after) {
		return nil, errors.New("store: outstanding transactions: not an MSSP_TransID to start after")
	}
	// A row is left out if it cannot be read, or if it ended between the two steps of
	// the query. Then the page is filled up: a short page means that it is the last.
	var page []*mssp.Transaction
	for {
		want := limit - len(page)
		list, last, n, err := s.scanTransactions(ctx, selectOutstanding, micros(now), after, int64(want))
		if err != nil {
			return nil, fmt.Errorf("store: outstanding transactions: %w", err)
		}
		for _, t := range list {
			if t.State == mssp.StateOutstanding {
				page = append(page, t)
			}
		}
		if n < want || len(page) == limit {
			return page, nil
		}
		after = last
	}
}

// transactions reads all rows of a query of transactionColumns that can be read.
func (s *Store) transactions(ctx context.Context, q *query, args ...any) ([]*mssp.Transaction, error) {
	list, _, _, err := s.scanTransactions(ctx, q, args...)
	return list, err
}

// scanTransactions is transactions, with the last ID and the number of all rows,
// those that cannot be read included.
func (s *Store) scanTransactions(ctx context.Context, q *query, args ...any) (list []*mssp.Transaction, last string, n int, err error) {
	err = s.read.each(ctx, q, args, func(rows *sql.Rows) error {
		id, t, err := s.scanTransaction(rows)
		if err != nil {
			return err
		}
		last, n = id, n+1
		if t != nil {
			list = append(list, t)
		}
		return nil
	})
	return list, last, n, err
}

// scanTransaction reads a row of transactionFields and whatever follows them. t is nil
// if the row cannot be read, which is then reported.
func (s *Store) scanTransaction(rows *sql.Rows, more ...any) (id string, t *mssp.Transaction, err error) {
	r := new(transactionRow)
	scanned := rows.Scan(append(r.dest(), more...)...)
	if scanned != nil && !ofRow(rows, r.t.ID) {
		return "", nil, scanned
	}
	t, err = r.transaction(scanned)
	if bad, ok := errors.AsType[*mssp.RowError](err); ok {
		s.unreadable.report(bad)
		return r.t.ID, nil, nil
	}
	return r.t.ID, t, err
}

// The ids are a JSON array, which both engines can read as rows.
var selectStillOutstanding = &query{
	text: `
SELECT o.id FROM json_each($1) j JOIN outstanding o ON o.id = j.value`,
	postgres: `
SELECT o.id FROM jsonb_array_elements_text($1::jsonb) j JOIN outstanding o ON o.id = j.value COLLATE "C"`,
}

// EndedTransactions implements mssp.Store; the order of ids is kept.
func (s *Store) EndedTransactions(ctx context.Context, ids []string) ([]string, error) {
	asked := make([]string, 0, len(ids))
	for _, id := range ids {
		if storable.IsKey(id) { // no other can be outstanding
			asked = append(asked, id)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	array, err := json.Marshal(asked)
	if err != nil {
		return nil, fmt.Errorf("store: ended transactions: %w", err)
	}
	outstanding := make(map[string]bool, len(ids))
	err = s.read.each(ctx, selectStillOutstanding, []any{string(array)}, func(rows *sql.Rows) error {
		var id string
		err := rows.Scan(&id)
		outstanding[id] = true
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("store: ended transactions: %w", err)
	}
	var ended []string
	for _, id := range ids {
		if !outstanding[id] {
			ended = append(ended, id)
		}
	}
	return ended, nil
}
