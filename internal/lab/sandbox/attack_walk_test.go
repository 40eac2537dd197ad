package sandbox_test

import (
	"fmt"
	"regexp"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/web/webtest"
)

// theft is an owner with an App and a SIM, and a thief who is logged in to the account,
// because the owner has chosen the code of the thief's page.
type theft struct {
	*live
	app, sim *webtest.Tab // of the owner
	thief    *webtest.Tab
}

func newTheft(t *testing.T) *theft {
	l := newLive(t)
	x := &theft{live: l, sim: l.handset(l.browser, robin)}
	x.app, _ = l.enrolIn(l.browser, robin)
	x.reads("A phone was added to your account. Not you?")
	l.clock.Advance(25 * time.Hour) // a new App could not change the account
	x.app.Run(chromedp.Reload())
	x.app.Ready()
	x.thief = l.page(webtest.NewBrowser(t), "/me")
	beginLogIn(x.thief, robin, "app")
	confirm(x.app, x.thief)
	x.thief.Says("h1", "Overview")
	x.thief.Says("main", x.subscriber(robin).Serial)
	return x
}

// asks has the thief ask for a change, and the owner read what it is on the App.
func (x *theft) asks(path, text string) {
	x.Helper()
	x.visit(x.thief, path)
	x.thief.Click("[value=app]")
	x.thief.Wait(".code")
	x.app.View("request")
	x.app.Says("main", text)
}

// reads has the owner read the text message that has come.
func (x *theft) reads(text string) string {
	x.Helper()
	x.sim.Says(".news", text)
	x.sim.Key("left")
	x.sim.View("messages")
	x.sim.Says("li", text)
	message := x.sim.Text("li")
	x.sim.Key("right")
	x.sim.View("idle")
	return message
}

// TestAttackThiefInTheAccount: the owner has approved the log-in of a thief. Each change
// asks a phone of the owner again, and says what it is.
func TestAttackThiefInTheAccount(t *testing.T) {
	t.Parallel()
	x := newTheft(t)
	for i, c := range []struct{ path, text string }{
		{"/me/app", "Add a phone to your account? It will be able to sign in your name."},
		{"/me/recovery", "Create a new recovery code for your account? The old one stops working."},
		{"/me/device?id=" + x.device(robin, signum.App), "from your account?"},
		{"/me/device?id=" + x.device(robin, signum.SIM), "Switch off signing with your SIM?"},
	} {
		x.asks(c.path, c.text)
		if i == 0 {
			pictureOf(x.app, "walk-thief-request")
		}
		x.app.Click(`[data-do=cancel]`)
		x.app.Says("h1", "Declined")
		x.thief.Says("main", "The request was cancelled on the phone, or another number was chosen there.")
		x.thief.Says("main", "Nothing was changed.")
		if i == 0 {
			pictureOf(x.thief, "walk-thief-nothing")
		}
	}
	// The SIM is asked in the same way, and the page does not show the code.
	x.visit(x.thief, "/me/app")
	x.thief.Click("[value=sim]")
	x.sim.View("who")
	x.sim.Says(".who .said", "Signum")
	x.sim.Key("left")
	x.sim.View("text")
	x.sim.Says(".said", "Add a phone to your account?")
	x.sim.Says(".said", "Tell it to nobody")
	for i := range 3 {
		x.thief.Fill("#code", fmt.Sprint(i))
		x.thief.Click("main button")
		if i < 2 {
			x.thief.Says("[role=alert]", fmt.Sprint("Wrong code. Tries left: ", 2-i))
		}
	}
	x.thief.Says("main", "The code was wrong three times.")
	x.thief.Says("main", "Nothing was changed.")
	if n := len(x.subscriber(robin).Devices); n != 2 {
		t.Errorf("the account has %d methods", n)
	}
	x.app.Forgive()
}

var objectionAddress = regexp.MustCompile(`/me/no/[0-9A-Z]+`)

