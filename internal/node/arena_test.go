package node

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
	"github.com/signum-mssp/signum/internal/ca"
	"github.com/signum-mssp/signum/internal/config"
	"github.com/signum-mssp/signum/internal/engine/phonetest"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/testkit"
)

// arena is a node with the limits of a production node, parties that reach it over
// TLS, and phones that a test controls.
type arena struct {
	*Node
	t      *testing.T
	clock  *testkit.Clock
	phones *phonetest.Phones
	cert   tls.Certificate // of all parties
	log    *testkit.Buffer
	shown  chan string  // transactions, as the phones show them
	stop   func() error // ends the node
}

func newArena(t *testing.T, changes ...func(*config.Config)) *arena {
	t.Helper()
	a := &arena{t: t, clock: testkit.NewClock(time.Now().Truncate(time.Second)), cert: clientCertificate(t), log: new(testkit.Buffer), shown: make(chan string, 1000)}
	a.phones = phonetest.New(phonetest.Config{Clock: a.clock, Shown: func(r mssp.DeviceRequest) {
		select {
		case a.shown <- r.TransID:
		default: // no test is reading
		}
	}})
	t.Cleanup(func() { a.phones.Close() })
	wrap := func(_ mssp.Channel, answers mssp.AnswerHandler) mssp.Channel {
		a.phones.Connect(answers)
		return a.phones
	}
	c := testConfig(t)
	c.SIM.ServiceNumber = "41790000500"
	for _, change := range changes {
		change(&c)
	}
	var err error
	a.Node, err = New(t.Context(), c, Deps{Clock: a.clock, Logger: slog.New(slog.NewTextHandler(a.log, nil)), WrapSIMs: wrap, WrapApps: wrap})
	if err != nil {
		t.Fatal(err)
	}
	a.stop = run(t, a.Node)
	return a
}

func clientCertificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// party registers an application provider and returns its client.
func (a *arena) party(id string, soap bool, changes ...func(*mssp.Party)) *client.Client {
	a.t.Helper()
	p := &mssp.Party{ID: id, Pins: []mssp.Pin{mssp.PinOf(a.cert.Certificate[0])}, Profiles: signum.SignatureProfiles,
		AuthProfile1: signum.ProfileAnyLoA4, DefaultLang: "en"}
	for _, change := range changes {
		change(p)
	}
	if err := a.Store.PutParty(a.t.Context(), p); err != nil {
		a.t.Fatal(err)
	}
	c, err := client.New(client.Config{
		BaseURL: "https://" + a.MSSAddr(), SOAP: soap, APID: id, Now: a.clock.Now,
		TLS: &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{a.cert}},
	})
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(c.Close)
	return c
}

// user makes an account with one certified device.
func (a *arena) user(n int, m signum.Method, does phonetest.Action) *mssp.Subscriber {
	a.t.Helper()
	ctx := context.Background()
	s := &mssp.Subscriber{MSISDN: fmt.Sprintf("+4179%07d", n), Serial: ca.NewSerial(), State: mssp.SubscriberActive,
		Devices: []mssp.Device{{ID: fmt.Sprintf("%d-%s", n, m), Method: m, State: signum.DeviceActive, KeyType: signum.EC}}}
	d := &s.Devices[0]
	phone, err := a.phones.Add(phonetest.Spec{ID: d.ID, MSISDN: s.MSISDN, Method: m})
	if err == nil {
		err = errors.Join(a.phones.Behave(s.MSISDN, does), a.Store.PutSubscriber(ctx, s))
	}
	if err == nil {
		d.Certificate, err = a.CA.Issue(ctx, s.Serial, d.ID, phone.Key().Public())
	}
	if err == nil {
		err = a.Store.PutSubscriber(ctx, s)
	}
	if err != nil {
		a.t.Fatal(err)
	}
	return s
}

// asks asks for a signature and does not wait for the user.
func (a *arena) asks(c *client.Client, s *mssp.Subscriber) error {
	_, err := c.Sign(a.t.Context(), client.SignRequest{MSISDN: s.MSISDN, Text: "Log in?", Async: true})
	return err
}

// signs asks for a signature and waits for the user.
func (a *arena) signs(c *client.Client, s *mssp.Subscriber) error {
	_, err := c.Sign(a.t.Context(), client.SignRequest{MSISDN: s.MSISDN, Text: "Log in?"})
	return err
}

// refused checks that a fault says what it must, and when to come back.
func (a *arena) refused(what string, err error, code signum.Code, detail string, wait time.Duration) {
	a.t.Helper()
	f := signum.AsFault(err)
	if f == nil || f.Code != code || f.Detail != detail || f.RetryAfter < min(wait, time.Second) || f.RetryAfter > wait {
		a.t.Errorf("%s: %v, want %d %q with Retry-After up to %s: %+v", what, err, code, detail, wait, f)
	}
}
