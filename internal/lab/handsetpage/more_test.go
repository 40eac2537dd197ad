package handsetpage

import (
	"context"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/signum-mssp/signum/internal/web"
	"github.com/signum-mssp/signum/internal/web/webtest"
)

// Everything works with the keyboard, wherever the focus is.
func testSIMKeyboard(t *testing.T, browser context.Context) {
	s := newSIMService(t)
	p := s.open(t, browser, simAnna)
	s.sign(simText)
	p.View("text")
	p.Can("left")
	p.Press(kb.Enter)
	p.View("input")
	p.Press("47119" + kb.Backspace)
	p.Dots(4)
	p.Can("left")
	p.Press(kb.Enter)
	p.View("idle")
	s.sign(simText)
	p.View("text")
	p.Can("right")
	p.Press(kb.Escape)
	p.View("idle")
	s.answered(t, "ok, ok 4711, cancel")
	p.Press(kb.Enter)
	p.View("messages")
	p.Press(kb.Escape)
	p.View("idle")

	// The keys on the page can have the focus; a pointer does not move it.
	s.ask(simAnna, pin(simPIN), nil)
	p.View("input")
	p.Until(`(document.querySelector('[data-key="5"]').focus(), document.activeElement.dataset.key === '5')`)
	p.Press(kb.Enter + " " + kb.Enter)
	p.Dots(3)
	p.Key("1")
	if got := webtest.Eval[string](p, `document.activeElement.dataset.key`); got != "5" {
		t.Errorf("the focus is on %q", got)
	}
	p.Until(`(document.activeElement.blur(), document.activeElement === document.body)`)
	p.Can("left")
	p.Press(kb.Enter)
	p.View("idle")
	s.answered(t, "ok, ok 4711, cancel, ok 5551")

	// The focus order starts on the screen.
	s.ask(simAnna, shows(simText), nil)
	p.View("text")
	p.Can("right")
	p.Until(`(document.querySelector('h1').focus(), document.activeElement.tagName === 'H1')`)
	var order []string
	for range 4 {
		p.Press(kb.Tab)
		order = append(order, webtest.Eval[string](p, `document.activeElement.dataset.key ?? document.activeElement.className + document.activeElement.id`))
	}
	if got := strings.Join(order, " "); got != "scroll left right by-hand" {
		t.Errorf("focus: %s", got)
	}
	// A text is typed.
	s.ask(simAnna, Dialogue{Kind: DialogueInput, Text: "Name?", MinLen: 1, MaxLen: 20}, nil)
	p.View("input")
	p.Until(`document.activeElement.matches('.entry')`)
	p.Press("Zoex" + kb.Backspace + " 1")
	p.Until(`document.querySelector('.entry').value === 'Zoe 1'`)
	p.Can("left")
	p.Press(kb.Enter)
	p.View("idle")
	s.answered(t, "ok, ok 4711, cancel, ok 5551, ok Zoe 1")
}

func testSIMLanguages(t *testing.T, browser context.Context) {
	s := newSIMService(t)
	for lang, want := range map[string][3]string{
		"en-GB": {"Accept", "Cancel", "All SIM phones"}, "de-CH": {"Annehmen", "Abbrechen", "Alle SIM-Telefone"},
		"fr": {"Accepter", "Annuler", "Tous les téléphones SIM"}, "it-CH": {"Accetta", "Annulla", "Tutti i telefoni SIM"}, "ja": {"Accept", "Cancel", "All SIM phones"},
	} {
		p := s.open(t, browser, simAnna, webtest.Speaking(lang))
		fits := func() {
			t.Helper()
			p.Fits()
			p.Narrow()
			p.Reflows("handset, " + lang)
			p.Fits()
			p.Wide()
		}
		p.View("idle")
		fits()
		s.ask(simAnna, shows(simText), s.idle(simAnna))
		p.View("text")
		fits()
		p.Says(`[data-key=left]`, want[0])
		p.Says(`[data-key=right]`, want[1])
		p.Says(".away", want[2])
		p.Says(".said", "Log in to Bäckerei") // the text of the card
		p.Key("right")
		p.View("idle")
		fits()
		s.ask(simAnna, pin(simPIN), nil)
		p.View("input")
		fits()
		p.Key("right")
		p.View("idle")
		fits()
		p.Key("left")
		p.View("messages")
		fits()
		p.Key("right")
		p.View("idle")
		fits()
		p.Run(chromedp.Navigate(s.http.URL + "/phone/sim"))
		p.View("list")
		p.Close()
	}
	p := webtest.Open(t, browser, s.http.URL+"/phone/sim")
	p.View("list")
	wrong := webtest.Eval[[]string](p, `Promise.all([import('/phone/sim/words.js'), import('/phone/words.js')]).then(([{ table }, { languages, table: shared }]) => Object.entries(table).filter(([k, w]) => {
		const names = (s) => (s.match(/\{\w+\}/g) ?? []).sort().join();
		return k in shared || w.length !== languages.length || w.some((s) => !s || names(s) !== names(w[0]));
	}).map(([k]) => k))`)
	if len(wrong) > 0 {
		t.Errorf("not in all languages, or in the App's table too: %v", wrong)
	}
	var code strings.Builder
	for name, f := range web.ReadFiles(files, "static", "Test") {
		if strings.HasSuffix(name, ".js") && !strings.HasSuffix(name, "words.js") {
			code.Write(f.Body)
		}
	}
	for _, key := range webtest.Eval[[]string](p, `import('/phone/sim/words.js').then(({ table }) => Object.keys(table))`) {
		if !strings.Contains(code.String(), "'"+key+"'") {
			t.Errorf("%s is not used", key)
		}
	}
}

