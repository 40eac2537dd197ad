package phonepage

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/signum-mssp/signum/internal/web/webtest"
)

// TestPhoneScreens checks the accessibility of each screen, in light and dark. If
// SIGNUM_SCREENSHOTS names a directory, it writes a picture of each screen there
// (docs/img for the documentation), and redraws the icons from icon.svg.
func TestPhoneScreens(t *testing.T) {
	dir := os.Getenv("SIGNUM_SCREENSHOTS")
	browser := webtest.NewBrowser(t)
	if dir != "" {
		icons(t, browser)
	} else {
		dir = t.TempDir()
	}
	walk(t, browser, dir, "light", "")
	walk(t, browser, dir, "dark", "-dark")
}

func walk(t *testing.T, browser context.Context, dir, scheme, suffix string) {
	f := newFakeOf(t, "Signum") // as in the documentation
	p := webtest.Open(t, browser, f.address()+"/phone?code=K7QZ4MX92T", webtest.Command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}},
	}))
	shot := func(name string) {
		t.Helper()
		time.Sleep(200 * time.Millisecond) // for observers and fonts
		p.Accessible(name + suffix)
		p.Axe(name + suffix)
		if scheme == "dark" && name != "approval" {
			return // checked, but one picture is enough
		}
		png := webtest.Result(p, chromedp.CaptureScreenshot())
		if err := os.WriteFile(filepath.Join(dir, "phone-"+name+suffix+".png"), png, 0o644); err != nil {
			t.Fatal(err)
		}
		if scheme == "light" && name != "desktop" {
			p.Narrow()
			p.Reflows(name)
			p.Wide()
		}
	}
	sign := func() {
		t.Helper()
		p.Until(`document.querySelector('[data-do=approve]')?.disabled === false`)
		p.Click(`[data-do=approve]`)
		p.Unlock(webtest.Passcode)
		p.Says("h1", "Signed")
	}
	p.View("code")
	shot("code")
	p.Click(".primary")
	p.View("passcode")
	p.Fill(`[name=new-passcode]`, webtest.Passcode)
	p.Fill(`[name=passcode-again]`, webtest.Passcode)
	shot("passcode")
	p.Click(".primary")
	p.View("keep")
	shot("recovery")
	p.Click("#kept")
	p.Click(".primary")
	p.Ready()
	shot("home")

	logo, err := os.ReadFile("../../lab/sandbox/logo.png")
	if err != nil {
		t.Fatal(err)
	}
	f.set(func() { f.logos = map[string][]byte{logoID: logo} })
	send := func(r request) request { return f.send(r.with("party", obj{"name": "Sandbox", "logo": logoID})) }
	send(signRequest(loginText, loginText))
	p.View("request")
	p.Until(`document.querySelector('[data-do=approve]')?.disabled === false`)
	shot("request")
	p.Click(`[data-do=report]`)
	p.Wait("dialog")
	shot("report")
	p.Click(`dialog [data-do=no]`)
	p.Click(`[data-do=approve]`)
	p.Unlock("111111")
	p.Says("dialog .error", "2 tries left")
	shot("unlock")
	p.Unlock(webtest.Passcode)
	p.Says("h1", "Signed")
	shot("signed")

	send(txn(t, longPayment()))
	p.Says(".title", "Payment order")
	shot("approval")
	p.Click(`[data-do=cancel]`)
	send(txn(t, payment))
	p.Says(".title", "Bäckerei")
	sign()
	send(signRequest(loginText, loginText).with("choices", []string{"12", "47", "83"}))
	p.View("request")
	p.Click(`[data-choice="47"]`)
	p.Until(`document.querySelector('[data-do=approve]')?.disabled === false`)
	shot("choice")
	p.Click(`[data-do=report]`)
	p.Click(`dialog [data-do=yes]`)
	p.Says("h1", "Reported")
	shot("reported")
	f.set(func() { f.goodCode = "47" })
	send(signRequest(loginText, loginText).with("choices", []string{"12", "47", "83"}))
	p.View("request")
	p.Click(`[data-choice="12"]`)
	p.Until(`document.querySelector('[data-do=approve]')?.disabled === false`)
	p.Click(`[data-do=approve]`)
	p.Unlock(webtest.Passcode)
	p.Says("h1", "Not accepted")
	shot("wrong-code")
	f.set(func() { f.goodCode = "" })
	send(display("Sandbox: You are logged in to example.com."))
	p.View("receipt")
	shot("receipt")
	p.Click(`[data-do=ok]`)
	p.Says("h1", "Confirmed")
	r := send(signRequest(loginText, loginText))
	p.View("request")
	f.gone(r, "withdrawn")
	p.View("result")
	shot("gone")
	send(signRequest(loginText, "something else"))
	p.View("forged")
	shot("forged")
	p.Click(`[data-do=cancel]`)
	p.Click(`[data-do=done]`)
	p.Visit("history")
	p.Says(`[data-view=history]`, "Bäckerei")
	shot("history")
	p.Visit("settings")
	p.View("settings")
	shot("settings")
	q := webtest.Open(t, browser, f.address()+"/phone")
	q.View("elsewhere")
	q.Close()
	p.Run(chromedp.EmulateViewport(1100, 760))
	send(txn(t, payment))
	p.Says(".title", "Bäckerei")
	shot("desktop")
	p.Click(`[data-do=cancel]`)
	p.Says("h1", "Declined")
	p.Run(chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile))

	send(signRequest(loginText, loginText))
	p.View("request")
	p.Click(`[data-do=approve]`)
	for _, want := range []string{"2 tries left", "One try left"} {
		p.Unlock("000000")
		p.Says("dialog .error", want)
	}
	p.Unlock("000000")
	p.View("blocked")
	shot("blocked")
}

// icons are drawn without round corners, because each system cuts its own.
func icons(t *testing.T, browser context.Context) {
	svg, err := os.ReadFile("static/icon.svg")
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int64{192, 512} {
		p := webtest.Open(t, browser, "about:blank", chromedp.EmulateViewport(size, size))
		p.Run(chromedp.EmulateViewport(size, size))
		webtest.Eval[bool](p, fmt.Sprintf(`(document.body.style.margin = 0, document.body.innerHTML = %q, document.querySelector('rect').setAttribute('rx', 0), true)`, svg))
		if err := os.WriteFile(fmt.Sprintf("static/icon-%d.png", size), webtest.Result(p, chromedp.CaptureScreenshot()), 0o644); err != nil {
			t.Fatal(err)
		}
		p.Close()
	}
}
