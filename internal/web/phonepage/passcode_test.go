package phonepage

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"github.com/signum-mssp/signum/internal/web/webtest"
)

// A passcode that others would try first is refused before anything is sent.
func TestAttackEasyPasscode(t *testing.T) {
	browser := webtest.NewBrowser(t)
	f := newFake(t)
	p := webtest.Open(t, browser, f.address()+"/phone?code=K7QZ4MX92T")
	p.View("code")
	p.Click(".primary")
	p.View("passcode")
	for _, easy := range []string{"123456", "111111"} {
		p.Fill(`[name=new-passcode]`, easy)
		p.Fill(`[name=passcode-again]`, easy)
		p.Click(`[data-view=passcode] .primary`)
		p.Says(".error", "easy to guess")
	}
	f.set(func() {
		if len(f.devices) > 0 {
			t.Error("the phone is enrolled")
		}
	})
	easy := []string{
		"123456", "654321", "234567", "012345", "1234567890", "97531", "246802", // sequences
		"000000", "112233", "121212", "123123", "123321", "aabbcc", "100100", "22222222", // repetitions
		"147258", "789456", "159753", "qwertz", "asdfgh", "abcdef", "fedcba", // rows of keys
		"010190", "311299", "123199", "991231", "199012", "121990", "19840521", "21051984", "05211984", // dates
		"password", "passwort1", "iloveyou2", "Signum42", // words
		"791234", "912340", "123400", "432197", // of the number
	}
	hard := []string{webtest.Passcode, "975310", "583920", "482957", "hj4k9x", "correct horse", "40718265", "zürich-7"}
	of := func(list []string) []string {
		return webtest.Eval[[]string](p, fmt.Sprintf(`import('/phone/easy.js').then(({ isEasy }) => %s.filter((s) => isEasy(s, '+41791234001')))`, js(list)))
	}
	if got := of(easy); !slices.Equal(got, easy) {
		t.Errorf("refused are only %q", got)
	}
	if got := of(hard); len(got) > 0 {
		t.Errorf("refused: %q", got)
	}
	// Among all passcodes of six digits enough remain.
	left := webtest.Eval[int](p, `import('/phone/easy.js').then(({ isEasy }) => {
		let n = 0;
		for (let i = 0; i < 1e6; i++) if (!isEasy(String(i).padStart(6, '0'), '+4179****001')) n++;
		return n;
	})`)
	if left < 850_000 {
		t.Errorf("%d passcodes of six digits are left", left)
	}
}

// testKeypad: the phone offers digits, letters on demand, and shows what was typed if
// asked to. While the service checks, the page says so.
func testKeypad(t *testing.T, browser context.Context) {
	f, p := started(t, browser)
	mode := func() string { return webtest.Eval[string](p, `document.querySelector('[name=passcode]').inputMode`) }
	r := f.send(signRequest(loginText, loginText))
	p.View("request")
	p.Click(`[data-do=approve]`)
	p.Wait(`dialog [name=passcode]`)
	p.Accessible("keypad")
	if got := mode(); got != "numeric" {
		t.Errorf("keyboard: %s", got)
	}
	p.Click(`dialog [data-do=keyboard]`)
	if got := mode(); got != "text" {
		t.Errorf("keyboard: %s", got)
	}
	p.Fill(`dialog [name=passcode]`, webtest.Passcode)
	p.Click(`dialog [data-do=show]`)
	p.Until(`document.querySelector('[name=passcode]').type === 'text' && document.querySelector('[data-do=show]').getAttribute('aria-pressed') === 'true'`)
	webtest.Eval[bool](p, `(new MutationObserver(() => {
		const d = document.querySelector('dialog[aria-busy]');
		if (d) window.progress ??= d.querySelector('[role=status]').textContent;
	}).observe(document.body, { subtree: true, childList: true, attributes: true }), true)`)
	p.Press(kb.Enter)
	p.Says("h1", "Signed")
	f.answerOf(r)
	if got := webtest.Eval[string](p, `window.progress`); got != "Unlocking…" {
		t.Errorf("while unlocking: %q", got)
	}
	p.Click(`[data-do=done]`)

	// A passcode with letters gets a keyboard with letters.
	changePasscode(p, webtest.Passcode, "hj4k9x")
	r = f.send(signRequest(loginText, loginText))
	p.View("request")
	p.Click(`[data-do=approve]`)
	p.Wait(`dialog [name=passcode]`)
	if got := mode(); got != "text" {
		t.Errorf("keyboard: %s", got)
	}
	p.Unlock("hj4k9x")
	p.Says("h1", "Signed")
	f.answerOf(r)
}

// js is a list of texts as JavaScript.
func js(list []string) string {
	b, err := json.Marshal(list)
	if err != nil {
		panic(err)
	}
	return string(b)
}
