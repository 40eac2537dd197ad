package phonepage

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/serviceworker"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/web/webtest"
)

func testChoice(t *testing.T, browser context.Context) {
	f, p := started(t, browser)
	f.set(func() { f.goodCode = "47" })
	for choice, want := range map[string]string{"47": "Signed", "83": "Not accepted"} {
		r := f.send(signRequest(loginText, loginText).with("choices", []string{"12", "47", "83"}))
		p.View("request")
		if webtest.Eval[int](p, `document.querySelectorAll('.choice').length`) != 3 || webtest.Eval[bool](p, `!document.querySelector('[data-do=approve]').disabled`) {
			t.Error("Approve before a code was chosen")
		}
		p.Click(`[data-choice="12"]`)
		p.Click(`[data-choice="` + choice + `"]`)
		p.Click(`[data-do=approve]`)
		p.Unlock(webtest.Passcode)
		p.Says("h1", want)
		if a := f.answerOf(r); a["choice"] != choice {
			t.Errorf("answer %v", a)
		}
		if says := strings.Contains(p.Text("main"), "start again there and compare the code"); says != (want == "Not accepted") {
			t.Errorf("%s: the page says %s", want, p.Text("main"))
		}
		p.Click(`[data-do=done]`)
	}
}

func testReceipts(t *testing.T, browser context.Context) {
	f, p := started(t, browser)
	for button, want := range map[string]string{"ok": "OK", "cancel": "CANCEL"} {
		r := f.send(display("Sandbox: You are logged in"))
		p.View("receipt")
		p.Says(".dtbs", "You are logged in")
		p.Click(`[data-do=` + button + `]`)
		if a := f.answerOf(r); a["receipt"] != want || a["op"] != "display" {
			t.Errorf("answer %v", a)
		}
		if button == "ok" {
			p.Click(`[data-do=done]`)
		}
		p.Ready()
	}
	// Nobody answers. The clock of the page is advanced, so that the test does not wait.
	r := f.send(display("Sandbox: untouched").with("expires", time.Now().Add(10*time.Minute).UnixMilli()))
	p.View("receipt")
	p.Later(61 * time.Second)
	if a := f.answerOf(r); a["receipt"] != "TIMEOUT" {
		t.Errorf("answer %v", a)
	}
}

func testApp2App(t *testing.T, browser context.Context) {
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `<!DOCTYPE html><html lang=en><link rel=icon href="data:,"><title>x</title><p id=here>%s`, r.URL)
	}))
	defer other.Close()
	f, p := started(t, browser)
	r := signRequest(loginText, loginText).with("redirect_uri", other.URL+"/back?x=1")
	f.set(func() { f.hidden["tok"] = r })
	// The party's app opens another tab, which takes over. The service decides where to
	// redirect, not the address.
	q := webtest.Open(t, browser, f.address()+"/phone?session_token=tok&mobile_auth_redirect_uri=https%3A%2F%2Fevil.test")
	q.View("request")
	p.View("elsewhere")
	if got := webtest.Eval[string](q, `location.search`); got != "" {
		t.Errorf("the token stays in the address: %s", got)
	}
	q.Click(`[data-do=approve]`)
	q.Unlock(webtest.Passcode)
	q.Wait("#here")
	if got := q.Text("#here"); got != "/back?x=1" {
		t.Errorf("redirected to %s", got)
	}
	f.answerOf(r)
	q.Close()
	p.Ready()

	// An unknown token, and an address that would run in the page.
	p.Run(chromedp.Navigate(f.address() + "/phone?session_token=other"))
	p.Says(".note", "no longer waiting")
	r = signRequest(loginText, loginText).with("redirect_uri", "javascript:document.title='run'")
	f.set(func() { f.hidden["bad"] = r })
	p.Run(chromedp.Navigate(f.address() + "/phone?session_token=bad"))
	p.View("request")
	p.Click(`[data-do=cancel]`)
	p.View("result")
	if webtest.Eval[bool](p, `document.title === 'run' || Boolean(document.querySelector('a.button'))`) {
		t.Error("a javascript: address was taken")
	}
}

