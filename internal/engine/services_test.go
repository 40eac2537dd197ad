package engine

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/engine/phonetest"
	"github.com/signum-mssp/signum/internal/mssp"
)

var everything = []string{signum.ServiceValidate, signum.ServiceGeofencing, signum.ServiceApp2App, signum.ServiceSubscriberInfo, signum.ServiceVerification}

func service(s signum.AdditionalService) change {
	return func(r *signum.SignatureRequest) { r.Services = append(r.Services, s) }
}

var ownNetwork = signum.Network{MCC: "228", MNC: "01", Name: "Own"}

// addUserIn is addUser with a SIM of a network.
func (w *world) addUserIn(n int, net signum.Network, methods ...signum.Method) *mssp.Subscriber {
	w.t.Helper()
	s := w.addUser(n, approves, signum.EC, methods...)
	for i := range s.Devices {
		if s.Devices[i].Method == signum.SIM {
			s.Devices[i].Network = net
		}
	}
	w.put(s)
	return s
}

func (w *world) place(s *mssp.Subscriber, l *mssp.Location) {
	w.t.Helper()
	if err := w.phones.Place(s.MSISDN, l); err != nil {
		w.t.Fatal(err)
	}
}

// at returns a location that was measured some time ago.
func (w *world) at(country string, accuracy int, device, location float64, ago time.Duration) *mssp.Location {
	return &mssp.Location{Country: country, Accuracy: accuracy, DeviceConfidence: device, LocationConfidence: location,
		Measured: w.clock.Now().Add(-ago)}
}

