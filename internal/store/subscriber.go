package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/signum-mssp/signum"
)

// The order is not asked for: a subscriber has one or two devices.
var selectSubscriber = &query{text: `
SELECT s.serial, s.state, d.id, d.method, d.state, d.key_type,
    c.serial, c.device_id, c.state, c.der, c.not_before, c.not_after, c.revoked_at, c.reason
FROM subscribers s
LEFT JOIN devices d ON d.msisdn = s.msisdn
LEFT JOIN certificates c ON c.serial = d.cert_serial
WHERE s.msisdn = $1`}

// Subscriber implements signum.Store.
func (s *Store) Subscriber(ctx context.Context, msisdn string) (*signum.Subscriber, error) {
	if !isKey(msisdn) {
		return nil, signum.ErrNotFound
	}
	sub := &signum.Subscriber{MSISDN: msisdn}
	found := false
	err := s.read.each(ctx, selectSubscriber, []any{msisdn}, func(rows *sql.Rows) error {
		found = true
		var id, method, state, keyType sql.NullString
		var cert certificateRow
		dest := append([]any{&sub.Serial, &sub.State, &id, &method, &state, &keyType}, cert.dest()...)
		if err := rows.Scan(dest...); err != nil || !id.Valid {
			return err
		}
		sub.Devices = append(sub.Devices, signum.Device{
			ID:          id.String,
			Method:      signum.Method(method.String),
			State:       signum.DeviceState(state.String),
			KeyType:     signum.KeyType(keyType.String),
			Certificate: cert.certificate(),
		})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("store: subscriber: %w", err)
	}
	if !found {
		return nil, signum.ErrNotFound
	}
	slices.SortFunc(sub.Devices, func(a, b signum.Device) int { return cmp.Compare(a.ID, b.ID) })
	return sub, nil
}

var (
	selectDeviceOwner = &query{text: `
SELECT msisdn FROM devices WHERE id = $1`}
	selectSerial = &query{text: `
SELECT 1 FROM certificates WHERE serial = $1`}
	upsertSubscriber = &query{text: `
INSERT INTO subscribers (msisdn, serial, state) VALUES ($1, $2, $3)
ON CONFLICT (msisdn) DO UPDATE SET serial = excluded.serial, state = excluded.state`}
	deleteDevices = &query{text: `
DELETE FROM devices WHERE msisdn = $1`}
	insertDevice = &query{text: `
INSERT INTO devices (id, msisdn, method, state, key_type, cert_serial) VALUES ($1, $2, $3, $4, $5, $6)`}
)

// PutSubscriber implements signum.Store. It refuses a device that is another
// subscriber's, and with ErrNotFound a certificate that was never intended.
func (s *Store) PutSubscriber(ctx context.Context, sub *signum.Subscriber) error {
	if err := checkSubscriber(sub); err != nil {
		return err
	}
	return s.write(ctx, &write{then: func(ctx context.Context, s *session, _ int64) error {
		return s.putSubscriber(ctx, sub)
	}})
}

// putSubscriber looks first and writes then, for a refusal must leave nothing
// behind.
func (s *session) putSubscriber(ctx context.Context, sub *signum.Subscriber) error {
	for _, d := range sub.Devices {
		var owner string
		if found, err := s.row(ctx, selectDeviceOwner, []any{d.ID}, &owner); err != nil {
			return err
		} else if found && owner != sub.MSISDN {
			return refuse(fmt.Errorf("store: device %s is another subscriber's", d.ID))
		}
		if d.Certificate == nil {
			continue
		}
		var one int
		if found, err := s.row(ctx, selectSerial, []any{d.Certificate.Serial}, &one); err != nil {
			return err
		} else if !found {
			return refuse(fmt.Errorf("store: certificate %s of device %s: %w",
				d.Certificate.Serial, d.ID, signum.ErrNotFound))
		}
	}
	if _, err := s.exec(ctx, upsertSubscriber, sub.MSISDN, sub.Serial, string(sub.State)); err != nil {
		return err
	}
	if _, err := s.exec(ctx, deleteDevices, sub.MSISDN); err != nil {
		return err
	}
	for _, d := range sub.Devices {
		var serial any
		if d.Certificate != nil {
			serial = d.Certificate.Serial
		}
		if _, err := s.exec(ctx, insertDevice,
			d.ID, sub.MSISDN, string(d.Method), string(d.State), string(d.KeyType), serial); err != nil {
			return err
		}
	}
	return nil
}

// checkSubscriber refuses what the schema would refuse, before it can cost a
// group of writes its transaction.
func checkSubscriber(sub *signum.Subscriber) error {
	if err := checkKeys(field{"MSISDN", sub.MSISDN}, field{"account serial", sub.Serial}); err != nil {
		return err
	}
	if sub.State != signum.SubscriberActive && sub.State != signum.SubscriberInactive {
		return fmt.Errorf("store: no subscriber is in state %q", sub.State)
	}
	for i, d := range sub.Devices {
		if err := checkDevice(d); err != nil {
			return err
		}
		same := func(other signum.Device) bool { return other.ID == d.ID }
		if slices.ContainsFunc(sub.Devices[:i], same) {
			return fmt.Errorf("store: device %s is listed twice", d.ID)
		}
	}
	return nil
}

func checkDevice(d signum.Device) error {
	if err := checkKeys(field{"device ID", d.ID}); err != nil {
		return err
	}
	if d.Certificate != nil {
		if err := checkKeys(field{"certificate serial", d.Certificate.Serial}); err != nil {
			return err
		}
	}
	switch d.Method {
	case signum.SIM, signum.App:
	default:
		return fmt.Errorf("store: device %s has the unknown method %q", d.ID, d.Method)
	}
	switch d.State {
	case signum.DeviceActive, signum.DeviceInactive, signum.DeviceRegistered:
	default:
		return fmt.Errorf("store: device %s has the unknown state %q", d.ID, d.State)
	}
	switch d.KeyType {
	case "", signum.EC, signum.RSA:
	default:
		return fmt.Errorf("store: device %s has the unknown key type %q", d.ID, d.KeyType)
	}
	return nil
}
