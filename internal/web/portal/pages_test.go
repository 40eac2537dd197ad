package portal

import (
	"bytes"
	"errors"
	"html"
	"image/png"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rsc.io/qr"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// The pages contain the configured name of the service and no other.
func TestPortalServiceName(t *testing.T) {
	b := newPortalTab(t, newTestPortal(t, newFakeWorld()))
	_, page := b.open("/me/login")
	has(t, page, " – Test &amp; Söhne</title>", ">Test &amp; Söhne</a>")
	if strings.Contains(page, "Signum") {
		t.Errorf("another name in:\n%s", page)
	}
}

// loggedIn returns the tab of a user who is logged in.
func loggedIn(t *testing.T, p *Portal, number string) *portalTab {
	t.Helper()
	b := newPortalTab(t, p)
	if b.logIn(number); b.at != "/me" {
		t.Fatalf("at %s", b.at)
	}
	return b
}

// The overview names the one device with which the user logged in.
func TestPortalNamesSigner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := loggedIn(t, newTestPortal(t, newFakeWorld()), portalNumber)
		_, page := b.open("/me")
		_, app, _ := strings.Cut(page, `id="m-app1"`)
		app, _, _ = strings.Cut(app, "</h3>")
		if n := strings.Count(page, "used for this log-in"); n != 1 || !strings.Contains(app, "used for this log-in") {
			t.Errorf("%d devices are named; the App: %s", n, app)
		}
	})
}

func TestPortalPages(t *testing.T) {
	for _, tc := range []struct {
		path string
		code int
		want []string
	}{
		{"/me", 200, []string{"<h1>Overview", portalNumber[1:], "MIDCHE2X7K9QWER1", "EC P-256", "RSA 2048", "4f1d22a90be71", `2029-05-04T10:00:00Z`,
			"Not blocked", "Created", "used for this log-in", "<small>Lena's phone</small>", "Last connected", "/me/device?id=app1", "/me/device?id=sim1", "Sandbox Mobile"}},
		{"/me?done=removed", 200, []string{"The App was removed"}},
		{"/me?done=<script>", 200, []string{"<h1>Overview"}},
		{"/me/", 200, []string{"<h1>Overview"}},
		{"/me/activity", 200, []string{"<h1>Activity", "There are no requests"}},
		{"/me/app", 200, []string{"<h1>Add an App", "15 minutes"}},
		{"/me/app/code", 200, []string{"<h1>Already shown"}},
		{"/me/app/qr.png", 404, []string{"<h1>Not found"}},
		{"/me/recovery", 200, []string{"<h1>New recovery code", "will stop working"}},
		{"/me/recovery/code", 200, []string{"<h1>Already shown"}},
		{"/me/device?id=app1", 200, []string{"<h1>Remove the App", `value="app1"`}},
		{"/me/device?id=sim1", 200, []string{"<h1>Switch off the SIM"}},
		{"/me/device?id=app2", 404, []string{"<h1>Not found"}},
		{"/me/device", 404, []string{"<h1>Not found"}},
		{"/me/suspend", 200, []string{"<h1>Suspend", "Only your operator can undo this"}},
		{"/me/nothing", 404, []string{"<h1>Not found"}},
		{"/me/logout", 404, []string{"<h1>Not found"}},
	} {
		t.Run(tc.path, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newTestPortal(t, newFakeWorld())
				b := loggedIn(t, p, portalNumber)
				code, body := b.open(tc.path)
				if has(t, html.UnescapeString(body), tc.want...); code != tc.code {
					t.Errorf("%d", code)
				}
				if tc.path == "/me/nothing" || tc.path == "/me/logout" {
					return
				}
				// Without a session every page redirects to the log-in.
				b = newPortalTab(t, p)
				if b.open(tc.path); b.at != "/me/login" {
					t.Errorf("without a session at %s", b.at)
				}
			})
		})
	}
}

func TestPortalOverviewStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeWorld()
		b := loggedIn(t, newTestPortal(t, f), portalNumber)
		a := f.accounts[portalNumber]
		a.RecoveryCodeCreated = false
		a.Devices[0].PINBlocked = true
		a.Devices[1].Certificate.State = mssp.CertificateRevoked
		a.Devices[1].Network.Name = "<script>alert(1)</script>"
		a.Devices = append(a.Devices,
			mssp.Device{ID: "x", Method: signum.SIM, State: signum.DeviceInactive, Ended: mssp.EndedByUser},
			mssp.Device{ID: "new", Method: signum.SIM, State: signum.DeviceRegistered}, // its owner can refuse it
			mssp.Device{ID: "y", Method: signum.App, State: signum.DeviceActive, KeyType: signum.EC,
				Certificate: &mssp.Certificate{Serial: "ab", State: mssp.CertificateGood, NotAfter: time.Now()}})
		_, body := b.open("/me")
		has(t, body, "Not created", "Blocked", "If a PIN is blocked", "Revoked", "Not activated", "Expired", "&lt;script&gt;", "/me/device?id=new")
		if strings.Contains(body, "<script>alert") || strings.Contains(body, "/me/device?id=x") {
			t.Error(body)
		}
		a.Devices = nil
		_, body = b.open("/me")
		has(t, body, "You have no method")
	})
}

