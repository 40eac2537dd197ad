package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/storable"
)

const appColumns = `
SELECT a.device_id, d.msisdn, a.auth_key, a.verifier_hash, a.share, a.tries_left, a.name, a.version, a.platform,
    a.push, a.passkeys, a.unlocked, a.push_end, a.enrolled, a.last_seen, d.state = 'ACTIVE' AND s.state = 'ACTIVE', d.pin_blocked
FROM apps a JOIN devices d ON d.id = a.device_id JOIN subscribers s ON s.msisdn = d.msisdn WHERE a.device_id = $1`

var (
	selectApp = &query{text: appColumns}
	// The row stays locked on PostgreSQL until its update has committed.
	selectAppForUpdate = &query{text: appColumns, postgres: appColumns + ` FOR UPDATE OF a`}
)

// appRow is where a row of appColumns is read into.
type appRow struct {
	a                                 mssp.AppDevice
	push, passkeys, unlocked, pushEnd string
	enrolled, seen                    int64
}

func (r *appRow) dest() []any {
	return []any{&r.a.DeviceID, &r.a.MSISDN, &r.a.AuthKey, &r.a.VerifierHash, &r.a.Share, &r.a.TriesLeft, &r.a.Name,
		&r.a.Version, &r.a.Platform, &r.push, &r.passkeys, &r.unlocked, &r.pushEnd, &r.enrolled, &r.seen, &r.a.Active, &r.a.PINBlocked}
}

func (r *appRow) app() (*mssp.AppDevice, error) {
	a := &r.a
	a.Enrolled, a.LastSeen = timeOf(r.enrolled), timeOf(r.seen)
	if r.push != "" {
		a.Push = new(mssp.PushSubscription)
		if err := decodeJSON("push", r.push, a.Push); err != nil {
			return nil, err
		}
	}
	if r.unlocked != "" {
		a.Unlocked = new(mssp.UserVerification)
		if err := decodeJSON("unlocked", r.unlocked, a.Unlocked); err != nil {
			return nil, err
		}
	}
	if r.pushEnd != "" {
		a.PushEnd = new(mssp.PushEnd)
		if err := decodeJSON("end of push", r.pushEnd, a.PushEnd); err != nil {
			return nil, err
		}
	}
	return a, decodeJSON("passkeys", r.passkeys, &a.Passkeys)
}

// App implements mssp.Store.
func (s *Store) App(ctx context.Context, deviceID string) (*mssp.AppDevice, error) {
	if !storable.IsKey(deviceID) {
		return nil, mssp.ErrNotFound
	}
	var r appRow
	err := s.read.row(ctx, selectApp, []any{deviceID}, r.dest()...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, mssp.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("store: app %s: %w", deviceID, err)
	}
	a, err := r.app()
	if err != nil {
		return nil, s.unreadable.row(mssp.RowApp, deviceID, err)
	}
	return a, nil
}

var updateApp = &query{text: `
UPDATE apps SET verifier_hash = $2, name = $3, version = $4, platform = $5, push = $6, passkeys = $7, last_seen = $8,
    unlocked = $9, push_end = $10
WHERE device_id = $1`}

// UpdateApp implements mssp.Store.
func (s *Store) UpdateApp(ctx context.Context, deviceID string, change func(*mssp.AppDevice) error) error {
	if !storable.IsKey(deviceID) {
		return mssp.ErrNotFound
	}
	bad := &s.unreadable
	return s.change(ctx, deviceID, func(ctx context.Context, s *session, call caller) error {
		var r appRow
		if found, err := s.row(ctx, selectAppForUpdate, []any{deviceID}, r.dest()...); err != nil {
			return err
		} else if !found {
			return refuse(mssp.ErrNotFound)
		}
		a, err := r.app()
		if err != nil {
			return refuse(bad.row(mssp.RowApp, deviceID, err))
		}
		if err := call(func() error { return change(a) }); err != nil {
			return refuse(err)
		}
		push, passkeys, err := encodeApp(a)
		if err != nil {
			return refuse(err)
		}
		unlocked, err := encodeVerification(a.Unlocked)
		if err != nil {
			return refuse(err)
		}
		pushEnd, err := encodePushEnd(a.PushEnd)
		if err != nil {
			return refuse(err)
		}
		_, err = s.exec(ctx, updateApp, deviceID, a.VerifierHash, a.Name, a.Version, a.Platform, push, passkeys,
			micros(a.LastSeen), unlocked, pushEnd)
		return err
	})
}