func testEnrolment(t *testing.T, browser context.Context) {
	f := newFake(t)
	p := webtest.Open(t, browser, f.address()+"/phone?code=K7QZ4MX92T")
	p.View("code")
	if got := webtest.Eval[string](p, `location.search + document.querySelector('[name=code]').value`); got != "K7QZ4MX92T" {
		t.Errorf("address and code: %q", got)
	}
	for code, want := range map[string]string{"K7QZ": "10 letters", "KKKKKKKKKK": "wrong"} {
		p.Fill(`[name=code]`, code)
		p.Click(".primary")
		p.Says(".error", want)
	}
	p.Fill(`[name=code]`, "K7QZ-4MX9-2T")
	p.Click(".primary")
	p.View("passcode")
	p.Fill(`[name=new-passcode]`, "12345")
	p.Click(".primary")
	p.Says("main", "Use at least 6")
	p.Fill(`[name=new-passcode]`, "123456")
	p.Click(".primary")
	p.Says("main", "easy to guess")
	p.Fill(`[name=new-passcode]`, webtest.Passcode)
	p.Fill(`[name=passcode-again]`, "246803")
	p.Click(".primary")
	p.Says("main", "differ")
	p.Fill(`[name=passcode-again]`, webtest.Passcode)
	p.Click(".primary")
	p.Says(".secret", "ABCD-EFGH-JKMN-PQRS-TVWX")
	// The code is shown until it was confirmed; a reload repeats the call.
	p.Run(chromedp.Reload())
	p.Says(".secret", "ABCD-EFGH-JKMN-PQRS-TVWX")
	if !webtest.Eval[bool](p, `document.querySelector('[data-view=keep] .primary').disabled`) {
		t.Error("one can go on without the tick")
	}
	p.Click("#kept")
	p.Click(".primary")
	p.Ready()
	p.Run(chromedp.Reload())
	p.Ready()
	// The recovery code is not stored.
	kept := webtest.Eval[string](p, `import('/phone/store.js').then((s) => Promise.all(['device', 'enrolment'].map(s.get))).then((v) => JSON.stringify(v[0]) + (v[1] === undefined))`)
	if strings.Contains(kept, "ABCD-EFGH") || !strings.HasSuffix(kept, "true") {
		t.Errorf("kept: %s", kept)
	}
}

func testRemoved(t *testing.T, browser context.Context) {
	f, p := started(t, browser)
	f.set(func() { clear(f.devices) })
	f.drop()
	p.View("stranger")
	p.Click(`[data-do=set-up-again]`)
	p.Click(`dialog .danger`)
	p.View("code")
}

// If the reply to an answer is lost, the App repeats the answer, and after `late` asks
// whether the service has the signature.
func testLostAnswer(t *testing.T, browser context.Context) {
	f, p := started(t, browser)
	r := f.send(signRequest(loginText, loginText))
	p.View("request")
	webtest.Eval[bool](p, `(() => {
		const real = fetch;
		let first = true;
		window.fetch = async (...a) => {
			const response = await real(...a);
			if (!a[0].endsWith('/answer') || !first) return response;
			first = false;
			throw new TypeError('the reply is lost');
		};
		return true;
	})()`)
	p.Click(`[data-do=approve]`)
	p.Unlock(webtest.Passcode)
	p.Says("h1", "Signed")
	f.answerOf(r)
}

// Page and service compute the same signed content.
func testContent(t *testing.T, browser context.Context) {
	p := webtest.Open(t, browser, newFake(t).address()+"/phone")
	p.View("code")
	good := []string{payment, longPayment(),
		`{"dtbd":[{"key":"\u0000\u001f\u007f\"\\\/\b\f\n\r\t","value":"é😀\u2028\u2029\ud83d\ude00"}],"type":""}`,
		` { "type" : "a" , "dtbd" : [ { "value" : "1" , "key" : "<&>" } , { "key":"","value":"" } ] } `,
		`{"type":"\ud800","dtbd":[{"key":"\ud800x","value":"y\udc00\udc00"}]}`,
	}
	bad := []string{`{"type":"a","dtbd":[]}`, `{"type":1,"dtbd":[{"key":"","value":""}]}`, `[]`, `null`, `{"type":"a","dtbd":[null]}`,
		`{"type":"a","dtbd":[{"key":"a","value":1}]}`, `{"type":"a","dtbd":[{"key":"a"}]}`, `{"type":"a","dtbd":[["a","b"]]}`,
		`{"type":"a","dtbd":[{"key":"a","value":"b"}],"x":1}`, `{"type":"a","dtbd":[{"key":"a","__proto__":"b"}]}`}
	for i, text := range append(good, bad...) {
		want, err := signum.SignedContent(signum.MimeTxnApproval, text)
		if (err == nil) != (i < len(good)) {
			t.Errorf("the service and %s: %v", text, err)
		}
		if err != nil {
			want = "refused"
		}
		in, _ := json.Marshal(text)
		got := webtest.Eval[string](p, fmt.Sprintf(`import('/phone/content.js').then((m) => { try { return m.content({ mime: %q, text: %s }).signed; } catch { return 'refused'; } })`, signum.MimeTxnApproval, in))
		if got != want {
			t.Errorf("%s\n got %s\nwant %s", text, got, want)
		}
	}
}