func TestPortalActivity(t *testing.T) {
	at := time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC)
	tx := func(party string, m signum.Method, mime, text string, code signum.Code) *mssp.Transaction {
		t := &mssp.Transaction{APID: party, Method: m, MimeType: mime, Text: text, Created: at, State: mssp.StateOutstanding}
		if code != 0 {
			t.Outcome = mssp.Outcome{Code: code}
			t.State = t.Outcome.FinalState()
		}
		return t
	}
	synctest.Test(t, func(t *testing.T) {
		f := newFakeWorld()
		f.recent = []*mssp.Transaction{
			tx("mid://portal", signum.App, signum.MimeText, "Signum: log in?", signum.SignatureMade),
			tx("mid://<script>x</script>", signum.SIM, signum.MimeText, "<img src=x onerror=alert(1)>\n"+strings.Repeat("ä", 200), signum.UserCancel),
			tx("mid://shop", signum.App, signum.MimeTxnApproval, `{"type":"Payment","dtbd":[{"key":"To","value":"Bäckerei"}]}`, signum.ExpiredTransaction),
			tx("mid://shop", signum.App, signum.MimeTxnApproval, `no json`, signum.OTAError),
			tx("mid://bank", "", signum.MimeText, "Your password is 4711", signum.RequestOK),
			tx("mid://bank", signum.SIM, signum.MimeText, "Pay?", 0),
			tx("mid://bank", signum.SIM, signum.MimeText, "Pay?", signum.InvalidSignature),
			tx("mid://bank", signum.SIM, signum.MimeText, "12 \u05e9\u05dc\u05d5\u05dd - 30", signum.SignatureMade),
			tx("mid://bank", signum.SIM, signum.MimeText, "hidden\u200b", signum.SignatureMade),
			tx("mid://bank", signum.App, signum.MimeText, "Pay?", signum.UserCancel),
		}
		f.recent[9].Outcome.Replaced = true
		f.recent = append(f.recent, tx("mid://shop", signum.App, signum.MimeText, "Pay?", signum.UserCancel))
		f.recent[10].Outcome.Detail = "User cancelled the request (reported)"
		f.parties = map[string]string{"mid://shop": "Café <Lena> \u05d0", "mid://bank": ""}
		b := loggedIn(t, newTestPortal(t, f), portalNumber)
		_, body := b.open("/me/activity")
		has(t, body, "This account page", "mid://&lt;script&gt;", "&lt;img src=x", "ää…", `<bdo dir="ltr">12 <bdi dir="rtl">`+"\u05e9\u05dc\u05d5\u05dd"+`</bdi> - 30</bdo>`, "<bdi>Café &lt;Lena&gt; \u05d0</bdi>", "<bdi>mid://bank</bdi>", "Title by <bdi>Café &lt;Lena&gt; \u05d0</bdi>", `<p class="quote"><bdo dir="ltr">Payment</bdo></p>`, `<p><bdo dir="ltr">To: Bäckerei</bdo></p>`, "no json", "The text is not shown",
			"Signed", "Declined", "No answer", "Not reachable", "Sent", "Waiting", "Failed (503)", "Replaced by a newer request", "Reported: not by you", `datetime="2026-03-01T09:30:00Z">1 Mar 2026 09:30 UTC`)
		if strings.Contains(body, "4711") || strings.Contains(body, "mid://shop") || strings.Contains(body, "hidden\u200b") || strings.Contains(body, "<img src=x") || strings.Contains(body, strings.Repeat("ä", maxShownText)) {
			t.Error(body)
		}
	})
}

func TestPortalAddApp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeWorld()
		p := newTestPortal(t, f)
		b := loggedIn(t, p, portalNumber)
		if w := b.send("GET", "/me/app/qr.png", nil); w.Code != 404 {
			t.Errorf("an image without a code: %d", w.Code)
		}
		_, body := b.sign("/me/app", "/me/app")
		has(t, body, "K7QZ-4MX9-2T", `href="https://signum.example/phone?code=K7QZ4MX92T"`, `src="/me/app/qr.png"`)
		if b.at != "/me/app/code" || strings.Contains(body, "lang=de") {
			t.Errorf("at %s", b.at)
		}
		w := b.send("GET", "/me/app/qr.png", nil)
		img, err := png.Decode(bytes.NewReader(w.Body.Bytes()))
		if err != nil || w.Header().Get("Content-Type") != "image/png" || w.Header().Get("Cache-Control") != "no-store" {
			t.Fatalf("%v %v", err, w.Header())
		}
		if n := img.Bounds().Dx(); n < 200 {
			t.Errorf("%d pixels", n)
		}
		if want, _ := qr.Encode("https://signum.example/phone?code=K7QZ4MX92T", qr.M); !bytes.Equal(w.Body.Bytes(), want.PNG()) {
			t.Error("the image and the link differ")
		}
		// Another session cannot fetch the code or its image.
		if w := loggedIn(t, p, otherNumber).send("GET", "/me/app/qr.png", nil); w.Code != 404 {
			t.Errorf("another session: %d", w.Code)
		}
		if w := newPortalTab(t, p).send("GET", "/me/app/qr.png", nil); w.Code != 303 {
			t.Errorf("no session: %d", w.Code)
		}
		time.Sleep(qrGrace)
		if w := b.send("GET", "/me/app/qr.png", nil); w.Code != 404 {
			t.Errorf("later: %d", w.Code)
		}
		_, body = b.open("/me/app/code")
		has(t, body, "Already shown")
		if !slices.Equal(f.did, []string{"invite " + portalNumber}) {
			t.Error(f.did)
		}
	})
}

func TestPortalRecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeWorld()
		b := loggedIn(t, newTestPortal(t, f), portalNumber)
		_, body := b.sign("/me/recovery", "/me/recovery")
		has(t, body, "W4XD-9KQT-22MB-7HNP", "shown only once")
		if _, body = b.open("/me/recovery/code"); strings.Contains(body, "W4XD") {
			t.Error("shown twice")
		}
		// The page of an App's code does not show a recovery code.
		b.submit("/me/recovery", "/me/recovery", "method", "app")
		time.Sleep(statusPause)
		b.send("GET", "/me/consent", nil)
		if _, body = b.open("/me/app/code"); strings.Contains(body, "W4XD") {
			t.Error("shown as an App's")
		}
	})
}

func TestPortalRemove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeWorld()
		p := newTestPortal(t, f)
		b, old := loggedIn(t, p, portalNumber), loggedIn(t, p, portalNumber)
		if code, _ := b.submit("/me/device?id=app1", "/me/device", "id", "app2", "method", "app"); code != 404 || len(f.did) != 0 {
			t.Errorf("another user's device: %d %v", code, f.did)
		}
		_, body := b.sign("/me/device?id=app1", "/me/device", "id", "app1")
		has(t, body, "The App was removed")
		_, body = b.sign("/me/device?id=sim1", "/me/device", "id", "sim1")
		has(t, body, "The SIM was switched off")
		if want := []string{"revoke 4f1d22a90be71", "remove app1", "recheck " + portalNumber, "revoke 7c03b91e44d11", "end sim1 by user", "recheck " + portalNumber}; !slices.Equal(f.did, want) {
			t.Errorf("%v, want %v", f.did, want)
		}
		if old.open("/me"); old.at != "/me/login?over" {
			t.Errorf("the user's other session is at %s", old.at)
		}

		f.accounts[portalNumber].Devices[1].State = signum.DeviceInactive
		_, body = b.open("/me/device?id=app1")
		has(t, body, "only active method")
		if code, _ := b.open("/me/device?id=sim1"); code != 404 {
			t.Errorf("a SIM that is switched off: %d", code)
		}
	})
}

func TestPortalSuspend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeWorld()
		p := newTestPortal(t, f)
		b, second, other := loggedIn(t, p, portalNumber), loggedIn(t, p, portalNumber), loggedIn(t, p, otherNumber)
		if code, _ := b.submit("/me/suspend", "/me/suspend"); code != 422 || len(f.did) != 0 {
			t.Errorf("unconfirmed: %d %v", code, f.did)
		}
		_, body := b.submit("/me/suspend", "/me/suspend", "confirm", "yes")
		has(t, body, "Account suspended")
		if !slices.Equal(f.did, []string{"state " + portalNumber + " INACTIVE", "recheck " + portalNumber}) {
			t.Error(f.did)
		}
		for _, x := range []*portalTab{b, second} {
			if x.open("/me"); !strings.HasPrefix(x.at, "/me/login") {
				t.Errorf("at %s", x.at)
			}
		}
		if other.open("/me"); other.at != "/me" {
			t.Errorf("the other user is at %s", other.at)
		}
		// The operator suspends.
		f.accounts[otherNumber].State = mssp.SubscriberInactive
		code, body := other.open("/me/activity")
		if has(t, body, "Account suspended"); code != 403 || other.cookies[sessionCookie] != nil {
			t.Errorf("%d", code)
		}
	})
}

// An internal error shows its incident, not its cause.
func TestPortalFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeWorld()
		b := loggedIn(t, newTestPortal(t, f), portalNumber)
		f.err = errors.New("secret cause")
		code, body := b.open("/me")
		has(t, body, "Something went wrong", "quote ")
		if code != 500 || strings.Contains(body, "secret") {
			t.Errorf("%d %s", code, body)
		}
		f.err = nil
		if b.open("/me"); b.at != "/me" {
			t.Errorf("at %s", b.at)
		}
	})
	if _, err := New(Config{}); err == nil {
		t.Error("an empty configuration was accepted")
	}
}
