package web

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

const portalChromium = "/usr/bin/chromium"

// portalBrowser starts a browser of its own, in which nothing may be blocked
// by the policy, be missing, or throw.
func portalBrowser(t *testing.T) context.Context {
	t.Helper()
	if _, err := os.Stat(portalChromium); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("no Chromium")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(portalChromium), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("lang", "en"),
		chromedp.WSURLReadTimeout(patience))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 5*time.Minute)
	t.Cleanup(cancel)

	var mu sync.Mutex
	var complaints []string
	complain := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		complaints = append(complaints, fmt.Sprintf(format, args...))
	}
	if err := chromedp.Listen(ctx, func(ev any) {
		switch e := ev.(type) {
		case *log.EventEntryAdded:
			complain("%s %s: %s %s", e.Entry.Source, e.Entry.Level, e.Entry.Text, e.Entry.URL)
		case *runtime.EventExceptionThrown:
			complain("exception: %s", e.ExceptionDetails.Text)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, log.Enable, cdp.Empty{}); err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(390, 844)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		mu.Lock()
		defer mu.Unlock()
		for _, c := range complaints {
			t.Error(c)
		}
	})
	return ctx
}

func TestPortalInBrowser(t *testing.T) {
	ctx := portalBrowser(t)
	f := newFakeWorld()
	f.after = time.Second
	now := time.Now()
	for i, x := range []struct {
		party, text string
		method      signum.Method
		code        signum.Code
	}{
		{"mid://portal", "Signum: Account page: log in? Confirm only if your browser shows the code 7K4Q.", signum.SIM, signum.SignatureMade},
		{"mid://shop.example", "Shop: Pay 12.50 CHF to Bäckerei Zürich?", signum.App, signum.UserCancel},
		{"mid://bank.example", "Bank: Log in to your accounts? (TXN-3D5K)", signum.SIM, signum.SignatureMade},
		{"mid://bank.example", "", signum.SMS, signum.RequestOK},
		{"mid://tax.example", "Tax office: Sign your declaration of 2025?", signum.App, signum.ExpiredTransaction},
	} {
		o := mssp.Outcome{Code: x.code}
		f.recent = append(f.recent, &mssp.Transaction{APID: x.party, Text: x.text, Method: x.method, Created: now.Add(-time.Duration(i*i*7) * time.Hour), Outcome: o, State: o.FinalState()})
	}
	p := newTestPortal(t, f)
	s := httptest.NewServer(p.Handler())
	defer s.Close()
	p.WebURL = func() string { return s.URL }

	do := func(what string, steps ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		if err := chromedp.Do(ctx, steps...); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	holds := func(js string) bool {
		t.Helper()
		v, err := chromedp.Run(ctx, chromedp.Evaluate[bool](js, chromedp.EvalAwaitPromise))
		if err != nil {
			t.Fatalf("%s: %v", js, err)
		}
		return v
	}
	text := func(sel chromedp.CSS) string {
		t.Helper()
		s, err := chromedp.Run(ctx, chromedp.Text(sel))
		if err != nil {
			t.Fatalf("%s: %v", sel, err)
		}
		return s
	}
	shot := func(name string) {
		t.Helper()
		if holds(`document.documentElement.scrollWidth > innerWidth`) {
			t.Errorf("%s is wider than the screen", name)
		}
		dir := os.Getenv("SIGNUM_SCREENSHOTS")
		if dir == "" {
			return
		}
		img, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
		if err != nil {
			t.Fatal(err)
		}
		if len(img) > 80<<10 {
			t.Errorf("%s has %d bytes", name, len(img))
		}
		if err := os.WriteFile(filepath.Join(dir, "me-"+name+".png"), img, 0o644); err != nil {
			t.Error(err)
		}
	}
	visible := func(sel chromedp.CSS) chromedp.Action[chromedp.Void] { return chromedp.WaitVisible(sel) }
	visit := func(path string) {
		t.Helper()
		do(path, chromedp.Navigate(s.URL+path), visible("main"))
	}
	logIn := func() {
		t.Helper()
		visit("/me")
		number := chromedp.CSS("#number")
		do("log in", visible(number), chromedp.SendKeys(number, "+41 79 123 45 67"), chromedp.Click(chromedp.CSS("main button")), visible(".code"))
	}

	visit("/me")
	shot("login")
	logIn()
	shot("wait")
	code := text(".code")
	do("overview", visible("#recovery"))
	f.mu.Lock()
	if phone := f.signs[0].Data.Data; !strings.Contains(phone, code) {
		t.Errorf("the phone shows %q, the page %q", phone, code)
	}
	f.mu.Unlock()
	if got := text(".mono"); got != "MIDCHE2X7K9QWER1" {
		t.Errorf("serial %q", got)
	}
	if got := text("time"); strings.Contains(got, "UTC") {
		t.Errorf("the time is the service's: %q", got)
	}
	shot("overview")
	visit("/me/activity")
	shot("activity")

	visit("/me/app")
	shot("app")
	do("code", chromedp.Click(chromedp.CSS("main button")), visible("#code"))
	if !holds(`new Promise(done => { const i = document.querySelector(".qr"); i.complete ? done(i.naturalWidth > 0) : i.onload = i.onerror = () => done(i.naturalWidth > 0) })`) {
		t.Error("no image")
	}
	shot("app-code")
	visit("/me/recovery")
	do("recovery", chromedp.Click(chromedp.CSS("#confirm")), chromedp.Click(chromedp.CSS("main button")), visible("#code"))
	shot("recovery-code")
	visit("/me/device?id=app1")
	shot("remove")
	visit("/me/suspend")
	if holds(`document.querySelector("main form").checkValidity()`) {
		t.Error("one press suspends")
	}
	shot("suspend")

	if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}}); err != nil {
		t.Fatal(err)
	}
	f.mu.Lock()
	f.accounts[portalNumber].Devices[0].PINBlocked = true
	f.mu.Unlock()
	visit("/me?lang=de")
	shot("overview-dark")
	do("log out", chromedp.Click(chromedp.CSS(".logout button")), visible("main .note"))
	if got := text("h1"); got != "Abgemeldet" {
		t.Errorf("logged out: %q", got)
	}

	// Without scripts it goes as well.
	if _, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatal(err)
	}
	logIn()
	do("overview", visible("#recovery"))
}
