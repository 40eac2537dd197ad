package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

var insertTransaction = &query{text: `
INSERT INTO transactions (id, ap_id, ap_trans_id, ap_instant, msisdn, msisdn_sent, device_id, method, profile, async,
    lang, mime_type, dtbd, services, signed_attrs, cert_serial, state, code, detail, signature, location,
    created, expires, finished)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)
ON CONFLICT DO NOTHING`}

// InsertTransaction implements mssp.Store. Instants are compared to the
// microsecond. An ID that exists already is a separate error.
func (s *Store) InsertTransaction(ctx context.Context, t *mssp.Transaction) error {
	args, err := transactionArgs(t)
	if err != nil {
		return err
	}
	return s.write(ctx, &write{fresh: true, first: insertTransaction, args: args, then: func(ctx context.Context, s *session, affected int64) error {
		if affected == 1 {
			return nil
		}
		return s.refuseTransaction(ctx, t, args)
	}})
}

// ReplaceTransaction implements mssp.Store.
func (s *Store) ReplaceTransaction(ctx context.Context, old string, o mssp.Outcome, t *mssp.Transaction) (bool, error) {
	if !isKey(old) {
		return false, s.InsertTransaction(ctx, t)
	}
	if err := checkOutcome(old, o); err != nil {
		return false, err
	}
	if o.Code == signum.SignatureMade {
		return false, fmt.Errorf("store: transaction %s is replaced and signed", old)
	}
	args, err := transactionArgs(t)
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
	if n, err = s.exec(ctx, insertTransaction, args...); err != nil || n == 1 {
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

// transactionArgs checks a transaction and returns the arguments of insertTransaction.
func transactionArgs(t *mssp.Transaction) ([]any, error) {
	if err := checkTransaction(t); err != nil {
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
	return []any{t.ID, t.APID, t.APTransID, micros(t.APInstant), t.MSISDN,
		t.MSISDNSent, t.DeviceID, methodColumn(t), t.Profile, t.Async, t.Lang, t.MimeType, t.Text, services,
		bytesOrNull(t.SignedAttrs), t.CertSerial, string(t.State), int64(code), detail, signature, location,
		micros(t.Created), micros(t.Expires), finished}, nil
}

// textMethod is what the column "method" holds for a one-time password, which
// has no method. Databases of earlier versions contain it, and the index that
// finds busy subscribers needs a value: a second password is refused while the
// first is on its way, but not because of anything else.
const textMethod = "SMS"

func methodColumn(t *mssp.Transaction) string {
	if t.OTP() {
		return textMethod
	}
	return string(t.Method)
}

// checkTransaction refuses what the schema would refuse, before it can make a
// group of writes roll back.
func checkTransaction(t *mssp.Transaction) error {
	if err := checkKeys(field{"MSSP_TransID", t.ID}, field{"AP_ID", t.APID}, field{"AP_TransID", t.APTransID},
		field{"MSISDN", t.MSISDN}, field{"method", methodColumn(t)}); err != nil {
		return err
	}
	if err := checkTexts(field{"MSISDN as sent", t.MSISDNSent}, field{"device ID", t.DeviceID}, field{"profile", t.Profile},
		field{"language", t.Lang}, field{"MIME type", t.MimeType}, field{"text", t.Text}, field{"certificate serial", t.CertSerial}); err != nil {
		return err
	}
	if t.OTP() != signum.IsOTP(t.Profile) {
		return fmt.Errorf("store: transaction %s has the method %q and the profile %q", t.ID, t.Method, t.Profile)
	}
	if t.State == mssp.StateOutstanding {
		if !t.Finished.IsZero() {
			return fmt.Errorf("store: transaction %s is outstanding and finished", t.ID)
		}
		return nil
	}
	if t.State != t.Outcome.FinalState() {
		return fmt.Errorf("store: transaction %s is %q, but its outcome is %v", t.ID, t.State, t.Outcome.Code)
	}
	if t.Finished.IsZero() {
		return fmt.Errorf("store: transaction %s has ended without a time", t.ID)
	}
	return checkOutcome(t.ID, t.Outcome)
}

func checkOutcome(id string, o mssp.Outcome) error {
	if o.Code == 0 {
		return fmt.Errorf("store: transaction %s ends without a code", id)
	}
	if (o.Code == signum.SignatureMade) != (len(o.Signature) > 0) {
		return fmt.Errorf("store: transaction %s ends with %v and a signature of %d bytes", id, o.Code, len(o.Signature))
	}
	if o.Replaced && o.Code != signum.UserCancel {
		return fmt.Errorf("store: transaction %s was replaced, but ends with %v", id, o.Code)
	}
	return checkTexts(field{"detail", o.Detail})
}

var (
	selectUsed = &query{text: `
SELECT 1 FROM transactions WHERE ap_id = $1 AND ap_trans_id = $2 AND ap_instant = $3`}
	selectBusy = &query{text: `
SELECT id FROM transactions WHERE msisdn = $1 AND method = $2 AND state = 'outstanding'`}
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
		var one int
		if found, err := s.row(ctx, selectUsed, args[1:4], &one); err != nil {
			return err
		} else if found {
			return refuse(mssp.ErrDuplicate)
		}
		if t.State == mssp.StateOutstanding {
			var busy string
			if found, err := s.row(ctx, selectBusy, []any{t.MSISDN, methodColumn(t)}, &busy); err != nil {
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
		if affected, err := s.exec(ctx, insertTransaction, args...); err != nil || affected == 1 {
			return err
		}
	}
	return refuse(fmt.Errorf("store: transaction %s: %w", t.ID, errRace))
}

// The condition on the state makes it a compare-and-set: the second caller changes
// nothing. Of several Apps the first that answers becomes the device of the
// transaction. A success also requires that this device may sign: the same statement
// checks that, because a certificate could be revoked, or an App blocked, between a
// separate check and the commit.
var (
	finishTransaction = &query{text: `
UPDATE transactions SET state = $2, code = $3, detail = $4, signature = $5, location = $6, finished = $7, replaced = $8
WHERE id = $1 AND state = 'outstanding'`}
	answerTransaction = &query{text: `
UPDATE transactions SET state = $2, code = $3, detail = $4, signature = $5, location = $6, finished = $7,
    device_id = $8, cert_serial = $9, signed_attrs = $10
WHERE id = $1 AND state = 'outstanding'`}
	succeedTransaction = &query{text: answerTransaction.text + `
AND NOT EXISTS (SELECT 1 FROM certificates c WHERE c.serial = $9 AND c.state <> 'GOOD')
AND EXISTS (SELECT 1 FROM devices d JOIN subscribers s ON s.msisdn = d.msisdn
    WHERE d.id = $8 AND d.msisdn = transactions.msisdn AND d.method = transactions.method
    AND d.state = 'ACTIVE' AND NOT d.pin_blocked AND s.state = 'ACTIVE')`}
	succeedVerified = withEvidence(succeedTransaction, "$11")
)

// FinishTransaction implements mssp.Store.
func (s *Store) FinishTransaction(ctx context.Context, id string, o mssp.Outcome, by *mssp.AnsweredBy, at time.Time) (bool, error) {
	if !isKey(id) {
		return false, nil
	}
	if err := checkOutcome(id, o); err != nil {
		return false, err
	}
	location, err := encodeLocation(o.Location)
	if err != nil {
		return false, err
	}
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
	if err := checkTexts(field{"device ID", by.DeviceID}, field{"certificate serial", by.CertSerial}); err != nil {
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
var prepareTransaction = &query{text: `
UPDATE transactions SET signed_attrs = $2, cert_serial = $3
WHERE id = $1 AND state = 'outstanding' AND cert_serial = ''`}

// PrepareTransaction implements mssp.Store.
func (s *Store) PrepareTransaction(ctx context.Context, id string, signedAttrs []byte, certSerial string) (bool, error) {
	if !isKey(id) {
		return false, nil
	}
	if len(signedAttrs) == 0 || certSerial == "" {
		return false, fmt.Errorf("store: transaction %s is prepared without something to sign or a certificate", id)
	}
	if err := checkTexts(field{"certificate serial", certSerial}); err != nil {
		return false, err
	}
	return s.swap(ctx, prepareTransaction, id, signedAttrs, certSerial)
}

// Two nodes that purge at the same time take different rows instead of waiting
// for each other.
var purgeTransactions = &query{
	text: `
DELETE FROM transactions WHERE id IN (
    SELECT id FROM transactions WHERE finished < $1 ORDER BY finished, id LIMIT $2)`,
	// Materialized, because PostgreSQL may run a subquery once for each row, and each run
	// would take other rows.
	postgres: `
WITH due AS MATERIALIZED (
    SELECT id FROM transactions WHERE finished < $1 ORDER BY finished, id LIMIT $2 FOR UPDATE SKIP LOCKED)
DELETE FROM transactions WHERE id IN (SELECT id FROM due)`,
}

// PurgeTransactions implements mssp.Store. Those that finished first are deleted
// first. Their receipts are deleted through the foreign key and not counted. On
// PostgreSQL it skips rows that another node is purging.
func (s *Store) PurgeTransactions(ctx context.Context, before time.Time, limit int) (int, error) {
	if limit <= 0 {
		return 0, nil
	}
	var n int64
	err := s.write(ctx, &write{
		first: purgeTransactions,
		args:  []any{micros(before), int64(limit)},
		then: func(_ context.Context, _ *session, affected int64) error {
			n = affected
			return nil
		},
	})
	if err != nil {
		return 0, err
	}
	return int(n), nil
}
