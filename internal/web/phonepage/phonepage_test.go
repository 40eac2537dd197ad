package phonepage

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/web/webtest"
)

const (
	loginText = "Sandbox: Log in to example.com? (TXN-3D5K)"
	payment   = `{"type":"Payment to Bäckerei Zürich","dtbd":[{"key":"Payee","value":"Sandbox: Bäckerei Zürich AG"},{"value":"12.50 CHF","key":"Amount"}]}`
)

// txn is a request to approve a transaction.
func txn(t *testing.T, payload string) request {
	t.Helper()
	signed, err := signum.SignedContent(signum.MimeTxnApproval, payload)
	if err != nil {
		t.Fatal(err)
	}
	return signRequest(payload, signed).with("mime", signum.MimeTxnApproval)
}

// longPayment does not fit on the screen of a phone.
func longPayment() string {
	p := signum.TxnApproval{Type: "Payment order"}
	for i := range 18 {
		p.Rows = append(p.Rows, signum.TxnRow{Key: fmt.Sprint("Item ", i+1), Value: strings.Repeat("Sandbox ", 6)})
	}
	return p.String()
}

func display(text string) request {
	return signRequest(text, "").with("op", "display", "attrs", nil, "expires", time.Now().Add(5*time.Minute).UnixMilli())
}

// started returns a service and an enrolled phone.
func started(t *testing.T, browser context.Context, before ...webtest.Step) (*fake, *webtest.Tab) {
	t.Helper()
	f := newFake(t)
	p := webtest.Open(t, browser, f.address()+"/phone", before...)
	p.Enrol("k7qz 4mx9-2t")
	return f, p
}

func TestPhone(t *testing.T) {
	browser := webtest.NewBrowser(t)
	for name, test := range map[string]func(*testing.T, context.Context){
		"sign": testSign, "cancel": testCancel, "approval": testApproval, "forged": testForged, "blocked": testBlocked, "expiry": testExpiry,
		"reload": testReload, "tabs": testTabs, "superseded": testSuperseded, "restart": testRestart, "choice": testChoice,
		"receipts": testReceipts, "app2app": testApp2App, "enrolment": testEnrolment, "removed": testRemoved, "lost answer": testLostAnswer,
		"content": testContent, "keyboard": testKeyboard, "languages": testLanguages, "passkey": testPasskey, "settings": testSettings,
		"location": testLocation, "worker": testWorker, "notifications": testNotifications, "notifications end": testNotificationsEnd, "outdated": testOutdated, "notice": testNotice, "keypad": testKeypad, "offline": testOffline, "large text": testLargeText, "name": testName, "report": testReport, "large requests": testLargeRequests, "party": testParty, "party on a small screen": testPartySmall, "party history": testPartyHistory,
	} {
		t.Run(name, func(t *testing.T) { test(t, browser) })
	}
}

// Servers of later tests can get the port of an earlier one, and so its origin.
func TestBrowserForgets(t *testing.T) {
	browser, f := webtest.NewBrowser(t), newFake(t)
	for range 2 {
		t.Run("new phone", func(t *testing.T) {
			f.set(func() { f.codes["K7QZ4MX92T"] = false })
			p := webtest.Open(t, browser, f.address()+"/phone")
			p.View("code")
			p.Enrol("k7qz 4mx9-2t")
		})
	}
}

