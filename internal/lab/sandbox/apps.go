package sandbox

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"

	"github.com/signum-mssp/signum/internal/app"
	"github.com/signum-mssp/signum/internal/config"
	"github.com/signum-mssp/signum/internal/lab/softapp"
	"github.com/signum-mssp/signum/internal/mssp"
)

const phonePath = "/phone"

// softApps makes the Apps that answer by themselves. They speak the App protocol to the
// node like any other App, at the address of its listener, because its public name need
// not resolve here.
func (b *Sandbox) softApps(ctx context.Context) (*softapp.Apps, error) {
	cfg, records := b.cfg, b.cfg.Apps
	if records == nil {
		var err error
		if records, err = softapp.OpenDir(filepath.Join(b.Dir, privateDir, "apps")); err != nil {
			return nil, err
		}
	}
	if err := forgetStrangers(ctx, records, b.Store); err != nil {
		return nil, err
	}
	return softapp.New(softapp.Config{
		Base: b.WebListenerURL() + softapp.Path, HTTPClient: appClient(b.files.serverCA), Clock: cfg.Clock, Logger: cfg.Logger, Store: records,
		Delay: cfg.PhoneDelay, Decide: b.Decide, Observe: b.Observe,
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
