package engine

import (
	"crypto/x509"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

func (w *world) query(msisdn string, change ...func(*signum.ProfileRequest)) (*signum.ProfileResponse, error) {
	r := &signum.ProfileRequest{Header: w.header(), MSISDN: msisdn}
	for _, c := range change {
		c(r)
	}
	return w.Profile(w.t.Context(), &mssp.Caller{Pin: testPin}, r)
}

func params(words string) func(*signum.ProfileRequest) {
	return func(r *signum.ProfileRequest) { r.Params = words }
}

func TestProfile(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		w := newWorld(t, url, nil)
		w.putParty(func(p *mssp.Party) { p.Services = everything })
		s := w.addUserIn(1, ownNetwork, signum.SIM, signum.App)
		rsa := w.addUser(2, approves, signum.RSA, signum.SIM)
		s.RecoveryCodeCreated, s.Devices[0].PINBlocked = true, true
		w.put(s)
		yes, no := true, false
		chain := func(s *mssp.Subscriber, i int, alg signum.KeyType) []signum.SSCDCertificate {
			c := signum.SSCDCertificate{Algorithm: alg, State: signum.DeviceActive}
			leaf := s.Devices[i].Certificate.DER
			cas, err := w.ca.Chain(leaf)
			if err != nil {
				t.Fatal(err)
			}
			for _, der := range append([][]byte{leaf}, cas...) {
				cert, err := x509.ParseCertificate(der)
				if err != nil {
					t.Fatal(err)
				}
				subject := cert.Subject.String()
				if len(c.Chain) == 0 {
					subject = "pseudonym=" + s.Serial + ",CN=" + s.Serial + ":PN,serialNumber=" + s.Serial
				}
				c.Chain = append(c.Chain, signum.ChainCertificate{DER: der, Subject: subject})
			}
			return []signum.SSCDCertificate{c}
		}
		sim, app := chain(s, 0, signum.EC), chain(s, 1, signum.EC)
		getters := func(g signum.ProfileGetters) func(*signum.ProfileRequest) {
			return func(r *signum.ProfileRequest) { r.Version, r.Getters = signum.Version{Major: "1", Minor: "1"}, g }
		}
		for _, tt := range []struct {
			name string
			who  *mssp.Subscriber
			ask  func(*signum.ProfileRequest)
			want *signum.ProfileExtension
		}{
			{"nothing", s, params(""), nil},
			{"version 1.0", s, func(r *signum.ProfileRequest) { r.Version = signum.Version{Major: "1", Minor: "0"} }, nil},
			{"sscds", s, params("sscds"), &signum.ProfileExtension{SSCDs: &signum.SSCDs{
				SIM: &signum.SSCD{State: "ACTIVE"}, Apps: []signum.SSCD{{State: "ACTIVE"}}}}},
			{"pinstatus", s, params("pinstatus"), &signum.ProfileExtension{SSCDs: &signum.SSCDs{
				SIM: &signum.SSCD{State: "ACTIVE", PINBlocked: &yes}, Apps: []signum.SSCD{{State: "ACTIVE", PINBlocked: &no}}}}},
			{"carddetails", s, params("carddetails state"), &signum.ProfileExtension{SSCDs: &signum.SSCDs{
				SIM: &signum.SSCD{State: "ACTIVE", Card: &ownNetwork}, Apps: []signum.SSCD{{State: "ACTIVE"}}}}},
			{"unknown card", rsa, params("carddetails"), &signum.ProfileExtension{SSCDs: &signum.SSCDs{
				SIM: &signum.SSCD{State: "ACTIVE", Card: &signum.Network{MCC: "000", MNC: "00", Name: "Unknown network"}}}}},
			{"rcstatus", s, params("rcstatus"), &signum.ProfileExtension{User: &signum.ProfileUser{RecoveryCodeCreated: &yes}}},
			{"aastatus", rsa, params("aastatus rcstatus"), &signum.ProfileExtension{User: &signum.ProfileUser{RecoveryCodeCreated: &no, AutoActivation: &no}}},
			{"certs", s, params("certs"), &signum.ProfileExtension{SSCDs: &signum.SSCDs{
				SIM: &signum.SSCD{State: "ACTIVE", Certificates: sim}, Apps: []signum.SSCD{{State: "ACTIVE", Certificates: app}}}}},
			{"RSA", rsa, params("certs"), &signum.ProfileExtension{SSCDs: &signum.SSCDs{
				SIM: &signum.SSCD{State: "ACTIVE", Certificates: chain(rsa, 0, signum.RSA)}}}},
			{"all", s, params("carddetails aastatus rcstatus pinstatus certs state sscds"), &signum.ProfileExtension{
				User: &signum.ProfileUser{RecoveryCodeCreated: &yes, AutoActivation: &no},
				SSCDs: &signum.SSCDs{
					SIM:  &signum.SSCD{State: "ACTIVE", PINBlocked: &yes, Certificates: sim, Card: &ownNetwork},
					Apps: []signum.SSCD{{State: "ACTIVE", PINBlocked: &no, Certificates: app}}}}},
			{"getters", s, getters(signum.ProfileGetters{Certificates: "true", AutoActivation: "1", RecoveryCodeCreated: "true", ServerSideSignature: "true"}),
				&signum.ProfileExtension{Certificates: append(sim[:1:1], app...), AutoActivation: &no, RecoveryCodeCreated: &yes, ServerSideSignature: &no}},
			{"getters that say no", s, getters(signum.ProfileGetters{Certificates: "false"}), nil},
		} {
			resp, err := w.query(tt.who.MSISDN, tt.ask)
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
				continue
			}
			if d := cmp.Diff(tt.want, resp.Extension); d != "" {
				t.Errorf("%s: %s", tt.name, d)
			}
			r := &signum.ProfileRequest{}
			tt.ask(r)
			if r.Version == (signum.Version{}) {
				r.Version = signum.Version{Major: "2", Minor: "0"}
			}
			if resp.Version != r.Version || resp.Status != signum.RequestOK || len(resp.Profiles) == 0 || resp.MSSP.URI != "mid://test" {
				t.Errorf("%s: %+v", tt.name, resp)
			}
		}
		if n := len(w.shown); n != 0 {
			t.Errorf("%d users were disturbed", n)
		}
	})
}

