package webtest

import "fmt"

// Key presses a key of the handset page as soon as it is enabled.
func (p *Tab) Key(name string) {
	p.T.Helper()
	p.Can(name)
	p.Click(`[data-key="` + name + `"]`)
}

// Fits checks that the labels fit on their keys.
func (p *Tab) Fits() {
	p.T.Helper()
	for _, s := range Eval[[]string](p, `[...document.querySelectorAll('.soft .key')].filter((k) => {
		const words = document.createRange();
		words.selectNodeContents(k);
		return k.checkVisibility() && (words.getClientRects().length > 1 || k.scrollWidth > k.clientWidth);
	}).map((k) => k.textContent)`) {
		p.T.Errorf("does not fit on its key: %s", s)
	}
}

// Can waits until a key of the handset page is enabled.
func (p *Tab) Can(name string) {
	p.T.Helper()
	p.Until(fmt.Sprintf(`document.querySelector('[data-key="%s"]:not(:disabled)')?.checkVisibility() === true`, name))
}

// Cannot checks that a key of the handset page is not enabled.
func (p *Tab) Cannot(name string) {
	p.T.Helper()
	if Eval[bool](p, fmt.Sprintf(`document.querySelector('[data-key="%s"]:not(:disabled)')?.checkVisibility() === true`, name)) {
		p.T.Errorf("%s can be pressed", name)
	}
}

// Dial presses one key for each digit.
func (p *Tab) Dial(digits string) {
	p.T.Helper()
	for _, d := range digits {
		p.Key(string(d))
	}
}

// Dots waits until the screen shows n digits, all of them as dots.
func (p *Tab) Dots(n int) {
	p.T.Helper()
	p.Until(fmt.Sprintf(`document.querySelector('.entry')?.textContent === '•'.repeat(%d)`, n))
}