func testSign(t *testing.T, browser context.Context) {
	f, p := started(t, browser)
	r := f.send(signRequest(loginText, loginText))
	p.View("request")
	if got := p.Text(".dtbs"); got != loginText {
		t.Errorf("shown: %q", got)
	}
	p.Click(`[data-do=approve]`)
	p.Unlock("111111")
	p.Says("dialog .error", "2 tries left")
	p.Unlock(webtest.Passcode)
	p.View("result")
	p.Says("h1", "Signed")
	f.answerOf(r)
	p.Click(`[data-do=done]`)
	p.Ready()

	// The signature is in the history, with its CMS.
	p.Visit("history")
	p.Says(`[data-view=history]`, loginText)
	p.Click(`[data-view=history] .link`)
	time.Sleep(100 * time.Millisecond)
	if got := webtest.Eval[string](p, `document.querySelector('[data-view=history] .error').textContent`); got != "" {
		t.Error(got)
	}

	// The wrapped key and the salt stay in the browser; the keys cannot be read.
	wrapped := webtest.Eval[string](p, `(async () => {
		const store = await import('/phone/store.js'), bytes = await import('/phone/bytes.js');
		const d = await store.get('device');
		for (const k of [d.auth, d.secret, d.sealKey]) {
			if (k.extractable) throw new Error('extractable');
			await crypto.subtle.exportKey(k.type === 'private' ? 'pkcs8' : 'raw', k).then(() => { throw new Error('exported'); }, () => {});
		}
		return [bytes.b64u(d.wrapped[0].data), bytes.b64u(d.salt)].join(' ');
	})()`)
	f.set(func() {
		for _, body := range f.bodies {
			for _, s := range append(strings.Fields(wrapped), webtest.Passcode) {
				if strings.Contains(body, s) {
					t.Errorf("%s was sent: %s", s, body)
				}
			}
		}
		if len(f.shown) != 1 || f.shown[0] != r["id"].(string)+" sign" {
			t.Errorf("shown: %v", f.shown)
		}
	})
}

func testCancel(t *testing.T, browser context.Context) {
	f, p := started(t, browser)
	r := f.send(signRequest(loginText, loginText))
	p.View("request")
	p.Click(`[data-do=approve]`)
	p.Wait("dialog")
	p.Click(`dialog [data-do=back]`) // changes their mind
	p.Click(`[data-do=cancel]`)
	p.Says("h1", "Declined")
	if a := f.answerOf(r); a["cancel"] != true || a["signature"] != nil {
		t.Errorf("answer %v", a)
	}
}

func testApproval(t *testing.T, browser context.Context) {
	f, p := started(t, browser)
	f.send(txn(t, payment))
	p.Says("h1", "Approve this transaction?")
	p.Says(".scroller .title", "Title by Example Bank")
	p.Says(".scroller .title", "Payment to Bäckerei Zürich")
	p.Until(`document.querySelector('[data-do=approve]')?.disabled === false`) // it fits without scrolling
	if got := p.Text("dl"); !strings.Contains(got, "Sandbox: Bäckerei Zürich AG") || strings.Index(got, "Payee") > strings.Index(got, "Amount") {
		t.Errorf("rows: %s", got)
	}
	p.Click(`[data-do=cancel]`)
	p.Click(`[data-do=done]`)

	r := f.send(txn(t, longPayment()))
	p.Says(".title", "Payment order")
	disabled := func(where string) {
		t.Helper()
		time.Sleep(250 * time.Millisecond)
		if !webtest.Eval[bool](p, `document.querySelector('[data-do=approve]').disabled`) {
			t.Fatal("Approve is enabled ", where)
		}
	}
	disabled("before the end was seen")
	p.Says("#why", "Scroll to the end")
	webtest.Eval[bool](p, `document.querySelector('.scroller').scrollTop = 200, true`)
	disabled("in the middle")
	webtest.Eval[bool](p, `document.querySelector('.scroller').scrollTop = 1e6, true`)
	p.Until(`document.querySelector('[data-do=approve]')?.disabled === false`)
	p.Click(`[data-do=approve]`)
	p.Unlock(webtest.Passcode)
	p.Says("h1", "Signed")
	f.answerOf(r)
}

