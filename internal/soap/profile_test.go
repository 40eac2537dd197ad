package soap

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/signum-mssp/signum"
)

// checkProfile compares what only answers to profile queries have.
func checkProfile(t rapid.TB, r *signum.ProfileResponse, n *node) {
	t.Helper()
	var want, got []string
	for _, uri := range r.Profiles {
		want = append(want, valid(uri))
	}
	for _, c := range n.children {
		if c.name == "mss:SignatureProfile" {
			got = append(got, c.at("mss:mssURI"))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s", diff)
	}
	x := n.get("mss:Status mss:StatusDetail mcs:ProfileQueryExtension")
	if x == nil && n.get("mss:Status mss:StatusDetail") != nil {
		t.Error("StatusDetail without the extension")
	}
	if diff := cmp.Diff(r.Extension, x.extension(), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s", diff)
	}
}

// extension converts a ProfileQueryExtension to the types of the domain.
func (n *node) extension() *signum.ProfileExtension {
	if n == nil {
		return nil
	}
	x := &signum.ProfileExtension{Certificates: n.certificates()}
	x.AutoActivation = boolean(n.get("mcs:AutoActivation"))
	x.ServerSideSignature = boolean(n.get("mcs:ServerSideSignature"))
	x.RecoveryCodeCreated = boolean(n.get("mcs:RecoveryCodeCreated"))
	if u := n.get("mcs:MobileUser"); u != nil {
		x.User = new(signum.ProfileUser)
		for _, a := range u.attrs {
			b := a[1] == "true"
			if a[0] == "AutoActivation" {
				x.User.AutoActivation = &b
			} else {
				x.User.RecoveryCodeCreated = &b
			}
		}
	}
	if s := n.get("mcs:Sscds"); s != nil {
		x.SSCDs = new(signum.SSCDs)
		for _, c := range s.children {
			if d := c.sscd(); c.name == "mcs:Sim" {
				x.SSCDs.SIM = &d
			} else {
				x.SSCDs.Apps = append(x.SSCDs.Apps, d)
			}
		}
	}
	return x
}

func boolean(n *node) *bool {
	if n == nil {
		return nil
	}
	return new(n.text == "true")
}

func (n *node) sscd() signum.SSCD {
	d := signum.SSCD{State: signum.DeviceState(n.at("mcs:State")), Certificates: n.certificates()}
	if p := n.get("mcs:PinStatus"); p != nil {
		d.PINBlocked = new(p.attr("blocked") == "true")
	}
	if c := n.get("mcs:CardDetails"); c != nil {
		d.Card = &signum.Network{MCC: c.at("mcs:MCC"), MNC: c.at("mcs:MNC"), Name: c.at("mcs:Network")}
	}
	return d
}

func (n *node) certificates() (list []signum.SSCDCertificate) {
	for _, c := range n.children {
		if c.name != "mcs:MobileUserCertificate" {
			continue
		}
		cert := signum.SSCDCertificate{State: signum.DeviceState(c.attr("State")), Algorithm: signum.KeyType(c.attr("Algorithm"))}
		for i := 0; i+1 < len(c.children); i += 2 {
			der, _ := base64.StdEncoding.DecodeString(c.children[i].text)
			cert.Chain = append(cert.Chain, signum.ChainCertificate{DER: der, Subject: c.children[i+1].text})
		}
		list = append(list, cert)
	}
	return list
}

// asked returns the header of an answer to a request of that version.
func asked(major, minor string) signum.Header {
	h := header()
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

// query returns a profile request with the given children.
func query(children string) string {
	return envelope(`<MSS_ProfileQuery><MSS_ProfileReq>` + children + `</MSS_ProfileReq></MSS_ProfileQuery>`)
}

func TestDecodeProfile(t *testing.T) {
	for name, tt := range map[string]struct {
		body string
		want signum.ProfileRequest
	}{
		"empty message":    {query(""), signum.ProfileRequest{}},
		"empty elements":   {query("<AP_Info/><MobileUser/><Params/>"), signum.ProfileRequest{}},
		"words":            {query("<Params>\n sscds  state\n</Params>"), signum.ProfileRequest{Params: "sscds  state"}},
		"several Params":   {query("<Params>sscds</Params><Params/><Params>state certs</Params>"), signum.ProfileRequest{Params: "sscds state certs"}},
		"getters as sent":  {query("<GetCertificates> true </GetCertificates><GetAutoActivation>0</GetAutoActivation><GetServerSideSignature>maybe</GetServerSideSignature>"), signum.ProfileRequest{Getters: signum.ProfileGetters{Certificates: "true", AutoActivation: "0", ServerSideSignature: "maybe"}}},
		"empty getter":     {query("<GetRecoveryCodeCreated/>"), signum.ProfileRequest{Getters: signum.ProfileGetters{RecoveryCodeCreated: "true"}}},
		"user":             {query("<MobileUser><x/><MSISDN> +41 1 </MSISDN></MobileUser><y>z</y>"), signum.ProfileRequest{MSISDN: "+41 1"}},
		"any namespace":    {query("<a:Params xmlns:a='urn:x'>certs</a:Params>"), signum.ProfileRequest{Params: "certs"}},
		"version as it is": {strings.Replace(query(""), "ProfileReq>", "ProfileReq MajorVersion=' 2 ' MinorVersion='0'>", 1), signum.ProfileRequest{Header: signum.Header{Version: signum.Version{Major: "2", Minor: "0"}}}},
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
	const other = "This endpoint does not accept this message"
	for name, tt := range map[string]struct{ body, detail string }{
		"a receipt":           {receipt("", ""), other},
		"wrapper of the port": {envelope("<MSS_Profile><MSS_ProfileReq/></MSS_Profile>"), other},
		"two users":           {query("<MobileUser/><MobileUser/>"), "MobileUser must not be repeated"},
		"two getters":         {query("<GetCertificates/><GetCertificates>false</GetCertificates>"), "GetCertificates must not be repeated"},
		"element in Params":   {query("<Params><x/></Params>"), "Params must not have elements"},
		"element in getter":   {query("<GetAutoActivation><x/></GetAutoActivation>"), "GetAutoActivation must not have elements"},
		"user as text":        {query("<MobileUser>1</MobileUser>"), "MobileUser must not have text"},
		"two AP_Info":         {query("<AP_Info/><AP_Info/>"), "AP_Info must not be repeated"},
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
