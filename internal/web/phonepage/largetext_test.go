package phonepage

import (
	"context"
	"fmt"
	"testing"

	"github.com/chromedp/cdproto/emulation"

	"github.com/signum-mssp/signum/internal/web/webtest"
)

// With text of twice the size on a narrow phone, the bar at the bottom keeps its labels
// and cuts nothing off.
func testLargeText(t *testing.T, browser context.Context) {
	for _, lang := range []string{"en", "de", "fr", "it"} {
		_, p := started(t, browser, webtest.Speaking(lang))
		p.Run(webtest.Command(emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: 320, Height: 568, DeviceScaleFactor: 1, Mobile: true}))
		webtest.Eval[bool](p, `document.documentElement.style.fontSize = '200%', true`)
		cut := webtest.Eval[[]string](p, `[...document.querySelectorAll('#nav a')].flatMap((a) => {
			const box = a.getBoundingClientRect();
			const inside = [...a.children].every((c) => {
				const r = c.getBoundingClientRect();
				return r.width > 0 && r.height > 0 && r.left >= box.left - 1 && r.right <= box.right + 1 && r.top >= box.top - 1 && r.bottom <= box.bottom + 1;
			});
			return inside && box.left >= 0 && box.right <= innerWidth && a.scrollWidth <= a.clientWidth ? [] : [a.textContent];
		})`)
		if len(cut) > 0 {
			t.Errorf("%s: cut off: %q", lang, cut)
		}
		p.Close()
	}
}

// With text of twice the size on a narrow phone, nothing of a request is cut off and every
// button can be reached, in each language and with a long name above it.
func testLargeRequests(t *testing.T, browser context.Context) {
	f, p := started(t, browser)
	f.withLogo(t)
	p.Narrow()
	for _, lang := range []string{"en", "de", "fr", "it"} {
		ask := func(r request) {
			f.send(r.with("lang", lang, "party", obj{"name": "Sparkassengenossenschaft Oberland-Unterland, Abteilung Zahlung", "logo": logoID}))
			p.Wait(fmt.Sprintf(`[data-id="%s"]`, r["id"]))
		}
		done := func() {
			p.Click(`[data-do=done]`)
			p.Ready()
			p.Enlarge("")
		}
		ask(txn(t, payment))
		p.Reflows("approval-" + lang)
		p.Click(`[data-do=report]`)
		p.Wait("dialog")
		p.Reflows("report-" + lang)
		p.Click(`dialog [data-do=yes]`)
		p.Wait(`[data-outcome=reported]`)
		p.Reflows("reported-" + lang)
		done()
		ask(signRequest(loginText, loginText).with("choices", []string{"12", "47", "83"}))
		p.Reflows("choice-" + lang)
		f.set(func() { f.goodCode = "47" })
		p.Click(`[data-choice="12"]`)
		webtest.Eval[bool](p, `document.querySelector('.end').scrollIntoView(), true`)
		p.Until(`document.querySelector('[data-do=approve]')?.disabled === false`)
		p.Click(`[data-do=approve]`)
		p.Unlock(webtest.Passcode)
		p.Wait(`[data-outcome=choice]`)
		p.Reflows("wrong-code-" + lang)
		done()
		ask(display("Sandbox: You are logged in to example.com."))
		p.Reflows("receipt-" + lang)
		p.Click(`[data-do=cancel]`)
		p.Ready()
	}
}