func testForged(t *testing.T, browser context.Context) {
	f, p := started(t, browser)
	for name, r := range map[string]request{
		"another text": signRequest(loginText, loginText+" "),
		"no attrs":     signRequest(loginText, loginText).with("attrs", ""),
		"more behind":  signRequest(loginText, loginText).with("attrs", b64(append(attributes(loginText), 0x31, 0))),
		"two digests":  signRequest(loginText, loginText).with("attrs", b64(twoDigests(loginText, "other"))),
		"another row":  txn(t, payment).with("text", strings.Replace(payment, `"key":"Payee"`, `"key":"Payer"`, 1)),
		"reordered":    signRequest("Sandbox: \u202e1", "Sandbox: \u202e1"),
		"not JSON":     signRequest("{", "{").with("mime", signum.MimeTxnApproval),
		"a member more": signRequest("", "").with("mime", signum.MimeTxnApproval,
			"text", `{"type":"x","dtbd":[{"key":"a","value":"b","more":"c"}]}`,
			"attrs", b64(attributes(`{"format_version":1,"content_string":"[{\"key\":\"a\",\"value\":\"b\",\"more\":\"c\"}]"}`))),
	} {
		f.send(r)
		p.Wait(fmt.Sprintf(`[data-view=forged][data-id="%s"]`, r["id"]))
		if text := p.Text("main"); strings.Contains(text, "example.com") || webtest.Eval[bool](p, `Boolean(document.querySelector('[data-do=approve]'))`) {
			t.Errorf("%s: shown: %s", name, text)
		}
		p.Click(`[data-do=cancel]`)
		if a := f.answerOf(r); a["cancel"] != true {
			t.Errorf("%s: answer %v", name, a)
		}
		p.Click(`[data-do=done]`)
		p.Ready()
	}
}

// twoDigests are attributes with messageDigest twice.
func twoDigests(a, b string) []byte {
	var both []byte
	for _, s := range []string{a, b} {
		both = append(both, attributes(s)[2+26:2+26+49]...)
	}
	return append([]byte{0x31, byte(len(both))}, both...)
}

func testBlocked(t *testing.T, browser context.Context) {
	f, p := started(t, browser)
	f.send(signRequest(loginText, loginText))
	p.View("request")
	p.Click(`[data-do=approve]`)
	for _, want := range []string{"2 tries left", "One try left"} {
		p.Unlock("000000")
		p.Says("dialog .error", want)
	}
	p.Unlock("000000")
	p.View("blocked")
	p.Run(chromedp.Reload())
	p.View("blocked")
	p.Click(`[data-do=set-up-again]`)
	p.Click(`dialog .danger`)
	f.set(func() { f.codes["K7QZ4MX92T"] = true })
	p.View("code")
	p.Fill(`[name=code]`, "K7QZ4MX92T")
	p.Press(kb.Enter)
	p.Wait(`[name=recovery]`)
	p.Fill(`[name=new-passcode]`, "583920")
	p.Fill(`[name=passcode-again]`, "583920")
	p.Fill(`[name=recovery]`, "WRONG")
	p.Click(`[data-view=passcode] .primary`)
	p.Says(`[data-view=passcode]`, "recovery code is wrong")
	p.Fill(`[name=recovery]`, "RIGHT-CODE")
	p.Click(`[data-view=passcode] .primary`)
	p.Ready() // no new recovery code: the account has one
}

func testExpiry(t *testing.T, browser context.Context) {
	f, p := started(t, browser)
	r := f.send(signRequest(loginText, loginText).with("expires", time.Now().Add(10*time.Minute).UnixMilli()))
	p.View("request")
	p.Click(`[data-do=approve]`)
	p.Wait("dialog")
	p.Later(10 * time.Minute)
	p.Says(`[data-outcome=expired]`, "It has expired")
	if webtest.Eval[bool](p, `Boolean(document.querySelector('dialog'))`) {
		t.Error("the dialog is still there")
	}
	f.set(func() {
		if f.answers[r["id"].(string)+" sign"] != nil {
			t.Error("an answer after the end")
		}
	})
	// A phone with a wrong clock uses the time of the service.
	p.Click(`[data-do=done]`)
	p.Ready()
	f.set(func() { f.skew = 2 * time.Hour })
	f.drop()
	now := time.Now().Add(2 * time.Hour)
	late := signRequest(loginText, loginText).with("created", now.UnixMilli(), "expires", now.Add(30*time.Minute).UnixMilli())
	f.set(func() { f.pending = append(f.pending, late) })
	p.View("request")
	p.Until(`/^(2\d|30):/.test(document.querySelector('.countdown span').textContent)`)
	p.Click(`[data-do=cancel]`)
	f.answerOf(late)
}

