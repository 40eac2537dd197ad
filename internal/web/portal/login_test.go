package portal

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

func TestPortalLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeWorld()
		f.after = 5 * time.Second
		b := newPortalTab(t, newTestPortal(t, f))
		b.header.Set("Accept-Language", "de-CH,de;q=0.9,en;q=0.5")
		if code, body := b.open("/me"); code != 200 || b.at != "/me/login" {
			t.Fatalf("at %s: %d\n%s", b.at, code, body)
		}
		_, body := b.submit("/me/login", "/me/login", "number", "0041 (0)79 123-45-67", "method", "app")
		has(t, body, "Schauen Sie auf Ihr Telefon", `content="3"`, portalNumber[1:])
		code := regexp.MustCompile(`class="code">(\w{4})<`).FindStringSubmatch(body)
		if code == nil {
			t.Fatal(body)
		}
		synctest.Wait()
		r := f.signs[0]
		if want := "Signum: Kontoseite: anmelden? Bestätigen Sie nur, wenn Ihr Browser den Code " + code[1] + " zeigt."; r.Data.Data != want {
			t.Errorf("text %q, want %q", r.Data.Data, want)
		}
		if f.callers[0].Pin != mssp.PinOf([]byte("portal")) || r.AP.ID != "mid://portal" || r.MSISDN != portalNumber ||
			r.Profile != signum.ProfileDevice || r.MessagingMode != signum.Asynch || r.TimeOut != "80" || r.Services[0].UserLang != "de" {
			t.Errorf("request %+v", r)
		}
		poll := func() string { return b.send("GET", "/me/login/status", nil).Body.String() }
		if got := poll(); got != "{\"waiting\":true}\n" {
			t.Error(got)
		}
		time.Sleep(6 * time.Second)
		if got := poll(); got != "{\"waiting\":false}\n" {
			t.Error(got)
		}
		if code, body = nil, ""; b.cookies[sessionCookie] != nil {
			t.Error("a session before the browser fetched it")
		}
		_, body = b.open("/me/login/wait")
		if b.at != "/me" {
			t.Fatalf("at %s", b.at)
		}
		has(t, body, "Übersicht", portalNumber[1:], "MIDCHE2X7K9QWER1")
		k := b.cookies[sessionCookie]
		if !k.HttpOnly || !k.Secure || k.SameSite != http.SameSiteStrictMode || k.Path != "/me" || len(k.Value) < 43 || k.MaxAge != 0 {
			t.Errorf("cookie %+v", k)
		}
		if b.cookies[loginCookie] != nil {
			t.Error("the log-in's cookie is still there")
		}
	})
}

// What a person did at the phone shows at once. Everything else shows after the full
// wait, and looks the same.
func TestPortalLoginOutcomes(t *testing.T) {
	fault := signum.NewFault
	for _, tc := range []struct {
		name   string
		number string
		sign   error
		signed signum.Code
		answer error
		title  string // shown at once; empty: only after the wait
	}{
		{name: "user cancels", answer: fault(signum.UserCancel), title: "Declined"},
		{name: "PIN blocked on the way", answer: fault(signum.PINBlocked), title: "PIN blocked"},
		{name: "unknown number", number: "+41790000000"},
		{name: "PIN blocked before", sign: fault(signum.PINBlocked)},
		{name: "suspended", sign: fault(signum.CardBlocked)},
		{name: "not activated", sign: fault(signum.NoKeyFound)},
		{name: "wrong method", sign: fault(signum.UnsupportedProfile)},
		{name: "busy", sign: fault(signum.PBSignatureProcess)},
		{name: "certificate expired", sign: fault(signum.NoCertFound)},
		{name: "certificate revoked", signed: signum.RevokedCertificate},
		{name: "party refused", sign: fault(signum.UnauthorizedAccess)},
		{name: "service broken", sign: errors.New("broken")},
		{name: "not reachable", answer: fault(signum.OTAError)},
		{name: "status broken", answer: errors.New("broken")},
		{name: "timeout", answer: fault(signum.ExpiredTransaction)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeWorld()
				f.signErr, f.signed, f.answer = tc.sign, tc.signed, func() error { return tc.answer }
				b := newPortalTab(t, newTestPortal(t, f))
				number := tc.number
				if number == "" {
					number = portalNumber
				}
				code, body := b.logIn(number)
				if tc.title != "" {
					has(t, body, "<h1>"+tc.title)
				} else {
					has(t, body, "<h1>Look at your phone")
					time.Sleep(loginWait - 2*loginPause - time.Millisecond)
					_, body = b.open("/me/login/wait")
					has(t, body, "<h1>Look at your phone")
					time.Sleep(time.Millisecond)
					code, body = b.open("/me/login/wait")
					has(t, body, "<h1>No signature received", "has no account", "suspended", "Try again")
				}
				if code != 200 || b.cookies[sessionCookie] != nil {
					t.Errorf("%d, session %v", code, b.cookies[sessionCookie])
				}
			})
		})
	}
}

