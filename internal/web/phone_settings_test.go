package web

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/serviceworker"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

func testSettings(t *testing.T, ctx context.Context) {
	f, p := started(t, ctx)
	p.open("settings")
	p.says(".facts", "+41791234001")
	p.says(".facts", "MIDCHE1A2B3C4D5E")
	p.fill(`[name=name]`, "Anna's phone")
	p.press(kb.Enter)
	p.says(".note", "Saved")
	f.set(func() {
		if last := f.beats[len(f.beats)-1]; last["name"] != "Anna's phone" || last["platform"] != "web" {
			t.Errorf("heartbeat %v", last)
		}
	})
	p.changePasscode("246802", "975310")
	sign := func(wrong, right string) {
		t.Helper()
		r := f.send(signRequest(loginText, loginText))
		p.view("request")
		p.click(`[data-do=approve]`)
		p.unlock(wrong)
		p.says("dialog .error", "2 tries left")
		p.unlock(right)
		p.says("h1", "Signed")
		f.answerOf(r)
		p.click(`[data-do=done]`)
	}
	sign("246802", "975310")

	// The reply of a change is lost: whichever of the two the service has, opens.
	for _, arrives := range []bool{true, false} {
		old, fresh := "975310", "112233"
		if !arrives {
			old, fresh = "112233", "445566"
		}
		p.open("settings")
		p.click(`[data-do=change-passcode]`)
		eval[bool](p, fmt.Sprintf(`(() => {
			window.real ??= fetch;
			window.fetch = async (...a) => {
				if (!a[0].endsWith('/passcode')) return real(...a);
				if (%v) await real(...a);
				throw new TypeError('lost');
			};
			return true;
		})()`, arrives))
		p.fill(`dialog [name=passcode]`, old)
		p.fill(`dialog [name=new-passcode]`, fresh)
		p.fill(`dialog [name=passcode-again]`, fresh)
		p.press(kb.Enter)
		p.says("dialog .error", "No connection")
		p.press(kb.Escape)
		if arrives {
			sign(old, fresh)
		} else {
			sign(fresh, old)
		}
	}

	p.open("settings")
	p.click(`[data-do=remove]`)
	p.wait("dialog")
	p.click("dialog .danger")
	p.view("code")
	f.set(func() {
		if !f.removed {
			t.Error("the service was not told")
		}
	})
	if eval[bool](p, `import('/phone/store.js').then(async (s) => Boolean(await s.get('device')) || (await s.history()).length > 0)`) {
		t.Error("something was kept")
	}
}

func testLocation(t *testing.T, ctx context.Context) {
	f, p := started(t, ctx)
	sign := func() map[string]any {
		t.Helper()
		r := f.send(signRequest(loginText, loginText).with("locate", true))
		p.view("request")
		p.click(`[data-do=approve]`)
		p.unlock("246802")
		p.says("h1", "Signed")
		p.click(`[data-do=done]`)
		where, _ := f.answerOf(r)["location"].(map[string]any)
		return where
	}
	if got := sign(); got["error"] != 100.0 || len(got) != 1 {
		t.Errorf("off: %v", got)
	}
	p.grant(f, "geolocation")
	p.open("settings")
	p.click("#location")
	if got := sign(); got["error"] != 102.0 {
		t.Errorf("on, without a country: %v", got)
	}
	lat, long, acc := 47.37, 8.54, 15.2
	p.run(command(emulation.SetGeolocationOverride, emulation.SetGeolocationOverrideParams{Latitude: &lat, Longitude: &long, Accuracy: &acc}))
	p.open("settings")
	eval[bool](p, `(() => { const c = document.querySelector('#country'); c.value = 'CH'; c.dispatchEvent(new Event('change')); return true; })()`)
	if got := sign(); got["country"] != "CH" || got["accuracy"] != 16.0 || got["measured"] == nil {
		t.Errorf("on: %v", got)
	}
}

// grant allows a page what the person would be asked for.
func (p *tab) grant(f *fake, name string) {
	p.t.Helper()
	_, err := chromedp.CallBrowser(p.ctx, browser.SetPermission, browser.SetPermissionParams{
		Permission: &browser.PermissionDescriptor{Name: name}, Setting: browser.PermissionSettingGranted, Origin: f.address(),
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

// testWorker has the App open without a network, and a push become a notification.
func testWorker(t *testing.T, ctx context.Context) {
	f, p := started(t, ctx)
	eval[bool](p, `navigator.serviceWorker.ready.then(() => true)`)
	p.until(`Boolean(navigator.serviceWorker.controller)`)
	p.run(chromedp.Reload())
	p.ready()
	f.set(func() { f.down = true })
	f.drop()
	p.run(chromedp.Reload())
	p.says("h1", "Connecting")
	f.set(func() { f.down = false })
	p.ready()

	p.grant(f, "notifications")
	p.run(command(serviceworker.Enable, cdp.Empty{}))
	var id serviceworker.RegistrationID
	for end := time.Now().Add(patience); time.Now().Before(end); {
		p.mu.Lock()
		id = p.worker
		p.mu.Unlock()
		if id != "" {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	p.run(command(serviceworker.DeliverPushMessage, serviceworker.DeliverPushMessageParams{Origin: f.address(), RegistrationID: id, Data: `{"type":"wake"}`}))
	p.eventually(`navigator.serviceWorker.ready.then((r) => r.getNotifications()).then((n) => n.length === 1 && n[0].body.startsWith('A request is waiting'))`)
	// Whoever forges one says no more by it: neither the notification nor the page
	// shows what came in it.
	forged := `{"type":"request","title":"FORGED","body":"FORGED","request":{"id":"h1","op":"sign","mime":"text/plain","text":"FORGED","attrs":"MQA"}}`
	for _, data := range []string{forged, "FORGED", "\x00\xff", ""} {
		p.run(command(serviceworker.DeliverPushMessage, serviceworker.DeliverPushMessageParams{Origin: f.address(), RegistrationID: id, Data: data}))
	}
	p.eventually(`navigator.serviceWorker.ready.then((r) => r.getNotifications()).then((n) => n.length === 1 && !JSON.stringify([n[0].title, n[0].body, n[0].data]).includes('FORGED'))`)
	if eval[bool](p, `document.body.innerText.includes('FORGED') || document.querySelector('[data-view=request]') !== null`) {
		t.Error("a forged push was shown")
	}
	if scope := eval[string](p, `navigator.serviceWorker.ready.then((r) => r.scope)`); scope != f.address()+"/phone" {
		t.Errorf("scope %s", scope)
	}
}

func TestPhoneFiles(t *testing.T) {
	h := Phone()
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
		if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != mime || resp.Header.Get("Cache-Control") != "no-cache" || resp.Header.Get("Content-Security-Policy") != policy {
			t.Errorf("%s: %d %v", path, resp.StatusCode, resp.Header)
		}
		if resp := get("GET", path, "If-None-Match", resp.Header.Get("ETag")); resp.StatusCode != 304 {
			t.Errorf("%s: %d though it is the same", path, resp.StatusCode)
		}
	}
	for path, want := range map[string]int{"/phone/": 308, "/phone/index.html": 404, "/phone/none.js": 404, "/phone/../phone.go": 404} {
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
	// The service worker keeps every module, or the App does not open offline.
	sw, _ := phoneFiles.ReadFile("phone/sw.js")
	all, _ := phoneFiles.ReadDir("phone")
	for _, e := range all {
		if n := e.Name(); strings.HasSuffix(n, ".js") && n != "sw.js" && !strings.Contains(string(sw), "'/"+n+"'") {
			t.Errorf("sw.js does not keep %s", n)
		}
	}
}
