package portal

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum"
)

// Whatever the phone does, unless its user approves, the page is that of a number
// without an account: byte for byte, at every time.
func TestAttackLoginTellsNothing(t *testing.T) {
	fault := signum.NewFault
	type view struct{ pages []string }
	watch := func(method string, tc func(*fakeWorld), number string) (v view) {
		synctest.Test(t, func(t *testing.T) {
			f := newFakeWorld()
			tc(f)
			b := newPortalTab(t, newTestPortal(t, f))
			look := func(page string) {
				page = tokenField.ReplaceAllString(page, "TOKEN")
				page = regexp.MustCompile(`class="code">\d\d<`).ReplaceAllString(page, `class="code">CODE<`)
				v.pages = append(v.pages, strings.ReplaceAll(page, number[1:], "NUMBER"))
			}
			look(b.begin(number, method))
			for i := range 60 {
				time.Sleep(time.Second)
				if i > 10 {
					time.Sleep(2 * time.Second)
				}
				look(b.send("GET", "/me/login/status", nil).Body.String())
				_, page := b.open("/me/login/wait")
				look(page)
			}
			if b.cookies[sessionCookie] != nil {
				t.Error("a session")
			}
		})
		return v
	}
	for _, method := range []string{"app", "sim"} {
		unknown := watch(method, func(*fakeWorld) {}, "+41790000000")
		last := unknown.pages[len(unknown.pages)-1]
		has(t, last, "<h1>No signature received", "has no account", "suspended", "Try again")
		for name, tc := range map[string]func(*fakeWorld){
			"user cancels":           func(f *fakeWorld) { f.answer = func() error { return fault(signum.UserCancel) } },
			"user reports":           func(f *fakeWorld) { f.answer = func() error { return errReported } },
			"PIN blocked on the way": func(f *fakeWorld) { f.answer = func() error { return fault(signum.PINBlocked) } },
			"PIN blocked before":     func(f *fakeWorld) { f.signErr = fault(signum.PINBlocked) },
			"suspended":              func(f *fakeWorld) { f.signErr = fault(signum.CardBlocked) },
			"not activated":          func(f *fakeWorld) { f.signErr = fault(signum.NoKeyFound) },
			"wrong method":           func(f *fakeWorld) { f.signErr = fault(signum.UnsupportedProfile) },
			"busy":                   func(f *fakeWorld) { f.signErr = fault(signum.PBSignatureProcess) },
			"certificate expired":    func(f *fakeWorld) { f.signErr = fault(signum.NoCertFound) },
			"certificate revoked":    func(f *fakeWorld) { f.signed = signum.RevokedCertificate },
			"party refused":          func(f *fakeWorld) { f.signErr = fault(signum.UnauthorizedAccess) },
			"service broken":         func(f *fakeWorld) { f.signErr = errors.New("broken") },
			"not reachable":          func(f *fakeWorld) { f.answer = func() error { return fault(signum.OTAError) } },
			"status broken":          func(f *fakeWorld) { f.answer = func() error { return errors.New("broken") } },
			"timeout":                func(f *fakeWorld) { f.answer = func() error { return fault(signum.ExpiredTransaction) } },
			"no answer":              func(f *fakeWorld) { f.after = time.Hour },
		} {
			got := watch(method, tc, portalNumber)
			for i := range got.pages {
				if got.pages[i] != unknown.pages[i] {
					t.Errorf("%s, %s: page %d is\n%s\nwithout an account it is\n%s", method, name, i, got.pages[i], unknown.pages[i])
					break
				}
			}
		}
	}
	// A SIM that has signed is no different as long as nobody types the code.
	unknown, signed := watch("sim", func(*fakeWorld) {}, "+41790000000"), watch("sim", func(*fakeWorld) {}, portalNumber)
	if !slices.Equal(unknown.pages, signed.pages) {
		t.Error("the page of a SIM that has signed differs")
	}
}

var errReported = signum.Faultf(signum.UserCancel, "User cancelled the request (reported)")

// simCode is the code that the SIM shows at the end of the latest text.
func (f *fakeWorld) simCode(t *testing.T) string {
	t.Helper()
	asked := f.requests()
	last := asked[len(asked)-1].Data.Data
	m := regexp.MustCompile(` (\d{6})$`).FindStringSubmatch(last)
	if m == nil {
		t.Fatalf("no code in %q", last)
	}
	return m[1]
}

// A stranger has the owner sign the prompt of the stranger's own log-in, as somebody
// does who relays a page or just tries. Without the code, which only the phone shows, the
// signature is worth nothing.
func TestAttackRelayedSIMLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeWorld() // signs at once
		stranger := newPortalTab(t, newTestPortal(t, f))
		stranger.begin(portalNumber, "sim")
		time.Sleep(statusPause)
		if stranger.open("/me/login/wait"); stranger.at != "/me/login/wait" {
			t.Fatalf("at %s", stranger.at)
		}
		form := stranger.form("/me/login/wait")
		for _, guess := range []string{"", "x", "00000", f.simCode(t)} {
			form.Set("code", guess)
			stranger.send("POST", "/me/login/code", form)
			if guess == "" {
				form.Set("code", "1") // an empty one costs no try
				stranger.send("POST", "/me/login/code", form)
			}
		}
		_, page := stranger.open("/me/login/wait")
		has(t, page, "<h1>Wrong code", "Nobody was logged in")
		if stranger.cookies[sessionCookie] != nil {
			t.Error("the fourth code was taken")
		}
	})
}

