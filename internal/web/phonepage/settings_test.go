package phonepage

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/serviceworker"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/signum-mssp/signum/internal/web"
	"github.com/signum-mssp/signum/internal/web/webtest"
)

func testSettings(t *testing.T, ctx context.Context) {
	f, p := started(t, ctx)
	p.Visit("settings")
	p.Says(".facts", "+41791234001")
	p.Says(".facts", "MIDCHE1A2B3C4D5E")
	p.Fill(`[name=name]`, "Anna's phone")
	p.Press(kb.Enter)
	p.Says(".note", "Saved")
	f.set(func() {
		if last := f.beats[len(f.beats)-1]; last["name"] != "Anna's phone" || last["platform"] != "web" {
			t.Errorf("heartbeat %v", last)
		}
	})
	changePasscode(p, webtest.Passcode, "975310")
	sign := func(wrong, right string) {
		t.Helper()
		r := f.send(signRequest(loginText, loginText))
		p.View("request")
		p.Click(`[data-do=approve]`)
		p.Unlock(wrong)
		p.Says("dialog .error", "2 tries left")
		p.Unlock(right)
		p.Says("h1", "Signed")
		f.answerOf(r)
		p.Click(`[data-do=done]`)
	}
	sign(webtest.Passcode, "975310")

	// If the reply to a change is lost, the passcode that the service has works.
	for _, arrives := range []bool{true, false} {
		old, next := "975310", "481507"
		if !arrives {
			old, next = "481507", "629038"
		}
		p.Visit("settings")
		p.Click(`[data-do=change-passcode]`)
		webtest.Eval[bool](p, fmt.Sprintf(`(() => {
			window.real ??= fetch;
			window.fetch = async (...a) => {
				if (!a[0].endsWith('/passcode')) return real(...a);
				if (%v) await real(...a);
				throw new TypeError('lost');
			};
			return true;
		})()`, arrives))
		p.Fill(`dialog [name=passcode]`, old)
		p.Fill(`dialog [name=new-passcode]`, next)
		p.Fill(`dialog [name=passcode-again]`, next)
		p.Press(kb.Enter)
		p.Says("dialog .error", "No connection")
		p.Press(kb.Escape)
		if arrives {
			sign(old, next)
		} else {
			sign(next, old)
		}
	}

	p.Visit("settings")
	p.Click(`[data-do=remove]`)
	p.Wait("dialog")
	p.Click("dialog .danger")
	p.View("code")
	f.set(func() {
		if !f.removed {
			t.Error("the service was not told")
		}
	})
	if webtest.Eval[bool](p, `import('/phone/store.js').then(async (s) => Boolean(await s.get('device')) || (await s.history()).length > 0)`) {
		t.Error("something was kept")
	}
}

func testLocation(t *testing.T, ctx context.Context) {
	f, p := started(t, ctx)
	sign := func() map[string]any {
		t.Helper()
		r := f.send(signRequest(loginText, loginText).with("locate", true))
		p.View("request")
		p.Click(`[data-do=approve]`)
		p.Unlock(webtest.Passcode)
		p.Says("h1", "Signed")
		p.Click(`[data-do=done]`)
		where, _ := f.answerOf(r)["location"].(map[string]any)
		return where
	}
	if got := sign(); got["error"] != 100.0 || len(got) != 1 {
		t.Errorf("off: %v", got)
	}
	p.Grant(f.address(), "geolocation")
	p.Visit("settings")
	p.Click("#location")
	if got := sign(); got["error"] != 102.0 {
		t.Errorf("on, without a country: %v", got)
	}
	lat, long, acc := 47.37, 8.54, 15.2
	p.Run(webtest.Command(emulation.SetGeolocationOverride, emulation.SetGeolocationOverrideParams{Latitude: &lat, Longitude: &long, Accuracy: &acc}))
	p.Visit("settings")
	webtest.Eval[bool](p, `(() => { const c = document.querySelector('#country'); c.value = 'CH'; c.dispatchEvent(new Event('change')); return true; })()`)
	if got := sign(); got["country"] != "CH" || got["accuracy"] != 16.0 || got["measured"] == nil {
		t.Errorf("on: %v", got)
	}
}

