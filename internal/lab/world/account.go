package world

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/ca"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/lab/scenario"
	"github.com/signum-mssp/signum/internal/mssp"
)

// cessationOfOperation is the CRLReason of certificates whose phone is gone.
const cessationOfOperation = 5

// change says which parts of a user are given. The others stay as they are.
type change struct{ phones, state, network, place, behaviour bool }

var everything = change{phones: true, state: true, network: true, place: true, behaviour: true}

// realise makes the account and the phones of a user what u says. The caller has the turn
// of the number.
func (w *World) realise(ctx context.Context, u scenario.User, c change) error {
	u = WithDefaults(u)
	s, err := w.account(ctx, u.MSISDN)
	if err != nil {
		return err
	}
	if u.State == scenario.NoAccount {
		return w.dropAccount(ctx, s)
	}
	if s != nil && c.phones && otherCard(s, u) {
		if err := w.dropAccount(ctx, s); err != nil {
			return err
		}
		s = nil
	}
	fresh := s == nil
	if fresh {
		c = everything
		s = &mssp.Subscriber{MSISDN: u.MSISDN, Serial: ca.NewSerial(), State: mssp.SubscriberActive}
		if slices.Contains(u.Methods, signum.SIM) {
			s.Devices = []mssp.Device{newSIMDevice(u)}
		}
		if err := w.service.Store.PutSubscriber(ctx, s); err != nil {
			return err
		}
	}
	added := false
	if c.phones {
		if added, err = w.fitPhones(ctx, u); err != nil {
			return err
		}
	}
	added = added || fresh
	if c.state || added {
		if err := w.setState(ctx, u, fresh); err != nil {
			return err
		}
	}
	if c.network && !fresh {
		if err := w.setNetwork(ctx, u); err != nil {
			return err
		}
	}
	return w.settle(u, c, added)
}

// otherCard reports whether the user needs a SIM with another kind of key. Such a SIM is
// another card, and a new card gives the account another serial number, as in the
// public service; so the account starts over.
func otherCard(s *mssp.Subscriber, u scenario.User) bool {
	return slices.Contains(u.Methods, signum.SIM) && slices.ContainsFunc(s.Devices, func(d mssp.Device) bool {
		return d.Method == signum.SIM && d.KeyType != "" && d.KeyType != u.KeyType
	})
}

// account returns nil if the number has none.
func (w *World) account(ctx context.Context, msisdn string) (*mssp.Subscriber, error) {
	s, err := w.service.Store.Subscriber(ctx, msisdn)
	if errors.Is(err, mssp.ErrNotFound) {
		return nil, nil
	}
	return s, err
}

// dropAccount removes an account with everything that belongs to it. Requests that are
// open on its phones end with 105.
func (w *World) dropAccount(ctx context.Context, s *mssp.Subscriber) error {
	if s == nil {
		return nil
	}
	for _, d := range s.Devices {
		if err := w.dropDevice(ctx, s.MSISDN, &d); err != nil {
			return err
		}
	}
	err := w.service.Store.RemoveSubscriber(ctx, s.MSISDN, w.cfg.Clock.Now())
	if err != nil && !errors.Is(err, mssp.ErrNotFound) {
		return err
	}
	w.requests.forget(s.MSISDN)
	return w.service.Inbox.Recheck(ctx, s.MSISDN)
}

// dropDevice revokes the certificate of a device, and takes the phone away. The row of a
// SIM stays; the caller removes it.
func (w *World) dropDevice(ctx context.Context, msisdn string, d *mssp.Device) error {
	if d.Method == signum.App {
		if err := w.service.Apps.Remove(ctx, d.ID); err != nil && !errors.Is(err, mssp.ErrNotFound) {
			return fmt.Errorf("removing an App: %w", err)
		}
		return w.forgetApp(d.ID)
	}
	if err := w.revoke(ctx, d); err != nil {
		return err
	}
	return w.radio.remove(msisdn)
}

// forgetApp drops a software App here. A person's App is not here.
func (w *World) forgetApp(deviceID string) error {
	if err := w.SoftApps.Forget(deviceID); err != nil && !errors.Is(err, person.ErrUnknown) {
		return err
	}
	return nil
}

func (w *World) revoke(ctx context.Context, d *mssp.Device) error {
	if c := d.Certificate; c != nil && c.State == mssp.CertificateGood {
		return w.service.CA.Revoke(ctx, c.Serial, cessationOfOperation)
	}
	return nil
}

