package web

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

const (
	simText  = "Sandbox: Log in to Bäckerei Zürich? \"<b>&'\n  (TXN-3D5K)  {[€]}"
	simPIN   = "Enter your PIN"
	simWrong = "The PIN is wrong. 2 tries left.\nEnter your PIN"
)

func (s *simService) address(msisdn string) string {
	return s.http.URL + "/phone/sim?msisdn=" + url.QueryEscape(msisdn)
}

// open has a person sit down in front of a handset.
func (s *simService) open(t *testing.T, browser context.Context, msisdn string, before ...step) *tab {
	t.Helper()
	p := openTab(t, browser, s.address(msisdn), before...)
	p.until(`/^(?!connecting)./.test(document.querySelector('.screen')?.dataset.view ?? '')`)
	return p
}

// key presses one of the handset, when that is possible.
func (p *tab) key(name string) {
	p.t.Helper()
	p.can(name)
	p.click(`[data-key="` + name + `"]`)
}

// fits looks whether the words on the keys have the room that they need.
func (p *tab) fits() {
	p.t.Helper()
	for _, s := range eval[[]string](p, `[...document.querySelectorAll('.soft .key')].filter((k) => {
		const words = document.createRange();
		words.selectNodeContents(k);
		return k.checkVisibility() && (words.getClientRects().length > 1 || k.scrollWidth > k.clientWidth);
	}).map((k) => k.textContent)`) {
		p.t.Errorf("does not fit on its key: %s", s)
	}
}

func (p *tab) can(name string) {
	p.t.Helper()
	p.until(fmt.Sprintf(`document.querySelector('[data-key="%s"]:not(:disabled)')?.checkVisibility() === true`, name))
}

func (p *tab) cannot(name string) {
	p.t.Helper()
	if eval[bool](p, fmt.Sprintf(`document.querySelector('[data-key="%s"]:not(:disabled)')?.checkVisibility() === true`, name)) {
		p.t.Errorf("%s can be pressed", name)
	}
}

func (p *tab) dial(digits string) {
	p.t.Helper()
	for _, d := range digits {
		p.key(string(d))
	}
}

// dots waits for so many digits on the screen, and for nothing but dots there.
func (p *tab) dots(n int) {
	p.t.Helper()
	p.until(fmt.Sprintf(`document.querySelector('.entry')?.textContent === '•'.repeat(%d)`, n))
}

func pin(text string) Dialogue {
	return Dialogue{Kind: DialogueInput, Text: text, Hidden: true, Digits: true, MinLen: 4, MaxLen: 8}
}

func shows(text string) Dialogue { return Dialogue{Kind: DialogueText, Text: text} }

// sign is a card that shows a text and asks for the PIN 4711 until it is right.
func (s *simService) sign(text string) {
	var check func(Key, string)
	check = func(k Key, input string) {
		if k == KeyOK && input != "4711" {
			s.next(simAnna, pin(simWrong), check)
		}
	}
	s.ask(simAnna, shows(text), func(k Key, _ string) {
		if k == KeyOK {
			s.next(simAnna, pin(simPIN), check)
		}
	})
}

