package phonepage

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/web/webtest"
)

// TestAttackUnseenTextOnPhone sends texts that the service should have refused. The page
// shows none of them, and the answer is a refusal.
func TestAttackUnseenTextOnPhone(t *testing.T) {
	f, p := started(t, webtest.NewBrowser(t))
	approval := func(typ, key, value string) request {
		b, err := json.Marshal(map[string]any{"type": typ, "dtbd": []map[string]string{{"key": key, "value": value}}})
		if err != nil {
			t.Fatal(err)
		}
		signed, err := signum.SignedContent(signum.MimeTxnApproval, string(b))
		if err != nil {
			t.Fatal(err)
		}
		return signRequest(string(b), signed).with("mime", signum.MimeTxnApproval)
	}
	for _, unseen := range []string{"\u200b", "\u202e", "\u00ad", "\U000e0041", "\u3164", "a\ufe0f", "\ue000", "\u0378", "\u2028", "a\u0301\u0301", "a\u0300\u0301\u0302\u0303\u0304", strings.Repeat("\n", 100)} {
		text := "EXAMPLE: pay 10" + unseen + "00 CHF"
		for what, r := range map[string]request{
			"text": signRequest(text, text), "receipt": display(text), "type": approval(text, "k", "v"), "key": approval("t", text, "v"), "value": approval("t", "k", text),
		} {
			f.send(r)
			p.Wait(fmt.Sprintf(`[data-view=forged][data-id="%s"]`, r["id"]))
			if strings.Contains(p.Text("main"), "EXAMPLE") {
				t.Errorf("%+q in a %s is shown", unseen, what)
			}
			p.Click(`[data-do=cancel]`)
			if a := f.answerOf(r); a["signature"] != nil || a["cancel"] != true && a["receipt"] != "CANCEL" {
				t.Errorf("%+q in a %s: answer %v", unseen, what, a)
			}
			p.Click(`[data-do=done]`)
			p.Ready()
		}
	}
}

// TestAttackTextBelowTheScreen sends texts that are longer than the screen. Neither a
// request nor a message can be confirmed before its end was on the screen, on small
// screens and with large letters too.
func TestAttackTextBelowTheScreen(t *testing.T) {
	browser := webtest.NewBrowser(t)
	f, p := started(t, browser)
	long := "Sandbox: Log in?" + strings.Repeat("\n\n\nx", 40) + "\n\n\nand pay 9000 CHF to Eve"
	button := map[string]string{"request": "approve", "receipt": "ok"}
	disabled := func(view string) bool {
		return webtest.Eval[bool](p, fmt.Sprintf(`document.querySelector('[data-do=%s]').disabled`, button[view]))
	}
	enabled := func(view string) {
		t.Helper()
		p.Until(fmt.Sprintf(`!document.querySelector('[data-do=%s]').disabled`, button[view]))
	}
	// seen reports whether the last line is on the screen.
	const seen = `(() => {
		const body = document.querySelector('.dtbs'), scroller = document.querySelector('.scroller').getBoundingClientRect(), text = body.getBoundingClientRect();
		return text.bottom <= Math.min(innerHeight, scroller.bottom) + 1;
	})()`
	toEnd := map[string]func(){
		"keyboard": func() { p.Run(chromedp.Focus(chromedp.CSS(".scroller"))); p.Press(kb.End); p.Press(kb.End) },
		"script":   func() { webtest.Eval[bool](p, `document.querySelector('.end').scrollIntoView(), true`) },
		"button": func() {
			p.Until(`(() => { const down = document.querySelector('.down'); if (down.hidden) return true; down.click(); return false; })()`)
		},
	}
	for _, size := range []struct {
		width, height int64
		zoom          string
	}{{390, 844, "100%"}, {320, 568, "100%"}, {320, 568, "200%"}, {640, 320, "100%"}} {
		p.Run(chromedp.EmulateViewport(size.width, size.height, chromedp.EmulateMobile))
		webtest.Eval[bool](p, fmt.Sprintf(`document.documentElement.style.fontSize = %q, true`, size.zoom))
		for view, make := range map[string]func(string) request{"request": func(s string) request { return signRequest(s, s) }, "receipt": display} {
			for how, scroll := range toEnd {
				at := fmt.Sprintf("%s by %s on %dx%d at %s", view, how, size.width, size.height, size.zoom)
				f.send(make(long))
				p.View(view)
				p.Wait(".down")
				if !disabled(view) || webtest.Eval[bool](p, seen) {
					t.Errorf("%s: it can be confirmed before it was read", at)
				}
				scroll()
				enabled(view)
				if !webtest.Eval[bool](p, seen) {
					t.Errorf("%s: the end was not on the screen", at)
				}
				p.Click(`[data-do=cancel]`)
				if view == "request" {
					p.Click(`[data-do=done]`)
				}
				p.Ready()
			}
			// A short text is at its end at once, without a hint.
			f.send(make(loginText))
			p.View(view)
			if size.zoom == "100%" && size.height > 400 {
				enabled(view)
				if webtest.Eval[bool](p, `!document.querySelector('.down').hidden`) {
					t.Errorf("%s on %dx%d asks to scroll a short text", view, size.width, size.height)
				}
			}
			p.Click(`[data-do=cancel]`)
			if view == "request" {
				p.Click(`[data-do=done]`)
			}
			p.Ready()
		}
	}
}
