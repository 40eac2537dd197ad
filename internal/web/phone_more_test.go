package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/signum-mssp/signum"
)

func testChoice(t *testing.T, browser context.Context) {
	f, p := started(t, browser)
	f.set(func() { f.goodCode = "47" })
	for choice, want := range map[string]string{"47": "Signed", "83": "Not accepted"} {
		r := f.send(signRequest(loginText, loginText).with("choices", []string{"12", "47", "83"}))
		p.view("request")
		if eval[int](p, `document.querySelectorAll('.choice').length`) != 3 || eval[bool](p, `!document.querySelector('[data-do=approve]').disabled`) {
			t.Error("Approve before a code was chosen")
		}
		p.click(`[data-choice="12"]`)
		p.click(`[data-choice="` + choice + `"]`)
		p.click(`[data-do=approve]`)
		p.unlock("246802")
		p.says("h1", want)
		if a := f.answerOf(r); a["choice"] != choice {
			t.Errorf("answer %v", a)
		}
		p.click(`[data-do=done]`)
	}
}

func testReceipts(t *testing.T, browser context.Context) {
	f, p := started(t, browser)
	for button, want := range map[string]string{"ok": "OK", "cancel": "CANCEL"} {
		r := f.send(display("Sandbox: You are logged in"))
		p.view("receipt")
		p.says(".dtbs", "You are logged in")
		p.click(`[data-do=` + button + `]`)
		if a := f.answerOf(r); a["receipt"] != want || a["op"] != "display" {
			t.Errorf("answer %v", a)
		}
		if button == "ok" {
			p.click(`[data-do=done]`)
		}
		p.ready()
	}
	// Nobody touches it: the page's clock is moved on, so that nobody waits 60 s.
	r := f.send(display("Sandbox: untouched").with("expires", time.Now().Add(10*time.Minute).UnixMilli()))
	p.view("receipt")
	p.later(61 * time.Second)
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
	// Another tab, as the party's app opens it: it takes the phone. Where to go is
	// the service's to say, not the address's.
	q := openTab(t, browser, f.address()+"/phone?session_token=tok&mobile_auth_redirect_uri=https%3A%2F%2Fevil.test")
	q.view("request")
	p.view("elsewhere")
	if got := eval[string](q, `location.search`); got != "" {
		t.Errorf("the token stays in the address: %s", got)
	}
	q.click(`[data-do=approve]`)
	q.unlock("246802")
	q.wait("#here")
	if got := q.text("#here"); got != "/back?x=1" {
		t.Errorf("redirected to %s", got)
	}
	f.answerOf(r)
	q.close()
	p.ready()

	// A token that nothing waits for; and an address that would run in the page.
	p.run(chromedp.Navigate(f.address() + "/phone?session_token=other"))
	p.says(".note", "not waiting")
	r = signRequest(loginText, loginText).with("redirect_uri", "javascript:document.title='run'")
	f.set(func() { f.hidden["bad"] = r })
	p.run(chromedp.Navigate(f.address() + "/phone?session_token=bad"))
	p.view("request")
	p.click(`[data-do=cancel]`)
	p.view("result")
	if eval[bool](p, `document.title === 'run' || Boolean(document.querySelector('a.button'))`) {
		t.Error("a javascript: address was taken")
	}
}

