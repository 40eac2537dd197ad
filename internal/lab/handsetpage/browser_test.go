package handsetpage

import (
	"context"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/signum-mssp/signum/internal/web/webtest"
)

const (
	simText  = "Sandbox: Log in to Bäckerei Zürich? \"<b>&'\n  (TXN-3D5K)  {[€]}"
	simPIN   = "Enter your PIN"
	simWrong = "The PIN is wrong. 2 tries left.\nEnter your PIN"
)

func (s *simService) address(msisdn string) string {
	return s.http.URL + "/phone/sim?msisdn=" + url.QueryEscape(msisdn)
}

// open opens the page of a handset.
func (s *simService) open(t *testing.T, browser context.Context, msisdn string, before ...webtest.Step) *webtest.Tab {
	t.Helper()
	p := webtest.Open(t, browser, s.address(msisdn), before...)
	p.Until(`/^(?!connecting)./.test(document.querySelector('.screen')?.dataset.view ?? '')`)
	return p
}

func pin(text string) Dialogue {
	return Dialogue{Kind: DialogueInput, Text: text, Hidden: true, Digits: true, MinLen: 4, MaxLen: 8}
}

func shows(text string) Dialogue { return Dialogue{Kind: DialogueText, Text: text} }

// sign makes the card show a text and ask for the PIN until it is 4711.
func (s *simService) sign(text string) { s.ask(simAnna, shows(text), s.askPIN()) }

// askPIN is what follows the text.
func (s *simService) askPIN() func(Key, string) {
	var check func(Key, string)
	check = func(k Key, input string) {
		if k == KeyOK && input != "4711" {
			s.next(simAnna, pin(simWrong), check)
		}
	}
	return func(k Key, _ string) {
		if k == KeyOK {
			s.next(simAnna, pin(simPIN), check)
		}
	}
}