// testWorker checks that the App opens without a network and that a push message
// becomes a notification.
func testWorker(t *testing.T, ctx context.Context) {
	f, p := started(t, ctx)
	webtest.Eval[bool](p, `navigator.serviceWorker.ready.then(() => true)`)
	p.Until(`Boolean(navigator.serviceWorker.controller)`)
	p.Run(chromedp.Reload())
	p.Ready()
	f.set(func() { f.down = true })
	f.drop()
	p.Run(chromedp.Reload())
	p.Says("h1", "No connection")
	p.Says("#offline", "Offline. This page tries again")
	p.Accessible("offline")
	f.set(func() { f.down = false })
	p.Ready()

	p.Grant(f.address(), "notifications")
	p.Run(webtest.Command(serviceworker.Enable, cdp.Empty{}))
	id := p.Worker()
	p.Run(webtest.Command(serviceworker.DeliverPushMessage, serviceworker.DeliverPushMessageParams{Origin: f.address(), RegistrationID: id, Data: `{"type":"wake"}`}))
	p.Eventually(`navigator.serviceWorker.ready.then((r) => r.getNotifications()).then((n) => n.length === 1 && n[0].body.startsWith('A request is waiting'))`)
	// A forged push message cannot show a text, neither in the notification nor on the
	// page.
	forged := `{"type":"request","title":"FORGED","body":"FORGED","request":{"id":"h1","op":"sign","mime":"text/plain","text":"FORGED","attrs":"MQA"}}`
	for _, data := range []string{forged, "FORGED", "\x00\xff", ""} {
		p.Run(webtest.Command(serviceworker.DeliverPushMessage, serviceworker.DeliverPushMessageParams{Origin: f.address(), RegistrationID: id, Data: data}))
	}
	p.Eventually(`navigator.serviceWorker.ready.then((r) => r.getNotifications()).then((n) => n.length === 1 && !JSON.stringify([n[0].title, n[0].body, n[0].data]).includes('FORGED'))`)
	if webtest.Eval[bool](p, `document.body.innerText.includes('FORGED') || document.querySelector('[data-view=request]') !== null`) {
		t.Error("a forged push was shown")
	}
	if scope := webtest.Eval[string](p, `navigator.serviceWorker.ready.then((r) => r.scope)`); scope != f.address()+"/phone" {
		t.Errorf("scope %s", scope)
	}
}

func TestPhoneFiles(t *testing.T) {
	h := Handler(Config{ServiceName: serviceName})
	get := func(method, path string, header ...string) *http.Response {
		r := httptest.NewRequest(method, path, nil)
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Result()
	}
	for path, mime := range map[string]string{
		"/phone": "text/html; charset=utf-8", "/phone/main.js": "text/javascript; charset=utf-8", "/phone/phone.css": "text/css; charset=utf-8",
		"/phone/manifest.webmanifest": "application/manifest+json", "/phone/icon.svg": "image/svg+xml", "/phone/icon-192.png": "image/png", "/phone/icon-512.png": "image/png",
	} {
		resp := get("GET", path)
		if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != mime || resp.Header.Get("Cache-Control") != "no-cache" || resp.Header.Get("Content-Security-Policy") != web.Policy {
			t.Errorf("%s: %d %v", path, resp.StatusCode, resp.Header)
		}
		if resp := get("GET", path, "If-None-Match", resp.Header.Get("ETag")); resp.StatusCode != 304 {
			t.Errorf("%s: %d though it is the same", path, resp.StatusCode)
		}
	}
	for path, want := range map[string]int{"/phone/": 308, "/phone/index.html": 404, "/phone/none.js": 404, "/phone/../phonepage.go": 404} {
		if resp := get("GET", path); resp.StatusCode != want || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %v", path, resp.StatusCode, resp.Header)
		}
	}
	if got := get("GET", "/phone/?code=X").Header.Get("Location"); got != "/phone?code=X" {
		t.Errorf("redirected to %s", got)
	}
	if resp := get("POST", "/phone"); resp.StatusCode != 405 || resp.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d", resp.StatusCode)
	}
	if get("GET", "/phone/sw.js").Header.Get("Service-Worker-Allowed") != "/phone" {
		t.Error("the service worker may not have its scope")
	}
	if strings.Contains(string(web.ReadFiles(static, "static", serviceName)["words.js"].Body), "Signum") {
		t.Error("words.js names a service")
	}
	// The service worker caches every module; otherwise the App does not open offline.
	sw, _ := static.ReadFile("static/sw.js")
	all, _ := static.ReadDir("static")
	for _, e := range all {
		if n := e.Name(); strings.HasSuffix(n, ".js") && n != "sw.js" && !strings.Contains(string(sw), "'/"+n+"'") {
			t.Errorf("sw.js does not keep %s", n)
		}
	}
}
