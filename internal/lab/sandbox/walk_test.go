package sandbox_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/web/webtest"
)

// The walks follow people through the pages of a complete service, in one browser for
// each person, and check what they read. A walk of an attacker is named TestAttack…

const robin = "+41791000003" // a SIM and an App

// pictureOf writes what is on the screen to the directory that SIGNUM_SCREENSHOTS names, if
// it is set.
func pictureOf(p *webtest.Tab, name string) {
	p.T.Helper()
	dir := os.Getenv("SIGNUM_SCREENSHOTS")
	if dir == "" {
		return
	}
	p.Scheme("light")
	p.Run(chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile))
	webtest.Eval[bool](p, `document.fonts.ready.then(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true)))))`)
	if err := os.WriteFile(filepath.Join(dir, name+".png"), webtest.Result(p, chromedp.CaptureScreenshot()), 0o644); err != nil {
		p.T.Fatal(err)
	}
}

// enrolIn makes a browser a phone of the number, with a code that the account's owner has
// asked for. It returns the recovery code, if the account got its first one.
func (l *live) enrolIn(browser context.Context, msisdn string) (p *webtest.Tab, recovery string) {
	l.Helper()
	code, _, err := l.box.Apps.Invite(l.Context(), msisdn, true)
	if err != nil {
		l.Fatal(err)
	}
	p = webtest.Open(l.T, browser, l.box.WebURL()+"/phone?code="+code)
	return p, setUp(p)
}

// setUp enrols the page, which has the activation code already.
func setUp(p *webtest.Tab) (recovery string) {
	p.T.Helper()
	p.View("code")
	p.Click(`[data-view=code] .primary`)
	p.View("passcode")
	p.Fill(`[name=new-passcode]`, webtest.Passcode)
	p.Fill(`[name=passcode-again]`, webtest.Passcode)
	p.Click(`[data-view=passcode] .primary`)
	p.Wait(`[data-view=keep], .pulse.on`)
	if webtest.Eval[bool](p, `document.querySelector('[data-view=keep]') !== null`) {
		recovery = p.Text(".secret")
		p.Click("#kept")
		p.Click(`[data-view=keep] .primary`)
	}
	p.Ready()
	return recovery
}

// page opens a page of self-care in a tab of its own.
func (l *live) page(browser context.Context, path string) *webtest.Tab {
	l.Helper()
	q := webtest.Open(l.T, browser, l.box.WebURL()+path)
	q.Wait("main")
	return q
}

func (l *live) visit(q *webtest.Tab, path string) {
	l.Helper()
	q.Run(chromedp.Navigate(l.box.WebURL() + path))
	q.Wait("main")
}

// beginLogIn starts a log-in with a method: "app" or "sim".
func beginLogIn(q *webtest.Tab, msisdn, method string) {
	q.T.Helper()
	q.Fill("#number", msisdn)
	q.Click("[value=" + method + "]")
}

// confirm has the owner choose on the phone p the code that the page q shows, and sign.
func confirm(p, q *webtest.Tab) {
	p.T.Helper()
	q.Wait(".code")
	p.View("request")
	p.Click(`[data-choice="` + q.Text(".code") + `"]`)
	approve(p)
}

// recoverAccount logs in with the recovery code.
func (l *live) recoverAccount(q *webtest.Tab, msisdn, code string) {
	l.Helper()
	q.Wait("#code")
	q.Fill("#number", msisdn)
	q.Fill("#code", code)
	q.Click("main button")
	q.Says("main", "You are logged in with the recovery code. Add an App now")
}

func (l *live) subscriber(msisdn string) *mssp.Subscriber {
	l.Helper()
	s, err := l.box.Store.Subscriber(l.Context(), msisdn)
	if err != nil {
		l.Fatal(err)
	}
	return s
}

// device returns the id of the account's first device of a method.
func (l *live) device(msisdn string, m signum.Method) string {
	l.Helper()
	for _, d := range l.subscriber(msisdn).Devices {
		if d.Method == m {
			return d.ID
		}
	}
	l.Fatalf("%s has no %s", msisdn, m)
	return ""
}