// TestAttackThiefAddsPhone: the owner has been talked into adding the thief's phone, too.
// The owner's App and SIM announce it, and with one touch all of it is undone. A SIM that
// the owner then switches off stays off, although the thief has it.
func TestAttackThiefAddsPhone(t *testing.T) {
	t.Parallel()
	x := newTheft(t)
	x.asks("/me/app", "Add a phone to your account?")
	x.app.Click(`[data-choice="` + x.thief.Text(".code") + `"]`)
	approve(x.app)
	x.thief.Says("h1", "Scan this code")
	x.thief.Click(`a[href*="/phone?code="]`)
	setUp(x.thief)

	x.app.View("notice")
	x.app.Says("main", "A phone was added to your account")
	pictureOf(x.app, "walk-thief-notice")
	message := x.reads("A phone was added to your account. Not you?")
	address := objectionAddress.FindString(message)

	second := x.page(x.browser, "/me")
	x.app.Click(`[data-do=object]`)
	x.app.Says("main", "It was undone, and all sessions on the account page have ended.")
	pictureOf(x.app, "walk-thief-undone")
	x.thief.View("stranger")
	x.visit(x.thief, "/me")
	x.thief.Says("h1", "Log in")
	x.app.Click(`[data-view=objected] .primary`)
	x.visit(second, address)
	second.Says("main", "This address is wrong, is older than 24 hours, or was used before.")
	x.visit(second, "/me")

	beginLogIn(second, robin, "app")
	confirm(x.app, second)
	second.Click(`a[href="/me/device?id=` + x.device(robin, signum.SIM) + `"]`)
	second.Click("[value=app]")
	confirm(x.app, second)
	second.Says("[role=status]", "The SIM was switched off and its certificate revoked.")
	x.reads("Signing with your SIM was switched off. Not you?")
	x.refused(x.ask(simRequest(robin, greeting)), signum.UnsupportedProfile)
	x.visit(x.thief, "/me")
	beginLogIn(x.thief, robin, "sim")
	x.thief.Wait("#code")
	x.clock.Advance(3 * time.Minute)
	x.thief.Says("h1", "No signature received")
	x.sim.View("idle")
	x.thief.Forgive()
}

// TestAttackStrangerLogsIn: somebody who knows no more than the number starts log-ins to
// its account. The owner's phone says what is going on, the stranger's page learns
// nothing, and further log-ins wait longer and longer.
func TestAttackStrangerLogsIn(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	p, _ := l.enrolIn(l.browser, lena)
	q := l.page(webtest.NewBrowser(t), "/me")
	beginLogIn(q, lena, "app")
	q.Wait(".code")
	p.View("request")
	p.Says("main", "Log in to your account page? Choose the number that your own browser shows.")
	p.Until(`document.querySelectorAll('[data-choice]').length === 3 && document.querySelector('[data-do=approve]').disabled`)
	pictureOf(p, "walk-stranger-request")
	q.Says("main", "Did the phone ask before you opened this page? Then somebody else is trying to log in")
	p.Click(`[data-do=cancel]`)
	p.Says("h1", "Declined")
	q.Says("main", "Waiting for your signature") // as for a number without an account
	l.clock.Advance(2 * time.Minute)
	q.Says("h1", "No signature received")
	q.Says("main", "We could not log you in because no signature arrived in time.")

	again := func() (slow bool) { // in the same browser, a log-in goes on
		t.Helper()
		q.Run(webtest.Command(network.ClearBrowserCookies, cdp.Empty{}))
		l.visit(q, "/me")
		beginLogIn(q, lena, "app")
		q.Wait(".code, [role=alert]")
		return webtest.Eval[bool](q, `document.querySelector('[role=alert]') !== null`)
	}
	for range 8 { // the pauses become longer than any test takes between two of them
		if again() {
			break
		}
		p.View("request")
		p.Click(`[data-do=cancel]`)
		p.Says("h1", "Declined")
	}
	q.Says("[role=alert]", "Too many attempts. Please try again in")
	pictureOf(q, "walk-stranger-slow")

	// After a report, no stranger's log-in reaches the phone, and no stranger sees that.
	l.clock.Advance(30 * time.Minute)
	p.Run(chromedp.Reload()) // the page asks for the time
	p.Ready()
	again()
	p.View("request")
	p.Click(`[data-do=report]`)
	p.Says("dialog", "Did somebody else start this?")
	pictureOf(p, "walk-stranger-report")
	p.Click(`dialog [data-do=yes]`)
	p.Says("h1", "Reported")
	q.Says("main", "Waiting for your signature")
	l.clock.Advance(2 * time.Minute)
	q.Says("h1", "No signature received")
	l.clock.Advance(20 * time.Minute)
	again()
	q.Says("main", "Waiting for your signature") // by now, a phone would have been asked
	if webtest.Eval[bool](p, `document.querySelector('[data-view=request]') !== null`) {
		t.Error("the phone was asked again")
	}
	p.Forgive()
}
