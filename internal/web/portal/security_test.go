package portal

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
)

var portalPosts = []string{"/me/app", "/me/recovery", "/me/device", "/me/device/activate", "/me/consent/code", "/me/suspend", "/me/sessions", "/me/logout"}

func TestPortalCSRF(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeWorld()
		p := newTestPortal(t, f)
		b, other := loggedIn(t, p, portalNumber), loggedIn(t, p, otherNumber)
		own := p.token(b.cookies[sessionCookie].Value)
		form := func(token string) url.Values {
			return url.Values{"token": {token}, "confirm": {"yes"}, "id": {"app1"}, "method": {"app"}}
		}
		for _, path := range portalPosts {
			for name, token := range map[string]string{"none": "", "another's": p.token(other.cookies[sessionCookie].Value), "of no session": p.token("")} {
				if w := b.send("POST", path, form(token)); w.Code != 403 {
					t.Errorf("%s with token %s: %d", path, name, w.Code)
				}
			}
			// A token in the address is not accepted.
			if w := b.send("POST", path+"?"+form(own).Encode(), url.Values{}); w.Code != 403 {
				t.Errorf("%s with the token in its address: %d", path, w.Code)
			}
			b.header.Set("Content-Type", "text/plain")
			if w := b.send("POST", path, form(own)); w.Code != 403 {
				t.Errorf("%s as text: %d", path, w.Code)
			}
			b.header.Del("Content-Type")
			if w := b.send("POST", path, url.Values{"token": {own}, "x": {strings.Repeat("x", maxForm)}}); w.Code != 403 {
				t.Errorf("%s too long: %d", path, w.Code)
			}
			// A form on another site.
			for name, h := range map[string]http.Header{
				"cross-site":       {"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://evil.example"}},
				"same-site":        {"Sec-Fetch-Site": {"same-site"}, "Origin": {"https://a.signum.example"}},
				"lying":            {"Sec-Fetch-Site": {"same-origin"}, "Origin": {"https://evil.example"}},
				"old browser":      {"Sec-Fetch-Site": {""}, "Origin": {"https://evil.example"}},
				"sandboxed":        {"Sec-Fetch-Site": {""}, "Origin": {"null"}},
				"nothing known":    {"Sec-Fetch-Site": {""}, "Origin": {""}},
				"navigated across": {"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}},
			} {
				b.header = h
				w := b.send("POST", path, form(own))
				if has(t, w.Body.String(), "another site"); w.Code != 403 {
					t.Errorf("%s %s: %d", path, name, w.Code)
				}
			}
			b.header = http.Header{}
		}
		if len(f.did) != 0 {
			t.Errorf("a refused request had an effect: %v", f.did)
		}
		b.header = http.Header{"Sec-Fetch-Site": {""}, "Origin": {portalURL}}
		if w := b.send("POST", "/me/app", form(own)); w.Code != 303 {
			t.Errorf("an old browser on its own page: %d", w.Code)
		}
	})
}

// Other sites may link to the portal and do nothing else.
func TestPortalCrossSiteReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := loggedIn(t, newTestPortal(t, newFakeWorld()), portalNumber)
		for _, tc := range []struct {
			mode, dest string
			code       int
		}{{"navigate", "document", 200}, {"navigate", "iframe", 403}, {"no-cors", "image", 403}, {"cors", "empty", 403}} {
			b.header = http.Header{"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {tc.mode}, "Sec-Fetch-Dest": {tc.dest}}
			if w := b.send("GET", "/me", nil); w.Code != tc.code {
				t.Errorf("%+v: %d", tc, w.Code)
			}
		}
	})
}

func TestPortalSessionTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTestPortal(t, newFakeWorld())
		b := loggedIn(t, p, portalNumber)
		stays := func(d time.Duration, want string) {
			t.Helper()
			time.Sleep(d)
			if b.open("/me"); b.at != want {
				t.Errorf("at %s, want %s", b.at, want)
			}
		}
		stays(sessionIdle-time.Second, "/me")
		stays(sessionIdle, "/me/login?over")
		if b.cookies[sessionCookie] != nil {
			t.Error("the cookie is still there")
		}
		b = loggedIn(t, p, portalNumber)
		for range 6 {
			stays(sessionIdle-10*time.Second, "/me")
		}
		stays(time.Minute, "/me/login?over")

		// Polling another log-in does not prolong the session.
		b = loggedIn(t, p, portalNumber)
		for range 3 {
			time.Sleep(sessionIdle / 2)
			b.send("GET", "/me/login/status", nil)
		}
		stays(0, "/me/login?over")
	})
}