func (s *simService) answered(t *testing.T, want string) {
	t.Helper()
	for range 500 {
		if s.pressed(simAnna) == want {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("pressed %q, want %q", s.pressed(simAnna), want)
}

func TestHandsetInBrowser(t *testing.T) {
	browser := newBrowser(t)
	for name, test := range map[string]func(*testing.T, context.Context){
		"sign": testSIMSign, "cancel": testSIMCancel, "activate": testSIMActivate, "messages": testSIMMessages, "reload": testSIMReload,
		"tabs": testSIMTabs, "restart": testSIMRestart, "keyboard": testSIMKeyboard, "languages": testSIMLanguages, "twice": testSIMTwice,
		"stale": testSIMStale, "hand": testSIMHand, "list": testSIMList, "gone": testSIMGone, "link": testSIMLink,
	} {
		t.Run(name, func(t *testing.T) { test(t, browser) })
	}
}

func testSIMSign(t *testing.T, browser context.Context) {
	s := newSIMService(t)
	p := s.open(t, browser, simAnna)
	p.view("idle")
	p.says(".number", simAnna)
	s.sign(simText)
	p.view("text")
	if got := eval[string](p, `document.querySelector('.said').textContent`); got != simText {
		t.Errorf("shown: %q", got)
	}
	p.says("#live", "Bäckerei")
	if !eval[bool](p, `/^0:[0-5]\d|1:00$/.test(document.querySelector('.countdown span').textContent) && document.title.startsWith('●')`) {
		t.Error("no time, or nothing in the title")
	}
	p.key("left")
	p.view("input")
	p.dots(0)
	p.dial("123")
	p.dots(3)
	p.cannot("left") // too short
	p.dial("4")
	p.key("left")
	p.says(".said", "2 tries left")
	p.dots(0)
	p.dial("47119")
	p.key("clear")
	p.dots(4)
	if page := eval[string](p, `document.documentElement.outerHTML + JSON.stringify({ ...localStorage, ...sessionStorage }) + location`); strings.Contains(page, "4711") {
		t.Error("the PIN is on the page")
	}
	p.key("left")
	p.view("idle")
	s.answered(t, "ok, ok 1234, ok 4711")
	// No more digits than the card takes.
	s.ask(simAnna, pin(simPIN), nil)
	p.view("input")
	p.dial("12345678")
	p.dots(8)
	p.cannot("9")
}

func testSIMCancel(t *testing.T, browser context.Context) {
	s := newSIMService(t)
	p := s.open(t, browser, simAnna)
	s.sign(simText)
	p.view("text")
	p.key("right")
	p.view("idle")
	s.sign(simText)
	p.view("text")
	p.key("left")
	p.view("input")
	p.dial("12")
	p.key("right")
	p.view("idle")
	s.answered(t, "cancel, ok, cancel")
	// A step back.
	s.ask(simAnna, pin(simPIN), func(Key, string) { s.next(simAnna, shows(simText), nil) })
	p.view("input")
	p.dial("1")
	p.key("clear")
	p.press(kb.Backspace) // deletes only
	p.can("clear")
	p.view("input")
	p.run(chromedp.DoubleClick(chromedp.CSS(`[data-key=clear]`))) // in haste
	p.key("clear")
	p.view("text")
	s.answered(t, "cancel, ok, cancel, back")
	// A dialogue that the handset ends by itself.
	s.sign(simText)
	p.view("text")
	s.ask(simAnna, Dialogue{Kind: DialogueIdle}, nil)
	p.view("idle")
}

func testSIMActivate(t *testing.T, browser context.Context) {
	s := newSIMService(t)
	p := s.open(t, browser, simAnna)
	var first string
	var ask func()
	again := func(k Key, input string) {
		if input != first {
			ask()
		}
	}
	ask = func() {
		s.next(simAnna, Dialogue{Kind: DialogueInput, Text: "Choose a PIN", Hidden: true, Digits: true, MinLen: 6, MaxLen: 6}, func(k Key, input string) {
			first = input
			s.next(simAnna, Dialogue{Kind: DialogueInput, Text: "Repeat the PIN", Hidden: true, Digits: true, MinLen: 6, MaxLen: 6}, again)
		})
	}
	s.card(ask)
	for _, second := range []string{"246803", "246802"} {
		p.says(".said", "Choose a PIN")
		p.view("input")
		p.says(".need", "6 digits")
		p.dial("246802")
		p.key("left")
		p.says(".said", "Repeat the PIN")
		p.dots(0)
		p.dial(second)
		p.key("left")
	}
	p.view("idle")
	s.answered(t, "ok 246802, ok 246803, ok 246802, ok 246802")
}

// mu2 runs what a card does by itself.
func (f *fakeHandsets) card(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do()
}

func testSIMMessages(t *testing.T, browser context.Context) {
	s := newSIMService(t)
	p := s.open(t, browser, simAnna)
	p.view("idle")
	s.text(simAnna, "Your code is 123456 <b>", false)
	p.says(".news", "1 new message")
	p.accessible("news")
	p.says("#live", "Your code is 123456 <b>")
	s.text(simAnna, "Another", false)
	p.says(".news", "2 new messages")
	p.key("left")
	p.view("messages")
	p.says("li", "Another") // the newest first
	p.key("right")
	p.until(`document.querySelector('.screen').dataset.view === 'idle' && !document.querySelector('.news')`)

	// A flash message lies over a dialogue, and what was typed stays.
	s.ask(simAnna, pin(simPIN), nil)
	p.view("input")
	p.dial("47")
	s.text(simAnna, "Flash 1", true)
	p.view("flash")
	p.says(".said", "Flash 1")
	s.text(simAnna, "Flash 2", true)
	p.run(chromedp.Reload()) // what was not read is not lost
	p.view("flash")
	p.says(".said", "Flash 1")
	p.key("left")
	p.says(".said", "Flash 2")
	p.key("left")
	p.view("input")
	p.dial("47")
	p.key("clear")
	s.text(simAnna, "Flash 3", true)
	p.view("flash")
	p.key("left")
	p.dots(1)
	p.run(chromedp.Reload())
	p.view("input") // what was read is not shown again
	s.answered(t, "")
}

func testSIMReload(t *testing.T, browser context.Context) {
	s := newSIMService(t, func(c *HandsetConfig) { c.Release = time.Minute })
	p := s.open(t, browser, simAnna)
	s.sign(simText)
	p.view("text")
	p.run(chromedp.Reload())
	p.view("text")
	p.key("left")
	p.view("input")
	p.dial("47")
	p.run(chromedp.Reload())
	p.view("input")
	p.dots(0)
	p.dial("4711")
	p.key("left")
	p.view("idle")
	s.answered(t, "ok, ok 4711")
	if got := s.hands(simAnna); len(got) != 1 || !got[0] {
		t.Errorf("a reload gave the handset back: %v", got)
	}
}

func testSIMTabs(t *testing.T, browser context.Context) {
	s := newSIMService(t)
	p, q := s.open(t, browser, simAnna), s.open(t, browser, simAnna)
	other := s.open(t, browser, simBeat)
	s.sign(simText)
	p.view("text")
	q.view("text")
	other.view("idle")
	q.key("left")
	p.view("input")
	q.view("input")
	q.dial("12")
	p.dial("4711")
	p.key("left")
	p.view("idle")
	q.view("idle")
	s.answered(t, "ok, ok 4711")
	s.text(simAnna, "Flash", true)
	p.view("flash")
	q.view("flash")
	q.key("left")
	p.view("idle") // seen once is seen
	// The handset is given back when the last page has left.
	p.close()
	q.view("idle")
	if got := s.hands(simAnna); len(got) != 1 {
		t.Errorf("hands: %v", got)
	}
	q.close()
	s.released(t, simAnna)
}

// released waits until the handset answers by itself.
func (s *simService) released(t *testing.T, msisdn string) {
	t.Helper()
	for range 500 {
		if got := s.hands(msisdn); len(got) > 0 && !got[len(got)-1] {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("the handset was not given back: %v", s.hands(msisdn))
}

func testSIMRestart(t *testing.T, browser context.Context) {
	s := newSIMService(t)
	p := s.open(t, browser, simAnna)
	s.sign(simText)
	p.view("text")
	s.stop()
	p.view("connecting")
	p.cannot("left")
	s.start()
	p.view("text")
	p.key("left")
	p.view("input")
	// It goes down between two looks: the press fails, and nothing is lost.
	p.dial("4711")
	eval[bool](p, `(() => {
		const real = fetch;
		let first = true;
		window.fetch = async (...a) => {
			if (!first) return real(...a);
			first = false;
			throw new TypeError('the service is down');
		};
		return true;
	})()`)
	p.key("left")
	p.says(".problem", "No connection")
	p.dial("4711")
	p.key("left")
	p.view("idle")
	s.answered(t, "ok, ok 4711")
	// Who answered before the restart answers after it.
	p.click("#by-hand")
	p.says("#by-hand-text", "simulated person")
	s.stop()
	p.view("connecting")
	n := len(s.hands(simAnna))
	s.start()
	p.view("idle")
	if got := s.hands(simAnna)[n:]; len(got) > 0 {
		t.Errorf("hands after the restart: %v", got)
	}
}

// A second press that was meant for the screen before does nothing.
func testSIMTwice(t *testing.T, browser context.Context) {
	s := newSIMService(t)
	p := s.open(t, browser, simAnna)
	s.ask(simAnna, shows("First"), func(Key, string) { s.next(simAnna, shows("Second"), nil) })
	p.view("text")
	p.key("left")
	p.says(".said", "Second")
	p.can("left")
	p.run(chromedp.DoubleClick(chromedp.CSS(`[data-key=left]`))) // the second event of one, however late
	if got := s.pressed(simAnna); got != "ok" {
		t.Errorf("pressed %s", got)
	}
	eval[bool](p, `(document.querySelector('[data-key=left]').click(), document.querySelector('[data-key=left]').click(), document.querySelector('[data-key=right]').click(), true)`)
	p.view("idle")
	s.answered(t, "ok, ok")
}

// What the handset does not take any more changes nothing, and the page goes on.
func testSIMStale(t *testing.T, browser context.Context) {
	s := newSIMService(t)
	p := s.open(t, browser, simAnna)
	s.ask(simAnna, shows("First"), nil)
	p.view("text")
	p.can("left")
	// Nobody tells the page of the second.
	s.card(func() { s.phones[simAnna].dialogue.ID++; s.phones[simAnna].dialogue.Text = "Second" })
	p.key("left")
	p.says(".said", "Second")
	p.says(".problem", "Nothing was pressed")
	p.key("left")
	p.view("idle")
	s.answered(t, "ok")
	// Nor does it take what the card does not want.
	s.ask(simAnna, pin(simPIN), nil)
	p.view("input")
	p.dial("1234")
	s.card(func() { s.phones[simAnna].dialogue.MinLen = 5 })
	p.key("left")
	p.says(".problem", "did not take that")
	p.dots(0)
}

func testSIMHand(t *testing.T, browser context.Context) {
	s := newSIMService(t)
	p := s.open(t, browser, simAnna)
	q := s.open(t, browser, simAnna)
	p.says("#by-hand-text", "You press the keys")
	p.click("#by-hand")
	q.says("#by-hand-text", "simulated person")
	if got := s.hands(simAnna); len(got) != 2 || !got[0] || got[1] {
		t.Errorf("hands: %v", got)
	}
	s.ask(simAnna, shows(simText), nil)
	q.view("text")
	q.accessible("not by hand")
	q.until(`document.querySelector('[data-key=left]').disabled && document.querySelector('[data-key=right]').disabled && !document.querySelector('#by-hand').checked`)
	q.click("#by-hand")
	p.key("left")
	q.view("idle")
	s.answered(t, "ok")
	p.close()
	q.close()
	s.released(t, simAnna)
}
