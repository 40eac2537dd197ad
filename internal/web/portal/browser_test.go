package portal

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/web/webtest"
)

func TestPortalInBrowser(t *testing.T) {
	f := newFakeWorld()
	f.after = 3 * time.Second
	now := time.Now()
	f.parties = map[string]string{"mid://shop.example": "Bäckerei Zürich", "mid://bank.example": "Example Bank", "mid://tax.example": "Tax office"}
	f.notices = map[string]*mssp.Notice{"AB12": {ID: "n1", MSISDN: portalNumber, Kind: mssp.NoticeAppAdded, Name: "Android", Created: now}}
	for i, x := range []struct {
		party, text string
		method      signum.Method
		code        signum.Code
	}{
		{"mid://portal", "Signum: Log in to your account page? Choose the number that your own browser shows.", signum.App, signum.SignatureMade},
		{"mid://shop.example", "Shop: Pay 12.50 CHF to Bäckerei Zürich?", signum.App, signum.UserCancel},
		{"mid://bank.example", "Bank: Log in to your accounts? (TXN-3D5K)", signum.SIM, signum.SignatureMade},
		{"mid://bank.example", "", "", signum.RequestOK},
		{"mid://tax.example", "Tax office: Sign your declaration of 2025?", signum.App, signum.ExpiredTransaction},
	} {
		o := mssp.Outcome{Code: x.code}
		f.recent = append(f.recent, &mssp.Transaction{APID: x.party, Text: x.text, Method: x.method, Created: now.Add(-time.Duration(i*i*7) * time.Hour), Outcome: o, State: o.FinalState()})
	}
	p := newTestPortal(t, f, func(c *Config) { c.Country, c.ServiceName = "CH", "Signum" }) // as in the documentation
	s := httptest.NewServer(p.Handler())
	defer s.Close()
	p.WebURL = func() string { return s.URL }

	b := webtest.Open(t, webtest.NewBrowser(t), "about:blank")
	b.Strict()
	shot := func(name string) {
		t.Helper()
		if webtest.Eval[bool](b, `document.documentElement.scrollWidth > innerWidth`) {
			t.Errorf("%s is wider than the screen", name)
		}
		b.Axe(name)
		dir := os.Getenv("SIGNUM_SCREENSHOTS")
		if dir == "" {
			return
		}
		img := webtest.Result(b, chromedp.CaptureScreenshot())
		if len(img) > 80<<10 {
			t.Errorf("%s has %d bytes", name, len(img))
		}
		if err := os.WriteFile(filepath.Join(dir, "me-"+name+".png"), img, 0o644); err != nil {
			t.Error(err)
		}
	}
	visit := func(path string) {
		t.Helper()
		b.Run(chromedp.Navigate(s.URL + path))
		b.Wait("main")
	}
	begin := func(method string) {
		t.Helper()
		visit("/me")
		b.Fill("#number", "079 123 45 67")
		b.Click("[value=" + method + "]")
	}

	visit("/me")
	shot("login")
	begin("app")
	b.Wait(".code")
	if got := b.Text(".code"); got != pickCode {
		t.Errorf("the page shows %q", got)
	}
	shot("wait")
	b.Wait("#recovery")
	b.Click(".logout button")
	b.Wait("main .note")
	begin("sim")
	b.Wait("#code")
	shot("wait-sim")
	b.Fill("#code", "000")
	b.Click("main button")
	b.Wait("#problem")
	b.Says("#problem", "Tries left: 2")
	f.awaitSigns(2)
	b.Fill("#code", f.simCode(t))
	b.Click("main button")
	b.Wait("#recovery")
	if got := b.Text(".mono"); got != "MIDCHE2X7K9QWER1" {
		t.Errorf("serial %q", got)
	}
	if got := b.Text("time"); strings.Contains(got, "UTC") {
		t.Errorf("the time was not converted to local time: %q", got)
	}
	shot("overview")
	visit("/me/activity")
	shot("activity")

	visit("/me/app")
	shot("app")
	b.Click("[value=app]")
	b.Wait(".code")
	shot("consent")
	b.Wait("#code")
	if !webtest.Eval[bool](b, `new Promise(done => { const i = document.querySelector(".qr"); i.complete ? done(i.naturalWidth > 0) : i.onload = i.onerror = () => done(i.naturalWidth > 0) })`) {
		t.Error("no image")
	}
	shot("app-code")
	visit("/me/recovery")
	b.Click("[value=app]")
	b.Wait("#code")
	shot("recovery-code")
	visit("/me/device?id=app1")
	shot("remove")
	visit("/me/sessions")
	shot("sessions")
	visit("/me/no/AB12")
	shot("notice")
	visit("/me/suspend")
	if webtest.Eval[bool](b, `document.querySelector("main form").checkValidity()`) {
		t.Error("suspended without a confirmation")
	}
	shot("suspend")

	b.Run(webtest.Command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}}))
	f.mu.Lock()
	f.accounts[portalNumber].Devices[0].PINBlocked = true
	f.mu.Unlock()
	visit("/me?lang=de")
	shot("overview-dark")
	b.Click(".logout button")
	b.Wait("main .note")
	if got := b.Text("h1"); got != "Abgemeldet" {
		t.Errorf("logged out: %q", got)
	}

	// The pages work without scripts.
	b.Run(webtest.Command(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}))
	begin("sim")
	f.awaitSigns(5)
	b.Fill("#code", f.simCode(t))
	b.Click("main button")
	b.Wait("#recovery")
}
