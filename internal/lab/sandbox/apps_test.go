package sandbox

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/lab/softapp"
	"github.com/signum-mssp/signum/internal/mssp"
)

// TestRecovery: when another App is enrolled, the account keeps its serial number only with
// the recovery code.
func TestRecovery(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const msisdn = "+41791230000" // has no account yet
	enrol := func(recovery string) (*softapp.Info, error) {
		t.Helper()
		i, err := f.Invite(t.Context(), msisdn)
		if err != nil {
			t.Fatal(err)
		}
		return f.SoftApps.Enrol(t.Context(), i.Code, softapp.EnrolOptions{RecoveryCode: recovery})
	}
	signer := func() string {
		t.Helper()
		resp := f.sign(t, "rest", f.request(msisdn))
		sig, err := client.Verify(resp.Signature, f.party.UserRoots)
		if err != nil {
			t.Fatal(err)
		}
		return sig.Serial
	}
	first, err := enrol("")
	if err != nil || first.RecoveryCode == "" {
		t.Fatalf("first: %+v, %v", first, err)
	}
	if got := signer(); got != first.Serial {
		t.Errorf("signed by %s, enrolled as %s", got, first.Serial)
	}
	var refused *softapp.Error
	if _, err := enrol("0000-0000-0000"); !errors.As(err, &refused) || refused.Code != "recovery" {
		t.Errorf("a wrong recovery code: %v", err)
	}
	second, err := enrol(first.RecoveryCode)
	if err != nil || second.Serial != first.Serial || second.DeviceID == first.DeviceID {
		t.Fatalf("second: %+v, %v", second, err)
	}
	if got := signer(); got != first.Serial {
		t.Errorf("with the recovery code signed by %s, before by %s", got, first.Serial)
	}
	for _, i := range []*softapp.Info{first, second} {
		if err := f.SoftApps.Unenrol(t.Context(), i.DeviceID); err != nil {
			t.Fatal(err)
		}
	}
	third, err := enrol("")
	if err != nil || third.Serial == first.Serial || third.RecoveryCode == "" || third.RecoveryCode == first.RecoveryCode {
		t.Fatalf("third: %+v, %v", third, err)
	}
	if got := signer(); got != third.Serial {
		t.Errorf("without the recovery code signed by %s, enrolled as %s", got, third.Serial)
	}
}

// TestNewSerial: an account has one serial number. When it gets a new one, the SIM is switched
// off and its certificate revoked until it is activated again.
func TestNewSerial(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	msisdn := f.addUser(person.Approve, signum.SIM)
	before, err := f.Store.Subscriber(t.Context(), msisdn)
	if err != nil {
		t.Fatal(err)
	}
	i, err := f.Invite(t.Context(), msisdn)
	if err != nil {
		t.Fatal(err)
	}
	info, err := f.SoftApps.Enrol(t.Context(), i.Code, softapp.EnrolOptions{})
	if err != nil || info.Serial == before.Serial {
		t.Fatalf("enrolled: %+v, %v", info, err)
	}
	after, err := f.Store.Subscriber(t.Context(), msisdn)
	if err != nil || after.Serial != info.Serial {
		t.Fatalf("account: %+v, %v", after, err)
	}
	sim := methods(after)[signum.SIM]
	if sim.State != signum.DeviceInactive || sim.Certificate.State != mssp.CertificateRevoked {
		t.Errorf("SIM: %+v, certificate %s", sim, sim.Certificate.State)
	}
	resp := f.sign(t, "rest", f.request(msisdn, func(r *signum.SignatureRequest) { r.Profile = signum.ProfileAnyLoA4 }))
	sig, err := client.Verify(resp.Signature, f.party.UserRoots)
	if err != nil || sig.Serial != info.Serial || resp.Profile != signum.ProfileDevice {
		t.Errorf("signed by %+v with %s, %v", sig, resp.Profile, err)
	}
}

// TestInviteOnce: a code works once, and a newer code replaces it.
func TestInviteOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	old, err := f.Invite(t.Context(), "+41791000004")
	if err != nil {
		t.Fatal(err)
	}
	i, err := f.Invite(t.Context(), "+41791000004")
	if err != nil {
		t.Fatal(err)
	}
	var refused *softapp.Error
	if _, err := f.SoftApps.Enrol(t.Context(), old.Code, softapp.EnrolOptions{}); !errors.As(err, &refused) || refused.Code != "code" {
		t.Errorf("the old code: %v", err)
	}
	if _, err := f.SoftApps.Enrol(t.Context(), i.Code, softapp.EnrolOptions{}); err != nil {
		t.Error(err)
	}
	if _, err := f.SoftApps.Enrol(t.Context(), i.Code, softapp.EnrolOptions{}); !errors.As(err, &refused) || refused.Code != "code" {
		t.Errorf("used twice: %v", err)
	}
}

// TestVerificationCode: the users' Apps choose the code as a person does who sees the page.
func TestVerificationCode(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, wire := range wires {
		msisdn := f.addUser(person.Approve, signum.App)
		resp := f.sign(t, wire, f.request(msisdn, async, with(signum.AdditionalService{URI: signum.ServiceVerification})))
		if code := client.VerificationCode(resp.Services); len(code) != 2 {
			t.Errorf("%s: code %q", wire, code)
		}
		st := f.status(t, wire, &signum.StatusRequest{Header: f.header(), TransID: resp.TransID})
		for st.Status == signum.OutstandingTransact {
			st = f.status(t, wire, &signum.StatusRequest{Header: f.header(), TransID: resp.TransID})
		}
		if st.Status != signum.SignatureMade || len(st.Services) != 0 {
			t.Errorf("%s: %+v", wire, st)
		}
	}
}

// TestAppsOfTheLastTime: a directory keeps its Apps; with another database they are enrolled
// again.
func TestAppsOfTheLastTime(t *testing.T) {
	t.Parallel()
	dir, store := t.TempDir(), ""
	device := func() string {
		t.Helper()
		box, stop := runUntil(t, Config{Dir: dir, Store: store})
		defer stop()
		s, err := box.Store.Subscriber(t.Context(), "+41791000002")
		if err != nil || len(s.Devices) != 1 {
			t.Fatalf("%+v, %v", s, err)
		}
		if n := len(box.SoftApps.List()); n != 3 {
			t.Errorf("%d Apps", n)
		}
		return s.Devices[0].ID
	}
	first := device()
	if second := device(); second != first {
		t.Errorf("%s became %s", first, second)
	}
	store = "sqlite:" + filepath.Join(t.TempDir(), "other.db")
	if third := device(); third == first {
		t.Error("a stranger to the database")
	}
}
