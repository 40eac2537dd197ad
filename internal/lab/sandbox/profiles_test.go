package sandbox

import (
	"crypto/x509"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/lab/world"
	"github.com/signum-mssp/signum/internal/mssp"
)

// query sends a profile query over a wire, and checks the version of the answer.
func (f *fixture) query(t *testing.T, wire, msisdn string, change func(*signum.ProfileRequest)) *signum.ProfileResponse {
	t.Helper()
	r := f.profileRequest(msisdn)
	change(r)
	got, err := f.clients[wire].Do(t.Context(), r)
	if err != nil {
		t.Fatalf("%s: %v", wire, err)
	}
	resp := got.(*signum.ProfileResponse)
	if resp.Version != r.Version || resp.Status != signum.RequestOK || resp.AP.TransID != r.AP.TransID || resp.MSSP.URI != "mid://signum/sandbox" {
		t.Errorf("%s: %+v", wire, resp)
	}
	return resp
}

func (f *fixture) profileRequest(msisdn string) *signum.ProfileRequest {
	r := &signum.ProfileRequest{Header: f.header(), MSISDN: msisdn}
	r.Version = signum.Version{Major: "2", Minor: "0"}
	return r
}

func words(s string) func(*signum.ProfileRequest) {
	return func(r *signum.ProfileRequest) { r.Params = s }
}

// TestProfiles covers the profile query over both wires: every word of Params, the older versions
// and getters, and the types of the answer.
func TestProfiles(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	yes, no := true, false
	msisdn := f.addUser(person.Approve, signum.SIM, signum.App)
	f.change(msisdn, func(s *mssp.Subscriber) { methods(s)[signum.App].PINBlocked = true })
	s, err := f.Store.Subscriber(t.Context(), msisdn)
	if err != nil {
		t.Fatal(err)
	}
	app, sim := *methods(s)[signum.App], *methods(s)[signum.SIM]
	for _, wire := range wires {
		x := f.query(t, wire, msisdn, words(strings.Join(signum.ProfileParams, " "))).Extension
		if d := cmp.Diff(&signum.ProfileUser{RecoveryCodeCreated: &yes, AutoActivation: &no}, x.User); d != "" {
			t.Errorf("%s: %s", wire, d)
		}
		for _, tt := range []struct {
			got  *signum.SSCD
			d    mssp.Device
			card *signum.Network
		}{{x.SSCDs.SIM, sim, &world.HomeNetwork}, {&x.SSCDs.Apps[0], app, nil}} {
			if tt.got.State != signum.DeviceActive || *tt.got.PINBlocked != tt.d.PINBlocked || !cmp.Equal(tt.got.Card, tt.card) || len(tt.got.Certificates) != 1 {
				t.Errorf("%s: %s: %+v", wire, tt.d.Method, tt.got)
			}
			c := tt.got.Certificates[0]
			leaf, err := x509.ParseCertificate(c.Chain[0].DER)
			if err != nil || leaf.SerialNumber.Text(16) != tt.d.Certificate.Serial || c.Algorithm != signum.EC || c.State != signum.DeviceActive || len(c.Chain) != 3 ||
				!strings.Contains(c.Chain[0].Subject, "serialNumber="+s.Serial) || !strings.HasPrefix(c.Chain[1].Subject, "CN=TEST Signum sandbox issuing CA") {
				t.Errorf("%s: certificate %+v, %v", wire, c, err)
			}
		}
		// Each word alone, and no word.
		if x := f.query(t, wire, msisdn, words("")).Extension; x != nil {
			t.Errorf("%s: an extension that was not asked for: %+v", wire, x)
		}
		for _, word := range signum.ProfileParams {
			x := f.query(t, wire, msisdn, words(word)).Extension
			ofUser := word == signum.ParamRCStatus || word == signum.ParamAAStatus
			devices := x.SSCDs != nil && x.SSCDs.SIM != nil && len(x.SSCDs.Apps) == 1
			if ofUser != (x.User != nil) || ofUser == devices {
				t.Errorf("%s, %s: %+v", wire, word, x)
				continue
			}
			if !ofUser && ((x.SSCDs.SIM.Certificates != nil) != (word == signum.ParamCerts) || (x.SSCDs.SIM.PINBlocked != nil) != (word == signum.ParamPINStatus) ||
				(x.SSCDs.SIM.Card != nil) != (word == signum.ParamCardDetails)) {
				t.Errorf("%s, %s: %+v", wire, word, x.SSCDs.SIM)
			}
		}
		for _, v := range []signum.Version{{Major: "1", Minor: "1"}, {Major: "1", Minor: "0"}} {
			f.query(t, wire, msisdn, func(r *signum.ProfileRequest) { r.Version = v })
			if wire == "rest" {
				continue // the getters are of the SOAP contract
			}
			x := f.query(t, wire, msisdn, func(r *signum.ProfileRequest) {
				r.Version = v
				r.Getters = signum.ProfileGetters{Certificates: "true", AutoActivation: "true", RecoveryCodeCreated: "true", ServerSideSignature: "true"}
			}).Extension
			if len(x.Certificates) != 2 || *x.AutoActivation || !*x.RecoveryCodeCreated || *x.ServerSideSignature || x.User != nil || x.SSCDs != nil {
				t.Errorf("%s %v: %+v", wire, v, x)
			}
		}
	}
}