// Everything works without a pointer, and a dialog keeps the focus.
func testKeyboard(t *testing.T, browser context.Context) {
	f := newFake(t)
	p := webtest.Open(t, browser, f.address()+"/phone")
	p.View("code")
	p.Press("K7QZ4MX92T" + kb.Enter) // the field has the focus
	p.View("passcode")
	p.Press(webtest.Passcode + kb.Tab + kb.Tab + kb.Tab + webtest.Passcode + kb.Enter) // past its two buttons
	p.View("keep")
	p.Press(kb.Tab + " " + kb.Tab + kb.Enter)
	p.Ready()
	r := f.send(txn(t, longPayment()))
	p.Says(".title", "Payment order")
	if got := webtest.Eval[string](p, `document.activeElement.tagName`); got != "H1" {
		t.Errorf("the focus is on %s", got)
	}
	p.Press(kb.Tab + kb.End) // the scrolling part
	p.Until(`document.querySelector('[data-do=approve]')?.disabled === false`)
	p.Press(kb.Tab + kb.Enter)
	p.Wait("dialog")
	for range 6 {
		p.Press(kb.Tab)
		if !webtest.Eval[bool](p, `document.querySelector('dialog').contains(document.activeElement) || document.activeElement === document.body`) {
			t.Fatal("the focus left the dialog")
		}
	}
	p.Press(kb.Escape)
	p.Until(`!document.querySelector('dialog') && document.activeElement.dataset.do === 'approve'`)
	p.Press(kb.Enter)
	p.Wait("dialog")
	p.Until(`document.activeElement.name === 'passcode'`)
	p.Press(webtest.Passcode + kb.Enter)
	p.Says("h1", "Signed")
	f.answerOf(r)
	p.Press(kb.Tab + kb.Enter)
	p.Ready()
}

// The App uses the language of the browser, a request its own.
func testLanguages(t *testing.T, browser context.Context) {
	for lang, words := range map[string][2]string{
		"de-CH": {"Bereit", "Approuver"}, "fr": {"Prêt", "Approva"}, "it-CH": {"Pronto", "Bestätigen"}, "ja": {"Ready", "Approve"},
	} {
		f, p := started(t, browser, webtest.Speaking(lang))
		p.Says("h1", words[0])
		next := map[string]string{"de-CH": "fr", "fr": "it", "it-CH": "de", "ja": "en"}[lang]
		f.send(signRequest(loginText, loginText).with("lang", next))
		p.Says(`[data-do=approve]`, words[1])
		if got := webtest.Eval[string](p, `document.querySelector('[data-view=request]').lang`); got != next {
			t.Errorf("the request is marked as %s", got)
		}
		p.Close()
	}
	// All languages have the same keys and placeholders, and each key is used.
	p := webtest.Open(t, browser, newFake(t).address()+"/phone")
	p.View("code")
	wrong := webtest.Eval[[]string](p, `import('/phone/words.js').then(({ table, languages }) => Object.entries(table).filter(([, w]) => {
		const names = (s) => (s.match(/\{\w+\}/g) ?? []).sort().join();
		return w.length !== languages.length || w.some((s) => !s || names(s) !== names(w[0]));
	}).map(([k]) => k))`)
	if len(wrong) > 0 {
		t.Errorf("not in all languages: %v", wrong)
	}
	var code strings.Builder
	all, _ := static.ReadDir("static")
	for _, e := range all {
		if strings.HasSuffix(e.Name(), ".js") && e.Name() != "words.js" {
			js, _ := static.ReadFile("static/" + e.Name())
			code.Write(js)
		}
	}
	for _, key := range webtest.Eval[[]string](p, `import('/phone/words.js').then(({ table }) => Object.keys(table))`) {
		name := "'" + key + "'"
		if strings.HasPrefix(key, "notice_") {
			name = "`notice_${n.kind}`" // the kinds are those of the service
		}
		if !strings.Contains(code.String(), name) {
			t.Errorf("nobody says %s", key)
		}
	}
}

