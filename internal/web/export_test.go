package web

import "github.com/chromedp/chromedp"

// For the tests of package web_test, which run against a whole sandbox.

type (
	Tab  = tab
	Step = step
)

// Passcode is what a person chooses at the enrolment.
const Passcode = "246802"

var (
	NewBrowser = newBrowser
	OpenTab    = openTab
	Speaking   = speaking
	ReloadPage = chromedp.Reload
)

func (p *tab) View(name string)       { p.t.Helper(); p.view(name) }
func (p *tab) Click(sel string)       { p.t.Helper(); p.click(sel) }
func (p *tab) Fill(sel, text string)  { p.t.Helper(); p.fill(sel, text) }
func (p *tab) Text(sel string) string { p.t.Helper(); return p.text(sel) }
func (p *tab) Says(sel, want string)  { p.t.Helper(); p.says(sel, want) }
func (p *tab) Until(js string)        { p.t.Helper(); p.until(js) }
func (p *tab) Unlock(passcode string) { p.t.Helper(); p.unlock(passcode) }
func (p *tab) Ready()                 { p.t.Helper(); p.ready() }
func (p *tab) Run(steps ...step)      { p.t.Helper(); p.run(steps...) }
func (p *tab) Wait(sel string)        { p.t.Helper(); p.wait(sel) }
func (p *tab) Key(name string)        { p.t.Helper(); p.key(name) }
func (p *tab) Close()                 { p.t.Helper(); p.close() }

// Holds evaluates an expression.
func (p *tab) Holds(js string) bool { p.t.Helper(); return eval[bool](p, js) }

// Forgive drops problems that a test brought about.
func (p *tab) Forgive() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.problems = nil
}
