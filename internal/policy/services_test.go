package policy

import (
	"strings"
	"testing"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

func subscribed(change ...func(*mssp.Party)) *mssp.Party {
	return party(append([]func(*mssp.Party){func(p *mssp.Party) { p.Services = subscribable }}, change...)...)
}

func TestServices(t *testing.T) {
	type S = signum.AdditionalService
	for _, tt := range []struct {
		name  string
		s     S
		async bool
		want  signum.Code
	}{
		{"validate", S{URI: signum.ServiceValidate}, false, 0},
		{"subscriber info", S{URI: signum.ServiceSubscriberInfo}, false, 0},
		{"geofencing", S{URI: signum.ServiceGeofencing}, false, 0},
		{"geofencing with a policy", S{URI: signum.ServiceGeofencing, Geofencing: &signum.GeofencingPolicy{CountryWhitelist: "CH"}}, false, 0},
		{"geofencing with a bad policy", S{URI: signum.ServiceGeofencing, Geofencing: &signum.GeofencingPolicy{MaxAccuracyMeters: "x"}}, false, 101},
		{"app2app", S{URI: signum.ServiceApp2App, RedirectURI: "myapp://example"}, true, 0},
		{"app2app without redirect", S{URI: signum.ServiceApp2App}, true, 0},
		{"app2app, synchronous", S{URI: signum.ServiceApp2App, RedirectURI: "myapp://example"}, false, 101},
		{"app2app, https", S{URI: signum.ServiceApp2App, RedirectURI: "https://example.com/back?x=1#y"}, true, 0},
		{"app2app, relative", S{URI: signum.ServiceApp2App, RedirectURI: "/back"}, true, 101},
		{"app2app, script", S{URI: signum.ServiceApp2App, RedirectURI: "JavaScript:alert(1)"}, true, 101},
		{"app2app, data", S{URI: signum.ServiceApp2App, RedirectURI: "data:text/html,x"}, true, 101},
		{"app2app, space", S{URI: signum.ServiceApp2App, RedirectURI: "myapp://a b"}, true, 101},
		{"app2app, line feed", S{URI: signum.ServiceApp2App, RedirectURI: "myapp://a\nb"}, true, 101},
		{"app2app, long", S{URI: signum.ServiceApp2App, RedirectURI: "myapp://" + strings.Repeat("a", 2000)}, true, 101},
		{"verification code", S{URI: signum.ServiceVerification}, true, 0},
		{"verification code, synchronous", S{URI: signum.ServiceVerification}, false, 101},
		{"unknown", S{URI: "urn:x"}, false, 101},
	} {
		r := request(func(r *signum.SignatureRequest) { r.Services = append(r.Services, tt.s) })
		c, err := SignatureContent(subscribed(), r, tt.async)
		if code(err) != tt.want {
			t.Errorf("%s: got %v, want %d", tt.name, err, tt.want)
		}
		if err == nil && c.Services == (Services{}) {
			t.Errorf("%s: not in the content", tt.name)
		}
	}
	// Without a subscription it is 104, except for geofencing, whose answer says so.
	for _, uri := range subscribable {
		want := signum.Code(104)
		if uri == signum.ServiceGeofencing {
			want = 0
		}
		r := request(func(r *signum.SignatureRequest) { r.Services = append(r.Services, S{URI: uri, RedirectURI: "a:b"}) })
		if _, err := SignatureContent(party(), r, true); code(err) != want {
			t.Errorf("%s without subscription: got %v, want %d", uri, err, want)
		}
	}
}

func TestProfileAuthorisation(t *testing.T) {
	geo := request(func(r *signum.SignatureRequest) { r.Profile = signum.ProfileAnyGeo })
	if _, err := SignatureContent(party(), geo, false); code(err) != 109 {
		t.Errorf("geofencing profile without the service: %v", err)
	}
	if _, err := SignatureContent(subscribed(), geo, false); err != nil {
		t.Errorf("geofencing profile: %v", err)
	}
	for _, uri := range []string{signum.ServiceGeofencing, signum.ServiceApp2App, signum.ServiceVerification} {
		r := request(func(r *signum.SignatureRequest) {
			r.Profile = signum.ProfileOTPText
			r.Services = append(r.Services, signum.AdditionalService{URI: uri})
		})
		if _, err := SignatureContent(subscribed(), r, true); code(err) != 101 {
			t.Errorf("%s with a one-time password: %v", uri, err)
		}
	}
}

func TestApprovalContent(t *testing.T) {
	pair := func(k, v string) string { return `{"key":"` + k + `","value":"` + v + `"}` }
	txn := func(typ string, pairs ...string) string {
		return `{"type":"` + typ + `","dtbd":[` + strings.Join(pairs, ",") + `]}`
	}
	many := func(n int) []string {
		list := []string{pair("a", "Bank: b")}
		for len(list) < n {
			list = append(list, pair("k", "v"))
		}
		return list
	}
	good := txn("Login", pair("Company", "Bank: Test"), pair("Stadt", "Zürich"))
	for _, tt := range []struct {
		name, data string
		want       signum.Code
	}{
		{"good", good, 0},
		{"escaped once too often", strings.ReplaceAll(good, `"`, `\"`), 0},
		{"escaped twice too often", strings.ReplaceAll(strings.ReplaceAll(good, `"`, `\"`), `\`, `\\`), 101},
		{"pretty-printed", "\n  " + strings.ReplaceAll(good, ",", ",\n\t") + "\n", 0},
		{"no JSON", "Bank: Login", 101},
		{"cut off", good[:len(good)-1], 101},
		{"no rows", `{"type":"Login","dtbd":[]}`, 101},
		{"unknown member", txn("Login", `{"key":"a","value":"Bank: b","color":"red"}`), 101},
		{"prefix in the second row", txn("Login", pair("a", "b"), pair("Company", "Bank: Test")), 107},
		{"prefix in the key", txn("Login", pair("Bank: ", "b")), 107},
		{"prefix in the title", txn("Bank: Login", pair("a", "b")), 107},
		{"prefix before length", txn(strings.Repeat("a", 101), pair("a", "b")), 107},
		{"title of 100 bytes", txn(strings.Repeat("é", 50), pair("a", "Bank: b")), 0},
		{"title of 101 bytes", txn(strings.Repeat("a", 101), pair("a", "Bank: b")), 103},
		{"20 rows", txn("x", many(20)...), 0},
		{"21 rows", txn("x", many(21)...), 103},
		{"key of 101 bytes", txn("x", pair(strings.Repeat("k", 101), "Bank: b")), 103},
		{"2000 bytes", txn("x", pair("k", "Bank: "+strings.Repeat("v", 1993))), 0},
		{"2001 bytes", txn("x", pair("k", "Bank: "+strings.Repeat("v", 1994))), 103},
		{"control character", txn("x", pair("k", `Bank: \u0007`)), 101},
		{"title that runs backwards", txn("\u202e", pair("k", "Bank: ")), 101},
	} {
		r := request(func(r *signum.SignatureRequest) {
			r.Profile = signum.ProfileDevice
			r.Data = signum.DataToBeSigned{MimeType: "Application/vnd.mobileid.txn-approval; v=1", Encoding: "UTF-8", Data: tt.data}
		})
		c, err := SignatureContent(party(), r, false)
		if code(err) != tt.want {
			t.Errorf("%s: got %v, want %d", tt.name, err, tt.want)
		}
		if f := signum.AsFault(err); f != nil && f.Code == 101 && !strings.HasPrefix(f.Detail, "INVALID_TXNAPPROVAL_PAYLOAD: ") {
			t.Errorf("%s: detail %q", tt.name, f.Detail)
		}
		if err == nil {
			if x, err := signum.ParseTxnApproval(c.Text); err != nil || c.Text != x.String() || c.MimeType != signum.MimeTxnApproval {
				t.Errorf("%s: content %+v, %v", tt.name, c, err)
			}
		}
	}
}
