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

var (
	// A subscriber has one invite, so the new one replaces the old one. The code of
	// another subscriber must not cause an SQL error, which would roll back the
	// whole group of writes.
	upsertInvite = &query{text: `
INSERT INTO invites (msisdn, code_hash, trusted, created, expires)
SELECT $1, $2, $3, $4, $5 WHERE NOT EXISTS (SELECT 1 FROM invites WHERE code_hash = $2 AND msisdn <> $1)
ON CONFLICT (msisdn) DO UPDATE SET
    code_hash = excluded.code_hash, trusted = excluded.trusted, created = excluded.created, expires = excluded.expires`,
		postgres: `
INSERT INTO invites (msisdn, code_hash, trusted, created, expires)
SELECT $1::text, $2::bytea, $3::boolean, $4::bigint, $5::bigint
WHERE NOT EXISTS (SELECT 1 FROM invites WHERE code_hash = $2 AND msisdn <> $1)
ON CONFLICT (msisdn) DO UPDATE SET
    code_hash = excluded.code_hash, trusted = excluded.trusted, created = excluded.created, expires = excluded.expires`}
	// Nodes skip rows that another node is deleting, as with transactions.
	purgeInvites = &query{
		text: `
DELETE FROM invites WHERE msisdn IN (SELECT msisdn FROM invites WHERE expires <= $1 ORDER BY expires LIMIT $2)`,
		postgres: `
DELETE FROM invites WHERE msisdn IN (
    SELECT msisdn FROM invites WHERE expires <= $1 ORDER BY expires LIMIT $2 FOR UPDATE SKIP LOCKED)`,
	}
)

// PutInvite implements mssp.Store. It refuses a code that another subscriber has.
// It also deletes up to 100 invites that had expired when this one was created, so
// that unused ones do not pile up and no sweep is needed.
func (s *Store) PutInvite(ctx context.Context, i *mssp.Invite) error {
	if err := storable.Invite(i); err != nil {
		return err
	}
	return s.write(ctx, &write{
		first: upsertInvite,
		args:  []any{i.MSISDN, i.CodeHash, i.Trusted, micros(i.Created), micros(i.Expires)},
		then: func(ctx context.Context, s *session, affected int64) error {
			if affected == 0 {
				return refuse(errors.New("store: another subscriber has this activation code"))
			}
			_, err := s.exec(ctx, purgeInvites, micros(i.Created), int64(purgeBeside))
			return err
		},
	})
}

var selectInvite = &query{text: `
SELECT msisdn, trusted, created, expires FROM invites WHERE code_hash = $1 AND expires > $2`}

// Invite implements mssp.Store.
func (s *Store) Invite(ctx context.Context, codeHash []byte, now time.Time) (*mssp.Invite, error) {
	i := &mssp.Invite{CodeHash: codeHash}
	var created, expires int64
	err := s.read.row(ctx, selectInvite, []any{codeHash, micros(now)}, &i.MSISDN, &i.Trusted, &created, &expires)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, mssp.ErrInvite
	}
	if err != nil {
		return nil, fmt.Errorf("store: invite: %w", err)
	}
	i.Created, i.Expires = timeOf(created), timeOf(expires)
	return i, nil
}

var (
	selectInviteOf = &query{text: `
SELECT 1 FROM invites WHERE code_hash = $1 AND msisdn = $2 AND expires > $3`}
	consumeInvite = &query{text: `
DELETE FROM invites WHERE code_hash = $1 AND msisdn = $2 AND expires > $3`}
	selectMSISDN = &query{text: `
SELECT 1 FROM subscribers WHERE msisdn = $1`}
	enrolSubscriber = &query{text: `
UPDATE subscribers SET serial = COALESCE($2, serial), recovery_hash = COALESCE($3, recovery_hash),
    recovery_code = recovery_code OR $4, serial_known = true
WHERE msisdn = $1`}
	insertApp = &query{text: `
INSERT INTO apps (device_id, auth_key, verifier_hash, share, tries_left, name, version, platform, push, passkeys,
    enrolled, last_seen)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`}
)

// EnrolApp implements mssp.Store. The invite must belong to the App's subscriber.
// An App starts with all its tries, whatever TriesLeft says. The error is
// ErrNotFound if the subscriber does not exist or the certificate was never intended.
func (s *Store) EnrolApp(ctx context.Context, e *mssp.Enrolment, now time.Time) error {
	if err := storable.Enrolment(e); err != nil {
		return err
	}
	push, passkeys, err := encodeApp(e.App)
	if err != nil {
		return err
	}
	a := e.App
	app := []any{a.DeviceID, a.AuthKey, a.VerifierHash, a.Share, int64(mssp.MaxPasscodeTries), a.Name, a.Version,
		a.Platform, push, passkeys, micros(a.Enrolled), micros(a.LastSeen)}
	return s.write(ctx, &write{then: func(ctx context.Context, s *session, _ int64) error {
		return s.enrol(ctx, e, app, now)
	}})
}

// enrol does all checks before its first write, because a refusal must change nothing.
// Its first write deletes the invite: of several callers that have read it, only
// one gets past that.
func (s *session) enrol(ctx context.Context, e *mssp.Enrolment, app []any, now time.Time) error {
	msisdn, invite := e.App.MSISDN, []any{e.CodeHash, e.App.MSISDN, micros(now)}
	var one int
	if found, err := s.row(ctx, selectInviteOf, invite, &one); err != nil {
		return err
	} else if !found {
		return refuse(mssp.ErrInvite)
	}
	if err := s.require(ctx, selectMSISDN, msisdn); err != nil {
		return err
	}
	if err := s.requireCertificate(ctx, e.Device); err != nil {
		return err
	}
	var owner string
	if found, err := s.row(ctx, selectDeviceOwner, []any{e.Device.ID}, &owner); err != nil {
		return err
	} else if found {
		return refuse(fmt.Errorf("store: device %s exists", e.Device.ID))
	}
	if n, err := s.exec(ctx, consumeInvite, invite...); err != nil {
		return err
	} else if n == 0 {
		return refuse(mssp.ErrInvite)
	}
	if _, err := s.exec(ctx, enrolSubscriber, msisdn, textOrNull(e.Serial), bytesOrNull(e.RecoveryHash), len(e.RecoveryHash) > 0); err != nil {
		return err
	}
	if e.Serial != "" {
		if err := s.endOthers(ctx, msisdn, e.Device.ID, mssp.EndedByEnrolment, now); err != nil {
			return err
		}
	}
	if _, err := s.exec(ctx, insertDevice, deviceArgs(msisdn, e.Device)...); err != nil {
		return err
	}
	_, err := s.exec(ctx, insertApp, app...)
	return err
}
