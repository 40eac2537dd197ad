package world

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/ca"
	"github.com/signum-mssp/signum/internal/lab/scenario"
	"github.com/signum-mssp/signum/internal/mssp"
)

// setState puts the account and all its phones into the state of the user: first they can
// sign, then they cannot, in the way that the state says. Only phones that are not
// activated, of a user who never had others, stay as they are.
func (w *World) setState(ctx context.Context, u scenario.User, fresh bool) error {
	if !fresh {
		if err := w.service.Store.SetSubscriberState(ctx, u.MSISDN, mssp.SubscriberActive); err != nil {
			return err
		}
	}
	if u.State == scenario.Registered {
		return w.unregister(ctx, u, fresh)
	}
	if err := w.activate(ctx, u); err != nil {
		return err
	}
	s, err := w.service.Store.Subscriber(ctx, u.MSISDN)
	if err != nil {
		return err
	}
	for i := range s.Devices {
		if err := w.spoil(ctx, s, &s.Devices[i], u.State); err != nil {
			return err
		}
	}
	if u.State == scenario.Suspended {
		err = w.service.Store.SetSubscriberState(ctx, u.MSISDN, mssp.SubscriberInactive)
	}
	if err == nil && u.State != scenario.Active {
		err = w.service.Inbox.Recheck(ctx, u.MSISDN)
	}
	return err
}

// unregister makes the SIM one that waits for its activation, and removes the Apps: an
// App is there once it is enrolled, or not at all.
func (w *World) unregister(ctx context.Context, u scenario.User, fresh bool) error {
	s, err := w.service.Store.Subscriber(ctx, u.MSISDN)
	if err != nil {
		return err
	}
	for i := range s.Devices {
		d := &s.Devices[i]
		if d.Method == signum.App {
			err = w.dropDevice(ctx, u.MSISDN, d)
		} else if err = w.revoke(ctx, d); err == nil && (fresh || w.radio.card(u.MSISDN) == nil) {
			d.State = signum.DeviceRegistered
			_, err = w.insertSIM(ctx, s, d)
		}
		if err != nil {
			return err
		}
	}
	err = w.service.Store.UpdateSubscriber(ctx, u.MSISDN, func(s *mssp.Subscriber) error {
		s.Devices = slices.DeleteFunc(s.Devices, func(d mssp.Device) bool { return d.Method == signum.App })
		if d := device(s, signum.SIM); d != nil {
			d.State, d.Certificate, d.PINBlocked, d.Ended, d.EndedAt = signum.DeviceRegistered, nil, false, "", time.Time{}
		}
		return nil
	})
	if err != nil || fresh {
		return err
	}
	return w.service.Inbox.Recheck(ctx, u.MSISDN)
}

// activate lets all phones sign, as a shop of the operator would: it unblocks PINs and
// cards, and replaces certificates and Apps that cannot be used. The account keeps its
// serial number.
func (w *World) activate(ctx context.Context, u scenario.User) error {
	s, err := w.service.Store.Subscriber(ctx, u.MSISDN)
	if err != nil {
		return err
	}
	for i := range s.Devices {
		if d := &s.Devices[i]; d.Method == signum.SIM {
			err = w.activateSIM(ctx, s, d)
		} else if !w.canSign(d) {
			err = w.dropDevice(ctx, u.MSISDN, d) // an App of another certificate is another App
			if err == nil {
				err = w.removeDevice(ctx, u.MSISDN, d.ID)
			}
		}
		if err != nil {
			return err
		}
	}
	if slices.Contains(u.Methods, signum.App) && !w.cfg.WebPhones && !slices.ContainsFunc(s.Devices, w.signingApp) {
		if err := w.addApp(ctx, u.MSISDN); err != nil {
			return err
		}
	}
	return w.Unblock(ctx, u.MSISDN)
}

func (w *World) removeDevice(ctx context.Context, msisdn, id string) error {
	return w.service.Store.UpdateSubscriber(ctx, msisdn, func(s *mssp.Subscriber) error {
		s.Devices = slices.DeleteFunc(s.Devices, func(d mssp.Device) bool { return d.ID == id })
		return nil
	})
}

// canSign reports whether a device can sign, once its PIN is not blocked.
func (w *World) canSign(d *mssp.Device) bool {
	c := d.Certificate
	return d.State == signum.DeviceActive && c != nil && c.State == mssp.CertificateGood && w.cfg.Clock.Now().Before(c.NotAfter)
}

func (w *World) signingApp(d mssp.Device) bool { return d.Method == signum.App && w.canSign(&d) }

func (w *World) activateSIM(ctx context.Context, s *mssp.Subscriber, d *mssp.Device) error {
	if c, err := w.service.Store.CardOf(ctx, s.MSISDN); err == nil && c.State == mssp.CardBlocked {
		if err := w.service.Store.SetCardState(ctx, c.ICCID, mssp.CardActive, w.cfg.Clock.Now()); err != nil {
			return err
		}
	}
	if c := w.radio.card(s.MSISDN); c == nil || c.PublicKey() == nil {
		d.State = signum.DeviceActive // so that the card makes its key
		if _, err := w.insertSIM(ctx, s, d); err != nil {
			return err
		}
	} else if w.canSign(d) {
		return nil
	}
	cert, err := w.certify(ctx, w.service.CA, s, d)
	if err != nil {
		return err
	}
	return w.certified(ctx, s.MSISDN, d.ID, cert)
}

