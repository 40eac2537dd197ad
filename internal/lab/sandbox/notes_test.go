package sandbox

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/password"
	"github.com/signum-mssp/signum/internal/testkit"
)

// TestNotes: the line of a refused request tells the operator what was wrong, where the
// documented detail tells the party too little. The party does not get the note, and the log
// does not get the text.
func TestNotes(t *testing.T) {
	t.Parallel()
	log := new(testkit.Buffer)
	f := newFixtureWith(t, Config{Logger: slog.New(slog.NewTextHandler(log, nil))})
	msisdn := f.addUser(person.Approve, signum.SIM)
	appOnly := f.addUser(person.Approve, signum.App)
	changed := func(how func(*mssp.Subscriber)) string {
		n := f.addUser(person.Approve, signum.SIM)
		f.change(n, how)
		return n
	}
	registered := changed(func(s *mssp.Subscriber) {
		s.Devices[0].State, s.Devices[0].Certificate = signum.DeviceRegistered, nil
	})
	for _, tt := range []struct {
		name   string
		code   string
		note   string
		change func(*request)
	}{
		{"unknown AP_ID", "104", `note="unknown AP_ID"`, func(r *request) { r.AP.ID = "mid://nobody" }},
		{"characters", "101", `note="the number has other characters than digits, or is too long"`, func(r *request) { r.MSISDN = "+41 79 abc" }},
		{"no such number", "101", `note="no country has such a number"`, func(r *request) { r.MSISDN = "+41000000000" }},
		{"no such test number", "101", `note="a test number that the party may not use, or that does not exist"`, func(r *request) { r.MSISDN = "+41000092999" }},
		{"service", "104", `note="the party has not subscribed to http://mid.swisscom.ch/as#subscriberInfo"`, func(r *request) {
			basic(r)
			r.Services = append(r.Services, signum.AdditionalService{URI: signum.ServiceSubscriberInfo})
		}},
		{"number", "105", `note="no account has this number, or it is a test number that the party may not use"`, func(r *request) { r.MSISDN = "+41799999999" }},
		{"App", "105", `note="nothing is active that the party may know of: App `, func(r *request) { r.MSISDN = appOnly; basic(r) }},
		{"length", "103", `note="the length of the text is 248, the limit 239"`, func(r *request) { r.Data.Data = DTBDPrefix + strings.Repeat("secret", 40)[:239] }},
		{"prefix", "107", `note="the text must begin with \"Sandbox: \", but only the first 4 of these 9 characters agree"`, func(r *request) { r.Data.Data = "Sandcastle secret" }},
		{"version", "108", `note="version \"3\"/\"0\""`, func(r *request) { r.Version = signum.Version{Major: "3", Minor: "0"} }},
		{"unknown profile", "109", `note="unknown profile: \"http://mid.swisscom.ch/Any-LoA5\""`, func(r *request) { r.Profile = "http://mid.swisscom.ch/Any-LoA5" }},
		{"profile", "109", `note="the party is not authorised for the profile: \"http://mid.swisscom.ch/Any-LoA4\""`, func(r *request) { basic(r); r.Profile = signum.ProfileAnyLoA4 }},
		{"no App", "109", ` is ACTIVE"`, func(r *request) { r.Profile = signum.ProfileDevice }},
		{"PIN", "402", ` is blocked"`, func(r *request) {
			r.MSISDN = changed(func(s *mssp.Subscriber) { s.Devices[0].PINBlocked = true })
		}},
		{"suspended", "403", `note="the account is suspended"`, func(r *request) {
			r.MSISDN = changed(func(s *mssp.Subscriber) { s.State = mssp.SubscriberInactive })
		}},
		{"registered", "404", `note="the party has no auto activation, and nothing is active that it may know of: SIM `, func(r *request) { r.MSISDN = registered; basic(r); r.Profile = "" }},
		{"test number", "404", `note="the number is the test number of this fault"`, func(r *request) { r.MSISDN = "+41000092404" }},
		{"expired", "422", ` expired at `, func(r *request) {
			r.MSISDN = changed(f.expire)
		}},
	} {
		for _, wire := range wires {
			t.Run(tt.name+"/"+wire, func(t *testing.T) {
				r := f.request(msisdn, tt.change)
				_, err := f.clients[wire].Do(t.Context(), r)
				f.noted(t, log, wire, r.AP.TransID, err, tt.code, tt.note)
			})
		}
	}
	other, serverOnly := selfSigned(t, x509.ExtKeyUsageClientAuth), selfSigned(t, x509.ExtKeyUsageServerAuth)
	own := f.party.Config.TLS.Certificates[0]
	for id, change := range map[string]func(*mssp.Party){
		"mid://elsewhere": func(p *mssp.Party) { p.Limits.Networks = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} },
		"mid://password":  func(p *mssp.Party) { p.PasswordHash = password.Hash("right") },
	} {
		p := &mssp.Party{ID: id, Pins: []mssp.Pin{mssp.PinOf(own.Certificate[0])}}
		change(p)
		if err := f.Store.PutParty(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name, apID string
		conf       *tls.Config
		note       string
	}{
		{"no certificate", APID, f.tlsWith(), `note="no client certificate"`},
		{"foreign certificate", APID, f.tlsWith(other), "pin=" + fmt.Sprintf("%x", sha256.Sum256(other.Certificate[0]))},
		{"certificate of nobody", APID, f.tlsWith(other), `note="the client certificate is not pinned to this AP_ID"`},
		{"not for clients", APID, f.tlsWith(serverOnly), `note="the client certificate lacks the extended key usage clientAuth"`},
		{"with a chain", APID, f.tlsWith(tls.Certificate{Certificate: slices.Concat(own.Certificate, other.Certificate), PrivateKey: own.PrivateKey}), `note="a chain was sent along with the client certificate"`},
		{"nobody without a certificate", "mid://nobody", f.tlsWith(), `note="unknown AP_ID; no client certificate"`},
		{"address", "mid://elsewhere", f.tlsWith(own), `note="the party must not call from 127.0.0.1"`},
		{"password", "mid://password", f.tlsWith(own), `note="AP_PWD: wrong password"`},
	} {
		for _, wire := range wires {
			t.Run(tt.name+"/"+wire, func(t *testing.T) {
				c := f.client(wire, tt.conf)
				defer c.Close()
				r := f.request(msisdn, func(r *request) { r.AP.ID, r.AP.Password = tt.apID, "secret" })
				_, err := c.Do(t.Context(), r)
				f.noted(t, log, wire, r.AP.TransID, err, "104", tt.note)
			})
		}
	}
	if strings.Contains(log.String(), "secret") || strings.Contains(log.String(), "castle") {
		t.Error("the log has a text that was to be signed")
	}
}

// noted finds the line of a request in the log, and checks that it alone has the note.
func (f *fixture) noted(t *testing.T, log *testkit.Buffer, wire, transID string, err error, code, note string) {
	t.Helper()
	flt := signum.AsFault(err)
	if flt == nil || strings.Contains(flt.Detail, "note") {
		t.Fatalf("got %v", err)
	}
	for line := range strings.Lines(log.String()) {
		if !strings.Contains(line, "ap_trans_id="+transID+" ") {
			continue
		}
		if !strings.Contains(line, "entrance="+wire+" ") || !strings.Contains(line, " code="+code+" ") || !strings.Contains(line, note) {
			t.Errorf("%s\nwant %s with %s", line, code, note)
		}
		return
	}
	t.Errorf("no line of %s", transID)
}