// TestGeofencing tests the three ways to enforce a policy, for both methods, and every
// error code. The result is the same in both modes.
func TestGeofencing(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		w := newWorld(t, url, nil)
		w.putParty(func(p *mssp.Party) { p.Services = everything })
		sim, app := w.addUserIn(1, ownNetwork, signum.SIM), w.addUserIn(2, ownNetwork, signum.App)
		foreign := w.addUserIn(3, signum.Network{MCC: "228", MNC: "02"}, signum.SIM)
		now := signum.FormatInstant(w.clock.Now())
		located := func(country, device, location, at string, accuracy int) *signum.Geofencing {
			return &signum.Geofencing{Country: country, Accuracy: accuracy, DeviceConfidence: device, LocationConfidence: location, Timestamp: at}
		}
		failed := func(e signum.GeoError) *signum.Geofencing {
			return &signum.Geofencing{ErrorCode: itoa(int(e)), ErrorMessage: e.String()}
		}
		policy := func(p signum.GeofencingPolicy) *signum.GeofencingPolicy { return &p }
		type row struct {
			name   string
			s      *mssp.Subscriber
			place  *mssp.Location
			policy *signum.GeofencingPolicy
			want   *signum.Geofencing
			code   signum.Code
			detail string
		}
		const breach = "The geofencing policy is violated"
		rows := []row{
			{"SIM", sim, w.at("CH", 0, 1, 1, 0), nil, located("CH", "1.0", "1.0", now, 0), 500, ""},
			{"App", app, w.at("DE", 25, 0.9, 0.85, 0), nil, located("DE", "0.9", "0.85", now, 25), 500, ""},
			{"three hours old", app, w.at("CH", 16, 1, 1, 3*time.Hour), nil, located("CH", "1.0", "0.97", signum.FormatInstant(w.clock.Now().Add(-3*time.Hour)), 16), 500, ""},
			{"nothing returned", app, nil, nil, failed(200), 500, ""},
			{"foreign SIM", foreign, w.at("CH", 16, 1, 1, 0), nil, failed(123), 500, ""},
			{"in the white list", app, w.at("CH", 16, 1, 1, 0), policy(signum.GeofencingPolicy{CountryWhitelist: "DE,CH"}), located("CH", "1.0", "1.0", now, 16), 500, ""},
			{"not in the white list", app, w.at("FR", 16, 1, 1, 0), policy(signum.GeofencingPolicy{CountryWhitelist: "DE,CH"}), nil, 450, breach + ": country FR is not in countrywhitelist"},
			{"in the black list", sim, w.at("RU", 0, 1, 1, 0), policy(signum.GeofencingPolicy{CountryBlacklist: "RU"}), nil, 450, breach + ": country RU is in countryblacklist"},
			{"too old", app, w.at("CH", 16, 1, 1, 2*time.Hour), policy(signum.GeofencingPolicy{MaxTimestampMinutes: "60"}), nil, 450, breach + ": location is 120 minutes old, more than maxtimestampminutes"},
			{"confident enough after two hours", app, w.at("CH", 16, 1, 0.9, 2*time.Hour), policy(signum.GeofencingPolicy{MinLocationConfidence: "0.88"}),
				located("CH", "1.0", "0.88", signum.FormatInstant(w.clock.Now().Add(-2*time.Hour)), 16), 500, ""},
			{"not confident enough after two hours", app, w.at("CH", 16, 1, 0.9, 2*time.Hour), policy(signum.GeofencingPolicy{MinLocationConfidence: "0.89"}), nil, 450,
				breach + ": location confidence 0.88 is below minlocationconfidence"},
			{"too inaccurate", app, w.at("CH", 2000, 1, 1, 0), policy(signum.GeofencingPolicy{MaxAccuracyMeters: "1000"}), nil, 450, breach + ": accuracy of 2000 metres exceeds maxaccuracymeters"},
			{"policy without location", app, &mssp.Location{Error: 103}, policy(signum.GeofencingPolicy{CountryWhitelist: "CH"}), nil, 450, breach + ": there is no location: 103 " + signum.GeoDenied.String()},
			{"policy and foreign SIM", foreign, w.at("CH", 16, 1, 1, 0), policy(signum.GeofencingPolicy{CountryWhitelist: "CH"}), nil, 450, breach + ": there is no location: 123 " + signum.GeoForeignSIM.String()},
		}
		for _, e := range signum.GeoErrors {
			rows = append(rows, row{"error " + itoa(int(e)), app, &mssp.Location{Error: e}, nil, failed(e), 500, ""})
		}
		check := func(t *testing.T, tt row) {
			w.place(tt.s, tt.place)
			geo := service(signum.AdditionalService{URI: signum.ServiceGeofencing, Geofencing: tt.policy})
			resp, err := w.ask(tt.s, geo)
			var services []signum.ServiceResponse
			if tt.want != nil {
				services = []signum.ServiceResponse{{URI: signum.ServiceGeofencing, Geofencing: tt.want}}
			}
			if tt.code != 500 {
				if flt := signum.AsFault(err); flt == nil || *flt != (signum.Fault{Code: tt.code, Detail: tt.detail}) {
					t.Errorf("%s: got %+v, %v", tt.name, resp, err)
				}
			} else if err != nil {
				t.Errorf("%s: %v", tt.name, err)
			} else if d := cmp.Diff(services, resp.Services); d != "" {
				t.Errorf("%s: %s", tt.name, d)
			}
			if tt.s == foreign && tt.code == 450 {
				return // refused before there is a transaction
			}
			id := w.begin(tt.s, geo)
			if got := w.await(id); got != tt.code {
				t.Errorf("%s, asynchronous: %d", tt.name, got)
			}
			st, err := w.Status(t.Context(), &mssp.Caller{Pin: testPin}, &signum.StatusRequest{Header: w.header(), TransID: id})
			if err == nil {
				if d := cmp.Diff(services, st.Services); d != "" {
					t.Errorf("%s, asynchronous: %s", tt.name, d)
				}
			}
		}
		for _, tt := range rows {
			check(t, tt)
		}
		// The policy that is kept with the party, verbose or not.
		for _, tt := range []struct {
			fence  mssp.PartyGeofence
			place  *mssp.Location
			code   signum.Code
			detail string
		}{
			{mssp.PartyGeofence{Enabled: true, Verbose: true, Geofence: mssp.Geofence{CountryWhitelist: []string{"CH"}}}, w.at("FR", 16, 1, 1, 0), 450, breach + ": country FR is not in countrywhitelist"},
			{mssp.PartyGeofence{Enabled: true, Geofence: mssp.Geofence{CountryWhitelist: []string{"CH"}}}, w.at("FR", 16, 1, 1, 0), 450, breach},
			{mssp.PartyGeofence{Enabled: true, Geofence: mssp.Geofence{CountryWhitelist: []string{"CH"}}}, w.at("CH", 16, 1, 1, 0), 500, ""},
			{mssp.PartyGeofence{Enabled: false, Geofence: mssp.Geofence{CountryWhitelist: []string{"CH"}}}, w.at("FR", 16, 1, 1, 0), 500, ""},
		} {
			w.putParty(func(p *mssp.Party) { p.Services, p.Geofence = everything, tt.fence })
			w.place(app, tt.place)
			resp, err := w.ask(app, service(signum.AdditionalService{URI: signum.ServiceGeofencing}))
			if tt.code == 500 && (err != nil || len(resp.Services) != 1) {
				t.Errorf("%+v: %+v, %v", tt.fence, resp, err)
			}
			if flt := signum.AsFault(err); tt.code != 500 && (flt == nil || *flt != (signum.Fault{Code: tt.code, Detail: tt.detail})) {
				t.Errorf("%+v: %v", tt.fence, err)
			}
			// A request that does not ask for geofencing is not subject to it.
			if _, err := w.ask(app); err != nil {
				t.Errorf("%+v, not asked for: %v", tt.fence, err)
			}
		}
		// A party without the service learns that from the answer.
		w.putParty(func(*mssp.Party) {})
		check(t, row{"not subscribed", app, w.at("CH", 16, 1, 1, 0), nil, failed(122), 500, ""})
	})
}

