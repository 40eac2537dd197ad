package webtest

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// Look checks what is on the screen: its Colours, and that it Reflows.
func (p *Tab) Look(where string) {
	p.T.Helper()
	p.Colours(where)
	p.Narrow()
	p.Reflows(where)
	p.Wide()
}

// Colours checks what is on the screen in light and dark, by Accessible and Axe.
func (p *Tab) Colours(where string) {
	p.T.Helper()
	for _, scheme := range []string{"dark", "light"} {
		p.Scheme(scheme)
		p.Accessible(where + ", " + scheme)
		p.Axe(where + ", " + scheme)
	}
}

// Scheme sets the colours of the screen, and stops what moves.
func (p *Tab) Scheme(scheme string) {
	p.T.Helper()
	p.Run(Command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}},
	}))
}

// Narrow makes the screen as small as the smallest on which the pages must work with text
// of twice the size (WCAG 2.2, 1.4.4 and 1.4.10).
func (p *Tab) Narrow() {
	p.T.Helper()
	p.Run(Command(emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: 320, Height: 568, DeviceScaleFactor: 1, Mobile: true}))
}

// Wide returns to the usual screen.
func (p *Tab) Wide() {
	p.T.Helper()
	p.Enlarge("")
	p.Run(chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile))
}

// Enlarge sets the size of the text: "200%", or "" for the usual one.
func (p *Tab) Enlarge(size string) {
	p.T.Helper()
	Eval[bool](p, fmt.Sprintf(`document.documentElement.style.fontSize = %q, true`, size))
}

// Reflows makes the text large and checks that nothing is cut off and that every control
// can be reached. If SIGNUM_NARROW names a directory, it writes a picture there, for
// people to look at.
func (p *Tab) Reflows(where string) {
	p.T.Helper()
	p.Enlarge("200%")
	for _, s := range Eval[[]string](p, reflow) {
		p.T.Errorf("%s, with large text: %s", where, s)
	}
	if dir := os.Getenv("SIGNUM_NARROW"); dir != "" {
		p.Run(chromedp.EmulateViewport(320, Eval[int64](p, `document.documentElement.scrollHeight`), chromedp.EmulateMobile))
		if err := os.WriteFile(filepath.Join(dir, where+".png"), Result(p, chromedp.CaptureScreenshot()), 0o644); err != nil {
			p.T.Error(err)
		}
		p.Narrow()
	}
}

// reflow lists what is cut off or cannot be reached. Text counts as cut off where it
// leaves the screen, or a box that hides what does not fit.
const reflow = `(async () => {
	const painted = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
	await painted();
	const out = [], root = document.documentElement, width = root.clientWidth, top = document.querySelector('dialog[open]') ?? document.body;
	const visible = (e) => e.checkVisibility({ visibilityProperty: true }) && !e.closest('.unseen, .skip');
	const says = (e) => (e.innerText || e.value || e.outerHTML).trim().slice(0, 60);
	if (root.scrollWidth > width) out.push('the page scrolls sideways: ' + root.scrollWidth);
	for (const e of top.querySelectorAll('*')) {
		if (!visible(e)) continue;
		const box = e.getBoundingClientRect();
		if (!e.childElementCount && (box.left < -1 || box.right > width + 1)) out.push('leaves the screen: ' + says(e));
		const style = getComputedStyle(e);
		if (style.overflowX !== 'visible' && e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0 && !/^(INPUT|TEXTAREA)$/.test(e.tagName)) out.push('wider than its box: ' + says(e));
		if (/^(hidden|clip)$/.test(style.overflowY) && style.webkitLineClamp === 'none' && e.scrollHeight > e.clientHeight + 1 && e.clientHeight > 0) out.push('higher than its box: ' + says(e));
		if (![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
		const words = document.createRange();
		words.selectNodeContents(e);
		for (const r of words.getClientRects()) if (r.left < -1 || r.right > width + 1) { out.push('cut off: ' + says(e)); break; }
	}
	const x = scrollX, y = scrollY;
	for (const e of top.querySelectorAll('*')) {
		const control = /^(A|BUTTON|INPUT|SELECT|SUMMARY)$/.test(e.tagName), text = [...e.childNodes].find((n) => n.nodeType === 3 && n.data.trim());
		if (!visible(e) || !control && !text) continue;
		let box = e, hit;
		if (!control) (box = document.createRange()).selectNodeContents(text);
		const reached = ['center', 'start'].some((block) => {
			e.scrollIntoView({ block, behavior: 'instant' });
			const r = [...box.getClientRects()].find((r) => r.width && r.height);
			hit = r && document.elementFromPoint(r.left + r.width / 2, r.top + r.height / 2);
			return hit && (e.contains(hit) || hit.contains(e) && (!control || hit.tagName === 'LABEL'));
		});
		if (!reached) out.push('out of reach: ' + says(e) + (hit ? ' under ' + hit.outerHTML.slice(0, 80) : ''));
	}
	scrollTo(x, y);
	return out;
})()`
