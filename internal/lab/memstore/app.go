package memstore

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/storable"
)

func copyApp(a *mssp.AppDevice) *mssp.AppDevice {
	out := *a
	out.AuthKey, out.VerifierHash, out.Share = octets(a.AuthKey), octets(a.VerifierHash), octets(a.Share)
	out.Push, out.PushEnd, out.Unlocked = deep(a.Push), deep(a.PushEnd), copyVerification(a.Unlocked)
	out.Passkeys = nil
	for _, p := range a.Passkeys {
		one := *deep(&p)
		one.Added, one.Used = preciseOrZero(p.Added), preciseOrZero(p.Used)
		out.Passkeys = append(out.Passkeys, one)
	}
	out.Enrolled, out.LastSeen = precise(a.Enrolled), precise(a.LastSeen)
	return &out
}

// app returns an App as callers see it; nil if there is none.
func (d *data) app(deviceID string) *mssp.AppDevice {
	kept := d.apps[deviceID]
	if kept == nil {
		return nil
	}
	a, dev := copyApp(kept), d.devices[deviceID]
	a.MSISDN, a.PINBlocked = dev.msisdn, dev.PINBlocked
	a.Active = dev.State == signum.DeviceActive && d.subscribers[dev.msisdn].state == mssp.SubscriberActive
	return a
}

// App implements mssp.Store.
func (s *Store) App(ctx context.Context, deviceID string) (a *mssp.AppDevice, err error) {
	err = s.read(ctx, func() error {
		if a = s.app(deviceID); a == nil {
			return mssp.ErrNotFound
		}
		return nil
	})
	return a, err
}

// UpdateApp implements mssp.Store.
func (s *Store) UpdateApp(ctx context.Context, deviceID string, change func(*mssp.AppDevice) error) error {
	return s.write(ctx, func() error {
		a := s.app(deviceID)
		if a == nil {
			return mssp.ErrNotFound
		}
		err := change(a)
		if err == nil {
			err = storable.App(a)
		}
		if err != nil {
			return err
		}
		kept, changed := s.apps[deviceID], copyApp(a)
		kept.VerifierHash, kept.Name, kept.Version, kept.Platform = changed.VerifierHash, a.Name, a.Version, a.Platform
		kept.Push, kept.PushEnd, kept.Passkeys, kept.Unlocked, kept.LastSeen = changed.Push, changed.PushEnd, changed.Passkeys, changed.Unlocked, changed.LastSeen
		return nil
	})
}

// TryPasscode implements mssp.Store.
func (s *Store) TryPasscode(ctx context.Context, deviceID string, hash []byte, v *mssp.UserVerification) (right bool, left int, err error) {
	if err := errors.Join(storable.Hash("hash of a passcode", hash), storable.Verification(v)); err != nil && storable.IsKey(deviceID) {
		return false, -1, err
	}
	left = -1
	err = s.write(ctx, func() error {
		a := s.apps[deviceID]
		switch {
		case a == nil:
			return mssp.ErrNotFound
		case a.TriesLeft <= 0:
			return nil
		}
		if right = bytes.Equal(a.VerifierHash, hash); right {
			a.TriesLeft = mssp.MaxPasscodeTries
			if v != nil {
				a.Unlocked = copyVerification(v)
			}
		} else {
			a.TriesLeft--
		}
		left = a.TriesLeft
		return nil
	})
	return right, left, err
}

// ResetTries implements mssp.Store.
func (s *Store) ResetTries(ctx context.Context, deviceID string) error {
	return s.write(ctx, func() error {
		a := s.apps[deviceID]
		if a == nil {
			return mssp.ErrNotFound
		}
		a.TriesLeft = mssp.MaxPasscodeTries
		return nil
	})
}

// RemoveApp implements mssp.Store.
func (s *Store) RemoveApp(ctx context.Context, deviceID string) error {
	return s.write(ctx, func() error {
		if s.apps[deviceID] == nil {
			return mssp.ErrNotFound
		}
		s.dropDevice(deviceID)
		return nil
	})
}

// purgeBeside is how many expired rows a write deletes beside its own.
const purgeBeside = 100

// expired returns the keys of at most purgeBeside rows that have expired, those first that
// expired first.
func expired[K comparable, V any](rows map[K]V, now time.Time, expires func(V) time.Time) []K {
	var due []K
	for k, v := range rows {
		if expires(v).UnixMicro() <= now.UnixMicro() {
			due = append(due, k)
		}
	}
	slices.SortFunc(due, func(a, b K) int { return cmp.Compare(expires(rows[a]).UnixMicro(), expires(rows[b]).UnixMicro()) })
	return first(due, purgeBeside)
}

// PutInvite implements mssp.Store.
func (s *Store) PutInvite(ctx context.Context, i *mssp.Invite) error {
	if err := storable.Invite(i); err != nil {
		return err
	}
	return s.write(ctx, func() error {
		for msisdn, other := range s.invites {
			if msisdn != i.MSISDN && bytes.Equal(other.CodeHash, i.CodeHash) {
				return errors.New("store: another subscriber has this activation code")
			}
		}
		kept := *i
		kept.CodeHash, kept.Created, kept.Expires = octets(i.CodeHash), precise(i.Created), precise(i.Expires)
		set(&s.invites, i.MSISDN, &kept)
		for _, k := range expired(s.invites, i.Created, func(i *mssp.Invite) time.Time { return i.Expires }) {
			delete(s.invites, k)
		}
		return nil
	})
}

// Invite implements mssp.Store.
func (s *Store) Invite(ctx context.Context, codeHash []byte, now time.Time) (i *mssp.Invite, err error) {
	err = s.read(ctx, func() error {
		for kept := range maps.Values(s.invites) {
			if bytes.Equal(kept.CodeHash, codeHash) && kept.Expires.UnixMicro() > now.UnixMicro() {
				out := *kept
				out.CodeHash = octets(codeHash)
				i = &out
				return nil
			}
		}
		return mssp.ErrInvite
	})
	return i, err
}

// EnrolApp implements mssp.Store.
func (s *Store) EnrolApp(ctx context.Context, e *mssp.Enrolment, now time.Time) error {
	if err := storable.Enrolment(e); err != nil {
		return err
	}
	return s.write(ctx, func() error {
		msisdn := e.App.MSISDN
		i := s.invites[msisdn]
		own := s.subscribers[msisdn]
		switch {
		case i == nil || !bytes.Equal(i.CodeHash, e.CodeHash) || i.Expires.UnixMicro() <= now.UnixMicro():
			return mssp.ErrInvite
		case own == nil:
			return mssp.ErrNotFound
		}
		if err := s.requireCertificate(&e.Device); err != nil {
			return err
		}
		if s.devices[e.Device.ID] != nil {
			return fmt.Errorf("store: device %s exists", e.Device.ID)
		}
		delete(s.invites, msisdn)
		s.enrolled(own, e, now)
		return nil
	})
}

// enrolled makes the changes of an enrolment.
func (d *data) enrolled(own *subscriber, e *mssp.Enrolment, now time.Time) {
	own.serialKnown = true
	if len(e.RecoveryHash) > 0 {
		own.recoveryHash, own.recoveryCode = octets(e.RecoveryHash), true
	}
	if e.Serial != "" {
		own.serial = e.Serial
		d.endOthers(e.App.MSISDN, e.Device.ID, mssp.EndedByEnrolment, now)
	}
	d.putDevice(e.App.MSISDN, e.Device)
	a := copyApp(e.App)
	a.TriesLeft, a.Unlocked, a.PushEnd = mssp.MaxPasscodeTries, nil, nil
	set(&d.apps, a.DeviceID, a)
}
