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
	selectActivation = &query{text: `
SELECT d.msisdn, d.state, COALESCE(d.cert_serial, ''), s.serial_known
FROM devices d JOIN subscribers s ON s.msisdn = d.msisdn WHERE d.id = $1`}
	// Its state may have changed since it was read.
	activateDevice = &query{text: `
UPDATE devices SET state = 'ACTIVE', key_type = $2, cert_serial = $3, pin_blocked = false
WHERE id = $1 AND state = 'REGISTERED'`}
	nameSerial = &query{text: `
UPDATE subscribers SET serial = COALESCE($2, serial), serial_known = true WHERE msisdn = $1`}
	// Certificates of other devices name the serial that the account had before.
	endOthers = &query{text: `
UPDATE devices SET state = 'INACTIVE', ended = $3, ended_at = $4 WHERE msisdn = $1 AND id <> $2 AND ended = ''`}
	// Only a device that is still active with the certificate that is replaced: it
	// may have been renewed, switched off or removed since it was read.
	renewDevice = &query{text: `
UPDATE devices SET cert_serial = $3
WHERE id = $1 AND state = 'ACTIVE' AND cert_serial = $2 AND EXISTS (SELECT 1 FROM certificates WHERE serial = $3)`}
	blockPIN = &query{text: `
UPDATE devices SET pin_blocked = $2 WHERE id = $1`}
	endDevice = &query{text: `
UPDATE devices SET state = 'INACTIVE', ended = CASE WHEN ended = '' THEN $2 ELSE ended END,
    ended_at = CASE WHEN ended = '' THEN $3 ELSE ended_at END
WHERE id = $1`}
	// A consent to the activation of a SIM does not outlive its activation or its end.
	voidConsent = &query{text: `
DELETE FROM consents WHERE msisdn = (SELECT msisdn FROM devices WHERE id = $1) AND kind = 'activate_sim' AND subject = $1`}
	voidConsents = &query{text: `
DELETE FROM consents WHERE msisdn = $1 AND kind = 'activate_sim'`}
	reopenDevice = &query{text: `
UPDATE devices SET state = 'REGISTERED', cert_serial = NULL, pin_blocked = false, ended = '', ended_at = NULL
WHERE id = $1 AND state = 'INACTIVE'`}
	selectReopening = &query{text: `
SELECT d.method, d.state, COALESCE(c.state, '') FROM devices d LEFT JOIN sim_cards c ON c.device_id = d.id WHERE d.id = $1`}
	selectSerialKnown = &query{text: `
SELECT serial_known FROM subscribers WHERE msisdn = $1`}
)

// SerialKnown implements mssp.Store.
func (s *Store) SerialKnown(ctx context.Context, msisdn string) (known bool, err error) {
	if !storable.IsKey(msisdn) {
		return false, mssp.ErrNotFound
	}
	err = s.read.row(ctx, selectSerialKnown, []any{msisdn}, &known)
	if errors.Is(err, sql.ErrNoRows) {
		return false, mssp.ErrNotFound
	}
	if err != nil {
		return false, fmt.Errorf("store: serial of an account: %w", err)
	}
	return known, nil
}

// ActivateDevice implements mssp.Store.
func (s *Store) ActivateDevice(ctx context.Context, a *mssp.Activation) error {
	if a.KeyType != signum.EC && a.KeyType != signum.RSA {
		return fmt.Errorf("store: device %s is activated with the unknown key type %q", a.DeviceID, a.KeyType)
	}
	if err := storable.Keys(storable.F("account serial", a.Serial)); err != nil {
		return err
	}
	if !storable.IsKey(a.DeviceID) || !storable.IsKey(a.CertSerial) {
		return mssp.ErrNotFound
	}
	return s.write(ctx, &write{then: func(ctx context.Context, s *session, _ int64) error {
		return s.activate(ctx, a)
	}})
}