// Closing the portal ends the log-ins.
func TestPortalClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeWorld()
		f.after = time.Hour
		p, sink, _ := observe(t, f, nil)
		newPortalTab(t, p).logIn(portalNumber)
		p.Close()
		if e := sink.Last(t, "login outcome"); e.Reason != "stopped" {
			t.Errorf("event %+v", e)
		}
	})
}

// A status query that fails is repeated.
func TestPortalLoginPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeWorld()
		n := 0
		f.answer = func() error {
			if n++; n < 4 {
				return signum.NewFault(signum.InternalError)
			}
			return nil
		}
		b := newPortalTab(t, newTestPortal(t, f))
		b.logIn(portalNumber)
		time.Sleep(3 * loginPause)
		if b.open("/me/login/wait"); b.at != "/me" {
			t.Errorf("at %s", b.at)
		}
	})
}

// A newer request to an App ends the older one with 401. Two log-ins must not reveal
// in this way that there is an App.
func TestPortalLoginSuperseded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeWorld()
		f.after, f.answer = 5*time.Second, func() error { return signum.NewFault(signum.UserCancel) }
		p := newTestPortal(t, f)
		one, two := newPortalTab(t, p), newPortalTab(t, p)
		one.logIn(portalNumber)
		two.logIn(portalNumber)
		time.Sleep(6 * time.Second)
		_, body := one.open("/me/login/wait")
		has(t, body, "<h1>Look at your phone")
		_, body = two.open("/me/login/wait")
		has(t, body, "<h1>Declined")
	})
}

func TestPortalLoginSuspendedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeWorld()
		f.accounts[portalNumber].State = mssp.SubscriberInactive
		b := newPortalTab(t, newTestPortal(t, f))
		code, body := b.logIn(portalNumber)
		has(t, body, "Account suspended")
		if code != 403 || b.cookies[sessionCookie] != nil {
			t.Errorf("%d %v", code, b.cookies)
		}
	})
}

// Only the browser that started the log-in gets the session, once and soon.
func TestPortalLoginIsBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeWorld()
		p := newTestPortal(t, f)

		// A stranger plants a cookie and waits for the victim to log in with it.
		victim, stranger := newPortalTab(t, p), newPortalTab(t, p)
		stranger.open("/me/login")
		planted := stranger.cookies[loginCookie]
		victim.cookies[loginCookie] = planted
		victim.submit("/me/login", "/me/login", "number", portalNumber)
		time.Sleep(2 * loginPause)
		if stranger.open("/me/login/wait"); stranger.at != "/me/login" || stranger.cookies[sessionCookie] != nil {
			t.Errorf("the stranger is at %s", stranger.at)
		}
		if victim.cookies[loginCookie].Value == planted.Value {
			t.Error("the cookie is still the planted one")
		}

		// Or starts the log-in, hoping that the victim continues it.
		stranger.submit("/me/login", "/me/login", "number", otherNumber)
		victim = newPortalTab(t, p)
		victim.cookies[loginCookie] = stranger.cookies[loginCookie]
		victim.submit("/me/login", "/me/login", "number", otherNumber)
		time.Sleep(2 * loginPause)
		if stranger.open("/me/login/wait"); stranger.at != "/me/login" {
			t.Errorf("the stranger is at %s", stranger.at)
		}
		signs := len(f.signs)
		copied := victim.cookies[loginCookie]
		if victim.open("/me/login/wait"); victim.at != "/me" {
			t.Errorf("the victim is at %s", victim.at)
		}
		if signs != 2 {
			t.Errorf("%d requests, want 2: pressing twice must not ask twice", signs)
		}

		// The session can be fetched once.
		thief := newPortalTab(t, p)
		thief.cookies[loginCookie] = copied
		if thief.open("/me/login/wait"); thief.at != "/me/login" {
			t.Errorf("the thief is at %s", thief.at)
		}

		// A session ID that the browser sends is never adopted.
		b := newPortalTab(t, p)
		b.cookies[sessionCookie] = &http.Cookie{Name: sessionCookie, Path: "/me", Value: strings.Repeat("A", 43)}
		b.logIn(portalNumber)
		if b.at != "/me" || b.cookies[sessionCookie].Value == strings.Repeat("A", 43) {
			t.Errorf("at %s with %v", b.at, b.cookies[sessionCookie])
		}

		// An approved log-in that is not fetched in time is void.
		late := newPortalTab(t, p)
		late.submit("/me/login", "/me/login", "number", portalNumber)
		time.Sleep(2*loginPause + loginClaim)
		_, body := late.open("/me/login/wait")
		has(t, body, "<h1>No signature received")
	})
}