// fitPhones gives the user the phones of the methods, and takes others away. It reports
// whether one is new.
func (w *World) fitPhones(ctx context.Context, u scenario.User) (added bool, err error) {
	s, err := w.service.Store.Subscriber(ctx, u.MSISDN)
	if err != nil {
		return false, err
	}
	var gone []string
	for _, d := range s.Devices {
		if slices.Contains(u.Methods, d.Method) {
			continue
		}
		if err := w.dropDevice(ctx, u.MSISDN, &d); err != nil {
			return false, err
		}
		gone = append(gone, d.ID)
	}
	lacks := func(s *mssp.Subscriber, m signum.Method) bool {
		return slices.Contains(u.Methods, m) && device(s, m) == nil
	}
	added = lacks(s, signum.SIM) || lacks(s, signum.App) // setState enrols an App
	if len(gone) == 0 && !lacks(s, signum.SIM) {
		return added, nil
	}
	err = w.service.Store.UpdateSubscriber(ctx, u.MSISDN, func(s *mssp.Subscriber) error {
		s.Devices = slices.DeleteFunc(s.Devices, func(d mssp.Device) bool { return slices.Contains(gone, d.ID) })
		if lacks(s, signum.SIM) {
			s.Devices = append(s.Devices, newSIMDevice(u))
		}
		return nil
	})
	if err == nil && len(gone) > 0 {
		err = w.service.Inbox.Recheck(ctx, u.MSISDN)
	}
	return added, err
}

func newSIMDevice(u scenario.User) mssp.Device {
	return mssp.Device{ID: newDeviceID(), Method: signum.SIM, State: signum.DeviceRegistered, KeyType: u.KeyType, Network: network(u.Network)}
}

// device returns the first device of a method, or nil.
func device(s *mssp.Subscriber, m signum.Method) *mssp.Device {
	i := slices.IndexFunc(s.Devices, func(d mssp.Device) bool { return d.Method == m })
	if i < 0 {
		return nil
	}
	return &s.Devices[i]
}

// setNetwork gives the SIM another network.
func (w *World) setNetwork(ctx context.Context, u scenario.User) error {
	return w.service.Store.UpdateSubscriber(ctx, u.MSISDN, func(s *mssp.Subscriber) error {
		if d := device(s, signum.SIM); d != nil {
			d.Network = network(u.Network)
		}
		return nil
	})
}

// settle sets what the user does, and where. A phone that is new knows neither.
func (w *World) settle(u scenario.User, c change, added bool) error {
	if c.behaviour || added {
		do, err := w.behaviourOf(u)
		if err == nil {
			err = w.behave(u.MSISDN, do)
		}
		if err != nil && !absent(err, u.Behaviour) {
			return err
		}
	}
	if c.place || added {
		at, err := placeOf(u)
		if err == nil {
			err = w.place(u.MSISDN, at)
		}
		if err != nil && !absent(err, u.Location) {
			return err
		}
	}
	return nil
}

// absent reports whether an error means that no phone answers by itself, which is a
// fault only if something was asked of it.
func absent(err error, asked string) bool { return errors.Is(err, person.ErrUnknown) && asked == "" }

func (w *World) behaviourOf(u scenario.User) (person.Behaviour, error) {
	if u.Behaviour == "" {
		return w.cfg.Usual, nil
	}
	return person.ParseBehaviour(u.Behaviour)
}

func placeOf(u scenario.User) (person.Place, error) {
	if u.Location == "" {
		return person.DefaultPlace(), nil
	}
	return person.ParsePlace(u.Location)
}

// certify gives the SIM's key a certificate.
func (w *World) certify(ctx context.Context, issuer mssp.Issuer, s *mssp.Subscriber, d *mssp.Device) (*mssp.Certificate, error) {
	if d.Method == signum.App {
		if d.Certificate == nil {
			return nil, fmt.Errorf("the App %s has no certificate", d.ID)
		}
		old, err := x509.ParseCertificate(d.Certificate.DER)
		if err != nil {
			return nil, err
		}
		return issuer.Issue(ctx, s.Serial, d.ID, old.PublicKey)
	}
	c := w.radio.card(s.MSISDN)
	if c == nil || c.PublicKey() == nil {
		return nil, fmt.Errorf("the card of %s has no key", signum.MaskMSISDN(s.MSISDN))
	}
	return issuer.Issue(ctx, s.Serial, d.ID, c.PublicKey())
}