func TestPortalLogout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTestPortal(t, newFakeWorld())
		b := loggedIn(t, p, portalNumber)
		cookie := b.cookies[sessionCookie]
		_, body := b.submit("/me", "/me/logout")
		if has(t, body, "You are logged out"); b.cookies[sessionCookie] != nil {
			t.Error("the cookie is still there")
		}
		b.cookies[sessionCookie] = cookie
		if b.open("/me"); b.at != "/me/login?over" {
			t.Errorf("at %s with the old cookie", b.at)
		}
	})
}

// A session ends if its number gets another account.
func TestPortalAccountChanged(t *testing.T) {
	for name, change := range map[string]func(*fakeWorld){
		"serial": func(f *fakeWorld) { f.accounts[portalNumber].Serial = "MIDCHE0000000000" },
		"gone":   func(f *fakeWorld) { delete(f.accounts, portalNumber) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeWorld()
				b := loggedIn(t, newTestPortal(t, f), portalNumber)
				change(f)
				if b.open("/me"); b.at != "/me/login?over" || b.cookies[sessionCookie] != nil {
					t.Errorf("at %s", b.at)
				}
			})
		})
	}
}

func TestPortalSessionsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ss := newSessionTable(mssp.SystemClock{}, newCookie)
		first := ss.create(session{number: "a"})
		time.Sleep(time.Second)
		for range sessionsPerNumber {
			ss.create(session{number: "a"})
		}
		if ss.use(first) != nil || len(ss.m) != sessionsPerNumber {
			t.Errorf("%d sessions of a number", len(ss.m))
		}
		for len(ss.m) < maxSessions {
			c := newCookie()
			ss.m[hashOf(c)] = &session{key: hashOf(c), number: c, started: time.Now(), lastUse: time.Now()}
		}
		ss.create(session{number: "b"})
		if len(ss.m) != maxSessions {
			t.Errorf("%d sessions", len(ss.m))
		}
		time.Sleep(sessionIdle)
		ss.create(session{number: "b"})
		if len(ss.m) != 1 {
			t.Errorf("%d sessions", len(ss.m))
		}
	})
}

func TestPortalHeaders(t *testing.T) {
	p := newTestPortal(t, newFakeWorld())
	b := newPortalTab(t, p)
	for path, cache := range map[string]string{
		"/me": "no-store", "/me/login": "no-store", "/me/login/status": "no-store", "/me/nothing": "no-store",
		"/me/assets/portal.css": "max-age=300", "/me/assets/portal.js": "max-age=300", "/me/assets/icon.svg": "max-age=300", "/me/assets/layout.html": "no-store",
	} {
		w := b.send("GET", path, nil)
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
			"X-Content-Type-Options":  "nosniff", "Referrer-Policy": "same-origin", "Cache-Control": cache,
		} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s: %s %q", path, name, got)
			}
		}
		if found := w.Code == 200 || w.Code == 303; found == (path == "/me/nothing" || strings.HasSuffix(path, ".html")) {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

// Only a browser on the same machine may send the cookies without TLS.
func TestPortalSecureCookies(t *testing.T) {
	for url, secure := range map[string]bool{
		"https://signum.example": true, "https://127.0.0.1:8443": true, "http://signum.example": true, "http://192.0.2.1": true, "": true,
		"http://127.0.0.1:8080": false, "http://localhost:8080": false, "http://[::1]:80": false,
	} {
		p := newTestPortal(t, newFakeWorld())
		p.WebURL = func() string { return url }
		b := newPortalTab(t, p)
		b.open("/me/login")
		if got := b.cookies[loginCookie].Secure; got != secure {
			t.Errorf("%q: %v", url, got)
		}
	}
}
