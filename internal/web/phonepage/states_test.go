package phonepage

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/signum-mssp/signum/internal/web/webtest"
)

// TestPhoneStates looks at the states of the page that TestPhoneScreens does not pass:
// questions, refusals, and what is only there at times. Pictures as there.
func TestPhoneStates(t *testing.T) {
	browser := webtest.NewBrowser(t)
	f := newFakeOf(t, "Signum") // as in the documentation
	p := webtest.Open(t, browser, f.address()+"/phone", webtest.Command(webauthn.Enable, webauthn.EnableParams{}),
		webtest.Command(webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{
			Options: &webauthn.VirtualAuthenticatorOptions{Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
				HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true},
		}))
	p.Enrol("k7qz 4mx9-2t")
	requested := func() request {
		t.Helper()
		r := f.send(signRequest(loginText, loginText).with("choices", []string{"12", "47", "83"}))
		p.Wait(`[data-view=request][data-id="` + r["id"].(string) + `"]`)
		return r
	}
	settingsOf(f, p)

	requested()
	p.Click(`[data-choice="47"]`)
	p.Until(`document.querySelector('[data-do=approve]')?.disabled === false`)
	p.Click(`[data-do=approve]`)
	p.Wait("dialog [data-do=passkey]")
	look(p, "passkey")
	p.Click(`dialog [data-do=use-passcode]`)
	p.Wait("dialog [name=passcode]")
	escape(p)
	f.send(signRequest("Sandbox: The second", "Sandbox: The second"))
	p.Says("main", "The second")
	look(p, "replaced")
	p.Click(`[data-do=report]`)
	p.Wait("dialog [data-do=yes]")
	look(p, "report")
	p.Click(`dialog [data-do=yes]`)
	p.Says("h1", "Reported")
	look(p, "reported")
	r := requested()
	f.gone(r, "elsewhere")
	p.Wait(`[data-outcome=elsewhere]`)
	look(p, "elsewhere")
	requested()
	p.Click(`[data-do=cancel]`)
	p.Says("h1", "Declined")
	look(p, "declined")
	p.Click(`[data-do=done]`)

	for _, kind := range []string{"sim_ended", "app_added"} {
		now := time.Now()
		f.set(func() {
			f.tell(map[string]any{"type": "notice", "notice": map[string]any{
				"id": kind, "kind": kind, "name": "Eve's telephone", "created": now.UnixMilli(), "expires": now.Add(time.Hour).UnixMilli()}})
		})
		p.View("notice")
		look(p, "notice")
		p.Click(`[data-do=object]`)
		p.View("objected")
		look(p, "objected")
		p.Click(`[data-view=objected] .primary`)
	}
	q := webtest.Open(t, browser, f.address()+"/phone")
	q.View("elsewhere")
	q.Look("another tab")
	q.Close()
	endsOf(f, p)
}

// settingsOf looks at what the settings ask and show.
func settingsOf(f *fake, p *webtest.Tab) {
	p.Visit("settings")
	p.Click(`[data-do=change-passcode]`)
	p.Wait("dialog")
	look(p, "change-passcode")
	p.Fill(`dialog [name=passcode]`, webtest.Passcode)
	p.Fill(`dialog [name=new-passcode]`, "123456")
	p.Click("dialog .primary")
	p.Says("dialog", "easy to guess")
	look(p, "easy-passcode")
	escape(p)
	p.Click(`[data-do=add-passkey]`)
	p.Fill(`dialog [name=passcode]`, webtest.Passcode)
	p.Click("dialog .primary")
	p.Says(".passkeys", "Passkey 1")
	webtest.Eval[bool](p, `document.querySelector('.passkeys').scrollIntoView({ block: 'center' }), true`)
	look(p, "passkeys")
	p.Click(`[data-do=remove-passkey]`)
	p.Wait("dialog .danger")
	look(p, "remove-passkey")
	escape(p)
	p.Click(`[data-do=remove]`)
	p.Wait("dialog .danger")
	look(p, "remove")
	escape(p)
	p.Click(`a[href="#home"]`)
	p.Ready()
}

// escape closes a question without an answer.
func escape(p *webtest.Tab) {
	p.T.Helper()
	p.Press(kb.Escape)
	p.Until(`!document.querySelector('dialog')`)
}

// endsOf looks at a page that has no connection, is too old, and is not registered.
func endsOf(f *fake, p *webtest.Tab) {
	f.set(func() { f.down, f.pending = true, nil })
	f.drop()
	p.Says("#offline", "Offline since")
	look(p, "offline")
	f.set(func() { f.down = false })
	p.Ready()
	f.set(func() { f.upgraded = true })
	f.drop()
	p.View("outdated")
	look(p, "outdated")
	f.set(func() { f.upgraded = false })
	p.Click(`[data-view=outdated] .primary`)
	p.Ready()
	f.set(func() { clear(f.devices) })
	f.drop()
	p.View("stranger")
	look(p, "stranger")
	p.Click(`[data-do=set-up-again]`)
	p.Wait("dialog .danger")
	look(p, "set-up-again")
	p.Click("dialog .danger")
	p.View("code")
	p.Fill(`[name=code]`, "K7QZ")
	p.Click(".primary")
	p.Says(".error", "10 letters")
	look(p, "code of four")
}

// shownInDocs are the states of which there is a picture in the documentation.
var shownInDocs = map[string]bool{"passkey": true, "passkeys": true, "notice": true, "easy-passcode": true}

// look checks what is on the screen and keeps a picture of it.
func look(p *webtest.Tab, name string) {
	p.T.Helper()
	if dir := os.Getenv("SIGNUM_SCREENSHOTS"); dir != "" && shownInDocs[name] {
		p.Scheme("light")
		if err := os.WriteFile(filepath.Join(dir, "phone-"+name+".png"), webtest.Result(p, chromedp.CaptureScreenshot()), 0o644); err != nil {
			p.T.Error(err)
		}
	}
	p.Look(name)
}
