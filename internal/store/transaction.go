package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/storable"
)

const insertInto = `
INSERT INTO transactions (id, ap_id, ap_trans_id, ap_instant, msisdn, msisdn_sent, device_id, method, profile, async,
    lang, mime_type, dtbd, services, signed_attrs, cert_serial, state, code, detail, signature, location,
    created, expires, finished)
`

var (
	insertEnded = &query{
		text: insertInto + `
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)
ON CONFLICT DO NOTHING`,
		postgres: insertInto + `
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24
WHERE ` + newID + `
ON CONFLICT DO NOTHING`,
	}
	// On PostgreSQL the row of the table of outstanding transactions comes first. If the
	// transaction itself is refused then, dropOrphan deletes that row before the commit.
	insertOutstanding = &query{text: insertEnded.text, postgres: `
WITH free AS (
    INSERT INTO outstanding (id, ap_instant, msisdn, method, expires, owner) SELECT $1, $4, $5, $8, $23, $25 WHERE ` + newID + `
    ON CONFLICT DO NOTHING RETURNING id)` + insertInto + `
SELECT id, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24
FROM free
ON CONFLICT DO NOTHING`}
	dropOrphan = &query{postgres: `
DELETE FROM outstanding o WHERE id = $1 AND NOT EXISTS (
    SELECT 1 FROM transactions t WHERE t.id = o.id AND t.ap_instant = o.ap_instant AND t.state = 'outstanding')`}
)

// newID is a condition, because a unique index of a partitioned table has the column that
// divides it. Two transactions that are inserted at the same time with one id and
// different instants meet at the key of outstanding.
const newID = `NOT EXISTS (SELECT 1 FROM transactions WHERE id = $1)`

// insertion is the statement that inserts a transaction.
func insertion(t *mssp.Transaction) *query {
	if t.State == mssp.StateOutstanding {
		return insertOutstanding
	}
	return insertEnded
}

// InsertTransaction implements mssp.Store. Instants are compared to the
// microsecond. An ID that exists already is a separate error.
func (s *Store) InsertTransaction(ctx context.Context, t *mssp.Transaction) error {
	args, err := s.transactionArgs(t)
	if err != nil {
		return err
	}
	err = s.write(ctx, &write{fresh: true, first: insertion(t), args: args, then: func(ctx context.Context, s *session, affected int64) error {
		if affected == 1 {
			return nil
		}
		return s.refuseTransaction(ctx, t, args)
	}})
	if errors.Is(err, mssp.ErrUncertain) && s.isThere(ctx, t.ID) {
		return nil
	}
	return err
}

// isThere reports whether a transaction is in the database, after a commit whose fate is not
// known. If it is not there, it may still come: the commit may be under way.
func (s *Store) isThere(ctx context.Context, id string) bool {
	var one int
	return s.read.row(ctx, selectID, []any{id}, &one) == nil
}

// ReplaceTransaction implements mssp.Store.
func (s *Store) ReplaceTransaction(ctx context.Context, old string, o mssp.Outcome, t *mssp.Transaction) (bool, error) {
	if !storable.IsKey(old) {
		return false, s.InsertTransaction(ctx, t)
	}
	if err := storable.Outcome(old, o); err != nil {
		return false, err
	}
	if o.Code == signum.SignatureMade {
		return false, fmt.Errorf("store: transaction %s is replaced and signed", old)
	}
	args, err := s.transactionArgs(t)
	if err != nil {
		return false, err
	}
	var replaced bool
	err = s.write(ctx, &write{row: t.MSISDN, fresh: true, then: func(ctx context.Context, s *session, _ int64) (err error) {
		replaced, err = s.replaceTransaction(ctx, old, o, t, args)
		return err
	}})
	return err == nil && replaced, err
}

func (s *session) replaceTransaction(ctx context.Context, old string, o mssp.Outcome, t *mssp.Transaction, args []any) (bool, error) {
	var one int
	if found, err := s.row(ctx, selectUsed, args[1:4], &one); err != nil {
		return false, err
	} else if found {
		return false, refuse(mssp.ErrDuplicate)
	}
	n, err := s.exec(ctx, finishTransaction, old, string(o.FinalState()), int64(o.Code), o.Detail, nil, "", micros(t.Created), o.Replaced)
	if err != nil {
		return false, err
	}
	replaced := n == 1
	if n, err = s.exec(ctx, insertion(t), args...); err != nil || n == 1 {
		return replaced, err
	}
	err = s.refuseTransaction(ctx, t, args)
	var refused refusal
	if replaced && errors.As(err, &refused) {
		// Not a refusal, but an error that rolls back: the old one must not end for nothing.
		return false, fmt.Errorf("store: replacing transaction %s: %w", old, refused.error)
	}
	return replaced, err
}

