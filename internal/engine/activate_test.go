package engine

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/ca"
	"github.com/signum-mssp/signum/internal/engine/phonetest"
	"github.com/signum-mssp/signum/internal/mssp"
)

// addInactive makes an account with a SIM that was never activated.
func (w *world) addInactive(n int, b phonetest.Action, k signum.KeyType) *mssp.Subscriber {
	w.t.Helper()
	s := w.inactive(n, k)
	w.addPhones(s, b)
	w.put(s)
	return s
}

func (w *world) inactive(n int, k signum.KeyType) *mssp.Subscriber {
	return &mssp.Subscriber{MSISDN: "+41799" + itoa(n) + "000", Serial: ca.NewSerial(), State: mssp.SubscriberActive, Devices: []mssp.Device{
		{ID: itoa(n) + "-new", Method: signum.SIM, State: signum.DeviceRegistered, KeyType: k, Network: ownNetwork},
	}}
}

func (w *world) find(s *mssp.Subscriber) *mssp.Subscriber {
	w.t.Helper()
	got, err := w.store.Subscriber(context.Background(), s.MSISDN)
	if err != nil {
		w.t.Fatal(err)
	}
	return got
}

// TestAutoActivation: one transaction leads to a new PIN, a key, a certificate and a
// signature.
func TestAutoActivation(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		w := newWorld(t, url, nil)
		w.putParty(func(p *mssp.Party) { p.AutoActivation, p.Services = true, everything })
		for i, tt := range []struct {
			k       signum.KeyType
			profile string
			alg     x509.PublicKeyAlgorithm
		}{
			{"", signum.ProfileSTK, x509.ECDSA}, {signum.RSA, signum.ProfileAnyLoA4, x509.RSA},
			{"", signum.ProfileAuth1RSA, x509.RSA}, {"", signum.ProfileAuth1ECC, x509.ECDSA},
		} {
			s := w.addInactive(i, approves, tt.k)
			resp, err := w.ask(s, profile(tt.profile), service(signum.AdditionalService{URI: signum.ServiceGeofencing}),
				func(r *signum.SignatureRequest) { r.TimeOut = "300" })
			if err != nil {
				t.Fatal(err)
			}
			got := w.verify(resp.Signature)
			if got.Serial != s.Serial || got.Certificate.PublicKeyAlgorithm != tt.alg || resp.Profile != signum.ProfileSTK {
				t.Errorf("%s: signed by %s with %s, %s", tt.profile, got.Serial, got.Certificate.PublicKeyAlgorithm, resp.Profile)
			}
			if len(resp.Services) != 1 || resp.Services[0].Geofencing.Country != "CH" {
				t.Errorf("%s: %+v", tt.profile, resp.Services)
			}
			d := w.find(s).Devices[0]
			if d.State != signum.DeviceActive || d.Certificate == nil || d.Certificate.Serial != got.Certificate.SerialNumber.Text(16) || d.PINBlocked {
				t.Errorf("%s: %+v", tt.profile, d)
			}
			<-w.active
			if text := <-w.texts; len(text) < 20 || text[:len(s.MSISDN)] != s.MSISDN {
				t.Errorf("reminder %q", text)
			}
			// Now the SIM is active for every party, with the same key.
			w.putParty(func(*mssp.Party) {})
			resp, err = w.ask(s, profile(signum.ProfileSTK))
			if err != nil {
				t.Fatal(err)
			}
			if again := w.verify(resp.Signature); !again.Certificate.Equal(got.Certificate) || len(w.active) != 0 {
				t.Errorf("%s: activated again", tt.profile)
			}
			w.putParty(func(p *mssp.Party) { p.AutoActivation, p.Services = true, everything })
		}
	})
}

