package node

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/signum-mssp/signum/internal/config"
)

// visit requests a page under the public name of the service, over TLS or plain http
// as the listener has it.
func visit(t *testing.T, n *Node, method, path string, form url.Values, cookies ...*http.Cookie) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, n.WebListenerURL()+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	public, err := url.Parse(n.WebURL())
	if err != nil {
		t.Fatal(err)
	}
	req.Host = public.Host
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", n.WebURL())
	}
	for _, c := range cookies {
		req.AddCookie(c)
	}
	tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer tr.CloseIdleConnections()
	resp, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// public is a node whose pages have TLS and a public name.
func public(t *testing.T, name string) config.Config {
	c := testConfig(t)
	c.Listen.Web.TLS = c.Listen.MSS.TLS
	c.Listen.Web.URL = config.URL("https://" + name)
	return c
}

// TestAttackPlainHTTP: a browser that has seen the pages once does not speak plain
// http to their name again, where somebody in between could answer.
func TestAttackPlainHTTP(t *testing.T) {
	n := serve(t, public(t, "id.example.com"), Deps{})
	for _, path := range []string{"/", "/me/login", "/me/assets/portal.css", "/phone", "/phone/main.js", "/app/v2/push-key", "/nothing"} {
		resp, _ := visit(t, n, http.MethodGet, path, nil)
		if got := resp.Header.Get("Strict-Transport-Security"); got != "max-age=31536000" {
			t.Errorf("%s: Strict-Transport-Security %q", path, got)
		}
	}
}

// TestAttackPlantedCookie: neither another host of the domain nor a network without
// TLS can plant the cookie of a log-in, because a browser takes one with this prefix
// from the host itself over TLS only.
func TestAttackPlantedCookie(t *testing.T) {
	n := serve(t, public(t, "id.example.com"), Deps{})
	resp, _ := visit(t, n, http.MethodGet, "/me/login", nil)
	i := slices.IndexFunc(resp.Cookies(), func(c *http.Cookie) bool { return strings.Contains(c.Name, "signum_login") })
	if i < 0 {
		t.Fatalf("cookies %v", resp.Cookies())
	}
	own := resp.Cookies()[i]
	if !strings.HasPrefix(own.Name, "__Host-") || own.Path != "/" || own.Domain != "" || !own.Secure || !own.HttpOnly {
		t.Errorf("cookie %v", own)
	}
	// A planted cookie starts nothing: the page gives the browser one of its own.
	planted := &http.Cookie{Name: strings.TrimPrefix(own.Name, "__Host-"), Value: own.Value}
	if resp, _ = visit(t, n, http.MethodGet, "/me/login", nil, planted); len(resp.Cookies()) == 0 {
		t.Error("the planted cookie is taken")
	}
	if resp, _ = visit(t, n, http.MethodGet, "/me/login", nil, own); len(resp.Cookies()) != 0 {
		t.Errorf("the page does not know its own cookie: %v", resp.Cookies())
	}
}

// TestNoRealName: without a name of its own, or if the operator says so, nothing is
// tied to the name.
func TestNoRealName(t *testing.T) {
	switchedOff := public(t, "id.example.com")
	switchedOff.Listen.Web.HTTPSOnly = false
	for what, c := range map[string]config.Config{
		"switched off": switchedOff, "loopback": testConfig(t), "localhost": public(t, "localhost"), "an address": public(t, "127.0.0.1"),
		"a name without a domain": public(t, "phones"), "below localhost": public(t, "x.localhost"),
	} {
		n := serve(t, c, Deps{})
		resp, _ := visit(t, n, http.MethodGet, "/me/login", nil)
		if got := resp.Header.Get("Strict-Transport-Security"); got != "" || resp.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d, Strict-Transport-Security %q", what, resp.StatusCode, got)
		}
		for _, cookie := range resp.Cookies() {
			if strings.HasPrefix(cookie.Name, "__") {
				t.Errorf("%s: cookie %v", what, cookie)
			}
		}
	}
}
