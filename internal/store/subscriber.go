package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/storable"
)

// There is no ORDER BY: a subscriber has one or two devices, which are sorted here.
var selectSubscriber = &query{text: `
SELECT s.serial, s.state, s.recovery_code, d.id, d.method, d.state, d.key_type, d.pin_blocked, d.network,
    d.ended, d.ended_at, c.serial, c.device_id, c.state, c.der, c.not_before, c.not_after, c.revoked_at, c.reason
FROM subscribers s
LEFT JOIN devices d ON d.msisdn = s.msisdn
LEFT JOIN certificates c ON c.serial = d.cert_serial
WHERE s.msisdn = $1`}

// Subscriber implements mssp.Store.
func (s *Store) Subscriber(ctx context.Context, msisdn string) (*mssp.Subscriber, error) {
	if !storable.IsKey(msisdn) {
		return nil, mssp.ErrNotFound
	}
	r := subscriberRows{s: mssp.Subscriber{MSISDN: msisdn}}
	if err := s.read.each(ctx, selectSubscriber, []any{msisdn}, r.scan); err != nil {
		return nil, fmt.Errorf("store: subscriber: %w", err)
	}
	for id, err := range r.bad {
		_ = s.unreadable.row(mssp.RowDevice, id, err)
	}
	return r.subscriber()
}

// subscriberRows are the rows of selectSubscriber: one for each device, or one
// if there is none.
type subscriberRows struct {
	s     mssp.Subscriber
	found bool
	bad   map[string]error // by ID, the devices whose network cannot be read
}

func (r *subscriberRows) scan(rows *sql.Rows) error {
	r.found = true
	var id, method, state, keyType, network, ended sql.NullString
	var pinBlocked sql.NullBool
	var endedAt sql.NullInt64
	var cert certificateRow
	dest := append([]any{&r.s.Serial, &r.s.State, &r.s.RecoveryCodeCreated,
		&id, &method, &state, &keyType, &pinBlocked, &network, &ended, &endedAt}, cert.dest()...)
	if err := rows.Scan(dest...); err != nil || !id.Valid {
		return err
	}
	d := mssp.Device{
		ID:          id.String,
		Method:      signum.Method(method.String),
		State:       signum.DeviceState(state.String),
		KeyType:     signum.KeyType(keyType.String),
		Certificate: cert.certificate(),
		PINBlocked:  pinBlocked.Bool,
		Ended:       mssp.DeviceEnd(ended.String),
	}
	if endedAt.Valid {
		d.EndedAt = timeOf(endedAt.Int64)
	}
	if err := decodeJSON("network", network.String, &d.Network); err != nil {
		d.Network = signum.Network{}
		if r.bad == nil {
			r.bad = make(map[string]error)
		}
		r.bad[d.ID] = err
	}
	r.s.Devices = append(r.s.Devices, d)
	return nil
}

func (r *subscriberRows) subscriber() (*mssp.Subscriber, error) {
	if !r.found {
		return nil, mssp.ErrNotFound
	}
	slices.SortFunc(r.s.Devices, func(a, b mssp.Device) int { return cmp.Compare(a.ID, b.ID) })
	return &r.s, nil
}

var (
	selectDeviceOwner = &query{text: `
SELECT msisdn FROM devices WHERE id = $1`}
	selectSerial = &query{text: `
SELECT 1 FROM certificates WHERE serial = $1`}
	// A subscriber without a recovery code has no hash of one either.
	upsertSubscriber = &query{text: `
INSERT INTO subscribers (msisdn, serial, state, recovery_code, serial_known) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (msisdn) DO UPDATE SET
    serial = excluded.serial, state = excluded.state, recovery_code = excluded.recovery_code,
    serial_known = subscribers.serial_known OR excluded.serial_known,
    recovery_hash = CASE WHEN excluded.recovery_code THEN subscribers.recovery_hash END`}
	// The ids are a JSON array, which both engines can read as rows.
	deleteDevices = &query{
		text: `
DELETE FROM devices WHERE msisdn = $1 AND id NOT IN (SELECT value FROM json_each($2))`,
		postgres: `
DELETE FROM devices WHERE msisdn = $1 AND id NOT IN (SELECT jsonb_array_elements_text($2::jsonb) COLLATE "C")`,
	}
	// A card outlives the device that it was in, see 0004_cards.
	retireOrphans = &query{
		text: `
UPDATE sim_cards SET state = 'RETIRED', device_id = NULL WHERE device_id IN (
    SELECT id FROM devices WHERE msisdn = $1 AND id NOT IN (SELECT value FROM json_each($2)))`,
		postgres: `
UPDATE sim_cards SET state = 'RETIRED', device_id = NULL WHERE device_id IN (
    SELECT id FROM devices WHERE msisdn = $1 AND id NOT IN (SELECT jsonb_array_elements_text($2::jsonb) COLLATE "C"))`,
	}
	insertDevice = &query{text: `
INSERT INTO devices (id, msisdn, method, state, key_type, cert_serial, pin_blocked, network, ended, ended_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`}
	// It never takes another subscriber's.
	upsertDevice = &query{text: insertDevice.text + `
ON CONFLICT (id) DO UPDATE SET
    method = excluded.method, state = excluded.state, key_type = excluded.key_type,
    cert_serial = excluded.cert_serial, pin_blocked = excluded.pin_blocked, network = excluded.network,
    ended = excluded.ended, ended_at = excluded.ended_at
WHERE devices.msisdn = excluded.msisdn`}
)

