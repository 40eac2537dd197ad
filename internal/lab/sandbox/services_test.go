package sandbox

import (
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/mssp"
)

func with(s signum.AdditionalService) func(*request) {
	return func(r *request) { r.Services = append(r.Services, s) }
}

func (f *fixture) place(msisdn, where string) {
	f.t.Helper()
	p, err := person.ParsePlace(where)
	if err == nil {
		err = f.Place(msisdn, p)
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

// TestGeofencing covers location, every error code, every rule of a policy, and the geofencing
// profile, over both wires.
func TestGeofencing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	geo := with(signum.AdditionalService{URI: signum.ServiceGeofencing})
	app := func(r *request) { r.Profile = signum.ProfileDevice }
	for _, wire := range wires {
		both := f.addUser(person.Approve, signum.SIM, signum.App)
		f.place(both, "DE,accuracy=25,device=0.9,location=0.85,age=150m")
		resp := f.sign(t, wire, f.request(both, app, geo))
		g := resp.Services[0].Geofencing
		at, err := time.Parse(time.RFC3339, g.Timestamp)
		age := f.clock.Now().Sub(at)
		if g.Country != "DE" || g.Accuracy != 25 || g.DeviceConfidence != "0.9" || g.LocationConfidence != "0.83" ||
			err != nil || age < 149*time.Minute || age > 151*time.Minute || len(resp.Services) != 1 {
			t.Errorf("%s: %+v, %v", wire, g, err)
		}
		f.verify(resp.Signature, f.request(both).Data.Data)
		f.place(both, "CH")
		if g := f.sign(t, wire, f.request(both, geo)).Services[0].Geofencing; g.Accuracy != 0 || g.Country != "CH" {
			t.Errorf("%s, SIM: %+v", wire, g)
		}
		for _, e := range signum.GeoErrors {
			var r *request
			switch e {
			case signum.GeoNotAuthorised:
				r = f.request(both, geo, basic)
			case signum.GeoForeignSIM:
				r = f.request("+41791000007", geo, func(r *request) { r.Profile = signum.ProfileSTK })
			case signum.GeoNotReturned:
				f.place(both, "none")
				r = f.request(both, app, geo)
			default:
				f.place(both, fmt.Sprintf("error=%d", e))
				r = f.request(both, app, geo)
			}
			resp := f.sign(t, wire, r)
			want := &signum.Geofencing{ErrorCode: fmt.Sprint(int(e)), ErrorMessage: e.String()}
			if resp.Status != signum.SignatureMade || len(resp.Services) != 1 || !cmp.Equal(resp.Services[0].Geofencing, want) {
				t.Errorf("%s, error %d: %+v", wire, e, resp.Services)
			}
		}
		f.checkPolicies(t, wire)
		// The profile selects a method that can be located.
		f.place(both, "CH")
		for msisdn, want := range map[string]string{
			both: signum.ProfileSTK, "+41791000007": signum.ProfileDevice, "+41791000002": signum.ProfileDevice, "+41791000001": signum.ProfileSTK,
		} {
			got := f.sign(t, wire, f.request(msisdn, geo, func(r *request) { r.Profile = signum.ProfileAnyGeo }))
			if got.Profile != want || got.Services[0].Geofencing.Country != "CH" {
				t.Errorf("%s, %s: %s, %+v", wire, msisdn, got.Profile, got.Services)
			}
		}
	}
}

// checkPolicies meets and violates each rule, in the request and on the server. It uses a new App,
// because the rate limit of calls is per App and would slow it down.
func (f *fixture) checkPolicies(t *testing.T, wire string) {
	t.Helper()
	msisdn := f.addUser(person.Approve, signum.App)
	f.place(msisdn, "CH,accuracy=100,device=0.8,location=0.9,age=2h")
	ask := func(p *signum.GeofencingPolicy) *signum.Fault {
		_, err := f.clients[wire].Do(t.Context(), f.request(msisdn, func(r *request) { r.Profile = signum.ProfileDevice },
			with(signum.AdditionalService{URI: signum.ServiceGeofencing, Geofencing: p})))
		if flt := signum.AsFault(err); flt != nil || err == nil {
			return flt
		}
		t.Fatal(err)
		return nil
	}
	type P = signum.GeofencingPolicy
	const broken = "The geofencing policy is violated"
	for _, tt := range []struct {
		p   P
		why string
	}{
		{P{CountryWhitelist: "AT,CH"}, ""},
		{P{CountryWhitelist: "AT"}, "country CH is not in countrywhitelist"},
		{P{CountryBlacklist: "AT"}, ""},
		{P{CountryBlacklist: "AT,CH"}, "country CH is in countryblacklist"},
		{P{MinDeviceConfidence: "0.8"}, ""},
		{P{MinDeviceConfidence: "0.81"}, "device confidence 0.8 is below mindeviceconfidence"},
		{P{MinLocationConfidence: "0.88"}, ""},
		{P{MinLocationConfidence: "0.89"}, "location confidence 0.88 is below minlocationconfidence"},
		{P{MaxTimestampMinutes: "121"}, ""},
		{P{MaxTimestampMinutes: "119"}, "location is 120 minutes old, more than maxtimestampminutes"},
		{P{MaxAccuracyMeters: "100"}, ""},
		{P{MaxAccuracyMeters: "99"}, "accuracy of 100 metres exceeds maxaccuracymeters"},
	} {
		flt := ask(&tt.p)
		if tt.why == "" && flt != nil || tt.why != "" && (flt == nil || *flt != (signum.Fault{Code: 450, Detail: broken + ": " + tt.why})) {
			t.Errorf("%s, %+v: %v", wire, tt.p, flt)
		}
	}
	for _, verbose := range []bool{true, false} {
		f.putParty(func(p *mssp.Party) {
			p.Geofence = mssp.PartyGeofence{Enabled: true, Verbose: verbose, Geofence: mssp.Geofence{CountryWhitelist: []string{"AT"}}}
		})
		want := signum.Fault{Code: 450, Detail: broken}
		if verbose {
			want.Detail += ": country CH is not in countrywhitelist"
		}
		if flt := ask(nil); flt == nil || *flt != want {
			t.Errorf("%s, the party's policy: %v", wire, flt)
		}
	}
	f.putParty(func(p *mssp.Party) { p.Geofence = mssp.PartyGeofence{} })
	if flt := ask(&P{CountryWhitelist: "Schweiz"}); flt == nil || flt.Code != 101 {
		t.Errorf("%s, an invalid policy: %v", wire, flt)
	}
}

// TestServices covers the other additional services, approvals, one-time passwords, auto activation
// and the test numbers that sign, over both wires.
func TestServices(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for i, wire := range wires {
		both := f.addUser(person.Approve, signum.SIM, signum.App)
		text := f.request(both).Data.Data
		resp := f.sign(t, wire, f.request(both, with(signum.AdditionalService{URI: signum.ServiceValidate}), with(signum.AdditionalService{URI: signum.ServiceSubscriberInfo})))
		info := []signum.ServiceResponse{{URI: signum.ServiceSubscriberInfo, Details: []signum.SubscriberDetail{{ID: "1901", Value: "22801"}}}}
		if resp.Status != signum.ValidSignature || !cmp.Equal(resp.Services, info) {
			t.Errorf("%s: %d %+v", wire, resp.Status, resp.Services)
		}
		f.verify(resp.Signature, text)
		st := f.status(t, wire, &signum.StatusRequest{Header: f.header(), TransID: resp.TransID})
		if st.Status != signum.ValidSignature || !cmp.Equal(st.Services, info) {
			t.Errorf("%s, status: %d %+v", wire, st.Status, st.Services)
		}

		r := f.request(both, approval(signum.ProfileDevice))
		txn, err := signum.ParseTxnApproval(r.Data.Data)
		if err != nil {
			t.Fatal(err)
		}
		f.verify(f.sign(t, wire, r).Signature, txn.SignedContent())
		r = f.request(both, approval(signum.ProfileDevice))
		r.Data.Data = strings.ReplaceAll(strings.ReplaceAll(r.Data.Data, `\`, `\\`), `"`, `\"`) // once too often
		f.verify(f.sign(t, wire, r).Signature, txn.SignedContent())

		for _, profile := range []string{signum.ProfileOTPText, signum.ProfileOTPFlash} {
			for _, mode := range []string{signum.Synch, signum.AsynchClientServer} {
				resp := f.sign(t, wire, f.request("+41791112233", func(r *request) { r.Profile, r.MessagingMode = profile, mode }))
				if resp.Status != signum.RequestOK || resp.Signature != nil || resp.Profile != profile {
					t.Errorf("%s, %s: %+v", wire, profile, resp)
				}
			}
		}

		// A SIM that was never activated; each wire has its own.
		u := User{MSISDN: fmt.Sprintf("+4179600000%d", i), Methods: []signum.Method{signum.SIM}, State: string(signum.DeviceRegistered), Network: "22801"}
		if err := f.AddUser(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		if _, err := f.clients[wire].Do(t.Context(), f.request(u.MSISDN, basic)); signum.AsFault(err) == nil || signum.AsFault(err).Code != 404 {
			t.Errorf("%s, before: %v", wire, err)
		}
		resp = f.sign(t, wire, f.request(u.MSISDN))
		f.verify(resp.Signature, text)
		if resp.Profile != signum.ProfileSTK || resp.Status != signum.SignatureMade {
			t.Errorf("%s: %+v", wire, resp.Profile)
		}
		f.verify(f.sign(t, wire, f.request(u.MSISDN, basic)).Signature, text)

		for _, number := range []string{"+41700092501", "41700092502"} {
			f.verify(f.sign(t, wire, f.request(number)).Signature, text)
		}
	}
}

// TestTestNumbers: every operation with a number returns each documented fault with its detail.
func TestTestNumbers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for c := range signum.Code(1000) {
		documented := strings.Contains(" 101 102 103 104 105 107 108 109 208 209 401 402 403 404 406 422 900 ", fmt.Sprintf(" %d ", c))
		if !documented && c%97 != 0 && c != 450 && c != 501 {
			continue // some of those that are not
		}
		want := signum.Fault{Code: 101, Detail: "Illegal msisdn"}
		if documented {
			want = signum.Fault{Code: c, Detail: c.Detail()}
		}
		number := fmt.Sprintf("+41000092%03d", int(c))
		for _, wire := range wires {
			profile := &signum.ProfileRequest{Header: f.header(), MSISDN: number}
			profile.Version = signum.Version{Major: "2", Minor: "0"}
			for i, r := range []signum.Request{f.request(number), f.request(number, async), f.receiptRequest(number, "h1"), profile} {
				_, err := f.clients[wire].Do(t.Context(), r)
				if flt := signum.AsFault(err); flt == nil || *flt != want {
					t.Errorf("%s, call %d of %s: %v", wire, i, number, err)
				}
			}
		}
	}
}

// TestApp2App: over both wires, opened with the control address.
func TestApp2App(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	tr := &http.Transport{TLSClientConfig: f.party.Config.TLS}
	defer tr.CloseIdleConnections()
	c := &http.Client{Transport: tr}
	for _, wire := range wires {
		msisdn := f.addUser(person.Approve, signum.App)
		const back = "myapp://app.open?a=1&b=2#access_token=ABCD"
		resp := f.sign(t, wire, f.request(msisdn, async, with(signum.AdditionalService{URI: signum.ServiceApp2App, RedirectURI: back})))
		if resp.Status != signum.RequestOK || len(resp.Services) != 1 || !strings.HasPrefix(resp.Services[0].AuthURI, "mobileid://auth?mobile_auth_redirect_uri=myapp%3A%2F%2F") {
			t.Fatalf("%s: %+v", wire, resp)
		}
		time.Sleep(20 * time.Millisecond) // would be enough for a push
		if st := f.status(t, wire, &signum.StatusRequest{Header: f.header(), TransID: resp.TransID}); st.Status != signum.OutstandingTransact {
			t.Errorf("%s, before: %d", wire, st.Status)
		}
		body, err := json.Marshal(map[string]string{"auth_uri": resp.Services[0].AuthURI})
		if err != nil {
			t.Fatal(err)
		}
		status, _, got := f.post(t, c, "/sandbox/open", "application/json", strings.NewReader(string(body)))
		var answer map[string]string
		if err := json.Unmarshal([]byte(got), &answer); err != nil || status != 200 || answer["redirect_uri"] != back {
			t.Errorf("%s: %d %s", wire, status, got)
		}
		if err := f.outcome(t, wire, resp.TransID); err != nil {
			t.Errorf("%s: %v", wire, err)
		}
		if status, _, got := f.post(t, c, "/sandbox/open", "application/json", strings.NewReader(string(body))); status != 400 || !strings.Contains(got, "no request waits") {
			t.Errorf("%s, again: %d %s", wire, status, got)
		}
	}
}

// TestControl: who may control the phones, and what is refused.
func TestControl(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	tr := &http.Transport{TLSClientConfig: f.party.Config.TLS}
	defer tr.CloseIdleConnections()
	stranger := &http.Transport{TLSClientConfig: f.tlsWith(selfSigned(t, x509.ExtKeyUsageClientAuth))}
	defer stranger.CloseIdleConnections()
	nobody := &http.Transport{TLSClientConfig: f.tlsWith()}
	defer nobody.CloseIdleConnections()
	msisdn := f.addUser(person.WrongPIN, signum.SIM)
	for _, tt := range []struct {
		name   string
		tr     *http.Transport
		body   string
		status int
		want   string
	}{
		{"stranger", stranger, `{"msisdn":"` + msisdn + `","behaviour":"cancel"}`, 403, "certificate"},
		{"nobody", nobody, `{"msisdn":"` + msisdn + `","behaviour":"cancel"}`, 401, "certificate"},
		{"no JSON", tr, `x`, 400, "not the expected JSON"},
		{"unknown member", tr, `{"msisdn":"` + msisdn + `","behavior":"cancel"}`, 400, "behavior"},
		{"nothing", tr, `{"msisdn":"` + msisdn + `"}`, 400, "both missing"},
		{"unknown user", tr, `{"msisdn":"+41799999999","behaviour":"cancel"}`, 400, "+41799999999 has no phone that answers by itself"},
		{"national number", tr, `{"msisdn":"0791000001","behaviour":"cancel"}`, 400, "with its country code, such as +41791234567"},
		{"unknown behaviour", tr, `{"msisdn":"` + msisdn + `","behaviour":"dance"}`, 400, "dance"},
		{"unknown place", tr, `{"msisdn":"` + msisdn + `","location":"Atlantis"}`, 400, "Atlantis"},
		{"too large", tr, `{"msisdn":"` + strings.Repeat("1", 20000) + `"}`, 400, "too large"},
	} {
		if status, _, got := f.post(t, &http.Client{Transport: tt.tr}, "/sandbox/phone", "application/json", strings.NewReader(tt.body)); status != tt.status || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %d %s", tt.name, status, got)
		}
	}
	// A PIN stays blocked until the user unblocks it.
	for range 2 {
		if _, err := f.clients["rest"].Do(t.Context(), f.request(msisdn)); signum.AsFault(err) == nil || signum.AsFault(err).Code != 402 {
			t.Errorf("got %v", err)
		}
	}
	if status, _, got := f.post(t, &http.Client{Transport: tr}, "/sandbox/phone", "application/json",
		strings.NewReader(`{"msisdn":"`+msisdn+`","behaviour":"approve","location":"FR"}`)); status != 200 || strings.TrimSpace(got) != "{}" {
		t.Fatalf("got %d %s", status, got)
	}
	resp := f.sign(t, "rest", f.request(msisdn, with(signum.AdditionalService{URI: signum.ServiceGeofencing})))
	if resp.Services[0].Geofencing.Country != "FR" {
		t.Errorf("got %+v", resp.Services[0].Geofencing)
	}
}