// TestReminder: an account without a recovery code is reminded of it.
func TestReminder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite:"+t.TempDir()+"/db", nil)
	w.putParty(func(p *mssp.Party) { p.AutoActivation = true })
	with, without := w.inactive(1, ""), w.inactive(2, "")
	with.RecoveryCodeCreated = true
	for _, s := range []*mssp.Subscriber{with, without} {
		w.addPhones(s, approves)
		w.put(s)
		if _, err := w.ask(s); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.phones.Close(); err != nil { // the answers have been handled
		t.Fatal(err)
	}
	if n := len(w.texts); n != 1 {
		t.Fatalf("%d reminders", n)
	}
	if text := <-w.texts; !strings.HasPrefix(text, without.MSISDN) {
		t.Errorf("reminder %q", text)
	}
}

func TestActivationFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite:"+t.TempDir()+"/db", nil)
	w.run()
	w.putParty(func(p *mssp.Party) { p.AutoActivation = true })
	for i, tt := range []struct {
		do   phonetest.Action
		want signum.Code
	}{
		{phonetest.Cancel, 401}, {phonetest.Unreachable, 209}, {phonetest.BadSignature, 503},
	} {
		s := w.addInactive(10+i, tt.do, "")
		resp, err := w.ask(s)
		got := w.code(err)
		if err == nil {
			got = resp.Status
		}
		if got != tt.want {
			t.Errorf("%s: %d, want %d", tt.do, got, tt.want)
		}
		if d := w.find(s).Devices[0]; d.State != signum.DeviceRegistered || d.Certificate != nil {
			t.Errorf("%s: %+v", tt.do, d)
		}
	}
	s := w.addInactive(20, silent, "")
	id := w.begin(s)
	w.awaitShown(id)
	w.clock.Advance(80 * time.Second)
	if got := w.await(id); got != signum.ExpiredTransaction {
		t.Errorf("nobody there: %d", got)
	}
	// A party without auto activation gets 404, before and after.
	w.putParty(func(*mssp.Party) {})
	if _, err := w.ask(s); w.code(err) != signum.NoKeyFound {
		t.Errorf("without auto activation: %v", err)
	}
}

