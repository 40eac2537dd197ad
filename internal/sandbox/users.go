package sandbox

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/ca"
	"github.com/signum-mssp/signum/internal/phone"
)

// renewBefore its end a user's certificate is replaced when the sandbox starts.
const renewBefore = 30 * 24 * time.Hour

// populate puts the party, the users and their phones in place. What an
// earlier run left is kept.
func (b *Sandbox) populate(ctx context.Context, pin signum.Pin) error {
	err := b.Store.PutParty(ctx, &signum.Party{
		ID:         APID,
		DTBDPrefix: DTBDPrefix,
		Pins:       []signum.Pin{pin},
		Profiles: []string{
			signum.ProfileAnyLoA4, signum.ProfileSTK, signum.ProfileDevice, signum.ProfileAnyGeo,
			signum.ProfileAuth1ECC, signum.ProfileAuth1RSA,
		},
	})
	if err != nil {
		return fmt.Errorf("party %s: %w", APID, err)
	}
	for _, u := range b.Info.Users {
		if err := b.AddUser(ctx, u); err != nil {
			return fmt.Errorf("user %s: %w", u.MSISDN, err)
		}
	}
	for msisdn, behaviour := range b.behaviours {
		if err := b.Phones.Behave(msisdn, behaviour); err != nil {
			return fmt.Errorf("behaviour of %s, who has no phone here: %w", msisdn, err)
		}
	}
	return nil
}

// AddUser makes an account with a phone for each of its methods, or completes
// the one that is there.
func (b *Sandbox) AddUser(ctx context.Context, u User) error {
	s, err := b.Store.Subscriber(ctx, u.MSISDN)
	if errors.Is(err, signum.ErrNotFound) {
		s, err = &signum.Subscriber{MSISDN: u.MSISDN, Serial: ca.NewSerial(), State: signum.SubscriberActive}, nil
		for _, m := range u.Methods {
			s.Devices = append(s.Devices, signum.Device{
				ID: deviceID(u.MSISDN, m), Method: m, State: signum.DeviceActive, KeyType: u.KeyType,
			})
		}
		// The account stands before its certificates, which name its devices.
		err = b.Store.PutSubscriber(ctx, s)
	}
	if err != nil {
		return err
	}
	changed := false
	for i := range s.Devices {
		d := &s.Devices[i]
		p, err := b.Phones.Add(phone.DeviceSpec{ID: d.ID, MSISDN: s.MSISDN, Method: d.Method, KeyType: d.KeyType})
		if err != nil {
			return err
		}
		key, err := x509.MarshalPKIXPublicKey(p.PublicKey())
		if err != nil {
			return err
		}
		if usable(d.Certificate, key) {
			continue
		}
		if d.Certificate, err = b.CA.Issue(ctx, s.Serial, d.ID, p.PublicKey()); err != nil {
			return err
		}
		changed = true
	}
	if !changed {
		return nil
	}
	return b.Store.PutSubscriber(ctx, s)
}

// usable reports whether a certificate is for the key and good for a while. A
// revoked one stays: somebody wanted it so.
func usable(c *signum.Certificate, key []byte) bool {
	if c == nil || c.State == signum.CertificateIntended {
		return false
	}
	cert, err := x509.ParseCertificate(c.DER)
	return err == nil && bytes.Equal(cert.RawSubjectPublicKeyInfo, key) && time.Until(c.NotAfter) > renewBefore
}

func deviceID(msisdn string, m signum.Method) string {
	return strings.TrimPrefix(msisdn, "+") + "-" + strings.ToLower(string(m))
}
