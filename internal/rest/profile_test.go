package rest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/signum-mssp/signum"
)

type answerProfile struct {
	answerTop
	SignatureProfile []string
	Status           struct {
		answerStatus
		StatusDetail *struct{ ProfileQueryExtension *answerExtension }
	}
}

type answerExtension struct {
	AutoActivation, RecoveryCodeCreated, ServerSideSignature *bool
	MobileUserCertificate                                    []answerCertificate
	MobileUser                                               *signum.ProfileUser
	Sscds                                                    *struct {
		App []answerSSCD
		Sim *answerSSCD
	}
}

type answerSSCD struct {
	CardDetails           *struct{ Mcc, Mnc, Network string }
	MobileUserCertificate []answerCertificate
	PinStatus             *struct{ Blocked bool }
	State                 signum.DeviceState
}

type answerCertificate struct {
	Algorithm       signum.KeyType
	State           signum.DeviceState
	X509Certificate [][]byte
	X509SubjectName []string
}

// domain converts the answer to the types of the domain.
func (x *answerExtension) domain() *signum.ProfileExtension {
	if x == nil {
		return nil
	}
	d := &signum.ProfileExtension{
		Certificates: certificates(x.MobileUserCertificate), AutoActivation: x.AutoActivation,
		ServerSideSignature: x.ServerSideSignature, RecoveryCodeCreated: x.RecoveryCodeCreated, User: x.MobileUser,
	}
	if x.Sscds != nil {
		d.SSCDs = new(signum.SSCDs)
		for _, a := range x.Sscds.App {
			d.SSCDs.Apps = append(d.SSCDs.Apps, a.domain())
		}
		if x.Sscds.Sim != nil {
			sim := x.Sscds.Sim.domain()
			d.SSCDs.SIM = &sim
		}
	}
	return d
}

func (a *answerSSCD) domain() signum.SSCD {
	s := signum.SSCD{State: a.State, Certificates: certificates(a.MobileUserCertificate)}
	if a.PinStatus != nil {
		s.PINBlocked = &a.PinStatus.Blocked
	}
	if c := a.CardDetails; c != nil {
		s.Card = &signum.Network{MCC: c.Mcc, MNC: c.Mnc, Name: c.Network}
	}
	return s
}

func certificates(list []answerCertificate) (certs []signum.SSCDCertificate) {
	for _, c := range list {
		cert := signum.SSCDCertificate{Algorithm: c.Algorithm, State: c.State}
		for i, der := range c.X509Certificate {
			cert.Chain = append(cert.Chain, signum.ChainCertificate{DER: der, Subject: c.X509SubjectName[i]})
		}
		certs = append(certs, cert)
	}
	return certs
}

func checkProfile(t rapid.TB, r *signum.ProfileResponse, a *answerProfile) {
	t.Helper()
	checkTop(t, r.Header, r.Version, r.Status, &a.answerTop, &a.Status.answerStatus)
	profiles := []string{} // never null
	for _, uri := range r.Profiles {
		profiles = append(profiles, valid(uri))
	}
	if diff := cmp.Diff(profiles, a.SignatureProfile); diff != "" {
		t.Errorf("%s", diff)
	}
	var got *signum.ProfileExtension
	if a.Status.StatusDetail != nil {
		got = a.Status.StatusDetail.ProfileQueryExtension.domain()
	}
	if diff := cmp.Diff(r.Extension, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s", diff)
	}
}

// asked returns the header of an answer to a request of that version.
func asked(major, minor string) signum.Header {
	h := head()
	h.Version = signum.Version{Major: major, Minor: minor}
	return h
}

var chain = []signum.ChainCertificate{
	{DER: cmsDER, Subject: "C=CH,2.5.4.5=#130A4D4944,CN=MIDCHE1234567890:PN"},
	{DER: cmsDER[:2], Subject: `CN=CA "4"\, <TEST>`},
}

// everything answers all Params, and gotten all getters.
var (
	everything = &signum.ProfileExtension{
		User: &signum.ProfileUser{RecoveryCodeCreated: new(true), AutoActivation: new(false)},
		SSCDs: &signum.SSCDs{
			SIM: &signum.SSCD{
				State: signum.DeviceActive, PINBlocked: new(false), Card: &signum.Network{MCC: "228", MNC: "01", Name: "Swisscom"},
				Certificates: []signum.SSCDCertificate{{Algorithm: signum.RSA, State: signum.DeviceInactive, Chain: chain}, {Algorithm: signum.EC, State: signum.DeviceActive, Chain: chain[:1]}},
			},
			Apps: []signum.SSCD{
				{State: signum.DeviceActive, PINBlocked: new(true), Certificates: []signum.SSCDCertificate{{Algorithm: signum.EC, State: signum.DeviceActive, Chain: chain}}},
				{State: signum.DeviceRegistered},
			},
		},
	}
	gotten = &signum.ProfileExtension{
		Certificates:   []signum.SSCDCertificate{{Algorithm: signum.EC, State: signum.DeviceActive, Chain: chain}},
		AutoActivation: new(true), ServerSideSignature: new(false), RecoveryCodeCreated: new(true),
	}
)

