package portal

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/web/prompt"
)

func TestPortalLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeWorld()
		f.set(func() { f.after = 5 * time.Second })
		b := newPortalTab(t, newTestPortal(t, f))
		b.header.Set("Accept-Language", "de-CH,de;q=0.9,en;q=0.5")
		if code, body := b.open("/me"); code != 200 || b.at != "/me/login" {
			t.Fatalf("at %s: %d\n%s", b.at, code, body)
		}
		_, body := b.submit("/me/login", "/me/login", "number", "0041 (0)79 123-45-67", "method", "app")
		has(t, body, "Schauen Sie auf Ihr Telefon", "Einen Moment", `content="3"`)
		time.Sleep(prompt.CodeAfter)
		_, body = b.open("/me/login/wait")
		has(t, body, `class="code">`+pickCode+"<", `content="3"`, portalNumber[1:])
		r := f.requests()[0]
		if want := "Signum: Auf der Kontoseite anmelden? Wählen Sie die Zahl, die Ihr eigener Browser zeigt."; r.Data.Data != want {
			t.Errorf("text %q, want %q", r.Data.Data, want)
		}
		if f.callers[0].Pin != mssp.PinOf([]byte("portal")) || r.AP.ID != "mid://portal" || r.MSISDN != portalNumber ||
			r.Profile != signum.ProfileDevice || r.MessagingMode != signum.Asynch || r.TimeOut != "80" || r.Services[0].UserLang != "de" || len(r.Services) != 2 {
			t.Errorf("request %+v", r)
		}
		poll := func() string { return b.send("GET", "/me/login/status", nil).Body.String() }
		if got := poll(); got != "{\"stage\":\"waiting\"}\n" {
			t.Error(got)
		}
		time.Sleep(6 * time.Second)
		if got := poll(); got != "{\"stage\":\"approved\"}\n" {
			t.Error(got)
		}
		if b.cookies[sessionCookie] != nil {
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

func TestPortalLoginBySIM(t *testing.T) {
	for _, typedFirst := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			f := newFakeWorld()
			f.set(func() { f.after = 10 * time.Second })
			b := newPortalTab(t, newTestPortal(t, f))
			page := b.begin(portalNumber, "sim")
			synctest.Wait()
			code := f.simCode(t)
			if has(t, page, "Code on the phone"); strings.Contains(page, code) {
				t.Error("the page shows the code")
			}
			if f.requests()[0].Profile != signum.ProfileSTK || len(f.requests()[0].Services) != 1 {
				t.Errorf("request %+v", f.requests()[0])
			}
			if !typedFirst {
				time.Sleep(f.after + statusPause)
			}
			_, page = b.submit("/me/login/wait", "/me/login/code", "code", "12345")
			has(t, page, "Wrong code. Tries left: 2")
			_, page = b.submit("/me/login/wait", "/me/login/code", "code", code[:3]+" "+code[3:])
			if typedFirst {
				has(t, page, "The code is right", `content="3"`)
				time.Sleep(f.after + statusPause)
				b.open("/me/login/wait")
			}
			if b.at != "/me" {
				t.Errorf("at %s", b.at)
			}
		})
	}
}

// Closing the portal ends the log-ins.
func TestPortalClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeWorld()
		f.set(func() { f.after = time.Hour })
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
		f.set(func() {
			f.answer = func() error {
				if n++; n < 4 {
					return signum.NewFault(signum.InternalError)
				}
				return nil
			}
		})
		b := newPortalTab(t, newTestPortal(t, f))
		b.logIn(portalNumber)
		time.Sleep(3 * time.Second)
		if b.open("/me/login/wait"); b.at != "/me" {
			t.Errorf("at %s", b.at)
		}
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
		victim.begin(portalNumber, "app")
		time.Sleep(statusPause)
		if stranger.open("/me/login/wait"); stranger.at != "/me/login" || stranger.cookies[sessionCookie] != nil {
			t.Errorf("the stranger is at %s", stranger.at)
		}
		if victim.cookies[loginCookie].Value == planted.Value {
			t.Error("the cookie is still the planted one")
		}

		// Or starts the log-in, hoping that the victim continues it.
		stranger.begin(otherNumber, "app")
		victim = newPortalTab(t, p)
		victim.cookies[loginCookie] = stranger.cookies[loginCookie]
		victim.begin(otherNumber, "app")
		time.Sleep(statusPause)
		if stranger.open("/me/login/wait"); stranger.at != "/me/login" {
			t.Errorf("the stranger is at %s", stranger.at)
		}
		signs := len(f.requests())
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
		late.remote = "198.51.100.9:1"
		late.begin(portalNumber, "app")
		time.Sleep(statusPause + prompt.Claim)
		_, body := late.open("/me/login/wait")
		has(t, body, "<h1>No signature received")
	})
}