func testPasskey(t *testing.T, browser context.Context) {
	f, p := started(t, browser)
	p.Run(webtest.Command(webauthn.Enable, webauthn.EnableParams{}), webtest.Command(webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{
		Options: &webauthn.VirtualAuthenticatorOptions{Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
			HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true},
	}))
	p.Visit("settings")
	p.Click(`[data-do=add-passkey]`)
	p.Fill(`dialog [name=passcode]`, "999999")
	p.Press(kb.Enter)
	p.Says("dialog .error", "2 tries left")
	p.Fill(`dialog [name=passcode]`, webtest.Passcode)
	p.Press(kb.Enter)
	p.Says(".note", "The passkey was added")
	p.Says(".passkeys", "Passkey 1")
	p.Says(".passkeys", "added")
	p.Accessible("passkeys")
	sign := func() {
		t.Helper()
		r := f.send(signRequest(loginText, loginText))
		p.View("request")
		p.Click(`[data-do=approve]`)
		p.Wait("dialog")
		p.Wait("dialog")
		p.Until(`document.activeElement.dataset.do === 'passkey'`) // it comes first
		p.Accessible("passkey")
		p.Press(kb.Enter)
		p.Says("h1", "Signed")
		f.answerOf(r)
		p.Click(`[data-do=done]`)
	}
	sign()
	// After a change of the passcode the passkey still unlocks the key.
	changePasscode(p, webtest.Passcode, "975310")
	sign()
	// A passkey that the service refuses is no dead end.
	refusing := func(on bool) {
		f.set(func() {
			for _, d := range f.devices {
				d.refused = on
			}
		})
	}
	refusing(true)
	r := f.send(signRequest(loginText, loginText))
	p.View("request")
	p.Click(`[data-do=approve]`)
	p.Click(`dialog [data-do=passkey]`)
	p.Says("dialog", "did not accept this passkey")
	p.Accessible("passkey refused")
	p.Unlock("975310")
	p.Says("h1", "Signed")
	f.answerOf(r)
	p.Click(`[data-do=done]`)
	refusing(false)
	// A user can prefer the passcode.
	r = f.send(signRequest(loginText, loginText))
	p.View("request")
	p.Click(`[data-do=approve]`)
	p.Click(`dialog [data-do=use-passcode]`)
	p.Unlock("975310")
	p.Says("h1", "Signed")
	f.answerOf(r)
	p.Click(`[data-do=done]`)
	// Once it is removed, only the passcode is left.
	p.Visit("settings")
	p.Click(`[data-do=remove-passkey]`)
	p.Click("dialog .danger")
	p.Says(".note", "The passkey was removed")
	if webtest.Eval[bool](p, `import('/phone/store.js').then(async ({ get }) => { const d = await get('device'); return d.passkeys.length > 0 || 'sealed' in d; })`) {
		t.Error("the phone still has what the passkey opens")
	}
	f.set(func() {
		for _, d := range f.devices {
			if len(d.passkeys) > 0 {
				t.Error("the service still has the passkey")
			}
		}
	})
	r = f.send(signRequest(loginText, loginText))
	p.View("request")
	p.Click(`[data-do=approve]`)
	p.Unlock("975310")
	p.Says("h1", "Signed")
	f.answerOf(r)
}

// serviceName breaks a page that does not escape it.
const serviceName = `Sig"n'um & <b>Söhne</b>`

// testName checks that the configured name of the service appears everywhere.
func testName(t *testing.T, browser context.Context) {
	f, p := started(t, browser)
	p.Says(".top", serviceName)
	for what, js := range map[string]string{
		"title":    `document.title`,
		"manifest": `fetch('/phone/manifest.webmanifest').then((r) => r.json()).then((m) => m.name)`,
		"short":    `fetch('/phone/manifest.webmanifest').then((r) => r.json()).then((m) => m.short_name)`,
		"nav":      `document.querySelector('nav').getAttribute('aria-label')`,
		"module":   `import('/phone/service.js').then((m) => m.service)`,
	} {
		if got := webtest.Eval[string](p, js); got != serviceName {
			t.Errorf("%s: %q", what, got)
		}
	}
	for _, lang := range []string{"en", "de", "fr", "it"} {
		text := webtest.Eval[string](p, fmt.Sprintf(`import('/phone/words.js').then(({ words }) => words(%q)('installText'))`, lang))
		if !strings.Contains(text, serviceName) {
			t.Errorf("%s: %q", lang, text)
		}
	}
	p.Grant(f.address(), "notifications")
	p.Run(webtest.Command(serviceworker.Enable, cdp.Empty{}))
	p.Run(webtest.Command(serviceworker.DeliverPushMessage, serviceworker.DeliverPushMessageParams{Origin: f.address(), RegistrationID: p.Worker(), Data: `{"type":"wake"}`}))
	p.Eventually(fmt.Sprintf(`navigator.serviceWorker.ready.then((r) => r.getNotifications()).then((n) => n.length === 1 && n[0].title === %q)`, serviceName))
}

// changePasscode changes it in the settings.
func changePasscode(p *webtest.Tab, old, next string) {
	p.T.Helper()
	p.Visit("settings")
	p.Click(`[data-do=change-passcode]`)
	p.Fill(`dialog [name=passcode]`, old)
	p.Fill(`dialog [name=new-passcode]`, next)
	p.Fill(`dialog [name=passcode-again]`, next)
	p.Press(kb.Enter)
	p.Says(".note", "was changed")
}
