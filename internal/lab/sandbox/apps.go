package sandbox

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/app"
	"github.com/signum-mssp/signum/internal/ca"
	"github.com/signum-mssp/signum/internal/config"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/lab/softapp"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/node"
)

const phonePath = "/phone"

// softApps makes the Apps that answer by themselves. They speak the App protocol to the
// node like any other App, at the address of its listener, because its public name need
// not resolve here.
func softApps(ctx context.Context, cfg Config, dir string, srv *node.Node, srvCA *x509.Certificate) (*softapp.Apps, error) {
	records := cfg.Apps
	if records == nil {
		var err error
		if records, err = softapp.OpenDir(filepath.Join(dir, privateDir, "apps")); err != nil {
			return nil, err
		}
	}
	if err := forgetStrangers(ctx, records, srv.Store); err != nil {
		return nil, err
	}
	return softapp.New(softapp.Config{
		Base: srv.WebListenerURL() + softapp.Path, HTTPClient: appClient(srvCA), Clock: cfg.Clock, Logger: cfg.Logger, Store: records,
		Delay: cfg.PhoneDelay, Observe: cfg.Observe,
		// The passcode of these Apps is no secret.
		FastKDF: true,
	})
}

// appClient returns a client that trusts the server's certificate: beyond loopback the
// pages have TLS.
func appClient(srvCA *x509.Certificate) *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = nil
	t.MaxIdleConnsPerHost = maxIdleApps
	roots := x509.NewCertPool()
	roots.AddCert(srvCA)
	t.TLSClientConfig = &tls.Config{RootCAs: roots, ServerName: localhost, MinVersion: tls.VersionTLS12}
	return &http.Client{Transport: t}
}

// vapid loads or makes the keys by which push services know this sandbox. They must
// stay the same, because a browser's subscription is bound to them.
func vapid(dir string) (c config.VAPID, err error) {
	path := filepath.Join(dir, privateDir, vapidFile)
	data, err := readSecret(path)
	var v app.VAPID
	switch {
	case err == nil:
		if err = json.Unmarshal(data, &v); err == nil && (v.Public == "" || v.Private == "") {
			err = errors.New("it has no keys")
		}
		if err != nil {
			return c, damaged(path, err)
		}
	case errors.Is(err, os.ErrNotExist):
		if v, err = app.NewVAPID(vapidContact); err != nil {
			return c, err
		}
		if data, err = json.Marshal(v); err != nil {
			return c, err
		}
		err = writeFile(path, data, 0o600)
	}
	return config.VAPID{Contact: vapidContact, PublicKey: v.Public, PrivateKey: config.NewSecret(v.Private)}, err
}

// vapidFile is in the private directory.
const vapidFile = "vapid.json"

// vapidContact is where the operator of a push service can learn what a sandbox is. It
// must be an address that can exist, because some push services refuse all others.
const vapidContact = "https://signum-mssp.github.io/"

// maxIdleApps is how many idle connections the Apps keep for their calls.
const maxIdleApps = 256