func testReload(t *testing.T, browser context.Context) {
	f, p := started(t, browser)
	r := f.send(signRequest(loginText, loginText))
	p.View("request")
	p.Click(`[data-do=approve]`)
	p.Wait("dialog")
	p.Run(chromedp.Reload())
	p.Wait(fmt.Sprintf(`[data-view=request][data-id="%s"]`, r["id"]))
	p.Click(`[data-do=approve]`)
	p.Unlock(webtest.Passcode)
	p.Says("h1", "Signed")
	f.answerOf(r)
	// An answered request is never shown again, even if the service sends it.
	f.set(func() { f.pending = append(f.pending, r) })
	p.Run(chromedp.Reload())
	p.Ready()
	time.Sleep(200 * time.Millisecond)
	p.View("home")
}

func testTabs(t *testing.T, browser context.Context) {
	f, p := started(t, browser)
	q := webtest.Open(t, browser, f.address()+"/phone")
	q.View("elsewhere")
	r := f.send(signRequest(loginText, loginText))
	p.View("request")
	q.View("elsewhere")
	// The second tab takes over, then the first one again.
	q.Click(".primary")
	q.Wait(fmt.Sprintf(`[data-view=request][data-id="%s"]`, r["id"]))
	p.View("elsewhere")
	q.Close()
	p.Wait(fmt.Sprintf(`[data-view=request][data-id="%s"]`, r["id"]))
	p.Click(`[data-do=cancel]`)
	f.answerOf(r)
	f.set(func() {
		if f.opened > 4 {
			t.Errorf("%d inboxes were opened: the tabs fight", f.opened)
		}
	})
}

func testSuperseded(t *testing.T, browser context.Context) {
	f, p := started(t, browser)
	text := func(s string, after int64) request {
		return signRequest("Sandbox: "+s, "Sandbox: "+s).with("created", time.Now().UnixMilli()+after)
	}
	first := f.send(text("first", 0))
	p.Says(".dtbs", "first")
	p.Click(`[data-do=approve]`)
	p.Wait("dialog")
	second := f.send(text("second", 5))
	f.gone(first, "replaced")
	p.Says(".dtbs", "second")
	p.Says(".note", "replaced the previous one")
	if webtest.Eval[bool](p, `Boolean(document.querySelector('dialog'))`) {
		t.Error("the dialog of the first is still there")
	}
	// The service ends the older request before it sends the newer one. A tap that was
	// meant for the older one does not approve the newer one.
	p.Until(`document.querySelector('[data-do=approve]')?.disabled === false`)
	f.gone(second, "replaced")
	p.Says(`[data-outcome=replaced]`, "A newer request")
	webtest.Eval[bool](p, `(new MutationObserver(() => {
		const approve = document.querySelector('[data-do=approve]');
		if (approve) window.inactiveAtFirst ??= approve.disabled;
	}).observe(document.getElementById('main'), { childList: true }), true)`)
	second = f.send(text("newest", 6))
	p.Says(".dtbs", "newest")
	p.Says(".note", "replaced the previous one")
	if !webtest.Eval[bool](p, `window.inactiveAtFirst`) {
		t.Error("Approve was active at once")
	}
	f.gone(second, "withdrawn")
	p.Says(`[data-outcome=withdrawn]`, "withdrew")
	// A request that is missing in the next sync has ended.
	third := f.send(text("third", 10))
	p.Says(".dtbs", "third")
	f.set(func() { f.pending = nil })
	f.drop()
	p.View("result")
	p.Says("main", "no longer waiting")
	f.gone(third, "expired") // too late to have an effect
	p.Says("main", "no longer waiting")
	f.set(func() {
		if len(f.answers) > 0 {
			t.Errorf("answered: %v", f.answers)
		}
	})
}

func testRestart(t *testing.T, browser context.Context) {
	f, p := started(t, browser)
	r := f.send(signRequest(loginText, loginText))
	p.View("request")
	f.set(func() { f.down = true })
	f.drop()
	p.Click(`[data-do=approve]`)
	p.Unlock(webtest.Passcode)
	p.Says("dialog .error", "No connection")
	time.Sleep(700 * time.Millisecond)
	f.set(func() { f.down = false })
	p.Unlock(webtest.Passcode)
	p.Says("h1", "Signed")
	f.answerOf(r)
	p.Click(`[data-do=done]`)
	p.Ready()
	f.set(func() {
		if f.opened < 2 {
			t.Error("the inbox was not opened again")
		}
	})
}
