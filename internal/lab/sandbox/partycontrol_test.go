package sandbox

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
	"github.com/signum-mssp/signum/internal/lab/card"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/lab/softapp"
	"github.com/signum-mssp/signum/internal/lab/world"
	"github.com/signum-mssp/signum/internal/partydoc"
)

// control calls a control address with the token.
func (b *Sandbox) control(t *testing.T, method, path, body string) (status int, answer string) {
	t.Helper()
	sb, err := client.LoadSandbox(b.Dir)
	if err != nil {
		t.Fatal(err)
	}
	conf := sb.Config.TLS.Clone()
	conf.Certificates = nil
	tr := &http.Transport{TLSClientConfig: conf}
	defer tr.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), method, sb.BaseURL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+sb.Token)
	req.Header.Set("Content-Type", "application/json")
	if path == scenarioPath && !strings.HasPrefix(body, "{") {
		req.Header.Set("Content-Type", "application/yaml")
	}
	resp, err := (&http.Client{Transport: tr}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

func partyPath(id string) string { return "/sandbox/v1/parties/" + url.PathEscape(id) }

// signAs asks for a signature as a party, with any certificate of the directory.
func (f *fixture) signAs(id string, changes ...func(*request)) error {
	f.t.Helper()
	r := f.request("+41791000001", changes...)
	r.AP.ID = id
	_, err := f.clients["rest"].Do(f.t.Context(), r)
	return err
}

func code(err error) signum.Code {
	if fault := signum.AsFault(err); fault != nil {
		return fault.Code
	}
	if err != nil {
		return -1
	}
	return 0
}

// TestPartyControl: a party can be added, changed and removed while the sandbox runs. Each
// change counts for the next request, and the directory keeps it.
func TestPartyControl(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const id = "mid://example.com/a b?c" // each character has a meaning in an address
	at := partyPath("mid://example.com/a")
	check := func(method, path, body string, status int, want string) string {
		t.Helper()
		got, answer := f.control(t, method, path, body)
		if got != status || !strings.Contains(answer, want) || strings.Contains(answer, "sesame") {
			t.Errorf("%s %s %s: %d %s, want %d %s", method, path, body, got, answer, status, want)
		}
		return answer
	}
	sign := func(want signum.Code, changes ...func(*request)) {
		t.Helper()
		if got := code(f.signAs("mid://example.com/a", changes...)); got != want {
			t.Errorf("signed with %d, want %d", got, want)
		}
	}
	text := func(s string) func(*request) { return func(r *request) { r.Data.Data = s } }
	password := func(s string) func(*request) { return func(r *request) { r.AP.Password = s } }

	check("PUT", partyPath(id), `{}`, 400, "must be a URI")
	sign(signum.UnauthorizedAccess)
	check("GET", at, "", 404, "no such party")
	check("PATCH", at, `{}`, 404, "no such party")
	check("DELETE", at, "", 404, "no such party")
	check("PUT", at, `{"name":"Bank","dtbd_prefix":"Bank: "}`, 201, `"dtbd_prefix":"Bank: "`)
	sign(0, text("Bank: Pay?"))
	sign(signum.InappropriateData, text("Pay?"))
	check("PATCH", at, `{"dtbd_prefix":null,"password":"open sesame"}`, 200, `"password_hash":"$argon2id$`)
	sign(signum.UnauthorizedAccess, password("wrong"))
	sign(0, password("open sesame"), text("Pay?"))
	check("PATCH", at, `{"password":"other sesame","default_lang":"DE"}`, 200, `"default_lang":"de"`)
	sign(signum.UnauthorizedAccess, password("open sesame"))
	sign(0, password("other sesame"), func(r *request) { r.Services = nil })
	if answer := check("PATCH", at, `{"password":null}`, 200, `"name":"Bank"`); strings.Contains(answer, "argon2id") {
		t.Errorf("the password stayed: %s", answer)
	}
	sign(0)
	check("PATCH", at, `{"services":[],"geofence":{"enabled":true,"verbose":true,"country_whitelist":["de"]}}`, 200, `"country_whitelist":["DE"]`)
	sign(signum.UnauthorizedAccess, with(signum.AdditionalService{URI: signum.ServiceSubscriberInfo}))
	check("PATCH", at, `{"services":null,"geofence":{"verbose":null}}`, 200, `"geofence":{"enabled":true,"country_whitelist":["DE"]}`)
	check("PATCH", at, `{"limits":{"networks":["10.0.0.0/8"]},"geofence":null}`, 200, `"networks":["10.0.0.0/8"]`)
	sign(signum.UnauthorizedAccess)
	check("PATCH", at, `{"limits":null,"profiles":[]}`, 200, `"profiles":[]`)
	sign(signum.UnsupportedProfile)
	for body, want := range map[string]string{
		`{"profile":[]}`: "unknown field", `{"ap_id":"mid://other"}`: "differs", `[]`: "not the expected JSON", ``: "not the expected JSON",
		`{"profiles":["x"]}`: "not one of", `{"certificates":["/etc/passwd"]}`: "no PEM block", `{"limits":{"requests":{"per_minute":0,"burst":1}}}`: "from 1 to",
		`{"name":" x"}`: "one line", `{"password":"a","password_hash":"b"}`: "exclude each other",
	} {
		check("PATCH", at, body, 400, want)
	}
	check("PUT", at, `{"ap_id":"mid://other"}`, 400, "differs")
	check("PUT", partyPath("mid://signum/portal"), `{}`, 400, "the service itself")
	check("GET", "/sandbox/v1/parties", "", 200, `{"parties":[{"ap_id":"mid://example.com/a"`)
	if sb, err := client.LoadSandbox(f.Dir); err != nil || sb.Party("mid://example.com/a") == nil || len(sb.Party("mid://example.com/a").Profiles) != 1 {
		t.Errorf("sandbox.json: %v", err)
	}
	check("DELETE", at, "", 204, "")
	sign(signum.UnauthorizedAccess)
	check("DELETE", partyPath(APID), "", 400, "can be changed but not removed")
}

// A party with certificates of its own is identified by them alone, and so is a caller of the
// control addresses.
func TestPartyCertificates(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	own := selfSigned(t, x509.ExtKeyUsageClientAuth)
	body, err := json.Marshal(map[string]any{
		"shared_certificates": false, "certificates": []string{string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: own.Certificate[0]}))},
	})
	if err != nil {
		t.Fatal(err)
	}
	conf := f.tlsWith(own)
	asOwn := func() int {
		t.Helper()
		tr := &http.Transport{TLSClientConfig: conf}
		defer tr.CloseIdleConnections()
		status, _, _ := f.post(t, &http.Client{Transport: tr}, "/sandbox/phone", "application/json", strings.NewReader(`{"msisdn":"+41791000001","behaviour":"approve"}`))
		return status
	}
	if got := asOwn(); got != http.StatusForbidden {
		t.Errorf("before: %d", got)
	}
	const id = "mid://example.com"
	if status, answer := f.control(t, "PUT", partyPath(id), string(body)); status != 201 {
		t.Fatalf("%d %s", status, answer)
	}
	if got := asOwn(); got != http.StatusOK {
		t.Errorf("as a party: %d", got)
	}
	if got := code(f.signAs(id)); got != signum.UnauthorizedAccess {
		t.Errorf("with the certificate of the directory: %d", got)
	}
	r := f.request("+41791000001")
	r.AP.ID = id
	if _, err := f.client("rest", conf).Do(t.Context(), r); err != nil {
		t.Errorf("with its own: %v", err)
	}
	sb, err := client.LoadSandbox(f.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if certs := sb.Party(id).Certificates; len(certs) != 1 || len(certs[0].SHA256) != 64 || certs[0].KeyType != signum.EC {
		t.Errorf("listed %+v", certs)
	}
	if status, _ := f.control(t, "DELETE", partyPath(id), ""); status != 204 {
		t.Error(status)
	}
	if got := asOwn(); got != http.StatusForbidden {
		t.Errorf("afterwards: %d", got)
	}
}