// PutSubscriber implements mssp.Store. It refuses a device that is another
// subscriber's, and with ErrNotFound a certificate that was never intended.
func (s *Store) PutSubscriber(ctx context.Context, sub *mssp.Subscriber) error {
	if err := storable.Subscriber(sub); err != nil {
		return err
	}
	return s.write(ctx, &write{then: func(ctx context.Context, s *session, _ int64) error {
		return s.putSubscriber(ctx, sub)
	}})
}

// UpdateSubscriber implements mssp.Store. The account is locked before it is
// read: on PostgreSQL that also keeps out a new device, whose foreign key needs
// the row.
func (s *Store) UpdateSubscriber(ctx context.Context, msisdn string, change func(*mssp.Subscriber) error) error {
	if !storable.IsKey(msisdn) {
		return mssp.ErrNotFound
	}
	bad := &s.unreadable
	return s.change(ctx, msisdn, func(ctx context.Context, s *session, call caller) error {
		if err := s.require(ctx, lockSubscriber, msisdn); err != nil {
			return err
		}
		r := subscriberRows{s: mssp.Subscriber{MSISDN: msisdn}}
		if err := s.each(ctx, selectSubscriber, []any{msisdn}, r.scan); err != nil {
			return err
		}
		for id, err := range r.bad { // to write it back would lose what is there
			return refuse(bad.row(mssp.RowDevice, id, err))
		}
		sub, err := r.subscriber()
		if err == nil {
			err = call(func() error { return change(sub) })
		}
		if err == nil {
			sub.MSISDN = msisdn
			err = storable.Subscriber(sub)
		}
		if err != nil {
			return refuse(err)
		}
		return s.putSubscriber(ctx, sub)
	})
}

// putSubscriber does all checks before its first write, because a refusal must
// change nothing. A device that stays is updated in place, so that the row of its
// App, which refers to it, stays too; it goes with a device that is deleted.
func (s *session) putSubscriber(ctx context.Context, sub *mssp.Subscriber) error {
	ids := make([]string, len(sub.Devices))
	for i, d := range sub.Devices {
		ids[i] = d.ID
		var owner string
		if found, err := s.row(ctx, selectDeviceOwner, []any{d.ID}, &owner); err != nil {
			return err
		} else if found && owner != sub.MSISDN {
			return refuse(othersDevice(d.ID))
		}
		if err := s.requireCertificate(ctx, d); err != nil {
			return err
		}
	}
	if _, err := s.exec(ctx, upsertSubscriber, sub.MSISDN, sub.Serial, string(sub.State), sub.RecoveryCodeCreated, certified(sub.Devices)); err != nil {
		return err
	}
	for _, q := range []*query{retireOrphans, deleteDevices} {
		if _, err := s.exec(ctx, q, sub.MSISDN, encodeList(ids)); err != nil {
			return err
		}
	}
	for _, d := range sub.Devices {
		n, err := s.exec(ctx, upsertDevice, deviceArgs(sub.MSISDN, d)...)
		if err == nil && n == 0 {
			// Another node gave it to another subscriber since the check. Rows have been
			// written by now, so this cannot be a refusal: roll the transaction back.
			err = othersDevice(d.ID)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func othersDevice(id string) error { return fmt.Errorf("store: device %s is another subscriber's", id) }

// requireCertificate refuses a device whose certificate was never intended.
func (s *session) requireCertificate(ctx context.Context, d mssp.Device) error {
	if d.Certificate == nil {
		return nil
	}
	err := s.require(ctx, selectSerial, d.Certificate.Serial)
	if errors.Is(err, mssp.ErrNotFound) {
		err = refuse(fmt.Errorf("store: certificate %s of device %s: %w", d.Certificate.Serial, d.ID, mssp.ErrNotFound))
	}
	return err
}

// deviceArgs are those of insertDevice.
func deviceArgs(msisdn string, d mssp.Device) []any {
	var serial any
	if d.Certificate != nil {
		serial = d.Certificate.Serial
	}
	var endedAt any
	if !d.EndedAt.IsZero() {
		endedAt = micros(d.EndedAt)
	}
	return []any{d.ID, msisdn, string(d.Method), string(d.State), string(d.KeyType), serial, d.PINBlocked,
		encodeNetwork(d.Network), string(d.Ended), endedAt}
}

// certified reports whether one of the devices has a certificate, which names the
// serial of the account.
func certified(devices []mssp.Device) bool {
	return slices.ContainsFunc(devices, func(d mssp.Device) bool { return d.Certificate != nil })
}

// RemoveSubscriber implements mssp.Store. Devices go with their account by the foreign
// key, and Apps with their devices.
func (s *Store) RemoveSubscriber(ctx context.Context, msisdn string, at time.Time) error {
	if !storable.IsKey(msisdn) {
		return mssp.ErrNotFound
	}
	return s.write(ctx, &write{then: func(ctx context.Context, s *session, _ int64) error {
		if err := s.require(ctx, lockSubscriber, msisdn); err != nil {
			return err
		}
		if _, err := s.exec(ctx, retireCards, msisdn, micros(at)); err != nil {
			return err
		}
		for _, q := range []*query{deleteInvite, deleteConsents, deleteNotices, deleteSubscriber} {
			if _, err := s.exec(ctx, q, msisdn); err != nil {
				return err
			}
		}
		return nil
	}})
}
