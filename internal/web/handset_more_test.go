package web

import (
	"context"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// Everything can be done with the keyboard, wherever the focus is.
func testSIMKeyboard(t *testing.T, browser context.Context) {
	s := newSIMService(t)
	p := s.open(t, browser, simAnna)
	s.sign(simText)
	p.view("text")
	p.can("left")
	p.press(kb.Enter)
	p.view("input")
	p.press("47119" + kb.Backspace)
	p.dots(4)
	p.can("left")
	p.press(kb.Enter)
	p.view("idle")
	s.sign(simText)
	p.view("text")
	p.can("right")
	p.press(kb.Escape)
	p.view("idle")
	s.answered(t, "ok, ok 4711, cancel")
	p.press(kb.Enter)
	p.view("messages")
	p.press(kb.Escape)
	p.view("idle")

	// By way of the keys on the page; a pointer leaves the focus alone.
	s.ask(simAnna, pin(simPIN), nil)
	p.view("input")
	p.until(`(document.querySelector('[data-key="5"]').focus(), document.activeElement.dataset.key === '5')`)
	p.press(kb.Enter + " " + kb.Enter)
	p.dots(3)
	p.key("1")
	if got := eval[string](p, `document.activeElement.dataset.key`); got != "5" {
		t.Errorf("the focus is on %q", got)
	}
	p.until(`(document.activeElement.blur(), document.activeElement === document.body)`)
	p.can("left")
	p.press(kb.Enter)
	p.view("idle")
	s.answered(t, "ok, ok 4711, cancel, ok 5551")

	// The order of the focus begins on the screen.
	s.ask(simAnna, shows(simText), nil)
	p.view("text")
	p.can("right")
	p.until(`(document.querySelector('h1').focus(), document.activeElement.tagName === 'H1')`)
	var order []string
	for range 4 {
		p.press(kb.Tab)
		order = append(order, eval[string](p, `document.activeElement.dataset.key ?? document.activeElement.className + document.activeElement.id`))
	}
	if got := strings.Join(order, " "); got != "scroll left right by-hand" {
		t.Errorf("focus: %s", got)
	}
	// A text that is typed.
	s.ask(simAnna, Dialogue{Kind: DialogueInput, Text: "Name?", MinLen: 1, MaxLen: 20}, nil)
	p.view("input")
	p.until(`document.activeElement.matches('.entry')`)
	p.press("Zoex" + kb.Backspace + " 1")
	p.until(`document.querySelector('.entry').value === 'Zoe 1'`)
	p.can("left")
	p.press(kb.Enter)
	p.view("idle")
	s.answered(t, "ok, ok 4711, cancel, ok 5551, ok Zoe 1")
}

func testSIMLanguages(t *testing.T, browser context.Context) {
	s := newSIMService(t)
	for lang, want := range map[string][3]string{
		"en-GB": {"Accept", "Cancel", "All SIM phones"}, "de-CH": {"Annehmen", "Abbrechen", "Alle SIM-Telefone"},
		"fr": {"Accepter", "Annuler", "Tous les téléphones SIM"}, "it-CH": {"Accetta", "Annulla", "Tutti i telefoni SIM"}, "ja": {"Accept", "Cancel", "All SIM phones"},
	} {
		p := s.open(t, browser, simAnna, speaking(lang))
		p.view("idle")
		p.fits()
		s.ask(simAnna, shows(simText), s.idle(simAnna))
		p.view("text")
		p.fits()
		p.says(`[data-key=left]`, want[0])
		p.says(`[data-key=right]`, want[1])
		p.says(".away", want[2])
		p.says(".said", "Log in to Bäckerei") // the card's own words
		p.key("right")
		p.view("idle")
		p.fits()
		s.ask(simAnna, pin(simPIN), nil)
		p.view("input")
		p.fits()
		p.key("right")
		p.view("idle")
		p.fits()
		p.key("left")
		p.view("messages")
		p.fits()
		p.key("right")
		p.view("idle")
		p.fits()
		p.run(chromedp.Navigate(s.http.URL + "/phone/sim"))
		p.view("list")
		p.close()
	}
	p := openTab(t, browser, s.http.URL+"/phone/sim")
	p.view("list")
	wrong := eval[[]string](p, `Promise.all([import('/phone/sim/words.js'), import('/phone/words.js')]).then(([{ table }, { languages, table: shared }]) => Object.entries(table).filter(([k, w]) => {
		const names = (s) => (s.match(/\{\w+\}/g) ?? []).sort().join();
		return k in shared || w.length !== languages.length || w.some((s) => !s || names(s) !== names(w[0]));
	}).map(([k]) => k))`)
	if len(wrong) > 0 {
		t.Errorf("not in all languages, or in the App's table too: %v", wrong)
	}
	var code strings.Builder
	for name, f := range readFiles(handsetFiles, "handset") {
		if strings.HasSuffix(name, ".js") && !strings.HasSuffix(name, "words.js") {
			code.Write(f.body)
		}
	}
	for _, key := range eval[[]string](p, `import('/phone/sim/words.js').then(({ table }) => Object.keys(table))`) {
		if !strings.Contains(code.String(), "'"+key+"'") {
			t.Errorf("nobody says %s", key)
		}
	}
}

func testSIMList(t *testing.T, browser context.Context) {
	s := newSIMService(t)
	p := openTab(t, browser, s.http.URL+"/phone/sim")
	p.view("list")
	p.says(".phone", "Anna")
	p.says("main", simBeat)
	p.click(`.phone[href$="` + simBeat[1:] + `"]`)
	p.view("idle")
	p.says("h1", simBeat)
	p.click(`.away a`)
	p.view("list")
	p.click(`.away a`)
	p.view("code") // the App
	s.card(func() { s.list = nil })
	p.run(chromedp.Navigate(s.http.URL + "/phone/sim"))
	p.says("main", "no SIM phones")
	p.view("list")
	s.stop()
	p.until(`fetch('/phone/sim/list').then(() => false, () => true)`)
	s.start()
}

func testSIMGone(t *testing.T, browser context.Context) {
	s := newSIMService(t)
	p := openTab(t, browser, s.address("+41790000000"))
	p.view("missing")
	p.click(`main a.button`)
	p.view("list")
	q := s.open(t, browser, simAnna)
	q.view("idle")
	s.remove(simAnna)
	q.view("missing")
}

// The App's page shows the way, if there are SIM phones; and the App's worker
// leaves them alone.
func testSIMLink(t *testing.T, browser context.Context) {
	s := newSIMService(t)
	p := openTab(t, browser, s.http.URL+"/phone")
	p.view("code")
	p.click(".simlink a")
	p.view("list")
	// A page that is on its way when the worker claims the pages is not among them;
	// the next one is.
	p.run(chromedp.Navigate(s.http.URL + "/phone"))
	eval[bool](p, `navigator.serviceWorker.ready.then(() => true)`)
	p.run(chromedp.Reload())
	p.until(`Boolean(navigator.serviceWorker.controller)`)
	p.click(".simlink a")
	p.view("list")
	p.click(".phone")
	p.view("idle")
	if kept := eval[[]string](p, `caches.open('signum-shell').then((c) => c.keys()).then((k) => k.map((r) => r.url).filter((u) => u.includes('/phone/sim')))`); len(kept) > 0 && strings.Join(kept, " ") != s.http.URL+"/phone/simlink.js" {
		t.Errorf("the worker keeps %v", kept)
	}
	s.card(func() { s.list = nil })
	p.run(chromedp.Navigate(s.http.URL + "/phone"))
	p.view("code")
	if eval[bool](p, `document.querySelector('.simlink').checkVisibility()`) {
		t.Error("a way to nothing")
	}
}