// Parties that were added or changed are there in the next run, and a reset undoes what
// happened since the start.
func TestPartiesKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cfg := Config{Dir: dir, PKIAddr: "127.0.0.1:0", WebAddr: "127.0.0.1:0", Cards: card.NewMemory(), Apps: new(softapp.Memory)}
	box, stop := runUntil(t, cfg)
	const id, other = "mid://example.com", "mid://example.com/other"
	set := func(id, name string) {
		t.Helper()
		if status, answer := box.control(t, "PUT", partyPath(id), `{"name":"`+name+`"}`); status/100 != 2 {
			t.Errorf("%d %s", status, answer)
		}
	}
	names := func() map[string]string {
		t.Helper()
		all := make(map[string]string)
		for _, p := range box.ListParties() {
			stored, err := box.Store.Party(t.Context(), p.APID)
			if err != nil || stored.Name != p.Name {
				t.Errorf("%s is stored as %+v, %v", p.APID, stored, err)
			}
			all[p.APID] = p.Name
		}
		return all
	}
	set(id, "first")
	set(APID, "changed")
	stop()
	box, stop = runUntil(t, cfg)
	if got := names(); got[id] != "first" || got[APID] != "changed" || len(got) != 4 {
		t.Errorf("kept %v", got)
	}
	set(id, "second")
	set(other, "third")
	if status, _ := box.control(t, "PATCH", partyPath(APID), `{"name":null}`); status != 200 {
		t.Error(status)
	}
	if err := box.ResetParties(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := names(); got[id] != "first" || got[APID] != "changed" || len(got) != 4 {
		t.Errorf("after the reset %v", got)
	}
	if err := box.RemoveParty(t.Context(), other); !errors.Is(err, world.ErrNoParty) {
		t.Error(err)
	}
	if err := box.RemoveParty(t.Context(), id); err != nil {
		t.Error(err)
	}
	stop()
	box, _ = runUntil(t, cfg)
	if got := names(); got[id] != "" || len(got) != 3 {
		t.Errorf("a party that was removed is back: %v", got)
	}
}

// Changes at the same time follow each other, and requests go on meanwhile.
func TestPartiesConcurrently(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	msisdn := f.addUser(person.Approve, signum.SIM)
	done := make(chan error)
	const n = 8
	for i := range n {
		go func() {
			id := "mid://example.com/" + string(rune('a'+i))
			_, err := f.PutParty(f.t.Context(), partydoc.Party{APID: id})
			if err == nil {
				err = f.SetParty(f.t.Context(), APID, func(p *partydoc.Party) error { p.Name += string(rune('a' + i)); return nil })
			}
			if err == nil {
				err = f.RemoveParty(f.t.Context(), id)
			}
			done <- err
		}()
	}
	f.sign(t, "rest", f.request(msisdn))
	for range n {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	p, err := f.GetParty(APID)
	if err != nil || len(p.Name) != len("Sandbox")+n || len(f.ListParties()) != 3 {
		t.Errorf("%+v, %v", p, err)
	}
}
