package phonepage

import (
	"context"
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