// forgetStrangers removes the Apps that the database does not know, because it is
// not the one of the last run.
func forgetStrangers(ctx context.Context, records softapp.Store, s mssp.AppStore) error {
	ids, err := records.Apps()
	if err != nil {
		return err
	}
	for _, id := range ids {
		if _, err = s.App(ctx, id); errors.Is(err, mssp.ErrNotFound) {
			err = records.RemoveApp(id)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// addApp enrols an App that answers by itself, unless the user has one that is active.
func (b *Sandbox) addApp(ctx context.Context, msisdn string) error {
	s, err := b.Store.Subscriber(ctx, msisdn)
	if err != nil {
		return err
	}
	if s.State != mssp.SubscriberActive {
		b.cfg.Logger.Warn("no App for a user whose account is suspended", "msisdn", signum.MaskMSISDN(msisdn))
		return nil // a later run enrols one
	}
	for _, i := range b.SoftApps.List() {
		active := func(d mssp.Device) bool {
			return d.ID == i.DeviceID && d.State == signum.DeviceActive && !b.misaddressed(&d)
		}
		switch {
		case i.MSISDN != msisdn:
		case slices.ContainsFunc(s.Devices, active):
			return nil
		default: // it was ended, for example when another SIM was activated, or gets another certificate
			if err := b.retireApp(ctx, i); err != nil {
				return err
			}
		}
	}
	// The App belongs to the account from its beginning, so its owner is not told.
	defer b.setUp(ctx, msisdn)()
	code, _, err := b.Apps.Invite(ctx, msisdn, true)
	if err != nil {
		return err
	}
	info, err := b.SoftApps.Enrol(ctx, code, softapp.EnrolOptions{})
	if err != nil {
		return err
	}
	return b.SoftApps.Choose(info.DeviceID, func(choices []string) string { return b.shownCode(info.DeviceID, choices) })
}

// setUp keeps the owner of an account from being told of changes, until the function that it
// returns is called. A call that was interrupted may still arrive at the service, so they
// are not told of that one either.
func (b *Sandbox) setUp(ctx context.Context, msisdn string) (done func()) {
	b.settingUp.Store(msisdn, true)
	return func() {
		if ctx.Err() == nil {
			b.settingUp.Delete(msisdn)
		}
	}
}

// retireApps removes the Apps that answer by themselves, which an earlier run enrolled:
// with WebPhones a person answers, and an App that nobody holds would let requests
// time out. A later run without WebPhones enrols others.
func (b *Sandbox) retireApps(ctx context.Context) error {
	for _, i := range b.SoftApps.List() {
		if err := b.retireApp(ctx, i); err != nil {
			return err
		}
		if !slices.Contains(b.Retired, i.MSISDN) {
			b.Retired = append(b.Retired, i.MSISDN)
		}
	}
	slices.Sort(b.Retired)
	return nil
}

func (b *Sandbox) retireApp(ctx context.Context, i softapp.Info) error {
	defer b.setUp(ctx, i.MSISDN)() // its owner is not told: nobody else holds it
	return b.SoftApps.Unenrol(ctx, i.DeviceID)
}

// shownCode returns the code that the party's page shows, as a person reads it.
func (b *Sandbox) shownCode(deviceID string, choices []string) string {
	transactions, _, err := b.Store.DevicePending(context.Background(), deviceID, b.cfg.Clock.Now())
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
func (b *Sandbox) Invite(ctx context.Context, msisdn string) (*Invitation, error) {
	return b.invite(ctx, msisdn, false)
}

// InviteTrusted is Invite for a person to whom the account belongs: a new App changes
// nothing else about the account, unless the account has as many Apps as it may have.
func (b *Sandbox) InviteTrusted(ctx context.Context, msisdn string) (*Invitation, error) {
	i, err := b.invite(ctx, msisdn, true)
	if errors.Is(err, mssp.ErrAppLimit) {
		return b.Invite(ctx, msisdn)
	}
	return i, err
}

func (b *Sandbox) invite(ctx context.Context, msisdn string, trusted bool) (*Invitation, error) {
	_, err := b.Store.Subscriber(ctx, msisdn)
	if errors.Is(err, mssp.ErrNotFound) {
		err = b.Store.PutSubscriber(ctx, &mssp.Subscriber{MSISDN: msisdn, Serial: ca.NewSerial(), State: mssp.SubscriberActive})
	}
	if err != nil {
		return nil, err
	}
	i := &Invitation{MSISDN: msisdn}
	if i.Code, i.Expires, err = b.Apps.Invite(ctx, msisdn, trusted); err != nil {
		return nil, err
	}
	i.URL = b.WebURL() + phonePath + "?code=" + i.Code
	return i, nil
}

// Behave sets what a user does from now on, on all phones that answer by
// themselves. The error is person.ErrUnknown if there is none.
func (b *Sandbox) Behave(msisdn string, do person.Behaviour) error {
	app := do
	if _, plays := played[do.Do]; plays && do.Do != person.Unreachable {
		// The script answers. The App may learn of the request from its inbox and must
		// not decline it first.
		app.Do = person.Silent
	}
	err := either(b.Handsets.Behave(msisdn, do), b.SoftApps.Behave(msisdn, app))
	if err == nil {
		b.script.set(msisdn, do)
	}
	return err
}

// Place sets where a user is from now on.
func (b *Sandbox) Place(msisdn string, at person.Place) error {
	return either(b.Handsets.Place(msisdn, at), b.SoftApps.Place(msisdn, at))
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

// unblock resets the tries of PINs and passcodes, as a shop of the operator would.
func (b *Sandbox) unblock(ctx context.Context, msisdn string) error {
	s, err := b.Store.Subscriber(ctx, msisdn)
	if err != nil {
		return err
	}
	for _, d := range s.Devices {
		if d.Method == signum.SIM {
			b.radio.unblock(msisdn)
		} else if p, e := b.SoftApps.Device(d.ID); e == nil {
			p.Unblock()
			err = b.Store.ResetTries(ctx, d.ID)
		} else {
			continue // a person's App
		}
		if err == nil && d.PINBlocked {
			err = b.Store.SetPINBlocked(ctx, d.ID, false)
		}
		if err != nil {
			return fmt.Errorf("unblocking %s: %w", d.ID, err)
		}
	}
	return nil
}