// certified makes a device active with a certificate; nil: with none.
func (w *World) certified(ctx context.Context, msisdn, id string, cert *mssp.Certificate) error {
	return w.service.Store.UpdateSubscriber(ctx, msisdn, func(s *mssp.Subscriber) error {
		for i := range s.Devices {
			if d := &s.Devices[i]; d.ID == id {
				d.State, d.Certificate, d.Ended, d.EndedAt = signum.DeviceActive, cert, "", time.Time{}
			}
		}
		return nil
	})
}

// spoil takes the ability to sign from a device that has it. An App that can never sign
// again is a phone that is lost: it must not come back and renew its certificate.
func (w *World) spoil(ctx context.Context, s *mssp.Subscriber, d *mssp.Device, state scenario.State) (err error) {
	switch state {
	case scenario.PINBlocked:
		return w.blockPIN(ctx, s.MSISDN, d)
	case scenario.CertificateRevoked:
		return w.revoke(ctx, d)
	case scenario.Inactive:
		if err = w.revoke(ctx, d); err == nil {
			err = w.service.Store.EndDevice(ctx, d.ID, mssp.EndedByOperator, w.cfg.Clock.Now())
		}
	case scenario.NoKey:
		if err = w.revoke(ctx, d); err == nil {
			err = w.certified(ctx, s.MSISDN, d.ID, nil)
		}
	case scenario.CertificateExpired:
		err = w.expire(ctx, s, d)
	default:
		return nil
	}
	if err == nil && d.Method == signum.App {
		err = w.forgetApp(d.ID)
	}
	return err
}

func (w *World) blockPIN(ctx context.Context, msisdn string, d *mssp.Device) error {
	if d.Method == signum.SIM {
		if c := w.radio.card(msisdn); c != nil {
			if err := c.Block(); err != nil {
				return err
			}
		}
	} else if p, err := w.SoftApps.Device(d.ID); err == nil {
		p.Block()
	}
	return w.service.Store.SetPINBlocked(ctx, d.ID, true)
}

// An expired certificate was valid for expiredLife, until expiredAgo. The issuing CA of a new
// directory is valid since an hour.
const (
	expiredLife = 30 * time.Minute
	expiredAgo  = 10 * time.Minute
)

// expire replaces the certificate of a device by one that has expired.
func (w *World) expire(ctx context.Context, s *mssp.Subscriber, d *mssp.Device) error {
	if err := w.revoke(ctx, d); err != nil {
		return err
	}
	past, err := ca.New(w.service.CA.Authority, w.service.Store, ca.Options{
		URL: w.service.PKIURL, Lifetime: expiredLife, Log: w.cfg.Logger, Clock: behind{w.cfg.Clock, expiredLife + expiredAgo},
	})
	if err != nil {
		return err
	}
	cert, err := w.certify(ctx, past, s, d)
	if err != nil {
		return fmt.Errorf("a certificate that has expired: %w", err)
	}
	return w.certified(ctx, s.MSISDN, d.ID, cert)
}

// behind is a clock that is late.
type behind struct {
	mssp.Clock
	by time.Duration
}

// Now implements mssp.Clock.
func (c behind) Now() time.Time { return c.Clock.Now().Add(-c.by) }

// stateOf is the state in which a party finds an account: that of the phone which can do
// most.
func (w *World) stateOf(s *mssp.Subscriber) scenario.State {
	switch {
	case s == nil:
		return scenario.NoAccount
	case s.State != mssp.SubscriberActive:
		return scenario.Suspended
	case len(s.Devices) == 0:
		return scenario.Active
	}
	best := len(byAbility)
	for i := range s.Devices {
		best = min(best, slices.Index(byAbility, w.stateOfDevice(&s.Devices[i])))
	}
	return byAbility[best]
}

// byAbility are the states of phones, in the order in which a party hears of them.
var byAbility = []scenario.State{
	scenario.Active, scenario.PINBlocked, scenario.CertificateExpired, scenario.CertificateRevoked, scenario.NoKey, scenario.Registered, scenario.Inactive,
}

func (w *World) stateOfDevice(d *mssp.Device) scenario.State {
	c := d.Certificate
	switch {
	case d.State == signum.DeviceRegistered:
		return scenario.Registered
	case d.State != signum.DeviceActive:
		return scenario.Inactive
	case d.PINBlocked:
		return scenario.PINBlocked
	case c == nil || c.State == mssp.CertificateIntended:
		return scenario.NoKey
	case c.State != mssp.CertificateGood:
		return scenario.CertificateRevoked
	case !w.cfg.Clock.Now().Before(c.NotAfter):
		return scenario.CertificateExpired
	}
	return scenario.Active
}