func testEnrolment(t *testing.T, browser context.Context) {
	f := newFake(t)
	p := openTab(t, browser, f.address()+"/phone?code=K7QZ4MX92T")
	p.view("code")
	if got := eval[string](p, `location.search + document.querySelector('[name=code]').value`); got != "K7QZ4MX92T" {
		t.Errorf("address and code: %q", got)
	}
	for code, want := range map[string]string{"K7QZ": "10 letters", "KKKKKKKKKK": "wrong"} {
		p.fill(`[name=code]`, code)
		p.click(".primary")
		p.says(".error", want)
	}
	p.fill(`[name=code]`, "K7QZ-4MX9-2T")
	p.click(".primary")
	p.view("passcode")
	p.fill(`[name=new-passcode]`, "12345")
	p.click(".primary")
	p.says("main", "Use at least 6")
	p.fill(`[name=new-passcode]`, "123456")
	p.says("main", "easy to guess")
	p.fill(`[name=new-passcode]`, "246802")
	p.fill(`[name=passcode-again]`, "246803")
	p.click(".primary")
	p.says("main", "differ")
	p.fill(`[name=passcode-again]`, "246802")
	p.click(".primary")
	p.says(".secret", "ABCD-EFGH-JKMN-PQRS-TVWX")
	// The code is shown until it was written down: the call is made again.
	p.run(chromedp.Reload())
	p.says(".secret", "ABCD-EFGH-JKMN-PQRS-TVWX")
	if !eval[bool](p, `document.querySelector('[data-view=keep] .primary').disabled`) {
		t.Error("one can go on without the tick")
	}
	p.click("#kept")
	p.click(".primary")
	p.ready()
	p.run(chromedp.Reload())
	p.ready()
	// What is kept does not have the recovery code.
	kept := eval[string](p, `import('/phone/store.js').then((s) => Promise.all(['device', 'enrolment'].map(s.get))).then((v) => JSON.stringify(v[0]) + (v[1] === undefined))`)
	if strings.Contains(kept, "ABCD-EFGH") || !strings.HasSuffix(kept, "true") {
		t.Errorf("kept: %s", kept)
	}
}

func testRemoved(t *testing.T, browser context.Context) {
	f, p := started(t, browser)
	f.set(func() { clear(f.devices) })
	f.drop()
	p.view("stranger")
	p.click(`[data-do=anew]`)
	p.click(`dialog .danger`)
	p.view("code")
}

