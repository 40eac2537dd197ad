package sandbox_test

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/lab/sandbox"
	"github.com/signum-mssp/signum/internal/web/webtest"
)

const (
	anna  = "+41791000001" // a SIM and nothing else
	fresh = "+41791000006" // a SIM that was never activated
)

func simRequest(msisdn, text string) client.SignRequest {
	return client.SignRequest{MSISDN: msisdn, Text: text, Lang: "en", Profile: signum.ProfileSTK}
}

// handset opens the page of a number's handset.
func (l *live) handset(browser context.Context, msisdn string) *webtest.Tab {
	l.Helper()
	p := webtest.Open(l.T, browser, l.box.WebURL()+"/phone/sim?msisdn="+url.QueryEscape(msisdn))
	p.View("idle")
	return p
}

// TestLiveHandset: a person at the handset page is the user of a SIM. It covers the whole path,
// from the page and the card through the SMSC and the service to the party.
func TestLiveHandset(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	p := l.handset(l.browser, anna)
	dial := func(digits string) {
		t.Helper()
		p.View("input")
		for _, d := range digits {
			p.Key(string(d))
		}
		p.Key("left")
	}
	step := func(name string, f func()) { t.Log(name); f() }

	step("PIN wrong, PIN right", func() {
		const text = sandbox.DTBDPrefix + "Log in to example.com?"
		got := l.ask(simRequest(anna, text))
		p.View("text")
		p.Says(".said", text)
		p.Says("#by-hand-text", person.DefaultPIN)
		picture(p)
		p.Key("left")
		dial("999999")
		p.Says("main", "2 tries left")
		dial(person.DefaultPIN)
		l.signed(got, text)
		p.View("idle")
	})
	step("cancel before the text", func() {
		got := l.ask(simRequest(anna, greeting))
		p.View("who")
		p.Key("right")
		l.refused(got, signum.UserCancel)
		p.View("idle")
	})
	step("cancel", func() {
		got := l.ask(simRequest(anna, greeting))
		who(p)
		p.Key("right")
		l.refused(got, signum.UserCancel)
		p.View("idle")
	})
	step("reload", func() {
		_, got := l.askAsync(simRequest(anna, greeting))
		who(p)
		p.Run(chromedp.Reload())
		p.View("text")
		p.Key("left")
		dial(person.DefaultPIN)
		l.signed(got, greeting)
		p.View("idle")
	})
	step("one-time password", func() {
		r := simRequest(anna, sandbox.DTBDPrefix+"Your code is 4711")
		r.Profile = signum.ProfileOTPFlash
		a := <-l.ask(r)
		if a.err != nil || a.Status != signum.RequestOK {
			t.Fatalf("%+v, %v", a.SignatureResponse, a.err)
		}
		p.Says("main", "Your code is 4711")
		p.Key("left")
	})
	step("blocked", func() {
		got := l.ask(simRequest(anna, greeting))
		who(p)
		p.Key("left")
		for range 3 {
			dial("999999")
		}
		l.refused(got, signum.PINBlocked)
		l.refused(l.ask(simRequest(anna, greeting)), signum.PINBlocked)
	})
	p.Close()
}

// who reads who asks, and goes on to the text.
func who(p *webtest.Tab) {
	p.View("who")
	p.Says(".who .said", "Sandbox")
	p.Key("left")
	p.View("text")
}

// picture writes the picture of the README to the directory SIGNUM_SCREENSHOTS, if
// it is set.
func picture(p *webtest.Tab) {
	p.T.Helper()
	dir := os.Getenv("SIGNUM_SCREENSHOTS")
	if dir == "" {
		return
	}
	p.Can("left") // the keys are locked for a moment, against a press meant for what was there before
	p.Run(chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile, chromedp.EmulateScale(2)))
	webtest.Eval[bool](p, `document.fonts.ready.then(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true)))))`)
	if err := os.WriteFile(filepath.Join(dir, "sandbox-request.png"), webtest.Result(p, chromedp.CaptureScreenshot()), 0o644); err != nil {
		p.T.Error(err)
	}
}

// TestLiveActivation: the first request activates a SIM. The person enters a new PIN twice and
// then signs with it.
func TestLiveActivation(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	p := l.handset(l.browser, fresh)
	_, got := l.askAsync(simRequest(fresh, greeting))
	for _, pin := range []string{"135790", "135791", "135790", "135790"} { // the second differs
		p.View("input")
		p.Until(`document.querySelector('.entry').textContent === ''`)
		for _, d := range pin {
			p.Key(string(d))
		}
		p.Key("left")
	}
	who(p)
	p.Says(".said", greeting)
	p.Key("left")
	p.View("input")
	for _, d := range "135790" {
		p.Key(string(d))
	}
	p.Key("left")
	l.signed(got, greeting)
	s, err := l.box.Store.Subscriber(t.Context(), fresh)
	if err != nil || s.Devices[0].State != signum.DeviceActive {
		t.Errorf("%+v, %v", s, err)
	}
}
