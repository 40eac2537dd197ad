package sandbox

import (
	"crypto/tls"
	"net/http"
	"strings"
	"testing"

	"github.com/signum-mssp/signum/internal/app"
)

// TestAttackReboundName: a site whose name resolves to this machine reaches none of
// the pages, whatever else its requests say of themselves.
func TestAttackReboundName(t *testing.T) {
	t.Parallel()
	box := run(t, Config{WebPhones: true})
	tr := new(http.Transport)
	defer tr.CloseIdleConnections()
	ask := func(method, path, host string, header ...string) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, box.WebListenerURL()+path, strings.NewReader(""))
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		resp, err := tr.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	_, port, _ := strings.Cut(strings.TrimPrefix(box.WebURL(), "http://"), ":")
	foreign := "evil.example:" + port
	upgrade := []string{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="}
	for _, c := range []struct {
		method, path string
		header       []string
	}{
		{"GET", "/", nil},
		{"GET", "/me", nil},
		{"GET", "/me/login", nil},
		{"POST", "/me/login", []string{"Content-Type", "application/x-www-form-urlencoded"}},
		{"GET", "/me/assets/portal.css", nil},
		{"GET", "/phone", nil},
		{"GET", "/phone/sw.js", nil},
		{"GET", "/phone/sim", nil},
		{"GET", "/phone/sim/list", nil},
		{"POST", "/phone/sim/press", []string{"Content-Type", "application/json"}},
		{"GET", "/phone/sim/live?msisdn=%2B41791234567", upgrade},
		{"POST", app.Base + "/enrol/begin", []string{"Content-Type", "application/json"}},
		{"GET", app.Base + "/inbox", upgrade},
		{"GET", app.Base + "/openapi.yaml", nil},
		{"GET", "/nothing", nil},
		{"OPTIONS", "/me", nil},
	} {
		own := append([]string{"Origin", "http://" + foreign, "Sec-Fetch-Site", "same-origin"}, c.header...)
		if got := ask(c.method, c.path, foreign, own...); got != http.StatusMisdirectedRequest {
			t.Errorf("%s %s of a rebound name: %d", c.method, c.path, got)
		}
		for _, host := range []string{"localhost:" + port, "127.0.0.1:" + port} {
			if got := ask(c.method, c.path, host, c.header...); got == http.StatusMisdirectedRequest {
				t.Errorf("%s %s of %s: %d", c.method, c.path, host, got)
			}
		}
	}
}

// TestAllAddresses: a sandbox on all addresses of the machine answers under the one
// at which it is reached, and under its public name.
func TestAllAddresses(t *testing.T) {
	t.Parallel()
	for _, public := range []string{"", "https://phones.example.com"} {
		box := run(t, Config{Addr: "0.0.0.0:0", WebURL: public})
		tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
		defer tr.CloseIdleConnections()
		for host, want := range map[string]int{
			"": http.StatusOK, "localhost": http.StatusOK, "elsewhere.example": http.StatusMisdirectedRequest,
			"phones.example.com": map[bool]int{true: http.StatusOK, false: http.StatusMisdirectedRequest}[public != ""],
		} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, box.WebListenerURL()+"/phone", nil)
			if err != nil {
				t.Fatal(err)
			}
			if host != "" {
				req.Host = host
			}
			resp, err := tr.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != want {
				t.Errorf("public address %q, Host %q: %d, want %d", public, host, resp.StatusCode, want)
			}
			if got := resp.Header.Get("Strict-Transport-Security"); got != "" {
				t.Errorf("a sandbox claims the name %q: %s", public, got)
			}
		}
	}
}
