package web

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/serviceworker"
	"github.com/chromedp/chromedp"
)

const chromium = "/usr/bin/chromium"

// patience is how long a test waits for what must happen: a browser on a machine
// with other work to do may be slow, and whoever is in time pays nothing.
const patience = 2 * time.Minute

// newBrowser starts a real browser, with a profile of its own.
func newBrowser(t *testing.T, more ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	if _, err := os.Stat(chromium); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("chromium is missing; run make deps")
		}
		t.Skip("chromium is missing; run make deps")
	}
	if testing.Short() {
		t.Skip("starts a browser")
	}
	opts := append([]chromedp.ExecAllocatorOption{
		chromedp.ExecPath(chromium), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true), chromedp.Flag("lang", "en-GB"), chromedp.Flag("hide-scrollbars", true),
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(390, 844),
		chromedp.WSURLReadTimeout(patience),
	}, more...)
	alloc, stop := chromedp.NewExecAllocator(context.Background(), opts...)
	ctx, cancel := chromedp.NewContext(alloc)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // waits for the browser to end
		cancel()
		stop()
	})
	return ctx
}

// tab is a page that a person looks at. Whatever the browser complains of fails
// the test.
type tab struct {
	t      *testing.T
	ctx    context.Context
	cancel func()
	origin string

	mu       sync.Mutex
	problems []string
	worker   serviceworker.RegistrationID // of its service worker, if the test asked
}

// step is something that the browser does.
type step = chromedp.Action[chromedp.Void]

func command[P, R any](cmd cdp.Command[P, R], params P) step {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, cmd, params)
		return err
	})
}

// onNewDocument has every document of the tab begin with a script.
func onNewDocument(js string) step {
	return command(page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: js})
}

// speaking is a browser of another language.
func speaking(lang string) step {
	return onNewDocument(fmt.Sprintf(`Object.defineProperty(navigator, 'languages', { get: () => [%q] });`, lang))
}

// accessibility lists what is wrong with what is visible now.
const accessibility = `(() => {
	const out = [], top = document.querySelector('dialog[open]') ?? document.body;
	const visible = (e) => e.checkVisibility({ visibilityProperty: true }) && !e.closest('.unseen');
	const name = (e) => (e.getAttribute('aria-label') || (e.getAttribute('aria-labelledby') ?? '').split(' ').map((i) => document.getElementById(i)?.textContent ?? '').join('')
		|| [...(e.labels ?? [])].map((l) => l.textContent).join('') || (/^(INPUT|SELECT)$/.test(e.tagName) ? '' : e.textContent)).trim();
	for (const e of top.querySelectorAll('button, a, input, select, progress, dialog, [role=region], [role=group]')) if (visible(e) && !name(e)) out.push('no name: ' + e.outerHTML);
	for (const e of document.querySelectorAll('img:not([alt])')) out.push('no alt: ' + e.outerHTML);
	const ids = [...document.querySelectorAll('[id]')].map((e) => e.id);
	for (const i of ids) if (ids.indexOf(i) !== ids.lastIndexOf(i)) out.push('twice: #' + i);
	for (const e of document.querySelectorAll('[aria-describedby], [aria-labelledby]'))
		for (const i of [e.getAttribute('aria-describedby'), e.getAttribute('aria-labelledby')].join(' ').split(' ')) if (i && !ids.includes(i)) out.push('refers to nothing: ' + i);
	if (!document.documentElement.lang) out.push('no language');
	if (document.querySelectorAll('main h1').length !== 1) out.push('not one heading');
	if (document.documentElement.scrollWidth > innerWidth) out.push('wider than the screen');
	const rgb = (s) => { const m = s.match(/[\d.]+/g).map(Number); return { c: m.slice(0, 3), a: m[3] ?? 1 }; };
	const light = (c) => { const [r, g, b] = c.map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
	for (const e of top.querySelectorAll('*')) {
		if (!visible(e) || e.disabled || e.closest('[aria-busy]') || ![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
		const style = getComputedStyle(e), size = parseFloat(style.fontSize), big = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
		let back = e;
		while (back && rgb(getComputedStyle(back).backgroundColor).a < 1) back = back.parentElement;
		if (!back) continue;
		const [a, b] = [light(rgb(style.color).c), light(rgb(getComputedStyle(back).backgroundColor).c)].sort((x, y) => y - x);
		const ratio = (a + 0.05) / (b + 0.05);
		if (ratio < (big ? 3 : 4.5)) out.push('contrast ' + ratio.toFixed(2) + ': ' + e.textContent);
	}
	return out;
})()`

const violations = `addEventListener('securitypolicyviolation', (e) => console.error('CSP: ' + e.violatedDirective + ' ' + e.blockedURI + ' ' + e.sourceFile + ':' + e.lineNumber));`

func openTab(t *testing.T, browser context.Context, url string, before ...step) *tab {
	t.Helper()
	p := &tab{t: t, origin: strings.TrimSuffix(url, "/phone")}
	p.ctx, p.cancel = chromedp.NewContext(browser, chromedp.WithListener(p.hear))
	if err := chromedp.Do(p.ctx); err != nil {
		t.Fatal(err)
	}
	p.run(onNewDocument(violations), chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile),
		command(emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true}))
	p.run(before...)
	p.run(chromedp.Navigate(url))
	t.Cleanup(p.close)
	return p
}

