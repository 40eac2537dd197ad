package phonepage

import (
	"context"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"github.com/signum-mssp/signum/internal/web/webtest"
)

// "This was not me" is beside Cancel, says what it does, and can be taken back until it
// is confirmed. Messages do not have it: there is nothing to report that was signed.
func testReport(t *testing.T, browser context.Context) {
	f, p := started(t, browser)
	r := f.send(signRequest(loginText, loginText))
	p.View("request")
	p.Click(`[data-do=report]`)
	p.Says("dialog", "the provider and the service learn that it was not you")
	p.Until(`document.activeElement.dataset.do === 'no'`) // not the one that cannot be undone
	p.Accessible("report")
	p.Axe("report")
	p.Click(`dialog [data-do=no]`)
	p.Click(`[data-do=report]`)
	p.Wait("dialog")
	p.Press(kb.Escape)
	p.Until(`!document.querySelector('dialog')`)
	f.set(func() {
		if f.answers[r["id"].(string)+" sign"] != nil {
			t.Error("reported without a confirmation")
		}
	})
	p.Click(`[data-do=report]`)
	p.Click(`dialog [data-do=yes]`)
	p.Says("h1", "Reported")
	p.Accessible("reported")
	if a := f.answerOf(r); a["cancel"] != true || a["report"] != true || a["signature"] != nil {
		t.Errorf("answer %v", a)
	}
	p.Click(`[data-do=done]`)
	p.Ready()

	// A request that ends meanwhile takes the question with it.
	r = f.send(signRequest(loginText, loginText))
	p.View("request")
	p.Click(`[data-do=report]`)
	p.Wait("dialog")
	f.gone(r, "withdrawn")
	p.Says(`[data-outcome=withdrawn]`, "Nothing was signed")
	p.Until(`!document.querySelector('dialog')`)
	p.Click(`[data-do=done]`)
	p.Ready()

	// Cancel is no report.
	r = f.send(signRequest(loginText, loginText))
	p.View("request")
	p.Click(`[data-do=cancel]`)
	if a := f.answerOf(r); a["cancel"] != true || a["report"] != nil {
		t.Errorf("answer %v", a)
	}
	p.Click(`[data-do=done]`)
	f.send(display("Sandbox: Hello"))
	p.View("receipt")
	if webtest.Eval[bool](p, `Boolean(document.querySelector('[data-do=report]'))`) {
		t.Error("a message can be reported")
	}
}
