package webtest

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/serviceworker"
	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/chromedp"

	"github.com/signum-mssp/signum/internal/testkit"
)

// Patience is how long a test waits for what must happen. It is long because a
// browser on a busy machine may be slow; a test that passes does not wait for it.
const Patience = 2 * time.Minute

// NewBrowser starts a browser with a profile of its own. A machine without one skips
// the test.
func NewBrowser(t *testing.T, more ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	program := testkit.Chromium(t)
	if testing.Short() {
		t.Skip("starts a browser")
	}
	opts := append([]chromedp.ExecAllocatorOption{
		chromedp.ExecPath(program), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true), chromedp.Flag("lang", "en-GB"), chromedp.Flag("hide-scrollbars", true),
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(390, 844),
		chromedp.WSURLReadTimeout(Patience),
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

// Tab is a tab of the browser. Errors and warnings in its log fail the test.
type Tab struct {
	T      *testing.T
	ctx    context.Context
	cancel func()
	origin string

	mu       sync.Mutex
	problems []string
	strict   bool
	worker   serviceworker.RegistrationID // of its service worker, if the test enabled that domain
}

// Step is something that the browser does.
type Step = chromedp.Action[chromedp.Void]

// Command returns a step that runs a command of the DevTools protocol.
func Command[P, R any](cmd cdp.Command[P, R], params P) Step {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, cmd, params)
		return err
	})
}

// OnNewDocument runs a script at the start of every document of the tab.
func OnNewDocument(js string) Step {
	return Command(page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: js})
}

// Speaking sets the language of the browser.
func Speaking(lang string) Step {
	return OnNewDocument(fmt.Sprintf(`Object.defineProperty(navigator, 'languages', { get: () => [%q] });`, lang))
}

const violations = `addEventListener('securitypolicyviolation', (e) => console.error('CSP: ' + e.violatedDirective + ' ' + e.blockedURI + ' ' + e.sourceFile + ':' + e.lineNumber));`

// tabs counts the tabs of tests that have not ended, by browser and origin.
var tabs = struct {
	sync.Mutex
	open map[tabsOf]int
}{open: map[tabsOf]int{}}

type tabsOf struct {
	browser context.Context
	origin  string
}

// Open opens an address in a new tab, after the given steps. When the tests with tabs of
// an origin have ended, the browser forgets what the origin stored: a later server may get
// the same port, and so the same origin.
func Open(t *testing.T, browser context.Context, address string, before ...Step) *Tab {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	p := &Tab{T: t, origin: u.Scheme + "://" + u.Host}
	p.ctx, p.cancel = chromedp.NewContext(browser, chromedp.WithListener(p.hear))
	if err := chromedp.Do(p.ctx); err != nil {
		t.Fatal(err)
	}
	p.Run(OnNewDocument(violations), chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile),
		Command(emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true}))
	p.Run(before...)
	p.Run(chromedp.Navigate(address))
	key := tabsOf{browser, p.origin}
	tabs.Lock()
	tabs.open[key]++
	tabs.Unlock()
	t.Cleanup(func() {
		p.Close()
		tabs.Lock()
		defer tabs.Unlock()
		if tabs.open[key]--; tabs.open[key] == 0 && u.Host != "" {
			p.forget(browser)
		}
	})
	return p
}

func (p *Tab) hear(ev any) {
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
		if e := ev.Entry; p.complains(e) {
			p.problem("log: " + e.Text + " " + e.URL)
		}
	}
}

func (p *Tab) Close() {
	p.T.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cancel()
	for _, s := range p.problems {
		p.T.Error(s)
	}
	p.problems = nil
}

// forget deletes what the origin stored in the browser.
func (p *Tab) forget(browser context.Context) {
	if browser.Err() != nil {
		return // it has ended, and its profile with it
	}
	all := storage.ClearDataForOriginParams{Origin: p.origin, StorageTypes: "all"}
	if err := chromedp.Do(browser, Command(storage.ClearDataForOrigin, all)); err != nil {
		p.T.Errorf("the browser does not forget %s: %v", p.origin, err)
	}
}

// complains reports whether an entry of the browser's log is a problem. HTTP errors
// and a network that is down are part of most tests. The browser also warns that the
// page admits only P-256 for passkeys, which is intended.
func (p *Tab) complains(e *log.Entry) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.strict || !strings.Contains(e.Text, "pubKeyCredParams") && e.Source != log.EntrySourceNetwork && (e.Level == log.EntryLevelError || e.Level == log.EntryLevelWarning)
}

// Strict makes every entry of the browser's log a problem, including failed requests.
func (p *Tab) Strict() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.strict = true
}

func (p *Tab) problem(s string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.problems = append(p.problems, s)
}

func (p *Tab) Run(steps ...Step) { p.T.Helper(); Result(p, chromedp.Steps(steps...)) }