func TestPortalLoginNumbers(t *testing.T) {
	for _, tt := range []struct{ country, typed, want string }{
		{"", "+41 79 123 45 67", portalNumber}, {"", "0041791234567", portalNumber}, {"", "41791234567", portalNumber},
		{"", "+41 (0)79/123.45.67", portalNumber}, {"", "079 123 45 67", ""}, {"", "", ""}, {"", "+", ""}, {"", "12345", ""},
		{"", "+4179123456712345", ""}, {"", "+41x91234567", ""}, {"", "<script>", ""}, {"", "00000000", ""},
		{"CH", "079 123 45 67", portalNumber}, {"CH", "079/123.45.67", portalNumber}, {"CH", "791234567", portalNumber},
		{"CH", "41791234567", portalNumber}, {"CH", "+41791234567", portalNumber}, {"CH", "0041791234567", portalNumber},
		{"CH", "+49 1512 3456789", "+4915123456789"}, {"CH", "4915123456789", "+4915123456789"}, {"CH", "079", ""}, {"CH", "0791", ""},
		{"CH", "079 123 45 67 89 01 23", ""}, {"DE", "01512 3456789", "+4915123456789"}, {"IT", "347 123 4567", "+393471234567"},
		{"US", "(201) 555-0123", "+12015550123"}, {"FR", "06 12 34 56 78", "+33612345678"}, {"CH", "++41791234567", ""},
	} {
		if got, ok := parseNumber(tt.typed, tt.country); got != tt.want || ok != (tt.want != "") {
			t.Errorf("%q in %q is %q, %v", tt.typed, tt.country, got, ok)
		}
	}
	for country, want := range map[string]string{"": "+41 79 123 45 67", "CH": "079 123 45 67", "DE": "01512 3456789", "ZZ": "+41 79 123 45 67"} {
		if got, _ := exampleNumber(country); got != want {
			t.Errorf("example of %q: %q", country, got)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		f := newFakeWorld()
		b := newPortalTab(t, newTestPortal(t, f))
		code, body := b.submit("/me/login", "/me/login", "number", `"><script>alert(1)</script>`, "method", "app")
		has(t, body, "enter a mobile number, such as &#43;41 79", `aria-invalid="true"`, "&lt;script&gt;")
		if code != 422 || strings.Contains(body, "<script>alert") || len(f.requests()) != 0 {
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
		for i := range loginsPerAddress {
			attempt(t, p, "192.0.2.1:1", fmt.Sprint("+4179000010", 10+i))
		}
		if code, _ := attempt(t, p, "192.0.2.1:2", otherNumber); code != 429 {
			t.Errorf("the address: %d", code)
		}
		if code, _ := attempt(t, p, "192.0.2.2:2", otherNumber); code != 200 {
			t.Errorf("another address: %d", code)
		}
		time.Sleep(loginWindow)
		if code, _ := attempt(t, p, "192.0.2.1:1", otherNumber); code != 200 {
			t.Errorf("after the window: %d", code)
		}
	})
}

// 2,500 log-ins for made-up numbers do not close the portal for others.
func TestPortalFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeWorld()
		p := newTestPortal(t, f)
		try := func(remote, number string) int {
			code, _ := attempt(t, p, remote, number)
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
		f := newFakeWorld()
		a := prompt.New(prompt.Config{Signer: f, Clock: mssp.SystemClock{}})
		ls := newLoginTable()
		begin := func(cookie string) {
			ls.put(cookie, &login{a.Pretend(prompt.Question{Number: cookie, Method: signum.App}), "en", time.Time{}})
		}
		for i := range maxLogins {
			begin(strconv.Itoa(i))
		}
		begin("one more")
		if ls.lru.Len() != maxLogins {
			t.Errorf("%d log-ins", ls.lru.Len())
		}
		if ls.get("0", false) != nil || ls.get("1", false) == nil || ls.get("one more", false) == nil {
			t.Error("the oldest was not the one to go")
		}
		time.Sleep(loginKeep)
		if ls.get("1", false) != nil {
			t.Error("a log-in is kept too long")
		}
		begin("later")
		if ls.lru.Len() != 1 {
			t.Errorf("%d log-ins are left", ls.lru.Len())
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
		if len(f.requests()) != 0 {
			t.Error("a request was made")
		}
	})
}
