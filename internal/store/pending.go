package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/storable"
)

var (
	// It goes through the device's subscriber, who has at most one outstanding
	// transaction per method: the index that enforces this finds it, so transactions
	// need no index on the device. The certificate is the one that the device signs
	// with: that of the transaction, or its own if another App was recorded.
	selectDeviceTransactions = &query{
		text:     transactionFields + `, ''` + ofDevice,
		postgres: transactionFields + `, o.owner` + ofDevice,
	}
	selectDeviceReceipts = &query{text: receiptColumns + `
WHERE r.device_id = $1 AND r.result = '' AND r.expires > $2 ORDER BY r.created, r.trans_id`}
)

const ofDevice = `,
    d.state = 'ACTIVE' AND NOT d.pin_blocked AND s.state = 'ACTIVE'
FROM devices d JOIN subscribers s ON s.msisdn = d.msisdn
JOIN outstanding o ON o.msisdn = d.msisdn AND o.method = d.method
JOIN transactions t ON t.id = o.id AND t.ap_instant = o.ap_instant AND t.state = 'outstanding'
LEFT JOIN certificates c ON c.serial = CASE WHEN t.device_id = d.id THEN t.cert_serial ELSE d.cert_serial END
WHERE d.id = $1 AND t.expires > $2 ORDER BY t.created, t.id`

// DevicePending implements mssp.Store. A device that does not exist, or that belongs
// to another subscriber by now, has no transactions to answer.
func (s *Store) DevicePending(ctx context.Context, deviceID string, now time.Time) ([]*mssp.Transaction, []*mssp.Receipt, error) {
	if !storable.IsKey(deviceID) {
		return nil, nil, nil
	}
	args := []any{deviceID, micros(now)}
	var transactions []*mssp.Transaction
	err := s.read.each(ctx, selectDeviceTransactions, args, func(rows *sql.Rows) error {
		var owner string
		var may bool
		_, t, err := s.scanTransaction(rows, &owner, &may)
		if t != nil && storable.AskedOf(t, deviceID, may, now) {
			t.Owner = owner
			transactions = append(transactions, t)
		}
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("store: pending transactions: %w", err)
	}
	var receipts []*mssp.Receipt
	err = s.read.each(ctx, selectDeviceReceipts, args, func(rows *sql.Rows) error {
		r := new(receiptRow)
		if err := rows.Scan(r.dest()...); err != nil {
			if !ofRow(rows, r.r.TransID) {
				return err
			}
			_ = s.unreadable.row(mssp.RowReceipt, r.r.TransID, err)
			return nil
		}
		receipts = append(receipts, r.receipt())
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("store: pending receipts: %w", err)
	}
	return transactions, receipts, nil
}

// What keeps subscribers busy once finds them.
var selectSubscriberTransactions = &query{text: transactionFields + `
FROM outstanding o JOIN transactions t ON t.id = o.id AND t.ap_instant = o.ap_instant AND t.state = 'outstanding'
LEFT JOIN certificates c ON c.serial = t.cert_serial
WHERE o.msisdn = $1 ORDER BY t.method`}

// SubscriberPending implements mssp.Store.
func (s *Store) SubscriberPending(ctx context.Context, msisdn string) ([]*mssp.Transaction, error) {
	if !storable.IsKey(msisdn) {
		return nil, nil
	}
	list, err := s.transactions(ctx, selectSubscriberTransactions, msisdn)
	if err != nil {
		return nil, fmt.Errorf("store: pending transactions of a subscriber: %w", err)
	}
	return list, nil
}

// It scans all transactions, which are those of the last hour, without an index on
// the subscriber. That index would be the only one to touch a random page for every
// transaction; the others grow at their end or are small. With 300,000 rows it made
// the two writes of a signature 29 % more expensive on SQLite (68 instead of 52 µs
// of CPU). Without it, a user who looks at past activity waits 0.1 s.
var selectRecent = &query{text: transactionColumns + `WHERE t.msisdn = $1 ORDER BY t.created DESC, t.id DESC LIMIT $2`}

// RecentTransactions implements mssp.Store; the latest is the one created
// last.
func (s *Store) RecentTransactions(ctx context.Context, msisdn string, limit int) ([]*mssp.Transaction, error) {
	if limit <= 0 || !storable.IsKey(msisdn) {
		return nil, nil
	}
	list, err := s.transactions(ctx, selectRecent, msisdn, int64(limit))
	if err != nil {
		return nil, fmt.Errorf("store: recent transactions: %w", err)
	}
	return list, nil
}