func testSIMList(t *testing.T, browser context.Context) {
	s := newSIMService(t)
	p := webtest.Open(t, browser, s.http.URL+"/phone/sim")
	p.View("list")
	p.Says(".phone", "Anna")
	p.Says("main", simBeat)
	p.Click(`.phone[href$="` + simBeat[1:] + `"]`)
	p.View("idle")
	p.Says("h1", simBeat)
	p.Click(`.away a`)
	p.View("list")
	p.Click(`.away a`)
	p.View("code") // the App
	s.card(func() { s.list = nil })
	p.Run(chromedp.Navigate(s.http.URL + "/phone/sim"))
	p.Says("main", "no SIM phones")
	p.View("list")
	s.stop()
	p.Until(`fetch('/phone/sim/list').then(() => false, () => true)`)
	s.start()
}

func testSIMGone(t *testing.T, browser context.Context) {
	s := newSIMService(t)
	p := webtest.Open(t, browser, s.address("+41790000000"))
	p.View("missing")
	p.Click(`main a.button`)
	p.View("list")
	q := s.open(t, browser, simAnna)
	q.View("idle")
	s.remove(simAnna)
	q.View("missing")
}

// The page of the App links to the SIM phones, if there are any, and its service worker
// ignores them.
func testSIMLink(t *testing.T, browser context.Context) {
	s := newSIMService(t)
	p := webtest.Open(t, browser, s.http.URL+"/phone")
	p.View("code")
	p.Click(".simlink a")
	p.View("list")
	// A worker does not control a page that was loading when it claimed the pages, but
	// the next one.
	p.Run(chromedp.Navigate(s.http.URL + "/phone"))
	webtest.Eval[bool](p, `navigator.serviceWorker.ready.then(() => true)`)
	p.Run(chromedp.Reload())
	p.Until(`Boolean(navigator.serviceWorker.controller)`)
	p.Click(".simlink a")
	p.View("list")
	p.Click(".phone")
	p.View("idle")
	if kept := webtest.Eval[[]string](p, `caches.open('signum-shell').then((c) => c.keys()).then((k) => k.map((r) => r.url).filter((u) => u.includes('/phone/sim')))`); len(kept) > 0 && strings.Join(kept, " ") != s.http.URL+"/phone/simlink.js" {
		t.Errorf("the worker keeps %v", kept)
	}
	s.card(func() { s.list = nil })
	p.Run(chromedp.Navigate(s.http.URL + "/phone"))
	p.View("code")
	if webtest.Eval[bool](p, `document.querySelector('.simlink').checkVisibility()`) {
		t.Error("a link to SIM phones, but there are none")
	}
}

// testSIMTexts: messages from anywhere are laid out in order, and those that hide
// something are not shown.
func testSIMTexts(t *testing.T, browser context.Context) {
	s := newSIMService(t)
	p := s.open(t, browser, simAnna)
	s.text(simAnna, "Pay 12 \u05e9\u05dc\u05d5\u05dd - 30", true)
	p.View("flash")
	p.Says(".said", "Pay 12")
	if got := webtest.Eval[string](p, `document.querySelector('.said bdo[dir=ltr] bdi[dir=rtl]').textContent`); got != "\u05e9\u05dc\u05d5\u05dd" {
		t.Errorf("isolated: %q", got)
	}
	p.Key("left")
	p.View("idle")
	s.text(simAnna, "Pay 10\u200b00 CHF", true)
	p.View("flash")
	p.Says(".said", "nobody can see")
	p.Says("#live", "nobody can see") // a screen reader does not read it either
	if webtest.Eval[bool](p, `document.body.innerText.includes('CHF')`) {
		t.Error("a text that hides something is shown")
	}
}
