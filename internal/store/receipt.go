package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/storable"
)

var (
	markReceipted = &query{text: `
UPDATE transactions SET state = 'receipted' WHERE id = $1 AND state = 'signed'`}
	// It inserts nothing if the marked transaction is gone.
	insertReceipt = &query{text: `
INSERT INTO receipts (trans_id, ap_instant, device_id, method, msisdn, lang, mime_type, text, created, expires, result)
SELECT id, ap_instant, $2, $3, $4, $5, $6, $7, $8, $9, '' FROM transactions WHERE id = $1 AND state = 'receipted'`}
	selectState = &query{text: `
SELECT state FROM transactions WHERE id = $1`}
)

// InsertReceipt implements mssp.Store.
func (s *Store) InsertReceipt(ctx context.Context, r *mssp.Receipt) error {
	if !storable.IsKey(r.TransID) {
		return mssp.ErrNotFound
	}
	if err := storable.Receipt(r); err != nil {
		return err
	}
	return s.write(ctx, receiptWrite(r))
}

// receiptWrite marks the transaction, which decides who is first, and then
// inserts the receipt. Without a mark nothing was written.
func receiptWrite(r *mssp.Receipt) *write {
	return &write{
		first: markReceipted,
		args:  []any{r.TransID},
		then: func(ctx context.Context, s *session, marked int64) error {
			return s.insertReceipt(ctx, r, marked == 1)
		},
	}
}

func (s *session) insertReceipt(ctx context.Context, r *mssp.Receipt, marked bool) error {
	for !marked {
		var state mssp.State
		if found, err := s.row(ctx, selectState, []any{r.TransID}, &state); err != nil {
			return err
		} else if !found {
			return refuse(mssp.ErrNotFound)
		}
		switch state {
		case mssp.StateSigned:
		case mssp.StateReceipted:
			return refuse(mssp.ErrReceipted)
		default:
			return refuse(mssp.ErrNotSigned)
		}
		// It was signed after the first check. If another write takes it before the
		// next one, it is never signed again, and the loop ends.
		n, err := s.exec(ctx, markReceipted, r.TransID)
		if err != nil {
			return err
		}
		marked = n == 1
	}
	n, err := s.exec(ctx, insertReceipt, r.TransID, r.DeviceID, string(r.Method), r.MSISDN, r.Lang, r.MimeType, r.Text,
		micros(r.Created), micros(r.Expires))
	if err == nil && n == 0 {
		err = refuse(mssp.ErrNotFound)
	}
	return err
}

// A pending receipt has no end. Asking for the result instead would tempt PostgreSQL to
// read the index of all that are pending.
var finishReceipt = &query{text: `
UPDATE receipts SET result = $2, finished = $3 WHERE trans_id = $1 AND finished IS NULL`}

// FinishReceipt implements mssp.Store.
func (s *Store) FinishReceipt(ctx context.Context, transID string, result signum.ReceiptResult, at time.Time) (bool, error) {
	if err := storable.Result(result); err != nil {
		return false, err
	}
	if !storable.IsKey(transID) {
		return false, nil
	}
	return s.swap(ctx, finishReceipt, transID, string(result), micros(at))
}

const receiptColumns = `
SELECT r.trans_id, r.device_id, r.method, r.msisdn, r.lang, r.mime_type, r.text, r.created, r.expires, r.result,
    r.finished
FROM receipts r `

// receiptRow is where a row of receiptColumns is read into.
type receiptRow struct {
	r                mssp.Receipt
	created, expires int64
	finished         sql.NullInt64
}

func (r *receiptRow) dest() []any {
	return []any{&r.r.TransID, &r.r.DeviceID, &r.r.Method, &r.r.MSISDN, &r.r.Lang, &r.r.MimeType, &r.r.Text,
		&r.created, &r.expires, &r.r.Result, &r.finished}
}

func (r *receiptRow) receipt() *mssp.Receipt {
	r.r.Created, r.r.Expires = timeOf(r.created), timeOf(r.expires)
	if r.finished.Valid {
		r.r.Finished = timeOf(r.finished.Int64)
	}
	return &r.r
}

var selectReceipt = &query{text: receiptColumns + `WHERE r.trans_id = $1`}

// Receipt implements mssp.Store.
func (s *Store) Receipt(ctx context.Context, transID string) (*mssp.Receipt, error) {
	if !storable.IsKey(transID) {
		return nil, mssp.ErrNotFound
	}
	var r receiptRow
	err := s.read.row(ctx, selectReceipt, []any{transID}, r.dest()...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, mssp.ErrNotFound
	}
	if err != nil && r.r.TransID != "" {
		return nil, s.unreadable.row(mssp.RowReceipt, transID, err)
	}
	if err != nil {
		return nil, fmt.Errorf("store: receipt: %w", err)
	}
	return r.receipt(), nil
}

// The index of pending receipts is small however many have ended.
var selectExpiredReceipts = &query{text: `
SELECT trans_id FROM receipts WHERE result = '' AND expires <= $1 ORDER BY expires, trans_id LIMIT $2`}

// ExpiredReceipts implements mssp.Store.
func (s *Store) ExpiredReceipts(ctx context.Context, now time.Time, limit int) ([]string, error) {
	if limit <= 0 {
		return nil, nil
	}
	var ids []string
	err := s.read.each(ctx, selectExpiredReceipts, []any{micros(now), int64(limit)}, func(rows *sql.Rows) error {
		var id string
		err := rows.Scan(&id)
		ids = append(ids, id)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("store: expired receipts: %w", err)
	}
	return ids, nil
}