func itoa(n int) string {
	return strings.TrimSpace(string(rune('0'+n/100))) + string(rune('0'+n/10%10)) + string(rune('0'+n%10))
}

func TestGeofencingProfile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite:"+t.TempDir()+"/db", nil)
	w.putParty(func(p *mssp.Party) { p.Services = everything })
	other := signum.Network{MCC: "228", MNC: "02"}
	for i, tt := range []struct {
		net     signum.Network
		methods []signum.Method
		want    any
	}{
		{ownNetwork, []signum.Method{signum.SIM}, signum.ProfileSTK},
		{ownNetwork, []signum.Method{signum.SIM, signum.App}, signum.ProfileSTK},
		{other, []signum.Method{signum.SIM, signum.App}, signum.ProfileDevice},
		{ownNetwork, []signum.Method{signum.App}, signum.ProfileDevice},
		{other, []signum.Method{signum.SIM}, signum.Code(109)},
		{ownNetwork, nil, signum.Code(105)},
	} {
		resp, err := w.ask(w.addUserIn(i, tt.net, tt.methods...), profile(signum.ProfileAnyGeo))
		var got any = w.code(err)
		if err == nil {
			got = resp.Profile
		}
		if got != tt.want {
			t.Errorf("%v, %v: got %v, want %v", tt.net, tt.methods, got, tt.want)
		}
	}
	w.putParty(func(*mssp.Party) {})
	if _, err := w.ask(w.addUserIn(9, ownNetwork, signum.App), profile(signum.ProfileAnyGeo)); w.code(err) != 109 {
		t.Errorf("without the service: %v", err)
	}
}

func TestSubscriberInfoAndValidate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite:"+t.TempDir()+"/db", nil)
	w.putParty(func(p *mssp.Party) { p.Services = everything })
	info, validate := service(signum.AdditionalService{URI: signum.ServiceSubscriberInfo}), service(signum.AdditionalService{URI: signum.ServiceValidate})
	for i, tt := range []struct {
		net     signum.Network
		methods []signum.Method
		want    string
	}{
		{ownNetwork, []signum.Method{signum.SIM}, "22801"},
		{signum.Network{MCC: "262", MNC: "02"}, []signum.Method{signum.App, signum.SIM}, "26202"},
		{ownNetwork, []signum.Method{signum.App}, "00000"},
		{signum.Network{}, []signum.Method{signum.SIM}, "00000"},
	} {
		s := w.addUserIn(i, tt.net, tt.methods...)
		want := []signum.ServiceResponse{{URI: signum.ServiceSubscriberInfo, Details: []signum.SubscriberDetail{{ID: "1901", Value: tt.want}}}}
		resp, err := w.ask(s, validate, info)
		if err != nil || resp.Status != signum.ValidSignature || !cmp.Equal(resp.Services, want) {
			t.Fatalf("%v, %v: %+v, %v", tt.net, tt.methods, resp, err)
		}
		w.verify(resp.Signature)
		id := w.begin(s, validate, info)
		if got := w.await(id); got != signum.ValidSignature {
			t.Errorf("asynchronous: %d", got)
		}
		st, err := w.Status(t.Context(), &mssp.Caller{Pin: testPin}, &signum.StatusRequest{Header: w.header(), TransID: id})
		if err != nil || !cmp.Equal(st.Services, want) || st.Signature == nil {
			t.Errorf("asynchronous: %+v, %v", st, err)
		}
		if resp, err := w.ask(s); err != nil || resp.Status != signum.SignatureMade || resp.Services != nil {
			t.Errorf("not asked for: %+v, %v", resp, err)
		}
	}
}

