package world

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/ca"
	"github.com/signum-mssp/signum/internal/lab/control"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/lab/softapp"
	"github.com/signum-mssp/signum/internal/mssp"
)

// addApp enrols an App that answers by itself, unless the user has one that is active.
func (w *World) addApp(ctx context.Context, msisdn string) error {
	s, err := w.service.Store.Subscriber(ctx, msisdn)
	if err != nil {
		return err
	}
	if s.State != mssp.SubscriberActive {
		w.cfg.Logger.Warn("no App for a user whose account is suspended", "msisdn", signum.MaskMSISDN(msisdn))
		return nil // a later run enrols one
	}
	for _, i := range w.SoftApps.List() {
		active := func(d mssp.Device) bool {
			return d.ID == i.DeviceID && d.State == signum.DeviceActive && !w.misaddressed(&d)
		}
		switch {
		case i.MSISDN != msisdn:
		case slices.ContainsFunc(s.Devices, active):
			return nil
		default: // it was ended, for example when another SIM was activated, or gets another certificate
			if err := w.retireApp(ctx, i); err != nil {
				return err
			}
		}
	}
	// The App belongs to the account from its beginning, so its owner is not told.
	defer w.setUp(ctx, msisdn)()
	code, _, err := w.service.Apps.Invite(ctx, msisdn, true)
	if err != nil {
		return err
	}
	info, err := w.SoftApps.Enrol(ctx, code, softapp.EnrolOptions{})
	if err != nil {
		return err
	}
	return w.SoftApps.Choose(info.DeviceID, func(choices []string) string { return w.shownCode(info.DeviceID, choices) })
}

// setUp keeps the owner of an account from being told of changes, until the function that it
// returns is called. A call that was interrupted may still arrive at the service, so they
// are not told of that one either.
func (w *World) setUp(ctx context.Context, msisdn string) (done func()) {
	w.settingUp.Store(msisdn, true)
	return func() {
		if ctx.Err() == nil {
			w.settingUp.Delete(msisdn)
		}
	}
}

// retireApps removes the Apps that answer by themselves, which an earlier run enrolled:
// with WebPhones a person answers, and an App that nobody holds would let requests
// time out. A later run without WebPhones enrols others.
func (w *World) retireApps(ctx context.Context) error {
	for _, i := range w.SoftApps.List() {
		if err := w.retireApp(ctx, i); err != nil {
			return err
		}
		if !slices.Contains(w.Retired, i.MSISDN) {
			w.Retired = append(w.Retired, i.MSISDN)
		}
	}
	slices.Sort(w.Retired)
	return nil
}

func (w *World) retireApp(ctx context.Context, i softapp.Info) error {
	defer w.setUp(ctx, i.MSISDN)() // its owner is not told: nobody else holds it
	return w.SoftApps.Unenrol(ctx, i.DeviceID)
}

// shownCode returns the code that the party's page shows, as a person reads it.
func (w *World) shownCode(deviceID string, choices []string) string {
	transactions, _, err := w.service.Store.DevicePending(context.Background(), deviceID, w.cfg.Clock.Now())
	if err != nil {
		return ""
	}
	for _, t := range transactions {
		if v := t.Services.Verification; v != nil && slices.Equal(v.Choices, choices) {
			return v.Code
		}
	}
	return ""
}

// Invite makes an activation code, and an account for a number without one.
func (w *World) Invite(ctx context.Context, msisdn string) (*control.Invitation, error) {
	return w.invite(ctx, msisdn, false)
}

// InviteTrusted is Invite for a person to whom the account belongs: a new App changes
// nothing else about the account, unless the account has as many Apps as it may have.
func (w *World) InviteTrusted(ctx context.Context, msisdn string) (*control.Invitation, error) {
	i, err := w.invite(ctx, msisdn, true)
	if errors.Is(err, mssp.ErrAppLimit) {
		return w.Invite(ctx, msisdn)
	}
	return i, err
}

// NewInvitation makes an activation code; see app.Server.Invite for trusted.
func (w *World) NewInvitation(ctx context.Context, msisdn string, trusted bool) (*control.Invitation, error) {
	return w.invite(ctx, msisdn, trusted)
}

func (w *World) invite(ctx context.Context, msisdn string, trusted bool) (*control.Invitation, error) {
	if err := w.ensure(msisdn); err != nil {
		return nil, err
	}
	_, err := w.service.Store.Subscriber(ctx, msisdn)
	if errors.Is(err, mssp.ErrNotFound) {
		err = w.service.Store.PutSubscriber(ctx, &mssp.Subscriber{MSISDN: msisdn, Serial: ca.NewSerial(), State: mssp.SubscriberActive})
	}
	if err != nil {
		return nil, err
	}
	i := &control.Invitation{MSISDN: msisdn}
	if i.Code, i.Expires, err = w.service.Apps.Invite(ctx, msisdn, trusted); err != nil {
		return nil, err
	}
	i.URL = w.service.WebURL + "/phone?code=" + i.Code
	return i, nil
}

// Behave sets what a user does from now on, on all phones that answer by
// themselves. The error is person.ErrUnknown if there is none.
func (w *World) Behave(msisdn string, do person.Behaviour) error {
	if err := w.ensure(msisdn); err != nil {
		return err
	}
	return w.behave(msisdn, do)
}

func (w *World) behave(msisdn string, do person.Behaviour) error {
	app := do
	if _, plays := played[do.Do]; plays && do.Do != person.Unreachable {
		// The channel answers. The App may learn of the request from its inbox and must
		// not decline it first.
		app.Do = person.Silent
	}
	err := either(w.Handsets.Behave(msisdn, do), w.SoftApps.Behave(msisdn, app))
	if err == nil {
		w.requests.set(msisdn, do)
	}
	return err
}

// Place sets where a user is from now on.
func (w *World) Place(msisdn string, at person.Place) error {
	if err := w.ensure(msisdn); err != nil {
		return err
	}
	return w.place(msisdn, at)
}

func (w *World) place(msisdn string, at person.Place) error {
	return either(w.Handsets.Place(msisdn, at), w.SoftApps.Place(msisdn, at))
}

// either returns nil if one of the two kinds of phones knows the number.
func either(sim, app error) error {
	if errors.Is(sim, person.ErrUnknown) {
		return app
	}
	if errors.Is(app, person.ErrUnknown) {
		app = nil
	}
	return errors.Join(sim, app)
}

// Unblock resets the tries of PINs and passcodes, as a shop of the operator would.
func (w *World) Unblock(ctx context.Context, msisdn string) error {
	s, err := w.service.Store.Subscriber(ctx, msisdn)
	if err != nil {
		return err
	}
	for _, d := range s.Devices {
		if d.Method == signum.SIM {
			w.radio.unblock(msisdn)
		} else if p, e := w.SoftApps.Device(d.ID); e == nil {
			p.Unblock()
			err = w.service.Store.ResetTries(ctx, d.ID)
		} else {
			continue // a person's App
		}
		if err == nil && d.PINBlocked {
			err = w.service.Store.SetPINBlocked(ctx, d.ID, false)
		}
		if err != nil {
			return fmt.Errorf("unblocking %s: %w", d.ID, err)
		}
	}
	return nil
}
