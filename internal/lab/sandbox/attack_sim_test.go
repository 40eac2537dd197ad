package sandbox

import (
	"errors"
	"strings"
	"testing"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/lab/softapp"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/simcards"
)

// stk changes a request to one that only a SIM can sign.
func stk(r *request) { r.Profile = signum.ProfileSTK }

// ask sends a request of the party that has auto activation. It returns the serial of
// the account that signed and the method, or the code of the fault.
func (f *fixture) ask(msisdn string, changes ...func(*request)) (serial, profile string, code signum.Code) {
	f.t.Helper()
	got, err := f.clients["rest"].Do(f.t.Context(), f.request(msisdn, changes...))
	if fault := signum.AsFault(err); fault != nil {
		return "", "", fault.Code
	}
	if err != nil {
		f.t.Fatal(err)
	}
	resp := got.(*signum.SignatureResponse)
	sig, err := client.Verify(resp.Signature, f.party.UserRoots)
	if err != nil {
		f.t.Fatal(err)
	}
	return sig.Serial, resp.Profile, resp.Status
}

func (f *fixture) account(msisdn string) *mssp.Subscriber {
	f.t.Helper()
	s, err := f.Store.Subscriber(f.t.Context(), msisdn)
	if err != nil {
		f.t.Fatal(err)
	}
	return s
}

// endSIM ends the SIM of a user as the self-care pages do.
func (f *fixture) endSIM(msisdn string) error {
	d := methods(f.account(msisdn))[signum.SIM]
	return errors.Join(f.CA.Revoke(f.t.Context(), d.Certificate.Serial, 5),
		f.Store.EndDevice(f.t.Context(), d.ID, mssp.EndedByUser, f.clock.Now()))
}

// reenrol enrols an App with a code of the operator and without the recovery code.
func (f *fixture) reenrol(msisdn string) error {
	i, err := f.Invite(f.t.Context(), msisdn)
	if err == nil {
		_, err = f.SoftApps.Enrol(f.t.Context(), i.Code, softapp.EnrolOptions{})
	}
	return err
}

// TestAttackEndedSIM: the SIM of a user has ended, and a thief has it, who chooses any
// PIN that a phone asks for. No request reaches the SIM, whatever its party may do.
func TestAttackEndedSIM(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, tt := range []struct {
		name string
		end  func(msisdn string) error
		app  bool // the user has an App, then or afterwards
	}{
		{"switched off by its user", f.endSIM, true},
		{"switched off, no other method", f.endSIM, false},
		{"switched off after the thief blocked its PIN", func(n string) error {
			return errors.Join(f.Store.SetPINBlocked(t.Context(), f.deviceID(n, signum.SIM), true), f.endSIM(n))
		}, true},
		{"ended by an enrolment", f.reenrol, true},
		{"ended by the operator", func(n string) error { return f.Cards.End(t.Context(), n) }, true},
		{"ended, its card blocked and unblocked", func(n string) error {
			c, err := f.Store.CardOf(t.Context(), n)
			if err != nil {
				return err
			}
			return errors.Join(f.endSIM(n), f.Cards.SetState(t.Context(), c.ICCID, mssp.CardBlocked), f.Cards.SetState(t.Context(), c.ICCID, mssp.CardActive))
		}, true},
	} {
		methods := []signum.Method{signum.SIM}
		if tt.app {
			methods = append(methods, signum.App)
		}
		msisdn := f.addUser(person.Approve, methods...)
		if err := tt.end(msisdn); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		f.mustStayEnded(tt.name, msisdn, tt.app)
	}
}

// mustStayEnded asks for signatures in every way that could reach the SIM.
func (f *fixture) mustStayEnded(name, msisdn string, app bool) {
	f.t.Helper()
	want := signum.UnknownClient
	if app {
		want = signum.UnsupportedProfile // there is another method, which does not fit the profile
	}
	for _, profile := range []string{signum.ProfileSTK, signum.ProfileAuth1ECC, signum.ProfileAuth1RSA} {
		if _, _, code := f.ask(msisdn, func(r *request) { r.Profile = profile }); code != want {
			f.t.Errorf("%s: %s: %d, want %d", name, profile, code, want)
		}
	}
	_, profile, code := f.ask(msisdn)
	if app && (code != signum.SignatureMade || profile != signum.ProfileDevice) || !app && code != signum.UnknownClient {
		f.t.Errorf("%s: any method: %d, %s", name, code, profile)
	}
	if app {
		x := f.query(f.t, "soap", msisdn, words("aastatus sscds state")).Extension
		if *x.User.AutoActivation || x.SSCDs.SIM.State != signum.DeviceInactive {
			f.t.Errorf("%s: auto activation %v, SIM %s", name, *x.User.AutoActivation, x.SSCDs.SIM.State)
		}
	}
}

// swapped gives a user another card, which is in the thief's phone.
func (f *fixture) swapped(msisdn, iccid string, keep bool) {
	f.t.Helper()
	const head = "iccid,msisdn,key_set,algorithm,kic,kid\n"
	row := head + iccid + ",,1,AES,000102030405060708090a0b0c0d0e0f,101112131415161718191a1b1c1d1e1f\n"
	if sum, err := f.Cards.Import(f.t.Context(), strings.NewReader(row), simcards.ImportOptions{PlainKeys: true}); err != nil || sum.New != 1 {
		f.t.Fatalf("%+v, %v", sum, err)
	}
	if err := errors.Join(f.Cards.Swap(f.t.Context(), msisdn, iccid, keep), f.Behave(msisdn, person.Behaviour{Do: person.Approve})); err != nil {
		f.t.Fatal(err)
	}
}

