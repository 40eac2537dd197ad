package store

import (
	"context"
	"fmt"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/storable"
)

var (
	updateCardState = &query{text: `
UPDATE sim_cards SET state = $2, changed = $3 WHERE iccid = $1`}
	blockDevice = &query{text: `
UPDATE devices SET state = 'INACTIVE' WHERE id = (SELECT device_id FROM sim_cards WHERE iccid = $1)`}
	// A device that has ended stays so. Otherwise the certificate tells which state the
	// device had before its card was blocked.
	unblockDevice = &query{text: `
UPDATE devices SET state = CASE
    WHEN ended <> '' THEN 'INACTIVE'
    WHEN cert_serial IS NULL THEN 'REGISTERED'
    WHEN EXISTS (SELECT 1 FROM certificates c WHERE c.serial = cert_serial AND c.state = 'GOOD') THEN 'ACTIVE'
    ELSE 'INACTIVE' END
WHERE id = (SELECT device_id FROM sim_cards WHERE iccid = $1)`}
)

// SetCardState implements mssp.Store.
func (s *Store) SetCardState(ctx context.Context, iccid string, to mssp.CardState, at time.Time) error {
	if !storable.IsKey(iccid) {
		return mssp.ErrNotFound
	}
	return s.write(ctx, &write{then: func(ctx context.Context, s *session, _ int64) error {
		var state string
		if found, err := s.row(ctx, selectCardState, []any{iccid}, &state); err != nil {
			return err
		} else if !found {
			return refuse(mssp.ErrNotFound)
		}
		type change struct{ from, to mssp.CardState }
		var device *query
		switch (change{mssp.CardState(state), to}) {
		case change{to, to}:
			return nil
		case change{mssp.CardActive, mssp.CardBlocked}:
			device = blockDevice
		case change{mssp.CardBlocked, mssp.CardActive}:
			device = unblockDevice
		case change{mssp.CardStock, mssp.CardRetired}:
		default:
			return refuse(fmt.Errorf("store: card %s is %s and does not become %s: %w", iccid, state, to, mssp.ErrCardState))
		}
		if _, err := s.exec(ctx, updateCardState, iccid, string(to), micros(at)); err != nil || device == nil {
			return err
		}
		_, err := s.exec(ctx, device, iccid)
		return err
	}})
}

var (
	// PostgreSQL locks the account, so that nobody adds a device to it meanwhile and
	// several callers that move it follow each other.
	lockSubscriber = &query{
		text:     `SELECT 1 FROM subscribers WHERE msisdn = $1`,
		postgres: `SELECT 1 FROM subscribers WHERE msisdn = $1 FOR UPDATE`,
	}
	retireCards = &query{text: `
UPDATE sim_cards SET state = 'RETIRED', device_id = NULL, changed = $2
WHERE device_id IN (SELECT id FROM devices WHERE msisdn = $1)`}
	deleteSIMs = &query{text: `
DELETE FROM devices WHERE msisdn = $1 AND method = 'SIM'`}
	placeCard = &query{text: `
UPDATE sim_cards SET state = 'ACTIVE', device_id = $2, changed = $3 WHERE iccid = $1`}
)

// SwapCard implements mssp.Store. A new card has no key yet, so a device that
// already has a certificate is refused.
func (s *Store) SwapCard(ctx context.Context, msisdn, newICCID string, newDevice mssp.Device, at time.Time) error {
	if !storable.IsKey(msisdn) || !storable.IsKey(newICCID) {
		return mssp.ErrNotFound
	}
	if err := storable.Device(newDevice); err != nil {
		return err
	}
	if newDevice.Method != signum.SIM || newDevice.Certificate != nil {
		return fmt.Errorf("store: device %s of a new card is not a SIM, or has a certificate", newDevice.ID)
	}
	return s.write(ctx, &write{then: func(ctx context.Context, s *session, _ int64) error {
		return s.swapCard(ctx, msisdn, newICCID, newDevice, micros(at))
	}})
}