// encodeApp checks what may change of an App, and returns what of it is kept
// as JSON.
func encodeApp(a *mssp.AppDevice) (push, passkeys string, err error) {
	if err := storable.App(a); err != nil {
		return "", "", err
	}
	if push, err = encodePush(a.Push); err != nil {
		return "", "", err
	}
	passkeys, err = encodePasskeys(a.Passkeys)
	return push, passkeys, err
}

var (
	tryPasscode = &query{text: `
UPDATE apps SET
    tries_left = CASE WHEN verifier_hash = $2 THEN $3 ELSE tries_left - 1 END,
    unlocked = CASE WHEN verifier_hash = $2 AND $4 <> '' THEN $4 ELSE unlocked END
WHERE device_id = $1 AND tries_left > 0 RETURNING verifier_hash = $2, tries_left`}
	selectAppID = &query{text: `
SELECT 1 FROM apps WHERE device_id = $1`}
	resetTries = &query{text: `
UPDATE apps SET tries_left = $2 WHERE device_id = $1`}
)

// TryPasscode implements mssp.Store. It returns ErrNotFound for an unknown App. Its
// statement is not pipelined with the group's first statements, because each
// caller in a group needs the values that its own statement returned.
func (s *Store) TryPasscode(ctx context.Context, deviceID string, hash []byte, v *mssp.UserVerification) (right bool, left int, err error) {
	if !storable.IsKey(deviceID) {
		return false, -1, mssp.ErrNotFound
	}
	if err := storable.Hash("hash of a passcode", hash); err != nil {
		return false, -1, err
	}
	unlocked, err := encodeVerification(v)
	if err != nil {
		return false, -1, err
	}
	err = s.write(ctx, &write{row: deviceID, then: func(ctx context.Context, s *session, _ int64) error {
		right, left = false, -1 // it may be run again
		args := []any{deviceID, hash, int64(mssp.MaxPasscodeTries), unlocked}
		if tried, err := s.row(ctx, tryPasscode, args, &right, &left); err != nil || tried {
			return err
		}
		return s.require(ctx, selectAppID, deviceID)
	}})
	if err != nil {
		return false, -1, err
	}
	return right, left, nil
}

// ResetTries implements mssp.Store. ErrNotFound if there is no such App.
func (s *Store) ResetTries(ctx context.Context, deviceID string) error {
	return s.update(ctx, resetTries, deviceID, int64(mssp.MaxPasscodeTries))
}

// The row of the App goes with its device.
var deleteApp = &query{text: `
DELETE FROM devices WHERE id = $1 AND EXISTS (SELECT 1 FROM apps WHERE device_id = $1)`}

// RemoveApp implements mssp.Store. The certificate stays.
func (s *Store) RemoveApp(ctx context.Context, deviceID string) error {
	return s.update(ctx, deleteApp, deviceID)
}

var (
	selectRecovery = &query{text: `
SELECT recovery_hash FROM subscribers WHERE msisdn = $1`}
	updateRecovery = &query{text: `
UPDATE subscribers SET recovery_hash = $2, recovery_code = $3 WHERE msisdn = $1`}
	updateState = &query{text: `
UPDATE subscribers SET state = $2 WHERE msisdn = $1`}
)

// RecoveryHash implements mssp.Store. ErrNotFound if there is no such
// subscriber.
func (s *Store) RecoveryHash(ctx context.Context, msisdn string) ([]byte, error) {
	if !storable.IsKey(msisdn) {
		return nil, mssp.ErrNotFound
	}
	var hash []byte
	err := s.read.row(ctx, selectRecovery, []any{msisdn}, &hash)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, mssp.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("store: recovery code: %w", err)
	}
	return hash, nil
}

// SetRecoveryHash implements mssp.Store; no hash means that there is no
// recovery code any more. ErrNotFound if there is no such subscriber.
func (s *Store) SetRecoveryHash(ctx context.Context, msisdn string, hash []byte) error {
	if len(hash) > 0 {
		if err := storable.Hash("hash of a recovery code", hash); err != nil {
			return err
		}
	}
	return s.update(ctx, updateRecovery, msisdn, bytesOrNull(hash), len(hash) > 0)
}

// SetSubscriberState implements mssp.Store. ErrNotFound if there is no such
// subscriber.
func (s *Store) SetSubscriberState(ctx context.Context, msisdn string, state mssp.SubscriberState) error {
	if err := storable.SubscriberState(state); err != nil {
		return err
	}
	return s.update(ctx, updateState, msisdn, string(state))
}