// extension draws any ProfileExtension.
func extension(t *rapid.T, draw func() string) *signum.ProfileExtension {
	maybe := func() *bool { return rapid.Ptr(rapid.Bool(), true).Draw(t, "bool") }
	any := func(what string) bool { return rapid.Bool().Draw(t, what) }
	certs := func() []signum.SSCDCertificate {
		return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) signum.SSCDCertificate {
			der := rapid.SliceOf(rapid.Byte()).Draw(t, "der")
			return signum.SSCDCertificate{
				Algorithm: signum.KeyType(valid(draw())), State: signum.DeviceState(valid(draw())),
				Chain: []signum.ChainCertificate{{DER: der, Subject: valid(draw())}, {Subject: valid(draw())}},
			}
		}), 0, 2).Draw(t, "certificates")
	}
	sscd := func() signum.SSCD {
		s := signum.SSCD{State: signum.DeviceState(valid(draw())), PINBlocked: maybe(), Certificates: certs()}
		if any("card") {
			s.Card = &signum.Network{MCC: valid(draw()), MNC: valid(draw()), Name: valid(draw())}
		}
		return s
	}
	x := &signum.ProfileExtension{Certificates: certs(), AutoActivation: maybe(), ServerSideSignature: maybe(), RecoveryCodeCreated: maybe()}
	if any("user") {
		x.User = &signum.ProfileUser{RecoveryCodeCreated: maybe(), AutoActivation: maybe()}
	}
	if any("sscds") {
		x.SSCDs = new(signum.SSCDs)
		if any("sim") {
			sim := sscd()
			x.SSCDs.SIM = &sim
		}
		for range rapid.IntRange(0, 2).Draw(t, "apps") {
			x.SSCDs.Apps = append(x.SSCDs.Apps, sscd())
		}
	}
	return x
}

// query returns a profile request with the given members.
func query(members string) string { return `{"MSS_ProfileReq":{` + members + `}}` }

func TestDecodeProfile(t *testing.T) {
	for name, tt := range map[string]struct {
		body string
		want signum.ProfileRequest
	}{
		"empty message":   {query(``), signum.ProfileRequest{}},
		"nulls":           {query(`"Params":null,"MobileUser":null,"GetCertificates":null`), signum.ProfileRequest{}},
		"empty":           {query(`"Params":"","GetCertificates":""`), signum.ProfileRequest{}},
		"words":           {query(`"Params":" sscds  state "`), signum.ProfileRequest{Params: " sscds  state "}},
		"array":           {query(`"Params":["sscds",null,"","state certs"]`), signum.ProfileRequest{Params: "sscds state certs"}},
		"empty array":     {query(`"Params":[]`), signum.ProfileRequest{}},
		"getters":         {query(`"GetCertificates":true,"GetAutoActivation":"1","GetRecoveryCodeCreated":false,"GetServerSideSignature":"maybe"`), signum.ProfileRequest{Getters: signum.ProfileGetters{Certificates: "true", AutoActivation: "1", RecoveryCodeCreated: "false", ServerSideSignature: "maybe"}}},
		"number":          {query(`"MobileUser":{"MSISDN":41791234567,"x":1},"x":[]`), signum.ProfileRequest{MSISDN: "41791234567"}},
		"numeric version": {query(`"MajorVersion":2,"MinorVersion":0`), signum.ProfileRequest{Header: signum.Header{Version: signum.Version{Major: "2", Minor: "0"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, _, err := Wire{}.Decode(signum.OpProfile, []byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(signum.Request(&tt.want), got); diff != "" {
				t.Error(diff)
			}
		})
	}
	for name, tt := range map[string]struct{ body, detail string }{
		"a receipt":           {receipt(``), "MSS_ReceiptReq is not a message of this endpoint"},
		"Params an object":    {query(`"Params":{}`), "Params must be a string"},
		"arrays in Params":    {query(`"Params":[["sscds"]]`), "Params must be a string"},
		"getter is an object": {query(`"GetCertificates":{}`), "GetCertificates must be a string"},
		"user is a string":    {query(`"MobileUser":"+41791234567"`), "MobileUser must be a JSON object"},
	} {
		t.Run(name, func(t *testing.T) {
			got, _, err := Wire{}.Decode(signum.OpProfile, []byte(tt.body))
			checkRefusal(t, got, err)
			if f := signum.AsFault(err); f != nil && !strings.Contains(f.Detail, tt.detail) {
				t.Errorf("detail %q, want %q", f.Detail, tt.detail)
			}
		})
	}
}
