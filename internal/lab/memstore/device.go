package memstore

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/storable"
)

// ActivateDevice implements mssp.Store.
func (s *Store) ActivateDevice(ctx context.Context, a *mssp.Activation) error {
	if a.KeyType != signum.EC && a.KeyType != signum.RSA {
		return fmt.Errorf("store: device %s is activated with the unknown key type %q", a.DeviceID, a.KeyType)
	}
	if err := storable.Keys(storable.F("account serial", a.Serial)); err != nil {
		return err
	}
	return s.write(ctx, func() error {
		dev := s.devices[a.DeviceID]
		if dev == nil || s.certificates[a.CertSerial] == nil {
			return mssp.ErrNotFound
		}
		own := s.subscribers[dev.msisdn]
		switch {
		case dev.State == signum.DeviceActive && dev.certificate == a.CertSerial:
			return nil
		case dev.State != signum.DeviceRegistered:
			return fmt.Errorf("store: device %s is %s: %w", a.DeviceID, dev.State, mssp.ErrDeviceState)
		case a.Serial == "" && own.serialKnown && s.consent(dev.msisdn, mssp.ConsentActivate, a.DeviceID, a.At) == nil:
			return mssp.ErrConsent
		}
		dev.State, dev.KeyType, dev.certificate, dev.PINBlocked = signum.DeviceActive, a.KeyType, a.CertSerial, false
		own.serialKnown = true
		if a.Serial == "" {
			s.voidConsent(dev)
			return nil
		}
		own.serial = a.Serial
		s.endOthers(dev.msisdn, a.DeviceID, mssp.EndedByActivation, a.At)
		return nil
	})
}

// endOthers ends all devices of an account but one, and all consents to activations.
func (d *data) endOthers(msisdn, except string, why mssp.DeviceEnd, at time.Time) {
	for _, id := range d.subscribers[msisdn].devices {
		if dev := d.devices[id]; id != except && dev.Ended == "" {
			dev.State, dev.Ended, dev.EndedAt = signum.DeviceInactive, why, precise(at)
		}
	}
	maps.DeleteFunc(d.consents, func(k consentKey, _ *mssp.Consent) bool {
		return k.msisdn == msisdn && k.kind == mssp.ConsentActivate
	})
}

// voidConsent deletes the consent to the activation of a device.
func (d *data) voidConsent(dev *device) {
	delete(d.consents, consentKey{dev.msisdn, mssp.ConsentActivate, dev.ID})
}

// RenewDevice implements mssp.Store.
func (s *Store) RenewDevice(ctx context.Context, deviceID, oldSerial, newSerial string) (done bool, err error) {
	err = s.write(ctx, func() error {
		dev := s.devices[deviceID]
		if dev != nil && dev.State == signum.DeviceActive && dev.certificate == oldSerial && oldSerial != "" && s.certificates[newSerial] != nil {
			dev.certificate, done = newSerial, true
		}
		return nil
	})
	return done, err
}

// SetPINBlocked implements mssp.Store.
func (s *Store) SetPINBlocked(ctx context.Context, deviceID string, blocked bool) error {
	return s.write(ctx, func() error {
		dev := s.devices[deviceID]
		if dev == nil {
			return mssp.ErrNotFound
		}
		dev.PINBlocked = blocked
		return nil
	})
}

// EndDevice implements mssp.Store.
func (s *Store) EndDevice(ctx context.Context, deviceID string, why mssp.DeviceEnd, at time.Time) error {
	if !why.Known() {
		return fmt.Errorf("store: device %s ends for the unknown reason %q", deviceID, why)
	}
	return s.write(ctx, func() error {
		dev := s.devices[deviceID]
		if dev == nil {
			return mssp.ErrNotFound
		}
		dev.State = signum.DeviceInactive
		if dev.Ended == "" {
			dev.Ended, dev.EndedAt = why, precise(at)
		}
		s.voidConsent(dev)
		return nil
	})
}

// ReopenDevice implements mssp.Store.
func (s *Store) ReopenDevice(ctx context.Context, deviceID string) error {
	return s.write(ctx, func() error {
		dev := s.devices[deviceID]
		switch {
		case dev == nil:
			return mssp.ErrNotFound
		case !mssp.MethodOf(dev.Method).Activated || dev.State == signum.DeviceActive:
			return fmt.Errorf("store: device %s is %s: %w", deviceID, dev.State, mssp.ErrDeviceState)
		}
		if c := s.cardIn(deviceID); c != nil && c.State == mssp.CardBlocked {
			return fmt.Errorf("store: the card of device %s is blocked: %w", deviceID, mssp.ErrCardState)
		}
		if dev.State == signum.DeviceInactive {
			dev.State, dev.certificate, dev.PINBlocked, dev.Ended, dev.EndedAt = signum.DeviceRegistered, "", false, "", time.Time{}
		}
		return nil
	})
}