// TestProfileRefusals: for a user who cannot sign, the fault says why.
func TestProfileRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite:"+t.TempDir()+"/db", nil)
	sim := w.addUser(1, approves, signum.EC, signum.SIM)
	fresh := w.addInactive(2, approves, "")
	for _, tt := range []struct {
		name, msisdn string
		change       func()
		want         signum.Fault
	}{
		{"heartbeat", "+41000000000", nil, signum.Fault{Code: 101, Detail: "Illegal msisdn"}},
		{"unknown", "+41791119999", nil, signum.Fault{Code: 105, Detail: "MSISDN is unknown"}},
		{"not activated", fresh.MSISDN, nil, signum.Fault{Code: 404, Detail: "Mobile user account needs to be activated"}},
		{"suspended", sim.MSISDN, func() { sim.State = mssp.SubscriberInactive; w.put(sim) }, signum.Fault{Code: 403, Detail: signum.CardBlocked.Detail()}},
	} {
		if tt.change != nil {
			tt.change()
		}
		_, err := w.query(tt.msisdn)
		if flt := signum.AsFault(err); flt == nil || *flt != tt.want {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if _, err := w.query(sim.MSISDN, func(r *signum.ProfileRequest) { r.AP.ID = "mid://none" }); w.code(err) != 104 {
		t.Errorf("credentials: %v", err)
	}
	// A party with auto activation learns that a request would activate.
	w.putParty(func(p *mssp.Party) { p.AutoActivation = true })
	resp, err := w.query(fresh.MSISDN, params("aastatus state"))
	if err != nil || !*resp.Extension.User.AutoActivation || resp.Extension.SSCDs.SIM.State != signum.DeviceRegistered {
		t.Fatalf("got %+v, %v", resp, err)
	}
	if _, err := w.ask(fresh, profile(resp.Profiles[1])); err != nil {
		t.Errorf("%s: %v", resp.Profiles[1], err)
	}
	// Test numbers that sign exist only for parties that may use them.
	w.put(&mssp.Subscriber{MSISDN: "+41700092501", Serial: sim.Serial, State: mssp.SubscriberInactive})
	if _, err := w.query("+41700092501"); w.code(err) != 105 {
		t.Errorf("test number: %v", err)
	}
	w.putParty(func(p *mssp.Party) { p.TestNumbers = true })
	if _, err := w.query("+41700092501"); w.code(err) != 403 {
		t.Errorf("test number: %v", err)
	}
}

func TestSubjectNames(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"a": "a", "a,b": `a\,b`, " a ": `\ a\ `, "#a": `\#a`, `"\<>;+`: `\"\\\<\>\;\+`, "ü": "ü", "ü ": `ü\ `} {
		if got := escapeValue(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	if got := escapeValue(strings.Repeat(" ", 3)); got != `\  \ ` {
		t.Errorf("got %q", got)
	}
}

// TestSubjectNamesInBase64: a party that is registered so gets the names that others
// get, in Base64.
func TestSubjectNamesInBase64(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite:"+t.TempDir()+"/db", nil)
	s := w.addUser(1, approves, signum.EC, signum.SIM)
	names := func(base64 bool) (list []string) {
		w.putParty(func(p *mssp.Party) { p.SubjectNameBase64 = base64 })
		for _, ask := range []func(*signum.ProfileRequest){params("certs"), func(r *signum.ProfileRequest) { r.Getters.Certificates = "true" }} {
			resp, err := w.query(s.MSISDN, ask)
			if err != nil {
				t.Fatal(err)
			}
			certs := resp.Extension.Certificates
			if resp.Extension.SSCDs != nil {
				certs = resp.Extension.SSCDs.SIM.Certificates
			}
			for _, c := range certs[0].Chain {
				list = append(list, c.Subject)
			}
		}
		return list
	}
	text, encoded := names(false), names(true)
	if len(text) != 6 || len(encoded) != len(text) {
		t.Fatalf("%q, %q", text, encoded)
	}
	for i := range text {
		if got, err := base64.StdEncoding.DecodeString(encoded[i]); err != nil || string(got) != text[i] {
			t.Errorf("%q, want Base64 of %q", encoded[i], text[i])
		}
	}
}

// TestCertificateStates: a certificate that cannot sign now is INACTIVE.
func TestCertificateStates(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite:"+t.TempDir()+"/db", nil)
	s := w.addUser(1, approves, signum.EC, signum.SIM, signum.App)
	for name, how := range map[string]func(){
		"switched off": func() { s.Devices[0].State = signum.DeviceInactive; w.put(s) },
		"revoked": func() {
			s.Devices[0].State = signum.DeviceActive
			w.put(s)
			if err := w.ca.Revoke(t.Context(), s.Devices[0].Certificate.Serial, 1); err != nil {
				t.Fatal(err)
			}
		},
	} {
		how()
		resp, err := w.query(s.MSISDN, params("certs"))
		if err != nil || resp.Extension.SSCDs.SIM.Certificates[0].State != signum.DeviceInactive || resp.Extension.SSCDs.Apps[0].Certificates[0].State != signum.DeviceActive {
			t.Errorf("%s: %+v, %v", name, resp, err)
		}
	}
	d := mssp.Device{State: signum.DeviceActive, KeyType: signum.EC, Certificate: s.Devices[1].Certificate}
	for _, at := range []struct {
		when string
		add  int
		want signum.DeviceState
	}{{"now", 0, signum.DeviceActive}, {"in ten years", 10, signum.DeviceInactive}} {
		certs, err := w.certificates(new(mssp.Party), &d, w.clock.Now().AddDate(at.add, 0, 0))
		if err != nil || certs[0].State != at.want {
			t.Errorf("%s: %+v, %v", at.when, certs, err)
		}
	}
}