// block enters three wrong passcodes for the request on the screen.
func block(p *webtest.Tab) {
	p.T.Helper()
	p.View("request")
	p.Until(`!document.querySelector('[data-do=approve]').disabled`)
	p.Click(`[data-do=approve]`)
	for _, says := range []string{"2 tries left", "One try left"} {
		p.Unlock("000000")
		p.Says("dialog .error", says)
	}
	p.Unlock("000000")
	p.View("blocked")
}

// signsAs fails unless Lena can sign on the page, with the same serial as before.
func (l *live) signsAs(p *webtest.Tab, serial string) {
	p.T.Helper()
	got := l.ask(request(lena, greeting))
	p.View("request")
	approve(p)
	p.Says("h1", "Signed")
	l.signed(got, greeting)
	if now := l.subscriber(lena).Serial; now != serial {
		p.T.Errorf("serial %s, before %s", now, serial)
	}
}

// TestWalkBlockedApp follows somebody whose only App is blocked: the page says what to
// do, and with the recovery code the account is the same as before.
func TestWalkBlockedApp(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	p, recovery := l.enrolIn(l.browser, lena)
	serial := l.subscriber(lena).Serial
	got := l.ask(request(lena, greeting))
	block(p)
	l.refused(got, signum.PINBlocked)
	p.Says("main", "A wrong passcode was entered three times. This phone can no longer sign.")
	p.Says("main", "Log in to your account page with another method or with your recovery code")
	pictureOf(p, "walk-blocked")

	p.Click(`[href="/me/login/recovery"]`)
	l.recoverAccount(p, lena, recovery)
	p.Says("main", "Blocked")
	pictureOf(p, "walk-blocked-recovered")
	p.Click(`a[href="/me/device?id=` + l.device(lena, signum.App) + `"]`)
	p.Says("h1", "Remove the App")
	p.Click("main button")
	p.Says("[role=status]", "The App was removed and its certificate revoked.")
	p.Click(`a.button[href="/me/app"]`)
	p.Says("h1", "Add an App")
	p.Click("main button")
	p.Says("h1", "Scan this code")
	p.Click(`a[href*="/phone?code="]`)
	p.View("blocked")
	p.Says("main", "You have an activation code. Set up this phone again to use it.")
	p.Click(`[data-do=set-up-again]`)
	p.Click(`dialog .danger`)
	if again := setUp(p); again != "" {
		t.Error("the account has a recovery code, and got another one")
	}

	l.signsAs(p, serial)
	p.Forgive()
}

// TestAttackLostPhone: somebody has found the phone, with a request on its screen, and
// knows the passcode. The owner removes it with the recovery code from another browser
// and goes on with a new phone.
func TestAttackLostPhone(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	lost, recovery := l.enrolIn(l.browser, lena)
	serial := l.subscriber(lena).Serial
	got := l.ask(request(lena, greeting))
	lost.View("request")

	home := webtest.NewBrowser(t)
	q := l.page(home, "/me")
	q.Click(`main a[href="/me/login/recovery"]`)
	q.Says("h1", "Log in with the recovery code")
	l.recoverAccount(q, lena, recovery)
	lost.Until(`!document.querySelector('[data-do=approve]').disabled`) // the finder could still sign
	q.Click(`a[href="/me/device?id=` + l.device(lena, signum.App) + `"]`)
	q.Says("main", "The App can no longer sign, and its certificate is revoked permanently.")
	q.Click("main button")
	q.Says("[role=status]", "The App was removed and its certificate revoked.")
	q.Says("main", "You have no method to sign with.")
	pictureOf(q, "walk-lost-removed")

	lost.View("stranger")
	lost.Says("main", "This phone is no longer registered")
	l.refused(got, signum.UnknownClient) // nobody is left who can sign
	lost.Run(chromedp.Reload())
	lost.View("stranger")
	pictureOf(lost, "walk-lost-phone")

	q.Click(`a.button[href="/me/app"]`)
	q.Says("h1", "Add an App")
	q.Click("main button")
	q.Says("h1", "Scan this code")
	q.Click(`a[href*="/phone?code="]`)
	setUp(q)
	l.signsAs(q, serial)
	lost.Forgive()
}
