package sandbox

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
	"github.com/signum-mssp/signum/internal/lab/card"
	"github.com/signum-mssp/signum/internal/lab/handset"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/lab/softapp"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run opens a sandbox on free ports and serves it until the test ends.
func run(t *testing.T, cfg Config) *Sandbox {
	t.Helper()
	box, _ := runUntil(t, cfg)
	return box
}

// runUntil is run with a way to stop before the test ends.
func runUntil(t *testing.T, cfg Config) (*Sandbox, func()) {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	if cfg.Addr == "" {
		cfg.Addr = "127.0.0.1:0"
	}
	giveRSAKey(t, cfg.Dir)
	rec := newRecorder(t)
	if outer := cfg.Wrap; outer != nil {
		cfg.Wrap = func(next http.Handler) http.Handler { return outer(rec.wrap(next)) }
	} else {
		cfg.Wrap = rec.wrap
	}
	box, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- box.Run(ctx) }()
	var stopped atomic.Bool
	stop := func() {
		if stopped.Swap(true) {
			return
		}
		cancel()
		if err := errors.Join(<-served, box.Close()); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	select {
	case <-box.Ready():
	case err := <-served:
		served <- err
		t.Fatalf("the sandbox ended before it was ready: %v", err)
	}
	return box, stop
}

// fixture is a served sandbox with a client for each wire.
type fixture struct {
	*Sandbox
	t       *testing.T
	party   *client.Sandbox
	clients map[string]*client.Client
	clock   *testkit.Clock
	users   int
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	return newFixtureWith(t, Config{})
}

func newFixtureWith(t *testing.T, cfg Config) *fixture {
	t.Helper()
	f := &fixture{t: t, clock: testkit.RunningClock(), clients: make(map[string]*client.Client)}
	cfg.Clock, cfg.Cards, cfg.Apps = f.clock, card.NewMemory(), new(softapp.Memory)
	f.Sandbox = run(t, cfg)
	party, err := client.LoadSandbox(f.Dir)
	if err != nil {
		t.Fatal(err)
	}
	f.party = party
	for _, wire := range wires {
		f.clients[wire] = f.client(wire, party.Config.TLS)
	}
	return f
}

