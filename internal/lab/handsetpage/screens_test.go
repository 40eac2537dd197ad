package handsetpage

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/signum-mssp/signum/internal/web/webtest"
)

// TestHandsetScreens checks each screen, in light and dark, and writes pictures as
// TestPhoneScreens does.
func TestHandsetScreens(t *testing.T) {
	dir := os.Getenv("SIGNUM_SCREENSHOTS")
	browser := webtest.NewBrowser(t)
	for _, scheme := range []string{"light", "dark"} {
		handsetScreens(t, browser, dir, scheme)
	}
}

func handsetScreens(t *testing.T, browser context.Context, dir, scheme string) {
	s := newSIMService(t)
	look := webtest.Command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}},
	})
	p := webtest.Open(t, browser, s.http.URL+"/phone", look)
	shot := func(name string) {
		t.Helper()
		webtest.Eval[bool](p, `document.fonts.ready.then(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true)))))`)
		p.Accessible(name + " " + scheme)
		p.Axe(name + " " + scheme)
		keep(t, p, dir, name, scheme)
		if scheme == "light" && name != "desktop" {
			p.Narrow()
			p.Reflows(name)
			p.Wide()
		}
	}
	p.View("code")
	p.Wait(".simlink a")
	shot("link")
	p.Click(".simlink a")
	p.View("list")
	shot("list")
	p.Click(".phone")
	p.View("idle")
	shot("idle")
	s.text(simAnna, "Sandbox: Your one-time password is 483 920.", false)
	p.Says(".news", "1 new message")
	shot("news")
	s.text(simAnna, "Sandbox: Your statement is ready.", false)
	p.Says(".news", "2 new messages")
	p.Key("left")
	p.View("messages")
	shot("messages")
	s.request("Request from\nSandbox", "Sandbox: Pay 12.50 CHF to Bäckerei Zürich? (TXN-3D5K)")
	p.View("who")
	p.Can("left")
	shot("who")
	p.Key("left")
	p.View("text")
	p.Can("left")
	shot("text")
	p.Run(chromedp.EmulateViewport(1100, 760))
	shot("desktop")
	p.Run(chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile))
	p.Key("left")
	p.View("input")
	p.Can("clear")
	shot("pin-empty")
	p.Dial("123")
	p.Can("right")
	shot("pin-short")
	p.Dial("4")
	p.Key("left")
	p.Says(".said", "2 tries left")
	p.Dial("4711")
	p.Can("left")
	shot("pin")
	s.text(simAnna, "Sandbox: Your one-time password is 102 938.", true)
	p.View("flash")
	p.Can("left")
	shot("flash")
	p.Key("left")
	p.View("input")
	p.Key("right")
	s.card(func() {
		s.next(simAnna, Dialogue{Kind: DialogueInput, Text: "Choose a new PIN", Hidden: true, Digits: true, MinLen: 6, MaxLen: 6}, nil)
	})
	p.Says(".said", "Choose a new PIN")
	p.View("input")
	p.Dial("246802")
	p.Can("left")
	shot("new-pin")
	// The longest text of a card, with little time left.
	long := shows(strings.Repeat("Sandbox: Überweisung an Bäckerei. ", 8)[:240])
	long.Until = time.Now().Add(9 * time.Second)
	s.ask(simAnna, long, nil)
	p.Says(".said", "Überweisung")
	p.View("text")
	p.Can("left")
	shot("long")
	p.Click("#by-hand")
	p.Says("#by-hand-text", "simulated person")
	shot("auto")
	s.stop()
	p.View("connecting")
	shot("connecting")
	s.start()
	p.View("text")
	s.remove(simAnna)
	p.View("missing")
	shot("missing")
}

// keep writes a picture for the documentation, where a few dark ones are enough.
func keep(t *testing.T, p *webtest.Tab, dir, name, scheme string) {
	t.Helper()
	if scheme == "dark" {
		if name != "text" && name != "pin" {
			return
		}
		name += "-dark"
	}
	png := webtest.Result(p, chromedp.CaptureScreenshot())
	if len(png) > 80<<10 {
		t.Errorf("%s has %d bytes", name, len(png))
	}
	if dir == "" {
		return
	}
	if err := os.WriteFile(filepath.Join(dir, "sim-"+name+".png"), png, 0o644); err != nil {
		t.Error(err)
	}
}
