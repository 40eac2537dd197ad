package sandbox

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/person"
)

// asParty sends a request with the certificate of the party, as a browser would that
// holds it.
func (f *fixture) asParty(method, path, body string, change func(*http.Request)) (status int, answer string, header http.Header) {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.t.Context(), method, f.Info.BaseURL+path, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	change(req)
	tr := &http.Transport{TLSClientConfig: f.party.Config.TLS.Clone()}
	defer tr.CloseIdleConnections()
	resp, err := (&http.Client{Transport: tr}).Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return resp.StatusCode, string(got), resp.Header
}

// TestAttackPageUsesCertificate: a web page cannot make a browser that holds the
// party's certificate sign, invite an App or operate a phone.
func TestAttackPageUsesCertificate(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	msisdn := f.addUser(person.Approve, signum.App)
	calls := []struct{ path, mediaType, body string }{
		{"/rest/service/sign", "", "{"},
		{"/soap/services/MSS_SignaturePort", "text/plain", "<"},
		{"/sandbox/invite", "text/plain", `{"msisdn":"` + msisdn + `"}`},
		{"/sandbox/phone", "", `{"msisdn":"` + msisdn + `","behaviour":"cancel"}`},
		{"/rest/openapi.yaml", "", ""},
	}
	marks := map[string]func(*http.Request){
		"a foreign page":         func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") },
		"a sandboxed frame":      func(r *http.Request) { r.Header.Set("Origin", "null") },
		"an image":               func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"a page of this address": func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-origin") },
		"two marks":              func(r *http.Request) { r.Header["Sec-Fetch-Site"] = []string{"none", "same-site"} },
	}
	for _, c := range calls {
		send := func(mark func(*http.Request)) int {
			status, _, _ := f.asParty(http.MethodPost, c.path, c.body, func(r *http.Request) {
				if c.mediaType != "" {
					r.Header.Set("Content-Type", c.mediaType)
				}
				mark(r)
			})
			return status
		}
		for what, mark := range marks {
			if got := send(mark); got != http.StatusForbidden {
				t.Errorf("%s calls %s: %d", what, c.path, got)
			}
		}
		if got := send(func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "none"); r.Host = "elsewhere.example" }); got == http.StatusForbidden || got == http.StatusMisdirectedRequest {
			t.Errorf("a program calls %s: %d", c.path, got)
		}
	}
}

// TestAttackHostInContract: nobody can make a contract name an address of their own,
// which a cache or a code generator would pass on.
func TestAttackHostInContract(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, path := range []string{"/rest/openapi.yaml", "/soap/services/MSS_SignaturePort?wsdl"} {
		status, body, header := f.asParty(http.MethodGet, path, "", func(r *http.Request) { r.Host = "evil.example" })
		if status != http.StatusOK || strings.Contains(body, "evil.example") || !strings.Contains(body, f.Info.BaseURL) {
			t.Errorf("%s: %d, names the attacker's host or not %s", path, status, f.Info.BaseURL)
		}
		if got := header.Get("Cache-Control"); got != "no-cache" {
			t.Errorf("%s: Cache-Control %q", path, got)
		}
	}
}
