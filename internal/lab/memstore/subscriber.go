package memstore

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/storable"
)

// account returns an account as callers see it.
func (d *data) account(msisdn string) (*mssp.Subscriber, error) {
	kept := d.subscribers[msisdn]
	if kept == nil {
		return nil, mssp.ErrNotFound
	}
	out := &mssp.Subscriber{MSISDN: msisdn, Serial: kept.serial, State: kept.state, RecoveryCodeCreated: kept.recoveryCode}
	for _, id := range kept.devices {
		dev := d.devices[id]
		one := dev.Device
		one.Certificate = d.certificate(dev.certificate)
		out.Devices = append(out.Devices, one)
	}
	return out, nil
}

// Subscriber implements mssp.Store.
func (s *Store) Subscriber(ctx context.Context, msisdn string) (sub *mssp.Subscriber, err error) {
	err = s.read(ctx, func() error { sub, err = s.account(msisdn); return err })
	return sub, err
}

// Numbers implements mssp.Store.
func (s *Store) Numbers(ctx context.Context, after string, limit int) (all []string, err error) {
	err = s.read(ctx, func() error {
		all = slices.DeleteFunc(slices.Sorted(maps.Keys(s.subscribers)), func(msisdn string) bool { return msisdn <= after })
		all = slices.Clip(first(all, limit))
		return nil
	})
	return all, err
}

// PutSubscriber implements mssp.Store.
func (s *Store) PutSubscriber(ctx context.Context, sub *mssp.Subscriber) error {
	if err := storable.Subscriber(sub); err != nil {
		return err
	}
	return s.write(ctx, func() error { return s.putAccount(sub) })
}

// UpdateSubscriber implements mssp.Store.
func (s *Store) UpdateSubscriber(ctx context.Context, msisdn string, change func(*mssp.Subscriber) error) error {
	return s.write(ctx, func() error {
		sub, err := s.account(msisdn)
		if err == nil {
			err = change(sub)
		}
		if err == nil {
			sub.MSISDN = msisdn
			err = storable.Subscriber(sub)
		}
		if err != nil {
			return err
		}
		return s.putAccount(sub)
	})
}

// putAccount does all checks before its first change.
func (d *data) putAccount(sub *mssp.Subscriber) error {
	for _, dev := range sub.Devices {
		if kept := d.devices[dev.ID]; kept != nil && kept.msisdn != sub.MSISDN {
			return fmt.Errorf("store: device %s is another subscriber's", dev.ID)
		}
		if err := d.requireCertificate(&dev); err != nil {
			return err
		}
	}
	kept := d.subscribers[sub.MSISDN]
	if kept == nil {
		kept = new(subscriber)
		set(&d.subscribers, sub.MSISDN, kept)
	}
	kept.serial, kept.state, kept.recoveryCode = sub.Serial, sub.State, sub.RecoveryCodeCreated
	if !sub.RecoveryCodeCreated {
		kept.recoveryHash = nil
	}
	for _, id := range slices.Clone(kept.devices) {
		if !slices.ContainsFunc(sub.Devices, func(dev mssp.Device) bool { return dev.ID == id }) {
			d.retireCards(id, time.Time{})
			d.dropDevice(id)
		}
	}
	for _, dev := range sub.Devices {
		d.putDevice(sub.MSISDN, dev)
		kept.serialKnown = kept.serialKnown || dev.Certificate != nil
	}
	return nil
}

// requireCertificate refuses a device whose certificate was never intended.
func (d *data) requireCertificate(dev *mssp.Device) error {
	if dev.Certificate != nil && d.certificates[dev.Certificate.Serial] == nil {
		return fmt.Errorf("store: certificate %s of device %s: %w", dev.Certificate.Serial, dev.ID, mssp.ErrNotFound)
	}
	return nil
}

// putDevice adds a device to an account, or replaces it.
func (d *data) putDevice(msisdn string, dev mssp.Device) {
	kept := &device{Device: dev, msisdn: msisdn}
	if dev.Certificate != nil {
		kept.certificate = dev.Certificate.Serial
	}
	kept.Certificate, kept.EndedAt = nil, preciseOrZero(dev.EndedAt)
	set(&d.devices, dev.ID, kept)
	own := d.subscribers[msisdn]
	if i, found := slices.BinarySearch(own.devices, dev.ID); !found {
		own.devices = slices.Insert(own.devices, i, dev.ID)
	}
}

// dropDevice deletes a device with its App.
func (d *data) dropDevice(id string) {
	own := d.subscribers[d.devices[id].msisdn]
	own.devices = slices.DeleteFunc(own.devices, func(o string) bool { return o == id })
	delete(d.devices, id)
	delete(d.apps, id)
}