// clientOf returns a client of the first party of a running sandbox, and what the directory
// says. The client is closed with the test.
func clientOf(t *testing.T, dir string) (*client.Client, *client.Sandbox) {
	t.Helper()
	sb, err := client.LoadSandbox(dir)
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(sb.Config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, sb
}

var wires = []string{"rest", "soap"}

func (f *fixture) client(wire string, conf *tls.Config) *client.Client {
	f.t.Helper()
	cfg := f.party.Config
	cfg.TLS, cfg.SOAP, cfg.Now = conf, wire == "soap", f.clock.Now
	c, err := client.New(cfg)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(c.Close)
	return c
}

// addUser adds a user whose phones have this behaviour.
func (f *fixture) addUser(do person.Action, methods ...signum.Method) string {
	f.t.Helper()
	f.users++
	u := User{MSISDN: fmt.Sprintf("+4179%07d", 5000000+f.users), Methods: methods, KeyType: signum.EC, Network: "22801"}
	if err := f.AddUser(f.t.Context(), u); err != nil {
		f.t.Fatal(err)
	}
	if len(methods) > 0 {
		if err := f.Behave(u.MSISDN, person.Behaviour{Do: do}); err != nil {
			f.t.Fatal(err)
		}
	}
	return u.MSISDN
}

// shows reports whether a phone shows a request; with a SIM, whether it shows any.
func (f *fixture) shows(msisdn string, m signum.Method, id string) bool {
	if m == signum.SIM {
		d, err := f.Handsets.Dialogue(msisdn)
		return err == nil && d.ID != 0
	}
	d, err := f.SoftApps.Device(f.deviceID(msisdn, m))
	if err != nil {
		return false
	}
	s, ok := d.Shown()
	return ok && s.TransID == id
}

// press waits until the handset shows a dialogue of this kind, and presses a key. It
// presses OK at the one that says who asks.
func (f *fixture) press(msisdn string, kind handset.DialogueKind, key handset.Key, input string) {
	f.t.Helper()
	for f.t.Context().Err() == nil {
		d, err := f.Handsets.Dialogue(msisdn)
		switch {
		case err == nil && d.Who:
			if err = f.Handsets.Press(msisdn, d.ID, handset.KeyOK, ""); err == nil {
				continue
			}
		case err == nil && d.ID != 0 && d.Kind == kind:
			err = f.Handsets.Press(msisdn, d.ID, key, input)
		}
		switch {
		case err != nil:
			f.t.Error(err)
			return
		case d.Kind == kind && d.ID != 0:
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// enterPIN approves a request as a person does.
func (f *fixture) enterPIN(msisdn string, m signum.Method, id string) {
	f.t.Helper()
	if m == signum.SIM {
		f.press(msisdn, handset.DisplayText, handset.KeyOK, "")
		f.press(msisdn, handset.GetInput, handset.KeyOK, person.DefaultPIN)
		return
	}
	f.whenShown(msisdn, m, id, func(id string) { // an App has it a moment after the party has its answer
		if err := f.SoftApps.EnterPIN(f.deviceID(msisdn, m), id, person.DefaultPIN); err != nil {
			f.t.Error(err)
		}
	})
}

// timeOut lets a phone give up waiting for its user.
func (f *fixture) timeOut(msisdn string, m signum.Method, id string) {
	f.t.Helper()
	if m == signum.SIM {
		f.press(msisdn, handset.DisplayText, handset.KeyNone, "")
		return
	}
	if err := f.SoftApps.TimeOut(f.deviceID(msisdn, m), id); err != nil {
		f.t.Error(err)
	}
}

// deviceID returns the id of the user's device of a method.
func (f *fixture) deviceID(msisdn string, m signum.Method) string {
	f.t.Helper()
	s, err := f.Store.Subscriber(f.t.Context(), msisdn)
	if err != nil {
		f.t.Fatal(err)
	}
	d := methods(s)[m]
	if d == nil {
		f.t.Fatalf("%s has no %s", msisdn, m)
	}
	return d.ID
}

// methods returns the devices of an account by method.
func methods(s *mssp.Subscriber) map[signum.Method]*mssp.Device {
	m := make(map[signum.Method]*mssp.Device)
	for i := range s.Devices {
		m[s.Devices[i].Method] = &s.Devices[i]
	}
	return m
}

// change alters a stored account.
func (f *fixture) change(msisdn string, how func(*mssp.Subscriber)) {
	f.t.Helper()
	s, err := f.Store.Subscriber(f.t.Context(), msisdn)
	if err != nil {
		f.t.Fatal(err)
	}
	how(s)
	if err := f.Store.PutSubscriber(f.t.Context(), s); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) putParty(change func(*mssp.Party)) {
	f.t.Helper()
	p, err := f.Store.Party(f.t.Context(), APID)
	if err != nil {
		f.t.Fatal(err)
	}
	c := *p
	change(&c)
	if err := f.Store.PutParty(f.t.Context(), &c); err != nil {
		f.t.Fatal(err)
	}
}

var calls atomic.Int64

func (f *fixture) header() signum.Header {
	return signum.Header{
		Version: signum.Version{Major: "1", Minor: "1"},
		AP:      signum.APInfo{ID: APID, Password: "disabled", TransID: fmt.Sprintf("T%d", calls.Add(1)), Instant: signum.FormatInstant(f.clock.Now())},
		MSSP:    signum.MSSPInfo{URI: "http://mid.swisscom.ch/"},
	}
}

type request = signum.SignatureRequest

func (f *fixture) request(msisdn string, changes ...func(*request)) *request {
	r := &request{
		Header: f.header(), MessagingMode: signum.Synch, TimeOut: "80", MSISDN: msisdn, Profile: signum.ProfileAnyLoA4,
		Data:     signum.DataToBeSigned{MimeType: signum.MimeText, Encoding: "UTF-8", Data: DTBDPrefix + "Grüezi & <willkommen> \"€\"?"},
		Services: []signum.AdditionalService{{URI: signum.ServiceUserLang, UserLang: "EN"}},
	}
	for _, c := range changes {
		c(r)
	}
	return r
}

// basic changes the request to one of the party with few rights.
func basic(r *request) { r.AP.ID, r.Profile = BasicAPID, "" }

// approval changes the request to a transaction approval.
func approval(profile string) func(*request) {
	return func(r *request) {
		r.Profile, r.Data.MimeType = profile, signum.MimeTxnApproval
		r.Data.Data = `{"type":"Zahlung","dtbd":[{"key":"An","value":"` + DTBDPrefix + `Bäckerei"},{"value":"12.50 €","key":"Betrag <\"&\">"}]}`
	}
}

func async(r *request) { r.MessagingMode = signum.AsynchClientServer }

// verify checks a CMS as a party would.
func (f *fixture) verify(der []byte, text string) {
	f.t.Helper()
	sig, err := client.Verify(der, f.party.UserRoots)
	if err != nil {
		f.t.Fatal(err)
	}
	if sig.Text != text {
		f.t.Errorf("signed %q, want %q", sig.Text, text)
	}
}

// tlsWith returns the party's TLS configuration with other client certificates.
func (f *fixture) tlsWith(certs ...tls.Certificate) *tls.Config {
	conf := f.party.Config.TLS.Clone()
	conf.Certificates = nil
	if len(certs) > 0 {
		conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &certs[0], nil }
	}
	return conf
}

// selfSigned makes a client certificate.
func selfSigned(t *testing.T, usage x509.ExtKeyUsage) tls.Certificate {
	t.Helper()
	dir := t.TempDir()
	tmpl := template("Somebody", 1)
	tmpl.ExtKeyUsage = []x509.ExtKeyUsage{usage}
	p, err := loadPair(dir+"/crt", dir+"/key", newECKey, always, tmpl, nil)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{p.cert.Raw}, PrivateKey: p.key, Leaf: p.cert}
}