// Result runs one action, for Patience at most.
func Result[T any](p *Tab, a chromedp.Action[T]) T {
	p.T.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, Patience)
	defer cancel()
	v, err := chromedp.Run(ctx, a)
	if err != nil {
		ctx, cancel := context.WithTimeout(p.ctx, 10*time.Second)
		defer cancel()
		text, _ := chromedp.Run(ctx, chromedp.Evaluate[string](`document.body.innerText`))
		p.mu.Lock()
		defer p.mu.Unlock()
		p.T.Fatalf("%v\nthe page shows:\n%s\nlog: %q", err, text, p.problems)
	}
	return v
}

func (p *Tab) Wait(sel string)   { p.T.Helper(); p.Run(chromedp.WaitVisible(chromedp.CSS(sel))) }
func (p *Tab) Press(keys string) { p.T.Helper(); p.Run(chromedp.KeyEvent(keys)) }

// Click waits until the element can be clicked.
func (p *Tab) Click(sel string) {
	p.T.Helper()
	p.Run(chromedp.WaitEnabled(chromedp.CSS(sel)), chromedp.Click(chromedp.CSS(sel)))
}

// View waits for a screen and checks that it is accessible.
func (p *Tab) View(name string) {
	p.T.Helper()
	p.Wait(`[data-view="` + name + `"]`)
	p.Accessible(name)
}

// Visit opens a page of the navigation bar.
func (p *Tab) Visit(page string) {
	p.T.Helper()
	p.Click(`a[href="#` + page + `"]`)
	p.View(page)
}

func (p *Tab) Fill(sel, text string) {
	p.T.Helper()
	p.Wait(sel)
	Eval[bool](p, fmt.Sprintf(`document.querySelector(%q).value = '', true`, sel))
	p.Run(chromedp.SendKeys(chromedp.CSS(sel), text))
}

func (p *Tab) Text(sel string) string {
	p.T.Helper()
	return Result(p, chromedp.Text(chromedp.CSS(sel)))
}

// Eval evaluates an expression, and awaits it if it is a promise.
func Eval[T any](p *Tab, js string) T {
	p.T.Helper()
	return Result(p, chromedp.Evaluate[T](js, chromedp.EvalAwaitPromise))
}

// Until waits until an expression is true, in the next document if the browser opens
// another one meanwhile.
func (p *Tab) Until(js string) {
	p.T.Helper()
	poll := chromedp.Poll[bool](js, chromedp.WithPollingInterval(50*time.Millisecond), chromedp.WithPollingTimeout(Patience))
	Result(p, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := poll(ctx, t)
		for err != nil && navigated(err) && ctx.Err() == nil {
			_, err = poll(ctx, t)
		}
		return err
	}))
}

// navigated reports whether an expression had no result because its document is gone.
func navigated(err error) bool {
	return strings.Contains(err.Error(), "Inspected target navigated") || strings.Contains(err.Error(), "context was destroyed") ||
		strings.Contains(err.Error(), "Cannot find context")
}

// Eventually repeats an asynchronous expression until it resolves to true.
func (p *Tab) Eventually(js string) {
	p.T.Helper()
	for end := time.Now().Add(Patience); time.Now().Before(end); {
		if Eval[bool](p, js) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	p.T.Fatalf("never: %s", js)
}

// Later advances the clock of the page.
func (p *Tab) Later(d time.Duration) {
	p.T.Helper()
	Eval[bool](p, fmt.Sprintf(`(() => { const now = Date.now; Date.now = () => now() + %d; document.dispatchEvent(new Event('visibilitychange')); return true; })()`, d.Milliseconds()))
}

// Grant grants a permission of the Permissions API, so that the browser does not ask.
func (p *Tab) Grant(origin, name string) {
	p.T.Helper()
	_, err := chromedp.CallBrowser(p.ctx, browser.SetPermission, browser.SetPermissionParams{
		Permission: &browser.PermissionDescriptor{Name: name}, Setting: browser.PermissionSettingGranted, Origin: origin,
	})
	if err != nil {
		p.T.Fatal(err)
	}
}

// Worker waits for the service worker of the page. The test must have enabled the
// domain ServiceWorker.
func (p *Tab) Worker() serviceworker.RegistrationID {
	p.T.Helper()
	for end := time.Now().Add(Patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		p.mu.Lock()
		id := p.worker
		p.mu.Unlock()
		if id != "" {
			return id
		}
	}
	p.T.Fatal("the page has no service worker")
	return ""
}

// Forgive drops problems that the test itself has caused.
func (p *Tab) Forgive() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.problems = nil
}

// Says waits until an element contains a text.
func (p *Tab) Says(sel, want string) {
	p.T.Helper()
	p.Until(fmt.Sprintf(`Boolean(document.querySelector(%q)?.innerText.includes(%q))`, sel, want))
}