// TestSubjectNames: a party that is registered so reads the names of subjects in Base64, over
// both wires.
func TestSubjectNames(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	msisdn := f.addUser(person.Approve, signum.SIM)
	names := func(wire string, encoded bool) (list []string) {
		f.putParty(func(p *mssp.Party) { p.SubjectNameBase64 = encoded })
		for _, c := range f.query(t, wire, msisdn, words("certs")).Extension.SSCDs.SIM.Certificates[0].Chain {
			list = append(list, c.Subject)
		}
		return list
	}
	for _, wire := range wires {
		var want []string
		for _, name := range names(wire, false) {
			want = append(want, base64.StdEncoding.EncodeToString([]byte(name)))
		}
		if d := cmp.Diff(want, names(wire, true)); d != "" || len(want) != 3 {
			t.Errorf("%s: %s", wire, d)
		}
	}
}

// TestProfileStates: keys, states, unknown cards, and what a party may see.
func TestProfileStates(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	both, unknown := f.addUser(person.Approve, signum.SIM, signum.App), f.addUser(person.Approve, signum.SIM, signum.App)
	f.change(unknown, func(s *mssp.Subscriber) {
		sim := methods(s)[signum.SIM]
		sim.Network, sim.State = signum.Network{}, signum.DeviceInactive
	})
	for _, wire := range wires {
		x := f.query(t, wire, "+41700092502", words("certs")).Extension
		if c := x.SSCDs.SIM.Certificates[0]; c.Algorithm != signum.RSA || x.SSCDs.Apps != nil {
			t.Errorf("%s: %+v", wire, c)
		}
		x = f.query(t, wire, "+41791000006", words("state aastatus")).Extension
		if !*x.User.AutoActivation || x.SSCDs.SIM.State != signum.DeviceRegistered {
			t.Errorf("%s, not activated: %+v", wire, x.SSCDs.SIM)
		}
		x = f.query(t, wire, unknown, words("carddetails certs")).Extension
		if *x.SSCDs.SIM.Card != signum.UnknownNetwork || x.SSCDs.SIM.State != signum.DeviceInactive || x.SSCDs.SIM.Certificates[0].State != signum.DeviceInactive {
			t.Errorf("%s, switched off: %+v", wire, x.SSCDs.SIM)
		}
		resp := f.query(t, wire, both, func(r *signum.ProfileRequest) { r.AP.ID = BasicAPID; r.Params = "sscds" })
		if len(resp.Profiles) != 1 || resp.Profiles[0] != signum.ProfileAuth1 || resp.Extension.SSCDs.Apps != nil {
			t.Errorf("%s: the basic party sees %v, %+v", wire, resp.Profiles, resp.Extension.SSCDs)
		}
		resp = f.query(t, wire, both, words(""))
		if len(resp.Profiles) != 8 {
			t.Errorf("%s: %v", wire, resp.Profiles)
		}
	}
}

func TestProfileRefusals(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	suspended, expired, off := f.addUser(person.Approve, signum.SIM), f.addUser(person.Approve, signum.SIM), f.addUser(person.Approve, signum.SIM)
	f.change(suspended, func(s *mssp.Subscriber) { s.State = mssp.SubscriberInactive })
	f.change(expired, f.expire)
	f.change(off, func(s *mssp.Subscriber) { s.Devices[0].State = signum.DeviceRegistered })
	for _, wire := range wires {
		for _, tt := range []struct {
			name, msisdn string
			change       func(*signum.ProfileRequest)
			want         signum.Fault
		}{
			{"heartbeat", "+41000000000", nil, signum.Fault{Code: 101, Detail: "Illegal msisdn"}},
			{"letters", "+41abc", nil, signum.Fault{Code: 101, Detail: "Illegal msisdn"}},
			{"getter", suspended, func(r *signum.ProfileRequest) { r.Params = "certs"; r.AP.Instant = "now" }, signum.Fault{Code: 101, Detail: "Instant is not a dateTime with a time zone"}},
			{"no number", "", nil, signum.Fault{Code: 102, Detail: "MSISDN is missing"}},
			{"party", suspended, func(r *signum.ProfileRequest) { r.AP.ID = "mid://none" }, signum.Fault{Code: 104, Detail: "Wrong SSL credentials"}},
			{"unknown", "+41799999999", nil, signum.Fault{Code: 105, Detail: "MSISDN is unknown"}},
			{"nothing active", "+41791000004", nil, signum.Fault{Code: 105, Detail: "MSISDN is unknown"}},
			{"version", suspended, func(r *signum.ProfileRequest) { r.Version.Minor = "2" }, signum.Fault{Code: 108, Detail: signum.IncompatibleIface.Detail()}},
			{"suspended", suspended, nil, signum.Fault{Code: 403, Detail: signum.CardBlocked.Detail()}},
			{"not activated", off, func(r *signum.ProfileRequest) { r.AP.ID = BasicAPID }, signum.Fault{Code: 404, Detail: "Mobile user account needs to be activated"}},
			{"expired", expired, nil, signum.Fault{Code: 422, Detail: signum.NoCertFound.Detail()}},
		} {
			r := f.profileRequest(tt.msisdn)
			if tt.change != nil {
				tt.change(r)
			}
			_, err := f.clients[wire].Do(t.Context(), r)
			if flt := signum.AsFault(err); flt == nil || *flt != tt.want {
				t.Errorf("%s, %s: %v, want %v", wire, tt.name, err, tt.want.Error())
			}
		}
	}
}
