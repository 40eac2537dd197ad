package web

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// TestHandsetScreens looks at each screen, in light and dark, and makes pictures
// as TestPhoneScreens does.
func TestHandsetScreens(t *testing.T) {
	dir := os.Getenv("SIGNUM_SCREENSHOTS")
	browser := newBrowser(t)
	for _, scheme := range []string{"light", "dark"} {
		handsetScreens(t, browser, dir, scheme)
	}
}

func handsetScreens(t *testing.T, browser context.Context, dir, scheme string) {
	s := newSIMService(t)
	look := command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}},
	})
	p := openTab(t, browser, s.http.URL+"/phone", look)
	shot := func(name string) {
		t.Helper()
		eval[bool](p, `document.fonts.ready.then(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true)))))`)
		p.accessible(name + " " + scheme)
		if scheme == "dark" {
			if name != "text" && name != "pin" {
				return // checked, but a few pictures are enough
			}
			name += "-dark"
		}
		png := result(p, chromedp.CaptureScreenshot())
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
	p.view("code")
	p.wait(".simlink a")
	shot("link")
	p.click(".simlink a")
	p.view("list")
	shot("list")
	p.click(".phone")
	p.view("idle")
	shot("idle")
	s.text(simAnna, "Sandbox: Your one-time password is 483 920.", false)
	p.says(".news", "1 new message")
	shot("news")
	s.text(simAnna, "Sandbox: Your statement is ready.", false)
	p.says(".news", "2 new messages")
	p.key("left")
	p.view("messages")
	shot("messages")
	s.sign("Sandbox: Pay 12.50 CHF to Bäckerei Zürich? (TXN-3D5K)")
	p.view("text")
	p.can("left")
	shot("text")
	p.run(chromedp.EmulateViewport(1100, 760))
	shot("desktop")
	p.run(chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile))
	p.key("left")
	p.view("input")
	p.can("clear")
	shot("pin-empty")
	p.dial("123")
	p.can("right")
	shot("pin-short")
	p.dial("4")
	p.key("left")
	p.says(".said", "2 tries left")
	p.dial("4711")
	p.can("left")
	shot("pin")
	s.text(simAnna, "Sandbox: Your one-time password is 102 938.", true)
	p.view("flash")
	p.can("left")
	shot("flash")
	p.key("left")
	p.view("input")
	p.key("right")
	s.card(func() {
		s.next(simAnna, Dialogue{Kind: DialogueInput, Text: "Choose a new PIN", Hidden: true, Digits: true, MinLen: 6, MaxLen: 6}, nil)
	})
	p.says(".said", "Choose a new PIN")
	p.view("input")
	p.dial("246802")
	p.can("left")
	shot("new-pin")
	// The longest text that a card shows, with little time left.
	long := shows(strings.Repeat("Sandbox: Überweisung an Bäckerei. ", 8)[:240])
	long.Until = time.Now().Add(9 * time.Second)
	s.ask(simAnna, long, nil)
	p.says(".said", "Überweisung")
	p.view("text")
	p.can("left")
	shot("long")
	p.click("#by-hand")
	p.says("#by-hand-text", "simulated person")
	shot("auto")
	s.stop()
	p.view("connecting")
	shot("connecting")
	s.start()
	p.view("text")
	s.remove(simAnna)
	p.view("missing")
	shot("missing")
}
