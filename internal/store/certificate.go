package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/storable"
)

// certificateRow holds the columns serial, device_id, state, der, not_before,
// not_after, revoked_at and reason of a certificate. All are null if an outer join
// found no certificate.
type certificateRow struct {
	serial, device, state        sql.NullString
	der                          []byte
	from, until, revoked, reason sql.NullInt64
}

func (r *certificateRow) dest() []any {
	return []any{&r.serial, &r.device, &r.state, &r.der, &r.from, &r.until, &r.revoked, &r.reason}
}

func (r *certificateRow) certificate() *mssp.Certificate {
	if !r.serial.Valid {
		return nil
	}
	c := &mssp.Certificate{
		Serial:    r.serial.String,
		DeviceID:  r.device.String,
		State:     mssp.CertificateState(r.state.String),
		DER:       r.der,
		NotBefore: timeOf(r.from.Int64),
		NotAfter:  timeOf(r.until.Int64),
		Reason:    int(r.reason.Int64),
	}
	if r.revoked.Valid {
		c.RevokedAt = timeOf(r.revoked.Int64)
	}
	return c
}

var insertCertificate = &query{text: `
INSERT INTO certificates (serial, device_id, issuer, state, tbs, not_before, not_after, reason)
VALUES ($1, $2, $3, 'INTENDED', $4, $5, $6, 0)
ON CONFLICT DO NOTHING`}

// IntendCertificate implements mssp.Store.
func (s *Store) IntendCertificate(ctx context.Context, c *mssp.Certificate) error {
	if err := storable.Keys(storable.F("certificate serial", c.Serial), storable.F("device ID", c.DeviceID)); err != nil {
		return err
	}
	return s.write(ctx, &write{
		first: insertCertificate,
		args:  []any{c.Serial, c.DeviceID, c.Issuer, bytesOrNull(c.TBS), micros(c.NotBefore), micros(c.NotAfter)},
		then: func(_ context.Context, _ *session, affected int64) error {
			if affected == 0 {
				return refuse(fmt.Errorf("store: certificate %s exists", c.Serial))
			}
			return nil
		},
	})
}

var completeCertificate = &query{text: `
UPDATE certificates SET der = $2, state = 'GOOD' WHERE serial = $1 AND state = 'INTENDED'`}

// CompleteCertificate implements mssp.Store. It works once: for a certificate that
// is already good it returns ErrNotFound too.
func (s *Store) CompleteCertificate(ctx context.Context, serial string, der []byte) error {
	if !storable.IsKey(serial) {
		return mssp.ErrNotFound
	}
	if len(der) == 0 {
		return fmt.Errorf("store: certificate %s is empty", serial)
	}
	return s.write(ctx, &write{
		first: completeCertificate,
		args:  []any{serial, der},
		then: func(_ context.Context, _ *session, affected int64) error {
			if affected == 0 {
				return refuse(mssp.ErrNotFound)
			}
			return nil
		},
	})
}

var (
	revokeCertificate = &query{text: `
UPDATE certificates SET state = 'REVOKED', revoked_at = $2, reason = $3 WHERE serial = $1 AND state = 'GOOD'`}
	selectRevoked = &query{text: `
SELECT 1 FROM certificates WHERE serial = $1 AND state = 'REVOKED'`}
)

// RevokeCertificate implements mssp.Store.
func (s *Store) RevokeCertificate(ctx context.Context, serial string, at time.Time, reason int) error {
	if !storable.IsKey(serial) {
		return mssp.ErrNotFound
	}
	return s.write(ctx, &write{
		first: revokeCertificate,
		args:  []any{serial, micros(at), int64(reason)},
		then: func(ctx context.Context, s *session, affected int64) error {
			if affected == 1 {
				return nil
			}
			var one int
			revoked, err := s.row(ctx, selectRevoked, []any{serial}, &one)
			if err == nil && !revoked {
				err = refuse(mssp.ErrNotFound)
			}
			return err
		},
	})
}

var selectCertificate = &query{text: `
SELECT serial, device_id, state, der, not_before, not_after, revoked_at, reason
FROM certificates WHERE serial = $1`}

// Certificate implements mssp.Store.
func (s *Store) Certificate(ctx context.Context, serial string) (*mssp.Certificate, error) {
	if !storable.IsKey(serial) {
		return nil, mssp.ErrNotFound
	}
	var r certificateRow
	err := s.read.row(ctx, selectCertificate, []any{serial}, r.dest()...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, mssp.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("store: certificate: %w", err)
	}
	return r.certificate(), nil
}

var selectRevocations = &query{text: `
SELECT serial, issuer, device_id, state, CASE issuer WHEN '' THEN der END, not_before, not_after, revoked_at, reason
FROM certificates WHERE state = 'REVOKED' AND not_after >= $1`}

// RevokedCertificates implements mssp.Store. It includes a certificate that expires
// exactly at that time, because validity includes its end (RFC 5280, clause
// 4.1.2.5), and one that was revoked later, because the clocks of nodes differ.
// Serial numbers are ordered as numbers.
func (s *Store) RevokedCertificates(ctx context.Context, at time.Time) ([]mssp.Certificate, error) {
	var list []mssp.Certificate
	err := s.read.each(ctx, selectRevocations, []any{micros(at)}, func(rows *sql.Rows) error {
		var r certificateRow
		var issuer string
		if err := rows.Scan(slices.Insert(r.dest(), 1, any(&issuer))...); err != nil {
			if !ofRow(rows, r.serial.String) {
				return err
			}
			// It is revoked, whatever else cannot be read: a list without it would be
			// wrong, and no list at all would be worse.
			_ = s.unreadable.row(mssp.RowCertificate, r.serial.String, err)
		}
		c := r.certificate()
		c.Issuer = issuer
		list = append(list, *c)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("store: revoked certificates: %w", err)
	}
	slices.SortFunc(list, func(a, b mssp.Certificate) int {
		return cmp.Or(cmp.Compare(len(a.Serial), len(b.Serial)), cmp.Compare(a.Serial, b.Serial))
	})
	return list, nil
}