// "This was not me" ends all log-ins of the number. For an hour no stranger makes its
// phone ring; a browser that its owner has used does.
func TestAttackReportedLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeWorld()
		p := newTestPortal(t, f)
		owner := loggedIn(t, p, portalNumber)
		owner.submit("/me", "/me/logout")
		f.set(func() { f.after = 10 * time.Second })
		one, two := newPortalTab(t, p), newPortalTab(t, p)
		two.remote = "198.51.100.2:1"
		one.begin(portalNumber, "sim")
		time.Sleep(5 * time.Second)
		code := f.simCode(t)
		two.begin(portalNumber, "app")
		synctest.Wait()
		f.set(func() { f.answer = func() error { return nil } })
		n := 0
		f.set(func() {
			f.answer = func() error {
				if n++; n == 1 { // of the older one
					return errReported
				}
				return nil
			}
		})
		time.Sleep(20 * time.Second)
		one.submit("/me/login/wait", "/me/login/code", "code", code)
		two.open("/me/login/wait")
		if one.cookies[sessionCookie] != nil || two.cookies[sessionCookie] != nil {
			t.Error("a log-in goes on after the report")
		}
		f.set(func() { f.answer, f.after = nil, 0 })
		asked := len(f.requests())
		one = newPortalTab(t, p)
		one.remote = "198.51.100.3:1"
		one.logIn(portalNumber)
		if one.at != "/me/login/wait" || len(f.requests()) != asked {
			t.Errorf("a stranger is at %s, the phone was asked %d times", one.at, len(f.requests())-asked)
		}
		if owner.logIn(portalNumber); owner.at != "/me" {
			t.Errorf("the owner is at %s", owner.at)
		}
		time.Sleep(barredFor)
		one = newPortalTab(t, p)
		if one.logIn(portalNumber); one.at != "/me" {
			t.Errorf("an hour later: at %s", one.at)
		}
	})
}

// attempt starts a log-in in a new browser.
func attempt(t *testing.T, p *Portal, remote, number string) (int, string) {
	b := newPortalTab(t, p)
	b.remote = remote
	return b.submit("/me/login", "/me/login", "number", number, "method", "app")
}

// Log-ins against one number become slower and slower, whether it has an account or
// not, and from many networks too. Its owner is not locked out: a browser that the owner
// has used has its own allowance, and any other network waits a minute at most.
func TestAttackLoginFlood(t *testing.T) {
	for _, number := range []string{portalNumber, "+41790000000"} {
		synctest.Test(t, func(t *testing.T) {
			f := newFakeWorld()
			p := newTestPortal(t, f)
			var owner *portalTab
			if number == portalNumber {
				owner = loggedIn(t, p, number)
				owner.submit("/me", "/me/logout")
			}
			f.set(func() { f.after = time.Hour })
			start, asked := time.Now(), 0
			for time.Since(start) < 24*time.Hour { // one network
				if code, _ := attempt(t, p, "192.0.2.1:1", number); code == 200 {
					asked++
				}
				time.Sleep(3 * time.Minute)
			}
			if asked > 40 {
				t.Errorf("one network made the phone ring %d times a day", asked)
			}
			if code, body := attempt(t, p, "192.0.2.1:1", number); code != 429 {
				t.Errorf("%d", code)
			} else {
				has(t, body, "Too many attempts. Please try again in ")
			}
			if code, _ := attempt(t, p, "198.51.100.1:1", number); code != 200 {
				t.Errorf("another network has to wait: %d", code)
			}
			start, asked = time.Now(), 0
			for i := 0; time.Since(start) < time.Hour; i++ { // as many networks as there are
				if code, _ := attempt(t, p, fmt.Sprintf("198.51.%d.%d:1", i%200, i/200), number); code == 200 {
					asked++
				}
				time.Sleep(15 * time.Second)
			}
			if asked > 70 {
				t.Errorf("many networks made the phone ring %d times an hour", asked)
			}
			if owner == nil {
				return
			}
			f.set(func() { f.after = 0 })
			if owner.logIn(number); owner.at != "/me" {
				t.Errorf("the owner's browser is at %s", owner.at)
			}
			time.Sleep(time.Minute)
			if code, _ := attempt(t, p, "203.0.113.1:1", number); code != 200 {
				t.Errorf("the owner elsewhere, after a minute: %d", code)
			}
		})
	}
}

// The cookie of a known browser is worth nothing for another number, or when it is
// old or forged.
func TestKnownBrowser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTestPortal(t, newFakeWorld())
		b := loggedIn(t, p, portalNumber)
		known := func(value, number string) bool {
			r := httptest.NewRequest("POST", "/me/login", nil)
			r.AddCookie(&http.Cookie{Name: knownCookie, Value: value})
			return p.call(httptest.NewRecorder(), r, "login").isKnown(number)
		}
		k := b.cookies[knownCookie]
		if !k.HttpOnly || !k.Secure || k.Path != "/me/login" || k.MaxAge != 90*24*3600 || !known(k.Value, portalNumber) {
			t.Errorf("cookie %+v", k)
		}
		for _, x := range []struct{ value, number string }{{k.Value, otherNumber}, {"", portalNumber}, {k.Value + "x", portalNumber}, {"9" + k.Value, portalNumber}} {
			if known(x.value, x.number) {
				t.Errorf("%+v is known", x)
			}
		}
		time.Sleep(knownDays * 24 * time.Hour)
		if known(k.Value, portalNumber) {
			t.Error("the cookie does not expire")
		}
	})
}