// request makes the card say who asks, then sign.
func (s *simService) request(who, text string) {
	s.ask(simAnna, Dialogue{Kind: DialogueText, Who: true, Text: who}, func(k Key, _ string) {
		if k == KeyOK {
			s.next(simAnna, shows(text), s.askPIN())
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
	browser := webtest.NewBrowser(t)
	for name, test := range map[string]func(*testing.T, context.Context){
		"sign": testSIMSign, "cancel": testSIMCancel, "activate": testSIMActivate, "messages": testSIMMessages, "reload": testSIMReload,
		"tabs": testSIMTabs, "restart": testSIMRestart, "keyboard": testSIMKeyboard, "texts": testSIMTexts, "languages": testSIMLanguages, "twice": testSIMTwice,
		"stale": testSIMStale, "who": testSIMWho, "long name": testSIMLongName, "hand": testSIMHand, "list": testSIMList, "gone": testSIMGone, "link": testSIMLink,
	} {
		t.Run(name, func(t *testing.T) { test(t, browser) })
	}
}

func testSIMSign(t *testing.T, browser context.Context) {
	s := newSIMService(t)
	p := s.open(t, browser, simAnna)
	p.View("idle")
	p.Says(".number", simAnna)
	s.sign(simText)
	p.View("text")
	if got := webtest.Eval[string](p, `document.querySelector('.said').textContent`); got != simText {
		t.Errorf("shown: %q", got)
	}
	p.Says("#live", "Bäckerei")
	if !webtest.Eval[bool](p, `/^0:[0-5]\d|1:00$/.test(document.querySelector('.countdown span').textContent) && document.title.startsWith('●') && document.title.endsWith('– ' + `+strconv.Quote(serviceName)+`)`) {
		t.Error("no time, or nothing in the title")
	}
	p.Key("left")
	p.View("input")
	p.Dots(0)
	p.Dial("123")
	p.Dots(3)
	p.Cannot("left") // too short
	p.Dial("4")
	p.Key("left")
	p.Says(".said", "2 tries left")
	p.Dots(0)
	p.Dial("47119")
	p.Key("clear")
	p.Dots(4)
	if page := webtest.Eval[string](p, `document.documentElement.outerHTML + JSON.stringify({ ...localStorage, ...sessionStorage }) + location`); strings.Contains(page, "4711") {
		t.Error("the PIN is on the page")
	}
	p.Key("left")
	p.View("idle")
	s.answered(t, "ok, ok 1234, ok 4711")
	// The page accepts no more digits than the card.
	s.ask(simAnna, pin(simPIN), nil)
	p.View("input")
	p.Dial("12345678")
	p.Dots(8)
	p.Cannot("9")
}

// The name of the party has a screen with a frame of its own, which no text can have.
func testSIMWho(t *testing.T, browser context.Context) {
	s := newSIMService(t)
	p := s.open(t, browser, simAnna)
	const forged = "Request from\nUBS\nApprove?"
	s.request("Request from\nمصرف [A]", forged)
	p.View("who")
	p.Says(".who > p", "Request from")
	p.Says(".who > .said", "مصرف [A]")
	p.Says("#live", "Request from")
	p.Can("left")
	if got := webtest.Eval[string](p, `document.querySelector('[data-key=left]').textContent`); got != "OK" {
		t.Errorf("the key accepts: %q", got)
	}
	p.Key("left")
	p.View("text")
	if webtest.Eval[bool](p, `document.querySelector('.who') !== null || document.querySelector('.said').textContent !== `+strconv.Quote(forged)) {
		t.Error("a text has the frame of a name")
	}
	p.Key("left")
	p.View("input")
	p.Dial("4711")
	p.Key("left")
	s.answered(t, "ok, ok, ok 4711")
	s.request("Request from\nBank", simText)
	p.View("who")
	p.Can("right")
	p.Key("right")
	p.View("idle")
	s.answered(t, "ok, ok, ok 4711, cancel")
}

// The longest names, of one word or from right to left, fit a narrow screen with large
// letters.
func testSIMLongName(t *testing.T, browser context.Context) {
	s := newSIMService(t)
	p := s.open(t, browser, simAnna)
	for _, name := range []string{strings.Repeat("W", 60), strings.Repeat("مصرف ", 12)[:len("مصرف ")*12-1]} {
		s.request("Richiesta di\n"+name, simText)
		p.View("who")
		p.Says(".who > .said", name)
		p.Can("right")
		p.Look(name)
		p.Key("right")
		p.View("idle")
	}
}

func testSIMCancel(t *testing.T, browser context.Context) {
	s := newSIMService(t)
	p := s.open(t, browser, simAnna)
	s.sign(simText)
	p.View("text")
	p.Key("right")
	p.View("idle")
	s.sign(simText)
	p.View("text")
	p.Key("left")
	p.View("input")
	p.Dial("12")
	p.Key("right")
	p.View("idle")
	s.answered(t, "cancel, ok, cancel")
	// One step back.
	s.ask(simAnna, pin(simPIN), func(Key, string) { s.next(simAnna, shows(simText), nil) })
	p.View("input")
	p.Dial("1")
	p.Key("clear")
	p.Press(kb.Backspace) // deletes only
	p.Can("clear")
	p.View("input")
	p.Run(chromedp.DoubleClick(chromedp.CSS(`[data-key=clear]`))) // fast
	p.Key("clear")
	p.View("text")
	s.answered(t, "cancel, ok, cancel, back")
	// The handset ends a dialogue by itself.
	s.sign(simText)
	p.View("text")
	s.ask(simAnna, Dialogue{Kind: DialogueIdle}, nil)
	p.View("idle")
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
		p.Says(".said", "Choose a PIN")
		p.View("input")
		p.Says(".need", "6 digits")
		p.Dial("246802")
		p.Key("left")
		p.Says(".said", "Repeat the PIN")
		p.Dots(0)
		p.Dial(second)
		p.Key("left")
	}
	p.View("idle")
	s.answered(t, "ok 246802, ok 246803, ok 246802, ok 246802")
}

// card makes the card act by itself.
func (f *fakeHandsets) card(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do()
}

func testSIMMessages(t *testing.T, browser context.Context) {
	s := newSIMService(t)
	p := s.open(t, browser, simAnna)
	p.View("idle")
	s.text(simAnna, "Your code is 123456 <b>", false)
	p.Says(".news", "1 new message")
	p.Accessible("news")
	p.Says("#live", "Your code is 123456 <b>")
	s.text(simAnna, "Another", false)
	p.Says(".news", "2 new messages")
	p.Key("left")
	p.View("messages")
	p.Says("li", "Another") // the newest is first
	p.Key("right")
	p.Until(`document.querySelector('.screen').dataset.view === 'idle' && !document.querySelector('.news')`)

	// A flash message covers a dialogue, and the input stays.
	s.ask(simAnna, pin(simPIN), nil)
	p.View("input")
	p.Dial("47")
	s.text(simAnna, "Flash 1", true)
	p.View("flash")
	p.Says(".said", "Flash 1")
	s.text(simAnna, "Flash 2", true)
	p.Run(chromedp.Reload()) // unread messages are not lost
	p.View("flash")
	p.Says(".said", "Flash 1")
	p.Key("left")
	p.Says(".said", "Flash 2")
	p.Key("left")
	p.View("input")
	p.Dial("47")
	p.Key("clear")
	s.text(simAnna, "Flash 3", true)
	p.View("flash")
	p.Key("left")
	p.Dots(1)
	p.Run(chromedp.Reload())
	p.View("input") // a message that was read is not shown again
	s.answered(t, "")
}

func testSIMReload(t *testing.T, browser context.Context) {
	s := newSIMService(t, func(c *Config) { c.Release = time.Minute })
	p := s.open(t, browser, simAnna)
	s.sign(simText)
	p.View("text")
	p.Run(chromedp.Reload())
	p.View("text")
	p.Key("left")
	p.View("input")
	p.Dial("47")
	p.Run(chromedp.Reload())
	p.View("input")
	p.Dots(0)
	p.Dial("4711")
	p.Key("left")
	p.View("idle")
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
	p.View("text")
	q.View("text")
	other.View("idle")
	q.Key("left")
	p.View("input")
	q.View("input")
	q.Dial("12")
	p.Dial("4711")
	p.Key("left")
	p.View("idle")
	q.View("idle")
	s.answered(t, "ok, ok 4711")
	s.text(simAnna, "Flash", true)
	p.View("flash")
	q.View("flash")
	q.Key("left")
	p.View("idle") // it was seen on the other page
	// The handset is returned when the last page has closed.
	p.Close()
	q.View("idle")
	if got := s.hands(simAnna); len(got) != 1 {
		t.Errorf("hands: %v", got)
	}
	q.Close()
	s.released(t, simAnna)
}

// released waits until the simulated person answers again.
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
	p.View("text")
	s.stop()
	p.View("connecting")
	p.Cannot("left")
	s.start()
	p.View("text")
	p.Key("left")
	p.View("input")
	// If the service is down, the press fails and nothing is lost.
	p.Dial("4711")
	webtest.Eval[bool](p, `(() => {
		const real = fetch;
		let first = true;
		window.fetch = async (...a) => {
			if (!first) return real(...a);
			first = false;
			throw new TypeError('the service is down');
		};
		return true;
	})()`)
	p.Key("left")
	p.Says(".problem", "No connection")
	p.Dial("4711")
	p.Key("left")
	p.View("idle")
	s.answered(t, "ok, ok 4711")
	// A restart does not change who answers.
	p.Click("#by-hand")
	p.Says("#by-hand-text", "simulated person")
	s.stop()
	p.View("connecting")
	n := len(s.hands(simAnna))
	s.start()
	p.View("idle")
	if got := s.hands(simAnna)[n:]; len(got) > 0 {
		t.Errorf("hands after the restart: %v", got)
	}
}

// A second press that was meant for the previous screen has no effect.
func testSIMTwice(t *testing.T, browser context.Context) {
	s := newSIMService(t)
	p := s.open(t, browser, simAnna)
	s.ask(simAnna, shows("First"), func(Key, string) { s.next(simAnna, shows("Second"), nil) })
	p.View("text")
	p.Key("left")
	p.Says(".said", "Second")
	p.Can("left")
	p.Run(chromedp.DoubleClick(chromedp.CSS(`[data-key=left]`))) // its second event is ignored, even if it is late
	if got := s.pressed(simAnna); got != "ok" {
		t.Errorf("pressed %s", got)
	}
	webtest.Eval[bool](p, `(document.querySelector('[data-key=left]').click(), document.querySelector('[data-key=left]').click(), document.querySelector('[data-key=right]').click(), true)`)
	p.View("idle")
	s.answered(t, "ok, ok")
}

// A press that the handset no longer accepts has no effect, and the page continues.
func testSIMStale(t *testing.T, browser context.Context) {
	s := newSIMService(t)
	p := s.open(t, browser, simAnna)
	s.ask(simAnna, shows("First"), nil)
	p.View("text")
	p.Can("left")
	// The page does not hear of the second dialogue.
	s.card(func() { s.phones[simAnna].dialogue.ID++; s.phones[simAnna].dialogue.Text = "Second" })
	p.Key("left")
	p.Says(".said", "Second")
	p.Says(".problem", "Nothing was pressed")
	p.Key("left")
	p.View("idle")
	s.answered(t, "ok")
	// The same for an input that the card does not accept.
	s.ask(simAnna, pin(simPIN), nil)
	p.View("input")
	p.Dial("1234")
	s.card(func() { s.phones[simAnna].dialogue.MinLen = 5 })
	p.Key("left")
	p.Says(".problem", "did not accept that")
	p.Dots(0)
}

func testSIMHand(t *testing.T, browser context.Context) {
	s := newSIMService(t)
	p := s.open(t, browser, simAnna)
	q := s.open(t, browser, simAnna)
	p.Says("#by-hand-text", "You press the keys")
	p.Click("#by-hand")
	q.Says("#by-hand-text", "simulated person")
	if got := s.hands(simAnna); len(got) != 2 || !got[0] || got[1] {
		t.Errorf("hands: %v", got)
	}
	s.ask(simAnna, shows(simText), nil)
	q.View("text")
	q.Accessible("not by hand")
	q.Until(`document.querySelector('[data-key=left]').disabled && document.querySelector('[data-key=right]').disabled && !document.querySelector('#by-hand').checked`)
	q.Click("#by-hand")
	p.Key("left")
	q.View("idle")
	s.answered(t, "ok")
	p.Close()
	q.Close()
	s.released(t, simAnna)
}
