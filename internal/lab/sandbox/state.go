package sandbox

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
func (b *Sandbox) setState(ctx context.Context, u scenario.User, fresh bool) error {
	if !fresh {
		if err := b.Store.SetSubscriberState(ctx, u.MSISDN, mssp.SubscriberActive); err != nil {
			return err
		}
	}
	if u.State == scenario.Registered {
		return b.unregister(ctx, u, fresh)
	}
	if err := b.activate(ctx, u); err != nil {
		return err
	}
	s, err := b.Store.Subscriber(ctx, u.MSISDN)
	if err != nil {
		return err
	}
	for i := range s.Devices {
		if err := b.spoil(ctx, s, &s.Devices[i], u.State); err != nil {
			return err
		}
	}
	if u.State == scenario.Suspended {
		err = b.Store.SetSubscriberState(ctx, u.MSISDN, mssp.SubscriberInactive)
	}
	if err == nil && u.State != scenario.Active {
		err = b.Inbox().Recheck(ctx, u.MSISDN)
	}
	return err
}

// unregister makes the SIM one that waits for its activation, and removes the Apps: an
// App is there once it is enrolled, or not at all.
func (b *Sandbox) unregister(ctx context.Context, u scenario.User, fresh bool) error {
	s, err := b.Store.Subscriber(ctx, u.MSISDN)
	if err != nil {
		return err
	}
	for i := range s.Devices {
		d := &s.Devices[i]
		if d.Method == signum.App {
			err = b.dropDevice(ctx, u.MSISDN, d)
		} else if err = b.revoke(ctx, d); err == nil && (fresh || b.radio.card(u.MSISDN) == nil) {
			d.State = signum.DeviceRegistered
			_, err = b.insertSIM(ctx, s, d)
		}
		if err != nil {
			return err
		}
	}
	err = b.Store.UpdateSubscriber(ctx, u.MSISDN, func(s *mssp.Subscriber) error {
		s.Devices = slices.DeleteFunc(s.Devices, func(d mssp.Device) bool { return d.Method == signum.App })
		if d := device(s, signum.SIM); d != nil {
			d.State, d.Certificate, d.PINBlocked, d.Ended, d.EndedAt = signum.DeviceRegistered, nil, false, "", time.Time{}
		}
		return nil
	})
	if err != nil || fresh {
		return err
	}
	return b.Inbox().Recheck(ctx, u.MSISDN)
}

// activate lets all phones sign, as a shop of the operator would: it unblocks PINs and
// cards, and replaces certificates and Apps that cannot be used. The account keeps its
// serial number.
func (b *Sandbox) activate(ctx context.Context, u scenario.User) error {
	s, err := b.Store.Subscriber(ctx, u.MSISDN)
	if err != nil {
		return err
	}
	for i := range s.Devices {
		if d := &s.Devices[i]; d.Method == signum.SIM {
			err = b.activateSIM(ctx, s, d)
		} else if !b.canSign(d) {
			err = b.dropDevice(ctx, u.MSISDN, d) // an App of another certificate is another App
			if err == nil {
				err = b.removeDevice(ctx, u.MSISDN, d.ID)
			}
		}
		if err != nil {
			return err
		}
	}
	if slices.Contains(u.Methods, signum.App) && !b.cfg.WebPhones && !slices.ContainsFunc(s.Devices, b.signingApp) {
		if err := b.addApp(ctx, u.MSISDN); err != nil {
			return err
		}
	}
	return b.unblock(ctx, u.MSISDN)
}

func (b *Sandbox) removeDevice(ctx context.Context, msisdn, id string) error {
	return b.Store.UpdateSubscriber(ctx, msisdn, func(s *mssp.Subscriber) error {
		s.Devices = slices.DeleteFunc(s.Devices, func(d mssp.Device) bool { return d.ID == id })
		return nil
	})
}

// canSign reports whether a device can sign, once its PIN is not blocked.
func (b *Sandbox) canSign(d *mssp.Device) bool {
	c := d.Certificate
	return d.State == signum.DeviceActive && c != nil && c.State == mssp.CertificateGood && b.cfg.Clock.Now().Before(c.NotAfter)
}

func (b *Sandbox) signingApp(d mssp.Device) bool { return d.Method == signum.App && b.canSign(&d) }

