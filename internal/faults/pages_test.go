package faults

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/signum-mssp/signum/internal/config"
)

// Any node answers a browser. The nodes on a database have the same keys without any
// configuration: for push, and for the forms of the self-care pages. A log-in belongs to the node
// where it began, and other nodes ask that one.
func TestPagesAtAnyNode(t *testing.T) {
	t.Parallel()
	a, b := twoNodes(t, 0, func(c *config.Config) { c.App.VAPID.Contact = "operator@example.com" })
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar, Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	get := func(w *world, path string) string {
		t.Helper()
		status, body := a.fetch(browser, w.node.WebListenerURL()+path)
		if status != http.StatusOK {
			t.Fatalf("%s: %d", path, status)
		}
		return body
	}
	if x, y := get(a, "/app/v2/push-key"), get(b, "/app/v2/push-key"); x != y || len(x) < 80 {
		t.Errorf("push keys: %s, %s", x, y)
	}
	token := regexp.MustCompile(`name="token" value="([^"]+)"`).FindStringSubmatch(get(b, "/me/login"))
	if token == nil {
		t.Fatal("the form has no token")
	}
	origin := a.node.WebListenerURL()
	post := func(token, msisdn string) *http.Response {
		t.Helper()
		form := url.Values{"token": {token}, "number": {msisdn}, "method": {"app"}}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, origin+"/me/login", strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", origin)
		resp, err := browser.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp
	}
	for with, want := range map[string]int{token[1]: http.StatusUnprocessableEntity, "forged": http.StatusForbidden} {
		if resp := post(with, "nobody"); resp.StatusCode != want {
			t.Errorf("a form of the other node: %d, want %d", resp.StatusCode, want)
		}
	}

	// The log-in that begins at one node is seen at both.
	if at := post(token[1], number(0)).Request.URL.Path; at != "/me/login/wait" {
		t.Errorf("at %s", at)
	}
	for _, w := range []*world{a, b} {
		w.eventually("the page waits for the phone", func() bool { return !strings.Contains(get(w, "/me/login/status"), "none") })
	}
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	if err := b.node.Close(); err != nil {
		t.Fatal(err)
	}
	a.eventually("the log-in of a node that has stopped is over", func() bool { return strings.Contains(get(a, "/me/login/status"), "none") })
}
