package web

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// TestPhoneScreens looks at each screen, in light and dark: whether everybody
// can use it. With SIGNUM_SCREENSHOTS it writes a picture of each to the
// directory of that name, docs/img for those of the documentation, and draws
// the icons anew from icon.svg.
func TestPhoneScreens(t *testing.T) {
	dir := os.Getenv("SIGNUM_SCREENSHOTS")
	browser := newBrowser(t)
	if dir != "" {
		icons(t, browser)
	} else {
		dir = t.TempDir()
	}
	walk(t, browser, dir, "light", "")
	walk(t, browser, dir, "dark", "-dark")
}

func walk(t *testing.T, browser context.Context, dir, scheme, suffix string) {
	f := newFake(t)
	p := openTab(t, browser, f.address()+"/phone?code=K7QZ4MX92T", command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}},
	}))
	shot := func(name string) {
		t.Helper()
		time.Sleep(200 * time.Millisecond) // for observers and fonts
		p.accessible(name + suffix)
		if scheme == "dark" && name != "approval" {
			return // checked, but one picture is enough
		}
		png := result(p, chromedp.CaptureScreenshot())
		if err := os.WriteFile(filepath.Join(dir, "phone-"+name+suffix+".png"), png, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	sign := func() {
		t.Helper()
		p.until(`!document.querySelector('[data-do=approve]').disabled`)
		p.click(`[data-do=approve]`)
		p.unlock("246802")
		p.says("h1", "Signed")
	}
	p.view("code")
	shot("code")
	p.click(".primary")
	p.view("passcode")
	p.fill(`[name=new-passcode]`, "246802")
	p.fill(`[name=passcode-again]`, "246802")
	shot("passcode")
	p.click(".primary")
	p.view("keep")
	shot("recovery")
	p.click("#kept")
	p.click(".primary")
	p.ready()
	shot("home")

	f.send(signRequest(loginText, loginText))
	p.view("request")
	shot("request")
	p.click(`[data-do=approve]`)
	p.unlock("111111")
	p.says("dialog .error", "2 tries left")
	shot("unlock")
	p.unlock("246802")
	p.says("h1", "Signed")
	shot("signed")

	f.send(txn(t, longPayment()))
	p.says("h1", "Payment order")
	shot("approval")
	p.click(`[data-do=cancel]`)
	f.send(txn(t, payment))
	p.says("h1", "Bäckerei")
	sign()
	f.send(signRequest(loginText, loginText).with("choices", []string{"12", "47", "83"}))
	p.view("request")
	p.click(`[data-choice="47"]`)
	shot("choice")
	p.click(`[data-do=cancel]`)
	p.says("h1", "Declined")
	f.send(display("Sandbox: You are logged in to example.com."))
	p.view("receipt")
	shot("receipt")
	p.click(`[data-do=ok]`)
	p.says("h1", "Confirmed")
	r := f.send(signRequest(loginText, loginText))
	p.view("request")
	f.gone(r, "withdrawn")
	p.view("result")
	shot("gone")
	f.send(signRequest(loginText, "something else"))
	p.view("forged")
	shot("forged")
	p.click(`[data-do=cancel]`)
	p.click(`[data-do=done]`)
	p.open("history")
	p.says(`[data-view=history]`, "Bäckerei")
	shot("history")
	p.open("settings")
	p.view("settings")
	shot("settings")
	q := openTab(t, browser, f.address()+"/phone")
	q.view("elsewhere")
	q.close()
	p.run(chromedp.EmulateViewport(1100, 760))
	f.send(txn(t, payment))
	p.says("h1", "Bäckerei")
	shot("desktop")
	p.click(`[data-do=cancel]`)
	p.says("h1", "Declined")
	p.run(chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile))

	f.send(signRequest(loginText, loginText))
	p.view("request")
	p.click(`[data-do=approve]`)
	for _, want := range []string{"2 tries left", "One try left"} {
		p.unlock("000000")
		p.says("dialog .error", want)
	}
	p.unlock("000000")
	p.view("blocked")
	shot("blocked")
}

// icons are drawn without the round corners: each system cuts its own.
func icons(t *testing.T, browser context.Context) {
	svg, err := os.ReadFile("phone/icon.svg")
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int64{192, 512} {
		p := openTab(t, browser, "about:blank", chromedp.EmulateViewport(size, size))
		p.run(chromedp.EmulateViewport(size, size))
		eval[bool](p, fmt.Sprintf(`(document.body.style.margin = 0, document.body.innerHTML = %q, document.querySelector('rect').setAttribute('rx', 0), true)`, svg))
		if err := os.WriteFile(fmt.Sprintf("phone/icon-%d.png", size), result(p, chromedp.CaptureScreenshot()), 0o644); err != nil {
			t.Fatal(err)
		}
		p.close()
	}
}
