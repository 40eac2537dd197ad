package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/policy"
)

// Of a method that allows several devices, each that may sign is a candidate of a
// transaction, and the first answer counts. Who is a candidate is decided when a
// request is handed over, when a device asks what is pending, and in the statement
// that ends the transaction, each time by the state of the account at that moment. So
// nothing about candidates is stored, and all nodes agree.

// candidates returns the devices that may answer an outstanding transaction now. If
// there is none, the error is the fault with which the transaction ends.
func (e *Engine) candidates(ctx context.Context, t *mssp.Transaction) ([]*mssp.Device, error) {
	s, err := e.cfg.Store.Subscriber(ctx, t.MSISDN)
	if errors.Is(err, mssp.ErrNotFound) {
		return nil, signum.NewFault(signum.UnknownClient)
	}
	if err != nil {
		return nil, fmt.Errorf("reading subscriber: %w", err)
	}
	list, err := policy.Candidates(s, t.Method, e.now())
	if err == nil && !mssp.MethodOf(t.Method).Several && list[0].ID != t.DeviceID {
		return nil, signum.NewFault(signum.UnknownClient)
	}
	return list, err
}

// Recheck implements mssp.Inbox.
func (e *Engine) Recheck(ctx context.Context, msisdn string) (err error) {
	defer event.RescueTo(&err, e.cfg.Logger, "recheck")
	list, err := e.cfg.Store.SubscriberPending(ctx, msisdn)
	if err != nil {
		return err
	}
	for _, t := range list {
		if t.OTP() {
			continue
		}
		var err error
		if t.Activating() {
			err = e.activatable(ctx, t)
		} else {
			_, err = e.candidates(ctx, t)
		}
		f := signum.AsFault(err)
		if f != nil {
			_, err = e.finish(ctx, t, mssp.Failed(f), mssp.EndWithdrawn)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// activatable returns a fault if the SIM of an activation has ended since it was asked.
func (e *Engine) activatable(ctx context.Context, t *mssp.Transaction) error {
	s, err := e.cfg.Store.Subscriber(ctx, t.MSISDN)
	if err != nil && !errors.Is(err, mssp.ErrNotFound) {
		return fmt.Errorf("reading subscriber: %w", err)
	}
	if err == nil {
		for _, d := range s.Devices {
			// It is active before the transaction is prepared.
			if d.ID == t.DeviceID && d.State != signum.DeviceInactive {
				return nil
			}
		}
	}
	return signum.NewFault(signum.UnknownClient)
}

// askedOf returns the transaction as a candidate is asked: with attributes that name
// its certificate.
func askedOf(t *mssp.Transaction, d *mssp.Device) (*mssp.Transaction, error) {
	if d.ID == t.DeviceID && d.Certificate.Serial == t.CertSerial {
		return t, nil
	}
	return remade(t, d.ID, d.Certificate)
}

func remade(t *mssp.Transaction, deviceID string, c *mssp.Certificate) (*mssp.Transaction, error) {
	asked := *t
	asked.DeviceID = deviceID
	if err := prepare(&asked, c, t.SigningTime()); err != nil {
		return nil, fmt.Errorf("device %s: %w", deviceID, err)
	}
	return &asked, nil
}

// answered returns the transaction as the device that answers was asked.
// mssp.ErrNotAsked if it was not.
func (e *Engine) answered(ctx context.Context, t *mssp.Transaction, a *mssp.DeviceAnswer) (*mssp.Transaction, error) {
	if a.DeviceID == t.DeviceID && (a.CertSerial == "" || a.CertSerial == t.CertSerial) {
		return t, nil // the statement that ends it checks the rest
	}
	if !mssp.MethodOf(t.Method).Several {
		return nil, mssp.ErrNotAsked
	}
	s, err := e.cfg.Store.Subscriber(ctx, t.MSISDN)
	if err != nil {
		return nil, fmt.Errorf("reading subscriber: %w", err)
	}
	for i := range s.Devices {
		if d := &s.Devices[i]; d.ID == a.DeviceID && d.Method == t.Method {
			return e.answeredBy(ctx, t, d, a)
		}
	}
	return nil, mssp.ErrNotAsked
}

// answeredBy is answered for a device of the subscriber.
func (e *Engine) answeredBy(ctx context.Context, t *mssp.Transaction, d *mssp.Device, a *mssp.DeviceAnswer) (*mssp.Transaction, error) {
	c := d.Certificate
	switch {
	case t.State != mssp.StateOutstanding:
		return t, nil // late
	case c == nil:
		return nil, mssp.ErrNotAsked
	case a.CertSerial != "" && a.CertSerial != c.Serial: // renewed since it was asked
		old, err := e.cfg.Store.Certificate(ctx, a.CertSerial)
		if errors.Is(err, mssp.ErrNotFound) || err == nil && old.DeviceID != d.ID {
			return nil, mssp.ErrNotAsked
		}
		if err != nil {
			return nil, fmt.Errorf("certificate %s: %w", a.CertSerial, err)
		}
		c = old
	}
	return remade(t, d.ID, c)
}

// othersCanAnswer reports whether a transaction has a candidate other than its device.
func (e *Engine) othersCanAnswer(ctx context.Context, t *mssp.Transaction) bool {
	if !mssp.MethodOf(t.Method).Several {
		return false
	}
	list, err := e.candidates(ctx, t)
	if err != nil && signum.AsFault(err) == nil {
		e.cfg.Logger.ErrorContext(ctx, "looking for other devices", "trans_id", t.ID, "err", err)
	}
	for _, d := range list {
		if d.ID != t.DeviceID {
			return true
		}
	}
	return false
}