// The reply to the answer is lost: the answer is sent again, and `late` is looked
// into.
func testLostAnswer(t *testing.T, browser context.Context) {
	f, p := started(t, browser)
	r := f.send(signRequest(loginText, loginText))
	p.view("request")
	eval[bool](p, `(() => {
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
	p.click(`[data-do=approve]`)
	p.unlock("246802")
	p.says("h1", "Signed")
	f.answerOf(r)
}

// The page computes the signed content as the service does.
func testContent(t *testing.T, browser context.Context) {
	p := openTab(t, browser, newFake(t).address()+"/phone")
	p.view("code")
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
		got := eval[string](p, fmt.Sprintf(`import('/phone/content.js').then((m) => { try { return m.content({ mime: %q, text: %s }).signed; } catch { return 'refused'; } })`, signum.MimeTxnApproval, in))
		if got != want {
			t.Errorf("%s\n got %s\nwant %s", text, got, want)
		}
	}
}

// Everything can be done without a pointer, and a dialog keeps the focus.
func testKeyboard(t *testing.T, browser context.Context) {
	f := newFake(t)
	p := openTab(t, browser, f.address()+"/phone")
	p.view("code")
	p.press("K7QZ4MX92T" + kb.Enter) // the field has the focus
	p.view("passcode")
	p.press("246802" + kb.Tab + "246802" + kb.Enter)
	p.view("keep")
	p.press(kb.Tab + " " + kb.Tab + kb.Enter)
	p.ready()
	r := f.send(txn(t, longPayment()))
	p.says("h1", "Payment order")
	if got := eval[string](p, `document.activeElement.tagName`); got != "H1" {
		t.Errorf("the focus is on %s", got)
	}
	p.press(kb.Tab + kb.End) // the part that scrolls
	p.until(`!document.querySelector('[data-do=approve]').disabled`)
	p.press(kb.Tab + kb.Enter)
	p.wait("dialog")
	for range 6 {
		p.press(kb.Tab)
		if !eval[bool](p, `document.querySelector('dialog').contains(document.activeElement) || document.activeElement === document.body`) {
			t.Fatal("the focus left the dialog")
		}
	}
	p.press(kb.Escape)
	p.until(`!document.querySelector('dialog') && document.activeElement.dataset.do === 'approve'`)
	p.press(kb.Enter)
	p.wait("dialog")
	p.until(`document.activeElement.name === 'passcode'`)
	p.press("246802" + kb.Enter)
	p.says("h1", "Signed")
	f.answerOf(r)
	p.press(kb.Tab + kb.Enter)
	p.ready()
}

// The App speaks the browser's language, a request its own.
func testLanguages(t *testing.T, browser context.Context) {
	for lang, words := range map[string][2]string{
		"de-CH": {"Bereit", "Approuver"}, "fr": {"Prêt", "Approva"}, "it-CH": {"Pronto", "Bestätigen"}, "ja": {"Ready", "Approve"},
	} {
		f, p := started(t, browser, speaking(lang))
		p.says("h1", words[0])
		next := map[string]string{"de-CH": "fr", "fr": "it", "it-CH": "de", "ja": "en"}[lang]
		f.send(signRequest(loginText, loginText).with("lang", next))
		p.says(`[data-do=approve]`, words[1])
		if got := eval[string](p, `document.querySelector('[data-view=request]').lang`); got != next {
			t.Errorf("the request is marked as %s", got)
		}
		p.close()
	}
	// All languages have the same keys, with the same places for values; and each is used.
	p := openTab(t, browser, newFake(t).address()+"/phone")
	p.view("code")
	wrong := eval[[]string](p, `import('/phone/words.js').then(({ table, languages }) => Object.entries(table).filter(([, w]) => {
		const names = (s) => (s.match(/\{\w+\}/g) ?? []).sort().join();
		return w.length !== languages.length || w.some((s) => !s || names(s) !== names(w[0]));
	}).map(([k]) => k))`)
	if len(wrong) > 0 {
		t.Errorf("not in all languages: %v", wrong)
	}
	var code strings.Builder
	all, _ := phoneFiles.ReadDir("phone")
	for _, e := range all {
		if strings.HasSuffix(e.Name(), ".js") && e.Name() != "words.js" {
			js, _ := phoneFiles.ReadFile("phone/" + e.Name())
			code.Write(js)
		}
	}
	for _, key := range eval[[]string](p, `import('/phone/words.js').then(({ table }) => Object.keys(table))`) {
		if !strings.Contains(code.String(), "'"+key+"'") {
			t.Errorf("nobody says %s", key)
		}
	}
}

func testPasskey(t *testing.T, browser context.Context) {
	f, p := started(t, browser)
	p.run(command(webauthn.Enable, webauthn.EnableParams{}), command(webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{
		Options: &webauthn.VirtualAuthenticatorOptions{Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
			HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true},
	}))
	p.open("settings")
	p.click(`[data-do=add-passkey]`)
	p.fill(`dialog [name=passcode]`, "999999")
	p.press(kb.Enter)
	p.says("dialog .error", "2 tries left")
	p.fill(`dialog [name=passcode]`, "246802")
	p.press(kb.Enter)
	p.says(".note", "Passkeys on this phone: 1")
	sign := func() {
		t.Helper()
		r := f.send(signRequest(loginText, loginText))
		p.view("request")
		p.click(`[data-do=approve]`)
		p.wait("dialog")
		p.click(`dialog [data-do=passkey]`)
		p.says("h1", "Signed")
		f.answerOf(r)
		p.click(`[data-do=done]`)
	}
	sign()
	// With another passcode the passkey opens the key that is encrypted anew.
	p.changePasscode("246802", "975310")
	sign()
}

// changePasscode goes through the settings.
func (p *tab) changePasscode(old, fresh string) {
	p.t.Helper()
	p.open("settings")
	p.click(`[data-do=change-passcode]`)
	p.fill(`dialog [name=passcode]`, old)
	p.fill(`dialog [name=new-passcode]`, fresh)
	p.fill(`dialog [name=passcode-again]`, fresh)
	p.press(kb.Enter)
	p.says(".note", "was changed")
}
