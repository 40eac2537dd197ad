package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/storable"
)

// countingConsent are the conditions under which a consent counts.
const countingConsent = `
WHERE msisdn = $1 AND kind = $2 AND subject = $3 AND expires > $4 AND (device_id = '' OR EXISTS (
    SELECT 1 FROM devices d JOIN certificates c ON c.serial = d.cert_serial
    WHERE d.id = consents.device_id AND d.msisdn = consents.msisdn AND d.state = 'ACTIVE' AND c.state = 'GOOD'))`

var (
	upsertConsent = &query{text: `
INSERT INTO consents (msisdn, kind, subject, device_id, trans_id, given, expires) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (msisdn, kind, subject) DO UPDATE SET
    device_id = excluded.device_id, trans_id = excluded.trans_id, given = excluded.given, expires = excluded.expires`}
	// Nodes skip rows that another node is deleting, as with transactions.
	purgeConsents = &query{
		text: `
DELETE FROM consents WHERE (msisdn, kind, subject) IN (
    SELECT msisdn, kind, subject FROM consents WHERE expires <= $1 ORDER BY expires LIMIT $2)`,
		postgres: `
DELETE FROM consents WHERE (msisdn, kind, subject) IN (
    SELECT msisdn, kind, subject FROM consents WHERE expires <= $1 ORDER BY expires LIMIT $2 FOR UPDATE SKIP LOCKED)`,
	}
	selectConsent = &query{text: `
SELECT device_id, trans_id, given, expires FROM consents` + countingConsent}
	takeConsent = &query{text: `
DELETE FROM consents` + countingConsent + `
RETURNING device_id, trans_id, given, expires`}
)

// PutConsent implements mssp.Store. It also deletes up to 100 consents that had
// expired when this one was given, so that no sweep is needed.
func (s *Store) PutConsent(ctx context.Context, c *mssp.Consent) error {
	if err := storable.Consent(c); err != nil {
		return err
	}
	return s.write(ctx, &write{
		first: upsertConsent,
		args:  []any{c.MSISDN, string(c.Kind), c.Subject, c.DeviceID, c.TransID, micros(c.Given), micros(c.Expires)},
		then: func(ctx context.Context, s *session, _ int64) error {
			_, err := s.exec(ctx, purgeConsents, micros(c.Given), int64(purgeBeside))
			return err
		},
	})
}

// consentRow is where a consent is read into.
type consentRow struct {
	c              mssp.Consent
	given, expires int64
}

func (r *consentRow) dest() []any {
	return []any{&r.c.DeviceID, &r.c.TransID, &r.given, &r.expires}
}

func (r *consentRow) consent(msisdn string, k mssp.ConsentKind, subject string) *mssp.Consent {
	c := r.c
	c.MSISDN, c.Kind, c.Subject = msisdn, k, subject
	c.Given, c.Expires = timeOf(r.given), timeOf(r.expires)
	return &c
}

// VoidChanges implements mssp.Store.
func (s *Store) VoidChanges(ctx context.Context, msisdn string) error {
	if !storable.IsKey(msisdn) {
		return nil
	}
	return s.write(ctx, &write{row: msisdn, first: deleteInvite, args: []any{msisdn}, then: func(ctx context.Context, s *session, _ int64) error {
		_, err := s.exec(ctx, deleteConsents, msisdn)
		return err
	}})
}

// Consent implements mssp.Store.
func (s *Store) Consent(ctx context.Context, msisdn string, k mssp.ConsentKind, subject string, now time.Time) (*mssp.Consent, error) {
	if !storable.IsKey(msisdn) || !storable.IsKey(subject) {
		return nil, mssp.ErrNotFound
	}
	var r consentRow
	err := s.read.row(ctx, selectConsent, []any{msisdn, string(k), subject, micros(now)}, r.dest()...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, mssp.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("store: consent: %w", err)
	}
	return r.consent(msisdn, k, subject), nil
}

// TakeConsent implements mssp.Store.
func (s *Store) TakeConsent(ctx context.Context, msisdn string, k mssp.ConsentKind, subject string, now time.Time) (*mssp.Consent, error) {
	if !storable.IsKey(msisdn) || !storable.IsKey(subject) {
		return nil, mssp.ErrNotFound
	}
	var r consentRow
	err := s.write(ctx, &write{row: msisdn, then: func(ctx context.Context, s *session, _ int64) error {
		found, err := s.row(ctx, takeConsent, []any{msisdn, string(k), subject, micros(now)}, r.dest()...)
		if err == nil && !found {
			err = refuse(mssp.ErrNotFound)
		}
		return err
	}})
	if err != nil {
		return nil, err
	}
	return r.consent(msisdn, k, subject), nil
}