// TestApp2App: nothing is pushed, the AuthUri opens the request once, the redirect
// leads back, and a restart forgets nothing.
func TestApp2App(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, dburl string) {
		w := newWorld(t, dburl, nil)
		w.putParty(func(p *mssp.Party) { p.Services = everything })
		s := w.addUser(1, approves, signum.EC, signum.SIM, signum.App)
		const back = "myapp://app.open?x=a b&y=ü#access_token=ABCD"
		back2 := strings.ReplaceAll(back, " ", "%20")
		begin := func() (id, authURI string) {
			t.Helper()
			resp, err := w.ask(s, async, service(signum.AdditionalService{URI: signum.ServiceApp2App, RedirectURI: back2}))
			if err != nil || resp.Status != signum.RequestOK || len(resp.Services) != 1 || resp.Services[0].URI != signum.ServiceApp2App || resp.Profile != signum.ProfileDevice {
				t.Fatalf("got %+v, %v", resp, err)
			}
			return resp.TransID, resp.Services[0].AuthURI
		}
		id, authURI := begin()
		u, err := url.Parse(authURI)
		if err != nil || u.Scheme != "mobileid" || u.Host != "auth" {
			t.Fatalf("AuthUri %s: %v", authURI, err)
		}
		q := u.Query()
		if q.Get("mobile_auth_redirect_uri") != back2 || len(q.Get("user_id")) != 36 || len(q.Get("session_token")) < 30 || strings.Contains(authURI, "+") {
			t.Errorf("AuthUri %s", authURI)
		}
		if strings.Contains(authURI, s.MSISDN[1:]) {
			t.Errorf("AuthUri tells the number: %s", authURI)
		}
		tr, err := w.store.Transaction(t.Context(), id)
		if err != nil || tr.Services.App2App == nil || strings.Contains(tr.Services.App2App.TokenHash, q.Get("session_token")) {
			t.Errorf("stored: %+v, %v", tr, err)
		}
		// A restart in between.
		w.stop()
		w = newWorld(t, dburl, w)
		w.addPhones(s, approves)
		w.run()
		select {
		case got := <-w.shown:
			t.Fatalf("%s was shown before it was opened", got)
		case <-time.After(50 * time.Millisecond):
		}
		forged := strings.Replace(authURI, "session_token="+q.Get("session_token"), "session_token="+q.Get("session_token")[:10], 1)
		if _, err := w.phones.Open(forged); err == nil {
			t.Error("a forged token opened the request")
		}
		// The restarted engine hands the request over in its own time.
		redirect, err := w.phones.Open(authURI)
		for deadline := time.Now().Add(patience); err != nil && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
			redirect, err = w.phones.Open(authURI)
		}
		if err != nil || redirect != back2 {
			t.Errorf("opened: %q, %v", redirect, err)
		}
		if got := w.await(id); got != signum.SignatureMade {
			t.Errorf("outcome: %d", got)
		}
		if _, err := w.phones.Open(authURI); err == nil {
			t.Error("opened twice")
		}
		// A newer request takes its place.
		first, _ := begin()
		second, authURI := begin()
		if got := w.await(first); got != signum.UserCancel {
			t.Errorf("first: %d", got)
		}
		if _, err := w.phones.Open(authURI); err != nil {
			t.Error(err)
		}
		if got := w.await(second); got != signum.SignatureMade {
			t.Errorf("second: %d", got)
		}
		if _, err := w.ask(s, service(signum.AdditionalService{URI: signum.ServiceApp2App, RedirectURI: back2})); w.code(err) != signum.WrongParam {
			t.Errorf("synchronous: %v", err)
		}
	})
}

func TestTxnApproval(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		w := newWorld(t, url, nil)
		s := w.addUser(1, approves, signum.EC, signum.SIM, signum.App)
		txn := func(profile string) change {
			return func(r *signum.SignatureRequest) {
				r.Profile = profile
				r.Data = signum.DataToBeSigned{MimeType: signum.MimeTxnApproval, Encoding: "UTF-8",
					Data: `{ "type":"Zahlung", "dtbd":[{"key":"An","value":"Bank: B\u00e4ckerei"},{"value":"12.50 €","key":"Betrag"}]}`}
			}
		}
		resp, err := w.ask(s, txn(signum.ProfileDevice))
		if err != nil {
			t.Fatal(err)
		}
		const want = `{"format_version":1,"content_string":"[{\"key\":\"An\",\"value\":\"Bank: Bäckerei\"},{\"value\":\"12.50 €\",\"key\":\"Betrag\"}]"}`
		if got := w.verify(resp.Signature); string(got.Content) != want {
			t.Errorf("signed %s", got.Content)
		}
		id := w.begin(s, txn(signum.ProfileDevice))
		if got := w.await(id); got != signum.SignatureMade {
			t.Errorf("asynchronous: %d", got)
		}
		for _, uri := range []string{signum.ProfileSTK, signum.ProfileAnyLoA4, signum.ProfileAuth1} {
			if _, err := w.ask(s, txn(uri)); w.code(err) != signum.UnsupportedProfile {
				t.Errorf("%s: %v", uri, err)
			}
		}
	})
}