// retireCards retires the cards of a device. The time of the change stays if at is zero.
func (d *data) retireCards(deviceID string, at time.Time) {
	for _, c := range d.cards {
		if c.DeviceID == deviceID {
			c.State, c.DeviceID = mssp.CardRetired, ""
			if !at.IsZero() {
				c.Changed = precise(at)
			}
		}
	}
}

// RemoveSubscriber implements mssp.Store.
func (s *Store) RemoveSubscriber(ctx context.Context, msisdn string, at time.Time) error {
	return s.write(ctx, func() error {
		kept := s.subscribers[msisdn]
		if kept == nil {
			return mssp.ErrNotFound
		}
		for _, id := range slices.Clone(kept.devices) {
			s.retireCards(id, at)
			s.dropDevice(id)
		}
		s.dropChanges(msisdn)
		s.dropNotices(msisdn)
		delete(s.subscribers, msisdn)
		return nil
	})
}

// dropChanges deletes the invite and the consents of an account.
func (d *data) dropChanges(msisdn string) {
	delete(d.invites, msisdn)
	maps.DeleteFunc(d.consents, func(k consentKey, _ *mssp.Consent) bool { return k.msisdn == msisdn })
}

func (d *data) dropNotices(msisdn string) {
	maps.DeleteFunc(d.notices, func(k noticeKey, _ *mssp.Notice) bool { return k.msisdn == msisdn })
}

// RenumberSubscriber implements mssp.Store.
func (s *Store) RenumberSubscriber(ctx context.Context, from, to string) error {
	if err := storable.Keys(storable.F("MSISDN", to)); err != nil {
		return err
	}
	return s.write(ctx, func() error {
		kept := s.subscribers[from]
		switch {
		case kept == nil:
			return mssp.ErrNotFound
		case from == to:
			return nil
		case s.subscribers[to] != nil:
			return fmt.Errorf("store: account at the new number: %w", mssp.ErrExists)
		}
		s.dropChanges(to)
		s.dropNotices(to)
		for _, id := range kept.devices {
			s.devices[id].msisdn = to
		}
		s.moveChanges(from, to)
		s.subscribers[to] = kept
		delete(s.subscribers, from)
		return nil
	})
}

// moveChanges gives invite, consents and notices another number.
func (d *data) moveChanges(from, to string) {
	if i := d.invites[from]; i != nil {
		i.MSISDN = to
		d.invites[to] = i
		delete(d.invites, from)
	}
	for k, c := range d.consents {
		if k.msisdn == from {
			delete(d.consents, k)
			k.msisdn, c.MSISDN = to, to
			d.consents[k] = c
		}
	}
	for k, n := range d.notices {
		if k.msisdn == from {
			delete(d.notices, k)
			k.msisdn, n.MSISDN = to, to
			d.notices[k] = n
		}
	}
}

// SerialKnown implements mssp.Store.
func (s *Store) SerialKnown(ctx context.Context, msisdn string) (known bool, err error) {
	err = s.read(ctx, func() error {
		kept := s.subscribers[msisdn]
		if kept == nil {
			return mssp.ErrNotFound
		}
		known = kept.serialKnown
		return nil
	})
	return known, err
}

// SetSubscriberState implements mssp.Store.
func (s *Store) SetSubscriberState(ctx context.Context, msisdn string, state mssp.SubscriberState) error {
	if err := storable.SubscriberState(state); err != nil {
		return err
	}
	return s.change(ctx, msisdn, func(kept *subscriber) { kept.state = state })
}

// change changes an account in place. ErrNotFound.
func (s *Store) change(ctx context.Context, msisdn string, f func(*subscriber)) error {
	return s.write(ctx, func() error {
		kept := s.subscribers[msisdn]
		if kept == nil {
			return mssp.ErrNotFound
		}
		f(kept)
		return nil
	})
}

// RecoveryHash implements mssp.Store.
func (s *Store) RecoveryHash(ctx context.Context, msisdn string) (hash []byte, err error) {
	err = s.read(ctx, func() error {
		kept := s.subscribers[msisdn]
		if kept == nil {
			return mssp.ErrNotFound
		}
		hash = octets(kept.recoveryHash)
		return nil
	})
	return hash, err
}

// SetRecoveryHash implements mssp.Store.
func (s *Store) SetRecoveryHash(ctx context.Context, msisdn string, hash []byte) error {
	if len(hash) > 0 {
		if err := storable.Hash("hash of a recovery code", hash); err != nil {
			return err
		}
	}
	return s.change(ctx, msisdn, func(kept *subscriber) { kept.recoveryHash, kept.recoveryCode = octets(hash), len(hash) > 0 })
}