// swapCard does all checks before its first write, because a refusal must change nothing.
func (s *session) swapCard(ctx context.Context, msisdn, iccid string, d mssp.Device, at int64) error {
	if err := s.require(ctx, lockSubscriber, msisdn); err != nil {
		return err
	}
	var state string
	if found, err := s.row(ctx, selectCardState, []any{iccid}, &state); err != nil {
		return err
	} else if !found {
		return refuse(mssp.ErrNotFound)
	} else if state != string(mssp.CardStock) {
		return refuse(fmt.Errorf("store: card %s is %s, not in stock: %w", iccid, state, mssp.ErrCardState))
	}
	if err := s.requireFreeDevice(ctx, d.ID); err != nil {
		return err
	}
	if _, err := s.exec(ctx, retireCards, msisdn, at); err != nil {
		return err
	}
	if _, err := s.exec(ctx, deleteSIMs, msisdn); err != nil {
		return err
	}
	if _, err := s.exec(ctx, insertDevice, deviceArgs(msisdn, d)...); err != nil {
		return err
	}
	_, err := s.exec(ctx, placeCard, iccid, d.ID, at)
	return err
}

var (
	copySubscriber = &query{
		text: `
INSERT INTO subscribers (msisdn, serial, state, recovery_code, recovery_hash, serial_known)
SELECT $2, serial, state, recovery_code, recovery_hash, serial_known FROM subscribers WHERE msisdn = $1
ON CONFLICT (msisdn) DO NOTHING`,
		postgres: `
INSERT INTO subscribers (msisdn, serial, state, recovery_code, recovery_hash, serial_known)
SELECT $2::text, serial, state, recovery_code, recovery_hash, serial_known FROM subscribers WHERE msisdn = $1
ON CONFLICT (msisdn) DO NOTHING`,
	}
	moveDevices = &query{text: `
UPDATE devices SET msisdn = $2 WHERE msisdn = $1`}
	deleteInvite = &query{text: `
DELETE FROM invites WHERE msisdn = $1`}
	moveInvite = &query{text: `
UPDATE invites SET msisdn = $2 WHERE msisdn = $1`}
	deleteConsents = &query{text: `
DELETE FROM consents WHERE msisdn = $1`}
	moveConsents = &query{text: `
UPDATE consents SET msisdn = $2 WHERE msisdn = $1`}
	deleteNotices = &query{text: `
DELETE FROM notices WHERE msisdn = $1`}
	moveNotices = &query{text: `
UPDATE notices SET msisdn = $2 WHERE msisdn = $1`}
	deleteSubscriber = &query{text: `
DELETE FROM subscribers WHERE msisdn = $1`}
)

// RenumberSubscriber implements mssp.Store. The number is the key of the account,
// so the account is inserted again under the new number. Its devices follow, and
// with them the rows that refer to them. The same number changes nothing.
func (s *Store) RenumberSubscriber(ctx context.Context, oldMSISDN, newMSISDN string) error {
	if !storable.IsKey(oldMSISDN) {
		return mssp.ErrNotFound
	}
	if err := storable.Keys(storable.F("MSISDN", newMSISDN)); err != nil {
		return err
	}
	return s.write(ctx, &write{then: func(ctx context.Context, s *session, _ int64) error {
		return s.renumber(ctx, oldMSISDN, newMSISDN)
	}})
}

func (s *session) renumber(ctx context.Context, from, to string) error {
	if err := s.require(ctx, lockSubscriber, from); err != nil || from == to {
		return err
	}
	if n, err := s.exec(ctx, copySubscriber, from, to); err != nil {
		return err
	} else if n == 0 {
		return refuse(fmt.Errorf("store: account at the new number: %w", mssp.ErrExists))
	}
	for _, q := range []*query{deleteInvite, deleteConsents, deleteNotices} {
		if _, err := s.exec(ctx, q, to); err != nil {
			return err
		}
	}
	for _, q := range []*query{moveDevices, moveInvite, moveConsents, moveNotices} {
		if _, err := s.exec(ctx, q, from, to); err != nil {
			return err
		}
	}
	_, err := s.exec(ctx, deleteSubscriber, from)
	return err
}