func (b *Sandbox) activateSIM(ctx context.Context, s *mssp.Subscriber, d *mssp.Device) error {
	if c, err := b.Store.CardOf(ctx, s.MSISDN); err == nil && c.State == mssp.CardBlocked {
		if err := b.Store.SetCardState(ctx, c.ICCID, mssp.CardActive, b.cfg.Clock.Now()); err != nil {
			return err
		}
	}
	if c := b.radio.card(s.MSISDN); c == nil || c.PublicKey() == nil {
		d.State = signum.DeviceActive // so that the card makes its key
		if _, err := b.insertSIM(ctx, s, d); err != nil {
			return err
		}
	} else if b.canSign(d) {
		return nil
	}
	cert, err := b.certify(ctx, b.CA, s, d)
	if err != nil {
		return err
	}
	return b.certified(ctx, s.MSISDN, d.ID, cert)
}

// certified makes a device active with a certificate; nil: with none.
func (b *Sandbox) certified(ctx context.Context, msisdn, id string, cert *mssp.Certificate) error {
	return b.Store.UpdateSubscriber(ctx, msisdn, func(s *mssp.Subscriber) error {
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
func (b *Sandbox) spoil(ctx context.Context, s *mssp.Subscriber, d *mssp.Device, state scenario.State) (err error) {
	switch state {
	case scenario.PINBlocked:
		return b.blockPIN(ctx, s.MSISDN, d)
	case scenario.CertificateRevoked:
		return b.revoke(ctx, d)
	case scenario.Inactive:
		if err = b.revoke(ctx, d); err == nil {
			err = b.Store.EndDevice(ctx, d.ID, mssp.EndedByOperator, b.cfg.Clock.Now())
		}
	case scenario.NoKey:
		if err = b.revoke(ctx, d); err == nil {
			err = b.certified(ctx, s.MSISDN, d.ID, nil)
		}
	case scenario.CertificateExpired:
		err = b.expire(ctx, s, d)
	default:
		return nil
	}
	if err == nil && d.Method == signum.App {
		err = b.forgetApp(d.ID)
	}
	return err
}

func (b *Sandbox) blockPIN(ctx context.Context, msisdn string, d *mssp.Device) error {
	if d.Method == signum.SIM {
		if c := b.radio.card(msisdn); c != nil {
			if err := c.Block(); err != nil {
				return err
			}
		}
	} else if p, err := b.SoftApps.Device(d.ID); err == nil {
		p.Block()
	}
	return b.Store.SetPINBlocked(ctx, d.ID, true)
}

// An expired certificate was valid for expiredLife, until expiredAgo. The issuing CA of a new
// directory is valid since an hour.
const (
	expiredLife = 30 * time.Minute
	expiredAgo  = 10 * time.Minute
)

// expire replaces the certificate of a device by one that has expired.
func (b *Sandbox) expire(ctx context.Context, s *mssp.Subscriber, d *mssp.Device) error {
	if err := b.revoke(ctx, d); err != nil {
		return err
	}
	past, err := ca.New(b.CA.Authority, b.Store, ca.Options{
		URL: b.PKIURL(), Lifetime: expiredLife, Log: b.cfg.Logger, Clock: behind{b.cfg.Clock, expiredLife + expiredAgo},
	})
	if err != nil {
		return err
	}
	cert, err := b.certify(ctx, past, s, d)
	if err != nil {
		return fmt.Errorf("a certificate that has expired: %w", err)
	}
	return b.certified(ctx, s.MSISDN, d.ID, cert)
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
func (b *Sandbox) stateOf(s *mssp.Subscriber) scenario.State {
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
		best = min(best, slices.Index(byAbility, b.stateOfDevice(&s.Devices[i])))
	}
	return byAbility[best]
}

// byAbility are the states of phones, in the order in which a party hears of them.
var byAbility = []scenario.State{
	scenario.Active, scenario.PINBlocked, scenario.CertificateExpired, scenario.CertificateRevoked, scenario.NoKey, scenario.Registered, scenario.Inactive,
}

func (b *Sandbox) stateOfDevice(d *mssp.Device) scenario.State {
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
	case !b.cfg.Clock.Now().Before(c.NotAfter):
		return scenario.CertificateExpired
	}
	return scenario.Active
}