// TestOneTimePassword: a text to any phone, and no signature.
func TestOneTimePassword(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		w := newWorld(t, url, nil)
		s := w.addUser(1, approves, signum.EC, signum.SIM)
		stranger := &mssp.Subscriber{MSISDN: "+41791119999"}
		for _, uri := range []string{signum.ProfileOTPText, signum.ProfileOTPFlash} {
			for _, to := range []*mssp.Subscriber{s, stranger} {
				resp, err := w.ask(to, profile(uri), func(r *signum.SignatureRequest) { r.Data.Data = "Bank: code 1234" })
				if err != nil || resp.Status != signum.RequestOK || resp.Signature != nil || resp.Profile != uri || resp.TransID == "" {
					t.Fatalf("%s: %+v, %v", uri, resp, err)
				}
				if got := <-w.texts; got != to.MSISDN+" Bank: code 1234" {
					t.Errorf("%s: sent %q", uri, got)
				}
				if got := w.outcome(resp.TransID); got != signum.RequestOK {
					t.Errorf("status: %d", got)
				}
				if got := w.outcome(w.begin(to, profile(uri))); got != signum.RequestOK {
					t.Errorf("asynchronous: %d", got)
				}
				<-w.texts
				if _, err := w.receipt(w.receiptRequest(to, resp.TransID)); w.code(err) != signum.WrongParam {
					t.Errorf("receipt: %v", err)
				}
			}
		}
		if _, err := w.ask(&mssp.Subscriber{MSISDN: "+41000000000"}, profile(signum.ProfileOTPText)); w.code(err) != signum.WrongParam {
			t.Errorf("to no number: %v", err)
		}
		if err := w.phones.Behave(s.MSISDN, phonetest.Unreachable); err != nil {
			t.Fatal(err)
		}
		if _, err := w.ask(s, profile(signum.ProfileOTPText)); w.code(err) != signum.OTAError {
			t.Errorf("unreachable: %v", err)
		}
		w.putParty(func(p *mssp.Party) { p.Profiles = []string{signum.ProfileSTK} })
		if _, err := w.ask(s, profile(signum.ProfileOTPText)); w.code(err) != signum.UnsupportedProfile {
			t.Errorf("not authorised: %v", err)
		}
		w.putParty(func(*mssp.Party) {})
		w.cfg.Texts = nil
		if _, err := w.ask(s, profile(signum.ProfileOTPText)); w.code(err) != signum.UnsupportedProfile {
			t.Errorf("no bearer: %v", err)
		}
	})
}

// TestTestNumbers: they work in the first call of any operation.
func TestTestNumbers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite:"+t.TempDir()+"/db", nil)
	call := func(number string) [4]string {
		s := &mssp.Subscriber{MSISDN: number}
		var out [4]string
		_, sync := w.ask(s)
		_, asyn := w.ask(s, async)
		_, rec := w.receipt(w.receiptRequest(s, "h1"))
		_, prof := w.Profile(t.Context(), &mssp.Caller{Pin: testPin}, &signum.ProfileRequest{Header: w.header(), MSISDN: number})
		for i, err := range []error{sync, asyn, rec, prof} {
			if err != nil {
				out[i] = err.Error()
			}
		}
		return out
	}
	all := func(f signum.Fault) [4]string { return [4]string{f.Error(), f.Error(), f.Error(), f.Error()} }
	illegal := signum.Fault{Code: 101, Detail: "Illegal msisdn"}
	if got := call("+41000092401"); got != all(illegal) {
		t.Errorf("a party that may not: %q", got)
	}
	w.putParty(func(p *mssp.Party) { p.TestNumbers = true })
	for _, c := range []signum.Code{101, 102, 103, 104, 105, 107, 108, 109, 208, 209, 401, 402, 403, 404, 406, 422, 900} {
		for _, number := range []string{"+41000092", "41000092"} {
			if got := call(number + itoa(int(c))); got != all(signum.Fault{Code: c, Detail: c.Detail()}) {
				t.Errorf("%d: %q", int(c), got)
			}
		}
	}
	for _, number := range []string{"+41000092999", "+41000092450", "+41000092500", "+4100009240"} {
		if got := call(number); got != all(illegal) {
			t.Errorf("%s: %q", number, got)
		}
	}
}