// consent lets the App of a user consent to the activation of the SIM.
func (f *fixture) consent(msisdn string) {
	f.t.Helper()
	now := f.clock.Now()
	if err := f.Store.PutConsent(f.t.Context(), &mssp.Consent{MSISDN: msisdn, Kind: mssp.ConsentActivate, Subject: f.deviceID(msisdn, signum.SIM),
		DeviceID: f.deviceID(msisdn, signum.App), TransID: "h1", Given: now, Expires: now.Add(mssp.ConsentFor)}); err != nil {
		f.t.Fatal(err)
	}
}

// TestAttackSwappedSIM: a thief got a card for somebody else's number. Its signatures do
// not name the account that parties know, and the App goes on until the thief signs. The
// owner can refuse the card; with a consent, the owner's own card keeps the account.
func TestAttackSwappedSIM(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	iccids := []string{"89014103211118510720", "89410123456789012342", "89410123456789012367"}
	setup := func(i int, keep bool) (msisdn, serial string) {
		t.Helper()
		msisdn = f.addUser(person.Approve, signum.SIM, signum.App)
		serial = f.account(msisdn).Serial
		f.swapped(msisdn, iccids[i], keep)
		if got, profile, _ := f.ask(msisdn); got != serial || profile != signum.ProfileDevice {
			t.Errorf("the App after the swap: %s, %s", got, profile)
		}
		return msisdn, serial
	}

	msisdn, serial := setup(0, false)
	app := methods(f.account(msisdn))[signum.App]
	got, profile, code := f.ask(msisdn, stk)
	if code != signum.SignatureMade || profile != signum.ProfileSTK || got == serial {
		t.Errorf("the thief's card: %d, %s signed as %s, the owner was %s", code, profile, got, serial)
	}
	if again, _, _ := f.ask(msisdn, stk); again != got {
		t.Errorf("the thief's card signed as %s, then as %s", got, again)
	}
	s := f.account(msisdn)
	if d := methods(s)[signum.App]; s.Serial != got || d.State != signum.DeviceInactive || d.Ended != mssp.EndedByActivation {
		t.Errorf("account %s, App %+v", s.Serial, d)
	}
	if x, err := f.Store.Certificate(t.Context(), app.Certificate.Serial); err != nil || x.State != mssp.CertificateRevoked || x.Reason != 4 {
		t.Errorf("certificate of the App: %+v, %v", x, err)
	}

	// The owner refuses the card in time.
	msisdn, serial = setup(1, false)
	if err := f.Store.EndDevice(t.Context(), f.deviceID(msisdn, signum.SIM), mssp.EndedByUser, f.clock.Now()); err != nil {
		t.Fatal(err)
	}
	f.mustStayEnded("refused by the owner", msisdn, true)
	if got := f.account(msisdn).Serial; got != serial {
		t.Errorf("the account is %s, was %s", got, serial)
	}
	// The card was the owner's after all.
	if err := f.Store.ReopenDevice(t.Context(), f.deviceID(msisdn, signum.SIM)); err != nil {
		t.Fatal(err)
	}
	f.consent(msisdn)
	if got, _, code := f.ask(msisdn, stk); code != signum.SignatureMade || got != serial {
		t.Errorf("with the owner's consent: %d, %s, want %s", code, got, serial)
	}
	if got, _, _ := f.ask(msisdn, func(r *request) { r.Profile = signum.ProfileDevice }); got != serial {
		t.Errorf("the App: %s, want %s", got, serial)
	}

	// A consent counts once.
	if err := errors.Join(f.endSIM(msisdn), f.Cards.Reopen(t.Context(), msisdn, false)); err != nil {
		t.Fatal(err)
	}
	if got, _, code := f.ask(msisdn, stk); code != signum.SignatureMade || got == serial {
		t.Errorf("with an old consent: %d, %s", code, got)
	}

	// The operator has seen the owner's passport.
	msisdn, serial = setup(2, true)
	if got, _, code := f.ask(msisdn, stk); code != signum.SignatureMade || got != serial {
		t.Errorf("with --keep-serial: %d, %s, want %s", code, got, serial)
	}
}

// TestAttackEnrolmentAfterSwap: a thief with a card for somebody else's number has an App
// enrolled. The account has no device with a certificate any more and never had a
// recovery code, but parties know its serial.
func TestAttackEnrolmentAfterSwap(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	msisdn := f.addUser(person.Approve, signum.SIM)
	serial, _, code := f.ask(msisdn)
	if code != signum.SignatureMade {
		t.Fatalf("the owner: %d", code)
	}
	f.swapped(msisdn, "89014103211118510720", true) // for the SIM, not for an App
	if err := f.reenrol(msisdn); err != nil {
		t.Fatal(err)
	}
	device := func(r *request) { r.Profile = signum.ProfileDevice }
	if got, _, code := f.ask(msisdn, device); code != signum.SignatureMade || got == serial {
		t.Errorf("the thief's App: %d, signed as %s, the owner was %s", code, got, serial)
	}
	f.mustStayEnded("the card of the swap", msisdn, true)
}