// activate does all checks before its first write, because a refusal must change
// nothing. The account is locked first, as for every change of several devices.
func (s *session) activate(ctx context.Context, a *mssp.Activation) error {
	var msisdn, state, cert string
	var known bool
	read := func() error {
		found, err := s.row(ctx, selectActivation, []any{a.DeviceID}, &msisdn, &state, &cert, &known)
		if err == nil && !found {
			err = refuse(mssp.ErrNotFound)
		}
		return err
	}
	if err := read(); err != nil {
		return err
	}
	if err := s.require(ctx, lockSubscriber, msisdn); err != nil {
		return err
	}
	if err := read(); err != nil { // as it is now that nobody else changes it
		return err
	}
	if err := s.require(ctx, selectSerial, a.CertSerial); err != nil {
		return err
	}
	switch {
	case state == string(signum.DeviceActive) && cert == a.CertSerial:
		return nil
	case state != string(signum.DeviceRegistered):
		return refuse(fmt.Errorf("store: device %s is %s: %w", a.DeviceID, state, mssp.ErrDeviceState))
	case a.Serial == "" && known:
		var r consentRow
		found, err := s.row(ctx, selectConsent, []any{msisdn, string(mssp.ConsentActivate), a.DeviceID, micros(a.At)}, r.dest()...)
		if err != nil {
			return err
		}
		if !found {
			return refuse(mssp.ErrConsent)
		}
	}
	if n, err := s.exec(ctx, activateDevice, a.DeviceID, string(a.KeyType), a.CertSerial); err != nil {
		return err
	} else if n == 0 {
		// Another node changed the device since the check. Rows may have been written by
		// now, so this cannot be a refusal: roll the transaction back.
		return fmt.Errorf("store: device %s: %w", a.DeviceID, mssp.ErrDeviceState)
	}
	if _, err := s.exec(ctx, nameSerial, msisdn, textOrNull(a.Serial)); err != nil {
		return err
	}
	if a.Serial == "" {
		_, err := s.exec(ctx, voidConsent, a.DeviceID)
		return err
	}
	return s.endOthers(ctx, msisdn, a.DeviceID, mssp.EndedByActivation, a.At)
}

// endOthers ends all devices of an account but one, and all consents to activations.
func (s *session) endOthers(ctx context.Context, msisdn, except string, why mssp.DeviceEnd, at time.Time) error {
	if _, err := s.exec(ctx, endOthers, msisdn, except, string(why), micros(at)); err != nil {
		return err
	}
	_, err := s.exec(ctx, voidConsents, msisdn)
	return err
}

// RenewDevice implements mssp.Store.
func (s *Store) RenewDevice(ctx context.Context, deviceID, oldSerial, newSerial string) (bool, error) {
	if !storable.IsKey(deviceID) || !storable.IsKey(oldSerial) || !storable.IsKey(newSerial) {
		return false, nil
	}
	return s.swap(ctx, renewDevice, deviceID, oldSerial, newSerial)
}

// SetPINBlocked implements mssp.Store.
func (s *Store) SetPINBlocked(ctx context.Context, deviceID string, blocked bool) error {
	return s.update(ctx, blockPIN, deviceID, blocked)
}

// EndDevice implements mssp.Store.
func (s *Store) EndDevice(ctx context.Context, deviceID string, why mssp.DeviceEnd, at time.Time) error {
	if !why.Known() {
		return fmt.Errorf("store: device %s ends for the unknown reason %q", deviceID, why)
	}
	if !storable.IsKey(deviceID) {
		return mssp.ErrNotFound
	}
	return s.write(ctx, &write{row: deviceID, first: endDevice, args: []any{deviceID, string(why), micros(at)},
		then: func(ctx context.Context, s *session, affected int64) error {
			if affected == 0 {
				return refuse(mssp.ErrNotFound)
			}
			_, err := s.exec(ctx, voidConsent, deviceID)
			return err
		}})
}

// ReopenDevice implements mssp.Store.
func (s *Store) ReopenDevice(ctx context.Context, deviceID string) error {
	if !storable.IsKey(deviceID) {
		return mssp.ErrNotFound
	}
	return s.write(ctx, &write{row: deviceID, then: func(ctx context.Context, s *session, _ int64) error {
		var method, state, card string
		if found, err := s.row(ctx, selectReopening, []any{deviceID}, &method, &state, &card); err != nil {
			return err
		} else if !found {
			return refuse(mssp.ErrNotFound)
		}
		switch {
		case !mssp.MethodOf(signum.Method(method)).Activated || state == string(signum.DeviceActive):
			return refuse(fmt.Errorf("store: device %s is %s: %w", deviceID, state, mssp.ErrDeviceState))
		case card == string(mssp.CardBlocked):
			return refuse(fmt.Errorf("store: the card of device %s is blocked: %w", deviceID, mssp.ErrCardState))
		}
		_, err := s.exec(ctx, reopenDevice, deviceID)
		return err
	}})
}