// transactionArgs checks a transaction and returns the arguments of insertion.
func (s *Store) transactionArgs(t *mssp.Transaction) ([]any, error) {
	if err := storable.Transaction(t); err != nil {
		return nil, err
	}
	services, err := encodeServices(&t.Services)
	if err != nil {
		return nil, err
	}
	var signature, finished any
	var code signum.Code
	var detail, location string
	if t.State != mssp.StateOutstanding {
		code, detail, finished = t.Outcome.Code, t.Outcome.Detail, micros(t.Finished)
		signature = bytesOrNull(t.Outcome.Signature)
		if location, err = encodeLocation(t.Outcome.Location); err != nil {
			return nil, err
		}
	}
	args := []any{t.ID, t.APID, t.APTransID, micros(t.APInstant), t.MSISDN,
		t.MSISDNSent, t.DeviceID, storable.MethodColumn(t), t.Profile, t.Async, t.Lang, t.MimeType, t.Text, services,
		bytesOrNull(t.SignedAttrs), t.CertSerial, string(t.State), int64(code), detail, signature, location,
		micros(t.Created), micros(t.Expires), finished}
	if s.engine == postgres && t.State == mssp.StateOutstanding {
		args = append(args, t.Owner)
	}
	return args, nil
}

var (
	selectUsed = &query{text: `
SELECT 1 FROM transactions WHERE ap_id = $1 AND ap_trans_id = $2 AND ap_instant = $3`}
	selectBusy = &query{text: `
SELECT id FROM outstanding WHERE msisdn = $1 AND method = $2`}
	selectID = &query{text: `
SELECT 1 FROM transactions WHERE id = $1`}
)

// errRace is returned if every conflict that refused an insert had disappeared
// before it was found.
var errRace = errors.New("conflicting transactions came and went")

// refuseTransaction finds out why an insert had no effect. The reason may have
// disappeared, because another node has ended the conflicting transaction. Then
// the insert is tried again.
func (s *session) refuseTransaction(ctx context.Context, t *mssp.Transaction, args []any) error {
	for range 3 {
		if t.State == mssp.StateOutstanding && s.engine == postgres {
			if _, err := s.exec(ctx, dropOrphan, t.ID); err != nil {
				return err
			}
		}
		var one int
		if found, err := s.row(ctx, selectUsed, args[1:4], &one); err != nil {
			return err
		} else if found {
			return refuse(mssp.ErrDuplicate)
		}
		if t.State == mssp.StateOutstanding {
			var busy string
			if found, err := s.row(ctx, selectBusy, []any{t.MSISDN, storable.MethodColumn(t)}, &busy); err != nil {
				return err
			} else if found && busy != t.ID {
				return refuse(&mssp.BusyError{TransID: busy})
			}
		}
		if found, err := s.row(ctx, selectID, args[:1], &one); err != nil {
			return err
		} else if found {
			return refuse(fmt.Errorf("store: MSSP_TransID %s exists", t.ID))
		}
		if affected, err := s.exec(ctx, insertion(t), args...); err != nil || affected == 1 {
			return err
		}
	}
	return refuse(fmt.Errorf("store: transaction %s: %w", t.ID, errRace))
}

// The end of a transaction is a compare-and-set: the second caller changes nothing. On
// SQLite the condition on the state makes it one; on PostgreSQL the row of the table of
// outstanding transactions, which the same statement deletes. Of several Apps the first
// that answers becomes the device of the transaction. A success also requires that this
// device may sign: the same statement checks that, because a certificate could be
// revoked, or an App blocked, between a separate check and the commit.
var (
	finishTransaction = ending(`replaced = $8`, "")
	answerTransaction = ending(byDevice, "")

	succeedTransaction = ending(byDevice, maySign)
	succeedVerified    = withEvidence(succeedTransaction, "$11")
)

const (
	byDevice = `device_id = $8, cert_serial = $9, signed_attrs = $10`
	// maySign speaks of the row of outstanding, which on SQLite is the transaction.
	maySign = `
AND NOT EXISTS (SELECT 1 FROM certificates c WHERE c.serial = $9 AND c.state <> 'GOOD')
AND EXISTS (SELECT 1 FROM devices d JOIN subscribers s ON s.msisdn = d.msisdn
    WHERE d.id = $8 AND d.msisdn = o.msisdn AND d.method = o.method
    AND d.state = 'ACTIVE' AND NOT d.pin_blocked AND s.state = 'ACTIVE')`
)