// TestActivationForged: the device that was asked must prove possession of the
// key, for this transaction.
func TestActivationForged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite:"+t.TempDir()+"/db", nil)
	w.putParty(func(p *mssp.Party) { p.AutoActivation = true })
	s, other := w.addInactive(1, silent, ""), w.addInactive(2, silent, "")
	id, otherID := w.begin(s), w.begin(other)
	w.awaitShown(otherID)
	d, err := w.phones.Device(other.Devices[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	good, err := d.Act(otherID, phonetest.Approve)
	if err != nil {
		t.Fatal(err)
	}
	foreign := good
	foreign.TransID = id
	if err := w.Answer(t.Context(), foreign); !errors.Is(err, mssp.ErrNotAsked) {
		t.Errorf("another device's: %v", err)
	}
	stolen := foreign // another device's key, with the proof that it made elsewhere
	stolen.DeviceID = s.Devices[0].ID
	if err := w.Answer(t.Context(), stolen); err != nil {
		t.Error(err)
	}
	if got := w.outcome(id); got != signum.InvalidSignature {
		t.Errorf("proof for another transaction: %d", got)
	}
	early := mssp.DeviceAnswer{TransID: otherID, DeviceID: other.Devices[0].ID, Signature: []byte{1}}
	if err := w.Answer(t.Context(), early); err != nil {
		t.Error(err)
	}
	if got := w.outcome(otherID); got != signum.OutstandingTransact {
		t.Errorf("signature before activation: %d", got)
	}
	if err := w.Answer(t.Context(), good); err != nil {
		t.Error(err)
	}
	if err := w.Answer(t.Context(), good); err != nil {
		t.Errorf("repeated: %v", err)
	}
	w.awaitShown(otherID)
	if err := w.phones.Act(other.Devices[0].ID, otherID, phonetest.Approve); err != nil {
		t.Fatal(err)
	}
	if got := w.await(otherID); got != signum.SignatureMade {
		t.Errorf("the real one: %d", got)
	}
}

// TestActivationRestart: a crash at any step loses nothing, and the user is not asked
// twice.
func TestActivationRestart(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		w := newWorld(t, url, nil)
		w.putParty(func(p *mssp.Party) { p.AutoActivation = true })
		s := w.inactive(1, "")
		w.addPhones(s, silent)
		w.put(s)
		restart := func(b phonetest.Action) {
			w.stop()
			w = newWorld(t, url, w)
			w.addPhones(w.find(s), b)
		}
		id := w.begin(s)
		restart(silent) // before the user set a PIN
		if err := w.recover(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.awaitShown(id)
		d, err := w.phones.Device(s.Devices[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		a, err := d.Act(id, phonetest.Approve)
		if err != nil {
			t.Fatal(err)
		}
		// The answer comes, the certificate is made, and the node dies before the
		// transaction is prepared.
		w.cfg.Store = unpreparedStore{w.store}
		if err := w.Answer(t.Context(), a); !errors.Is(err, errAny) {
			t.Fatalf("got %v", err)
		}
		cert := w.find(s).Devices[0].Certificate
		if cert == nil {
			t.Fatal("no certificate yet")
		}
		restart(approves)
		w.run()
		if got := w.await(id); got != signum.SignatureMade {
			t.Fatalf("after the restart: %d", got)
		}
		if now := w.find(s).Devices[0].Certificate; now.Serial != cert.Serial {
			t.Errorf("a second certificate for the same key: %s, %s", cert.Serial, now.Serial)
		}
	})
}

// unpreparedStore fails before it prepares a transaction, like a node that
// dies.
type unpreparedStore struct{ mssp.Store }

func (unpreparedStore) PrepareTransaction(context.Context, string, []byte, string) (bool, error) {
	return false, errAny
}

// TestAttackEndedWhileActivating: a thief who holds a SIM that is being activated answers
// after its owner has ended it. The key is worth nothing.
func TestAttackEndedWhileActivating(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		w := newWorld(t, url, nil)
		w.putParty(func(p *mssp.Party) { p.AutoActivation = true })
		s := w.addInactive(1, silent, "")
		id := w.begin(s)
		w.awaitShown(id)
		d, err := w.phones.Device(s.Devices[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		a, err := d.Act(id, phonetest.Approve)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.store.EndDevice(t.Context(), s.Devices[0].ID, mssp.EndedByUser, w.clock.Now()); err != nil {
			t.Fatal(err)
		}
		if err := w.Answer(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		if got := w.outcome(id); got != signum.UnknownClient {
			t.Errorf("got %d", got)
		}
		if d := w.find(s).Devices[0]; d.State != signum.DeviceInactive || d.Certificate != nil {
			t.Errorf("%+v", d)
		}
		if _, err := w.ask(s); w.code(err) != signum.UnknownClient {
			t.Errorf("afterwards: %v", err)
		}
	})
}

// TestRecheckOfActivation: a request to activate a SIM ends with the SIM, and no other
// activation does.
func TestRecheckOfActivation(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite:"+t.TempDir()+"/db", nil)
	w.putParty(func(p *mssp.Party) { p.AutoActivation = true })
	s := w.addInactive(1, silent, "")
	id := w.begin(s)
	for _, want := range []signum.Code{signum.OutstandingTransact, signum.UnknownClient} {
		if want == signum.UnknownClient {
			if err := w.store.EndDevice(t.Context(), s.Devices[0].ID, mssp.EndedByUser, w.clock.Now()); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Recheck(t.Context(), s.MSISDN); err != nil {
			t.Fatal(err)
		}
		if got := w.outcome(id); got != want {
			t.Errorf("got %d, want %d", got, want)
		}
	}
}

// TestActivationChangesSerial: an account whose serial parties know keeps it for a SIM only
// with a consent. A consent that is withdrawn while the certificate is issued does not
// count, and no certificate stays without a device.
func TestActivationChangesSerial(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		w := newWorld(t, url, nil)
		w.putParty(func(p *mssp.Party) { p.AutoActivation = true })
		for i, tt := range []struct {
			name                      string
			given, withdrawn, another bool
		}{
			{"no consent", false, false, true}, {"a consent", true, false, false}, {"a consent that ends", true, true, true},
		} {
			s := w.addUser(i+1, approves, signum.EC, signum.App)
			sim := w.inactive(i+1, "").Devices[0]
			s.Devices = append(s.Devices, sim)
			w.put(s)
			w.addPhones(&mssp.Subscriber{MSISDN: s.MSISDN, Devices: []mssp.Device{sim}}, approves)
			if tt.given {
				if err := w.store.PutConsent(t.Context(), &mssp.Consent{MSISDN: s.MSISDN, Kind: mssp.ConsentActivate, Subject: sim.ID,
					DeviceID: s.Devices[0].ID, TransID: "h1", Given: w.clock.Now(), Expires: w.clock.Now().Add(mssp.ConsentFor)}); err != nil {
					t.Fatal(err)
				}
			}
			w.cfg.Issuer = &interrupted{w.ca, func() {
				if tt.withdrawn {
					_, _ = w.store.TakeConsent(t.Context(), s.MSISDN, mssp.ConsentActivate, sim.ID, w.clock.Now())
				}
			}}
			var told []mssp.Change // before the request is answered
			w.cfg.Notifier = notifier(func(c mssp.Change) { told = append(told, c) })
			resp, err := w.ask(s, profile(signum.ProfileSTK))
			if err != nil {
				t.Fatalf("%s: %v", tt.name, err)
			}
			if want := []mssp.Change{{MSISDN: s.MSISDN, Kind: mssp.NoticeSIMActivated, DeviceID: sim.ID, Lang: "en"}}; !slices.Equal(told, want) {
				t.Errorf("%s: told %+v", tt.name, told)
			}
			got := w.verify(resp.Signature)
			if now := w.find(s); now.Serial != got.Serial || (got.Serial != s.Serial) != tt.another {
				t.Errorf("%s: signed as %s, the account was %s and is %s", tt.name, got.Serial, s.Serial, now.Serial)
			}
			for _, d := range w.find(s).Devices {
				good := d.Method == signum.SIM || !tt.another
				if (d.State == signum.DeviceActive) != good || (d.Certificate.State == mssp.CertificateGood) != good {
					t.Errorf("%s: %+v, certificate %s", tt.name, d, d.Certificate.State)
				}
			}
			if revoked, err := w.store.RevokedCertificates(t.Context(), w.clock.Now()); err != nil || tt.withdrawn && len(revoked) != 3 {
				t.Errorf("%s: revoked %v, %v", tt.name, revoked, err)
			}
		}
	})
}

type notifier func(mssp.Change)

func (n notifier) Notify(_ context.Context, c mssp.Change) { n(c) }

// interrupted does something after each certificate that it issues.
type interrupted struct {
	mssp.Issuer
	after func()
}

func (i *interrupted) Issue(ctx context.Context, serial, deviceID string, key crypto.PublicKey) (*mssp.Certificate, error) {
	c, err := i.Issuer.Issue(ctx, serial, deviceID, key)
	i.after()
	return c, err
}

// TestAttackEndedSIMSignsPending: a thief approves a request that was on the SIM before its
// owner ended it.
func TestAttackEndedSIMSignsPending(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		w := newWorld(t, url, nil)
		s := w.addUser(1, silent, signum.EC, signum.SIM)
		id := w.begin(s)
		w.awaitShown(id)
		if err := w.store.EndDevice(t.Context(), s.Devices[0].ID, mssp.EndedByUser, w.clock.Now()); err != nil {
			t.Fatal(err)
		}
		d, err := w.phones.Device(s.Devices[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		a, err := d.Act(id, phonetest.Approve)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Answer(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		if got := w.outcome(id); got == signum.SignatureMade {
			t.Error("the signature was taken")
		}
	})
}
