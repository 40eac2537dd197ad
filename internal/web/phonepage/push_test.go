package phonepage

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/signum-mssp/signum/internal/web/webtest"
)

// fakePush stands in for the push service of the browser, which a browser without an
// account at its vendor does not have. Subscriptions survive a reload. window.pushBroken
// makes new ones fail.
const fakePush = `(() => {
	const bytes = (text) => Uint8Array.from(text, (c) => c.charCodeAt(0)).buffer;
	const get = () => {
		const s = JSON.parse(localStorage.getItem('push'));
		return s && {
			endpoint: s.endpoint, options: { applicationServerKey: bytes(s.key) },
			getKey: (name) => bytes(name), unsubscribe: async () => { localStorage.removeItem('push'); return true; },
		};
	};
	PushManager.prototype.getSubscription = async () => get();
	PushManager.prototype.subscribe = async ({ userVisibleOnly, applicationServerKey }) => {
		if (!userVisibleOnly || get() || window.pushBroken || localStorage.getItem('broken')) throw new DOMException('no', 'AbortError');
		const n = Number(localStorage.getItem('made')) + 1;
		localStorage.setItem('made', n);
		localStorage.setItem('push', JSON.stringify({ endpoint: 'https://push.example/' + n, key: String.fromCharCode(...applicationServerKey) }));
		return get();
	};
	window.allowed ??= localStorage.getItem('allowed') ?? 'granted';
	Object.defineProperty(Notification, 'permission', { get: () => window.allowed });
	Notification.requestPermission = async () => window.allowed;
})()`

// lastPush is what the last heartbeat said of notifications: an endpoint, "none", or ""
// for nothing.
func (f *fake) lastPush() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.beats) == 0 {
		return ""
	}
	push, there := f.beats[len(f.beats)-1]["push"]
	switch m, _ := push.(map[string]any); {
	case m != nil:
		return fmt.Sprint(m["endpoint"])
	case there:
		return "none"
	}
	return ""
}

// pushes waits until the last heartbeat says that.
func (f *fake) pushes(p *webtest.Tab, want string) {
	p.T.Helper()
	for end := time.Now().Add(webtest.Patience); f.lastPush() != want; time.Sleep(25 * time.Millisecond) {
		if time.Now().After(end) {
			p.T.Fatalf("the last heartbeat says %q, want %q", f.lastPush(), want)
		}
	}
}

// Notifications are turned on and off, and a subscription for another key is replaced
// when the page is opened.
func testNotifications(t *testing.T, ctx context.Context) {
	f, p := started(t, ctx, webtest.OnNewDocument(fakePush))
	f.pushes(p, "none")
	p.Visit("settings")
	p.Click("#notify")
	f.pushes(p, "https://push.example/1")

	f.set(func() { f.pushKey = b64([]byte("key 2")) })
	p.Run(chromedp.Reload())
	f.pushes(p, "https://push.example/2")
	if key := webtest.Eval[string](p, `JSON.parse(localStorage.getItem('push')).key`); key != "key 2" {
		t.Errorf("the new subscription is made for %q", key)
	}

	// The browser ends a subscription while no page may be open: the service worker
	// reports another one.
	inWorker(t, ctx, f, `new Promise((done) => {
		PushManager.prototype.getSubscription = async () => null;
		PushManager.prototype.subscribe = async () => ({ endpoint: 'https://push.example/worker', getKey: () => new ArrayBuffer(16) });
		const real = self.fetch;
		self.fetch = async (...a) => {
			const answer = await real(...a);
			if (a[0].endsWith('/heartbeat')) done(true);
			return answer;
		};
		self.dispatchEvent(new ExtendableEvent('pushsubscriptionchange'));
	})`)
	f.pushes(p, "https://push.example/worker")

	p.Visit("settings")
	p.Click("#notify")
	f.pushes(p, "none")
	if webtest.Eval[bool](p, `localStorage.getItem('push') !== null`) {
		t.Error("the subscription is still there")
	}
}

// inWorker runs JavaScript in the service worker of a page, and awaits its result.
func inWorker(t *testing.T, browser context.Context, f *fake, js string) {
	t.Helper()
	awaits := true
	targets, err := chromedp.Targets(browser)
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range targets {
		if target.Type != "service_worker" || !strings.HasPrefix(target.URL, f.address()+"/") {
			continue
		}
		ctx, cancel := chromedp.NewContext(browser, chromedp.WithTargetID(target.TargetID))
		defer cancel()
		ctx, stop := context.WithTimeout(ctx, webtest.Patience)
		defer stop() // An event that a script makes cannot be waited for, which is an exception in its
		// handler.
		if _, err := chromedp.Call(ctx, runtime.Evaluate, runtime.EvaluateParams{Expression: js, AwaitPromise: &awaits}); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatal("the service worker does not run")
}

// A subscription that the push service no longer knows is replaced once. If that does
// not help, the settings say so, and a press of a button tries it again.
func testNotificationsEnd(t *testing.T, ctx context.Context) {
	f, p := started(t, ctx, webtest.OnNewDocument(fakePush))
	p.Visit("settings")
	p.Click("#notify")
	f.pushes(p, "https://push.example/1")
	f.set(func() { f.pushEnded["https://push.example/1"] = true })
	p.Run(chromedp.Reload())
	f.pushes(p, "https://push.example/2")
	p.Visit("settings")
	quiet := `document.querySelector('.note[role=alert]').hidden`
	p.Until(quiet)

	f.set(func() { f.pushEnded["https://push.example/2"] = true })
	webtest.Eval[bool](p, `(() => { localStorage.setItem('broken', 1); return true; })()`)
	p.Run(chromedp.Reload())
	f.pushes(p, "none")
	p.Visit("settings")
	p.Says(".note[role=alert]", "Notifications do not arrive any more")
	for _, scheme := range []string{"light", "dark"} {
		p.Scheme(scheme)
		p.Accessible("notifications that do not arrive, " + scheme)
		p.Axe("notifications that do not arrive, " + scheme)
		p.Look("notifications that do not arrive, " + scheme)
	}
	p.Click("[data-do=notify-again]")
	p.Says(".note:not([role=alert])", "not possible or not allowed")
	webtest.Eval[bool](p, `(() => { localStorage.removeItem('broken'); return true; })()`)
	p.Click("[data-do=notify-again]")
	f.pushes(p, "https://push.example/3")
	p.Until(quiet)

	webtest.Eval[bool](p, `(() => { localStorage.removeItem('push'); localStorage.setItem('allowed', 'denied'); return true; })()`)
	p.Run(chromedp.Reload())
	f.pushes(p, "none")
	p.Visit("settings")
	p.Says(".note[role=alert]", "this browser does not allow them any more")
}