func (p *tab) hear(ev any) {
	switch ev := ev.(type) {
	case *serviceworker.EventWorkerRegistrationUpdated:
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, r := range ev.Registrations {
			if strings.HasPrefix(r.ScopeURL, p.origin) {
				p.worker = r.RegistrationID
			}
		}
	case *runtime.EventExceptionThrown:
		d := ev.ExceptionDetails
		p.problem(fmt.Sprintf("exception: %s %s:%d", d.Text, d.URL, d.LineNumber+1))
		if d.Exception != nil {
			p.problem(d.Exception.Description)
		}
	case *runtime.EventConsoleAPICalled:
		var words []string
		for _, a := range ev.Args {
			words = append(words, string(a.Value)+a.Description)
		}
		if ev.Type == runtime.ConsoleAPICalledTypeError {
			p.problem("console: " + strings.Join(words, " "))
		}
	case *log.EventEntryAdded:
		// Answers that are errors, and a network that is down, are part of the tests;
		// keys of the service are P-256 and nothing else.
		if e := ev.Entry; !strings.Contains(e.Text, "pubKeyCredParams") && e.Source != log.EntrySourceNetwork && (e.Level == log.EntryLevelError || e.Level == log.EntryLevelWarning) {
			p.problem("log: " + e.Text + " " + e.URL)
		}
	}
}

func (p *tab) close() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cancel()
	for _, s := range p.problems {
		p.t.Error(s)
	}
	p.problems = nil
}

func (p *tab) problem(s string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.problems = append(p.problems, s)
}

func (p *tab) run(steps ...step) { p.t.Helper(); result(p, chromedp.Steps(steps...)) }

// result runs one action, not for ever.
func result[T any](p *tab, a chromedp.Action[T]) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, a)
	if err != nil {
		ctx, cancel := context.WithTimeout(p.ctx, 10*time.Second)
		defer cancel()
		text, _ := chromedp.Run(ctx, chromedp.Evaluate[string](`document.body.innerText`))
		p.mu.Lock()
		defer p.mu.Unlock()
		p.t.Fatalf("%v\nthe page shows:\n%s\nand said: %q", err, text, p.problems)
	}
	return v
}

func (p *tab) wait(sel string)   { p.t.Helper(); p.run(chromedp.WaitVisible(chromedp.CSS(sel))) }
func (p *tab) click(sel string)  { p.t.Helper(); p.run(chromedp.Click(chromedp.CSS(sel))) }
func (p *tab) press(keys string) { p.t.Helper(); p.run(chromedp.KeyEvent(keys)) }

// view waits for a screen, and looks whether everybody can use it.
func (p *tab) view(name string) {
	p.t.Helper()
	p.wait(`[data-view="` + name + `"]`)
	p.accessible(name)
}

// open goes to a page of the bar.
func (p *tab) open(page string) {
	p.t.Helper()
	p.click(`a[href="#` + page + `"]`)
	p.view(page)
}

// accessible checks what can be checked by machine: names, labels, contrast.
func (p *tab) accessible(where string) {
	p.t.Helper()
	for _, s := range eval[[]string](p, accessibility) {
		p.t.Errorf("%s: %s", where, s)
	}
}

func (p *tab) fill(sel, text string) {
	p.t.Helper()
	p.wait(sel)
	eval[bool](p, fmt.Sprintf(`document.querySelector(%q).value = '', true`, sel))
	p.run(chromedp.SendKeys(chromedp.CSS(sel), text))
}

func (p *tab) text(sel string) string {
	p.t.Helper()
	return result(p, chromedp.Text(chromedp.CSS(sel)))
}

// eval waits for promises too.
func eval[T any](p *tab, js string) T {
	p.t.Helper()
	return result(p, chromedp.Evaluate[T](js, chromedp.EvalAwaitPromise))
}

// until waits for an expression to be true.
func (p *tab) until(js string) {
	p.t.Helper()
	result(p, chromedp.Poll[bool](js, chromedp.WithPollingInterval(50*time.Millisecond), chromedp.WithPollingTimeout(patience)))
}

// eventually waits for a promise to be of true.
func (p *tab) eventually(js string) {
	p.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if eval[bool](p, js) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	p.t.Fatalf("never: %s", js)
}

// later moves the page's clock on, so that nobody waits so long.
func (p *tab) later(d time.Duration) {
	p.t.Helper()
	eval[bool](p, fmt.Sprintf(`(() => { const now = Date.now; Date.now = () => now() + %d; document.dispatchEvent(new Event('visibilitychange')); return true; })()`, d.Milliseconds()))
}

// says waits for an element to have a text.
func (p *tab) says(sel, want string) {
	p.t.Helper()
	p.until(fmt.Sprintf(`Boolean(document.querySelector(%q)?.innerText.includes(%q))`, sel, want))
}

// enrol sets the phone up, with the passcode 246802.
func (p *tab) enrol() {
	p.t.Helper()
	p.view("code")
	p.fill(`[name=code]`, "k7qz 4mx9-2t")
	p.click(`[data-view=code] .primary`)
	p.view("passcode")
	p.fill(`[name=new-passcode]`, "246802")
	p.fill(`[name=passcode-again]`, "246802")
	p.click(`[data-view=passcode] .primary`)
	p.view("keep")
	p.click("#kept")
	p.click(`[data-view=keep] .primary`)
	p.ready()
}

func (p *tab) ready() { p.t.Helper(); p.wait(".pulse.on") }

// unlock answers the dialog.
func (p *tab) unlock(passcode string) {
	p.t.Helper()
	p.fill(`dialog [name=passcode]`, passcode)
	p.click(`dialog [data-do=sign]`)
}