// ending is a statement that ends a transaction. It sets more columns, under more
// conditions.
func ending(columns, conditions string) *query {
	set := `state = $2, code = $3, detail = $4, signature = $5, location = $6, finished = $7, ` + columns
	return &query{
		text: `
UPDATE transactions AS o SET ` + set + `
WHERE o.id = $1 AND o.state = 'outstanding'` + conditions,
		postgres: `
WITH free AS (
    DELETE FROM outstanding o WHERE o.id = $1` + conditions + `
    RETURNING id, ap_instant)
UPDATE transactions t SET ` + set + ` FROM free
WHERE t.id = free.id AND t.ap_instant = free.ap_instant AND t.state = 'outstanding' ` + returningKey,
	}
}

// returningKey is the end of a statement of ending, for one that continues it.
const returningKey = `RETURNING t.id, t.ap_instant`

// FinishTransaction implements mssp.Store.
func (s *Store) FinishTransaction(ctx context.Context, id string, o mssp.Outcome, by *mssp.AnsweredBy, at time.Time) (bool, error) {
	if !storable.IsKey(id) {
		return false, nil
	}
	if err := storable.Outcome(id, o); err != nil {
		return false, err
	}
	location, err := encodeLocation(o.Location)
	if err != nil {
		return false, err
	}
	won, err := s.finishTransaction(ctx, id, o, by, location, at)
	if errors.Is(err, mssp.ErrUncertain) {
		return s.hasEnded(ctx, id, o, by, at, err)
	}
	return won, err
}

// hasEnded finds out whether a transaction ended with this outcome at this time, after a
// commit whose fate is not known. If it is outstanding, it may still end so.
func (s *Store) hasEnded(ctx context.Context, id string, o mssp.Outcome, by *mssp.AnsweredBy, at time.Time, uncertain error) (bool, error) {
	t, err := s.Transaction(ctx, id)
	if err != nil || t.State == mssp.StateOutstanding {
		return false, uncertain
	}
	same := t.Outcome.Code == o.Code && t.Outcome.Detail == o.Detail && t.Outcome.Replaced == o.Replaced && bytes.Equal(t.Outcome.Signature, o.Signature)
	return same && micros(t.Finished) == micros(at) && (by == nil || t.DeviceID == by.DeviceID), nil
}

func (s *Store) finishTransaction(ctx context.Context, id string, o mssp.Outcome, by *mssp.AnsweredBy, location string, at time.Time) (bool, error) {
	args := []any{id, string(o.FinalState()), int64(o.Code), o.Detail, bytesOrNull(o.Signature), location, micros(at)}
	switch {
	case by == nil && o.Code == signum.SignatureMade:
		return false, fmt.Errorf("store: transaction %s ends with a signature of no device", id)
	case by == nil:
		return s.swap(ctx, finishTransaction, append(args, o.Replaced)...)
	}
	if o.Replaced {
		return false, fmt.Errorf("store: transaction %s was answered and replaced", id)
	}
	if err := storable.Texts(storable.F("device ID", by.DeviceID), storable.F("certificate serial", by.CertSerial)); err != nil {
		return false, err
	}
	args = append(args, by.DeviceID, by.CertSerial, bytesOrNull(by.SignedAttrs))
	switch {
	case o.Code != signum.SignatureMade:
		return s.swap(ctx, answerTransaction, args...)
	case o.Verified != nil:
		return s.endVerified(ctx, succeedVerified, o.Verified, args)
	}
	return s.swap(ctx, succeedTransaction, args...)
}

// It takes effect once: a prepared transaction has a certificate.
var prepareTransaction = &query{
	text: `
UPDATE transactions SET signed_attrs = $2, cert_serial = $3
WHERE id = $1 AND state = 'outstanding' AND cert_serial = ''`,
	postgres: `
UPDATE transactions t SET signed_attrs = $2, cert_serial = $3 FROM outstanding o
WHERE o.id = $1 AND t.id = o.id AND t.ap_instant = o.ap_instant AND t.state = 'outstanding' AND t.cert_serial = ''`,
}

// PrepareTransaction implements mssp.Store.
func (s *Store) PrepareTransaction(ctx context.Context, id string, signedAttrs []byte, certSerial string) (bool, error) {
	if !storable.IsKey(id) {
		return false, nil
	}
	if len(signedAttrs) == 0 || certSerial == "" {
		return false, fmt.Errorf("store: transaction %s is prepared without something to sign or a certificate", id)
	}
	if err := storable.Texts(storable.F("certificate serial", certSerial)); err != nil {
		return false, err
	}
	return s.swap(ctx, prepareTransaction, id, signedAttrs, certSerial)
}
