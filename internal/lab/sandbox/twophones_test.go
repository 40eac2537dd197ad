package sandbox_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/web/webtest"
)

// enrolSecond makes another browser a phone of the number, beside the first.
func (l *live) enrolSecond(msisdn string) *webtest.Tab {
	l.Helper()
	code, _, err := l.box.Apps.Invite(l.Context(), msisdn, true)
	if err != nil {
		l.Fatal(err)
	}
	p := webtest.Open(l.T, webtest.NewBrowser(l.T), l.box.WebURL()+"/phone?code="+code)
	p.View("code")
	p.Click(`[data-view=code] .primary`)
	p.View("passcode")
	p.Fill(`[name=new-passcode]`, webtest.Passcode)
	p.Fill(`[name=passcode-again]`, webtest.Passcode)
	p.Click(`[data-view=passcode] .primary`)
	p.Ready()
	return p
}

// pictureOf writes what is on the screen to the directory that SIGNUM_SCREENSHOTS names, if
// it is set.
func pictureOf(p *webtest.Tab, name string) {
	p.T.Helper()
	dir := os.Getenv("SIGNUM_SCREENSHOTS")
	if dir == "" {
		return
	}
	p.Run(chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile, chromedp.EmulateScale(2)))
	if err := os.WriteFile(filepath.Join(dir, name+".png"), webtest.Result(p, chromedp.CaptureScreenshot()), 0o644); err != nil {
		p.T.Fatal(err)
	}
}

// TestLiveTwoPhones follows a person with two phones: both show each request, the first
// answer counts, and the other phone says where it was answered.
func TestLiveTwoPhones(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	first := l.enrol(lena)
	second := l.enrolSecond(lena)

	got := l.ask(request(lena, greeting))
	first.View("request")
	second.View("request")
	pictureOf(second, "phone-two-request")
	approve(second)
	second.Says("h1", "Signed")
	l.signed(got, greeting)
	first.Wait(`[data-view=result][data-outcome=elsewhere]`)
	first.Says("main", "answered on another phone")
	first.Accessible("answered elsewhere")
	pictureOf(first, "phone-answered-elsewhere")

	got = l.ask(request(lena, greeting))
	second.Wait(`[data-view=request]`)
	first.Wait(`[data-view=request]`)
	first.Click(`[data-do=cancel]`)
	l.refused(got, signum.UserCancel)
	second.Wait(`[data-view=result][data-outcome=elsewhere]`)

	// A first phone that is blocked does not stop the second.
	got = l.ask(request(lena, greeting))
	first.Wait(`[data-view=request]`)
	first.Until(`!document.querySelector('[data-do=approve]').disabled`)
	first.Click(`[data-do=approve]`)
	for _, says := range []string{"2 tries left", "One try left"} {
		first.Unlock("000000")
		first.Says("dialog .error", says)
	}
	first.Unlock("000000")
	first.View("blocked")
	second.Wait(`[data-view=request]`)
	approve(second)
	l.signed(got, greeting)
}