func TestPortalLoginNumbers(t *testing.T) {
	for in, want := range map[string]string{
		"+41 79 123 45 67": portalNumber, "0041791234567": portalNumber, "41791234567": portalNumber, "+41 (0)79/123.45.67": portalNumber,
		"079 123 45 67": "", "": "", "+": "", "12345": "", "+4179123456712345": "", "+41x91234567": "", "<script>": "",
	} {
		if got, ok := loginNumber(in); got != want || ok != (want != "") {
			t.Errorf("%q is %q, %v", in, got, ok)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		f := newFakeWorld()
		b := newPortalTab(t, newTestPortal(t, f))
		code, body := b.submit("/me/login", "/me/login", "number", `"><script>alert(1)</script>`)
		has(t, body, "with its country code", `aria-invalid="true"`, "&lt;script&gt;")
		if code != 422 || strings.Contains(body, "<script>alert") || len(f.signs) != 0 {
			t.Errorf("%d\n%s", code, body)
		}
		if code, _ = b.submit("/me/login", "/me/login", "number", portalNumber, "method", "none"); code != 422 {
			t.Errorf("%d", code)
		}
	})
}

func TestPortalLoginLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTestPortal(t, newFakeWorld())
		try := func(remote, number string) (int, string) {
			b := newPortalTab(t, p)
			b.remote = remote
			return b.submit("/me/login", "/me/login", "number", number)
		}
		// A number without an account behaves alike.
		for _, number := range []string{portalNumber, "+41790000000"} {
			for i := range loginsPerNumber {
				if code, body := try("192.0.2.1:1", number); code != 200 {
					t.Fatalf("%d: %d %s", i, code, body)
				}
			}
			code, body := try("198.51.100.1:1", number)
			has(t, body, "Too many attempts")
			if code != 429 {
				t.Errorf("%d", code)
			}
		}
		time.Sleep(loginWindow)
		if code, _ := try("192.0.2.1:1", portalNumber); code != 200 {
			t.Errorf("after the window: %d", code)
		}
		for i := 1; i < loginsPerAddress; i++ {
			try("192.0.2.1:1", "+4179000010"+string(rune('0'+i%10))+string(rune('0'+i/10)))
		}
		if code, _ := try("192.0.2.1:2", otherNumber); code != 429 {
			t.Errorf("the address: %d", code)
		}
		if code, _ := try("192.0.2.2:2", otherNumber); code != 200 {
			t.Errorf("another address: %d", code)
		}
	})
}

// 2,500 log-ins for made-up numbers do not close the portal for others.
func TestPortalFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeWorld()
		p := newTestPortal(t, f)
		try := func(remote, number string) int {
			b := newPortalTab(t, p)
			b.remote = remote
			code, _ := b.submit("/me/login", "/me/login", "number", number)
			return code
		}
		for i := range 2500 {
			if code := try(fmt.Sprintf("198.51.%d.%d:1", 100+i/loginsPerAddress/200, i/loginsPerAddress%200), fmt.Sprint("+4179", 1_000_000+i)); code != 200 {
				t.Fatalf("log-in %d: %d", i, code)
			}
		}
		if code := try("192.0.2.1:1", portalNumber); code != 200 {
			t.Errorf("a user elsewhere got %d", code)
		}
	})
}

// A full table evicts the oldest log-in and ends its wait; old log-ins are removed.
func TestPortalLoginsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ls := newLoginTable(mssp.SystemClock{})
		gaveUp := 0
		begin := func(cookie string) {
			ls.begin(cookie, &login{number: cookie, giveUp: func() { gaveUp++ }})
		}
		for i := range maxLogins {
			begin(strconv.Itoa(i))
		}
		begin("one more")
		if ls.lru.Len() != maxLogins || len(ls.latest) != maxLogins || gaveUp != 1 {
			t.Errorf("%d log-ins of %d numbers, %d evicted", ls.lru.Len(), len(ls.latest), gaveUp)
		}
		for cookie, want := range map[string]loginState{"0": loginGone, "1": loginWaiting, "one more": loginWaiting} {
			if _, s := ls.get(cookie, false); s != want {
				t.Errorf("log-in %s is %q, want %q", cookie, s, want)
			}
		}
		time.Sleep(loginKeep)
		begin("later")
		if ls.lru.Len() != 1 || len(ls.latest) != 1 {
			t.Errorf("%d log-ins of %d numbers are left", ls.lru.Len(), len(ls.latest))
		}
	})
}

func TestPortalLoginToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeWorld()
		p := newTestPortal(t, f)
		b := newPortalTab(t, p)
		b.open("/me/login")
		other := newPortalTab(t, p)
		other.open("/me/login")
		for _, token := range []string{"", "x", p.token(other.cookies[loginCookie].Value)} {
			if w := b.send("POST", "/me/login", url.Values{"number": {portalNumber}, "token": {token}}); w.Code != 403 {
				t.Errorf("%q: %d", token, w.Code)
			}
		}
		b.cookies = map[string]*http.Cookie{}
		if w := b.send("POST", "/me/login", url.Values{"number": {portalNumber}, "token": {p.token("")}}); w.Code != 403 {
			t.Errorf("without a cookie: %d", w.Code)
		}
		if len(f.signs) != 0 {
			t.Error("a request was made")
		}
	})
}
