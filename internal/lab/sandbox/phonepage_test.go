package sandbox_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
	"github.com/signum-mssp/signum/internal/lab/sandbox"
	"github.com/signum-mssp/signum/internal/testkit"
	"github.com/signum-mssp/signum/internal/web/webtest"
)

// live is a complete service with a person at the phone page in a real browser, and a party that
// uses REST.
type live struct {
	*testing.T
	box     *sandbox.Sandbox
	cfg     sandbox.Config
	clock   *testkit.Clock
	stop    func()
	browser context.Context
	party   *client.Sandbox
	client  *client.Client
}

func newLive(t *testing.T) *live {
	t.Helper()
	return newLiveIn(t, webtest.NewBrowser(t))
}

// newLiveIn is newLive with a browser that several services share.
func newLiveIn(t *testing.T, browser context.Context) *live {
	t.Helper()
	l := &live{T: t, browser: browser, clock: testkit.RunningClock()}
	l.cfg = sandbox.Config{Dir: t.TempDir(), Addr: "127.0.0.1:0", WebPhones: true, Clock: l.clock}
	l.start()
	t.Cleanup(func() { l.stop() })
	return l
}

// start serves; it can be called again after stop.
func (l *live) start() {
	l.Helper()
	box, err := sandbox.Open(context.Background(), l.cfg)
	if err != nil {
		l.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- box.Run(ctx) }()
	l.box, l.stop = box, func() {
		cancel()
		if err := errors.Join(<-served, box.Close()); err != nil {
			l.Error(err)
		}
	}
	select {
	case <-box.Ready():
	case err := <-served:
		served <- err
		l.Fatalf("the sandbox ended before it was ready: %v", err)
	}
	if l.party, err = client.LoadSandbox(box.Dir); err != nil {
		l.Fatal(err)
	}
	conf := l.party.Config
	conf.Now = l.clock.Now
	if l.client, err = client.New(conf); err != nil {
		l.Fatal(err)
	}
	l.Cleanup(l.client.Close)
}

// enrol makes a browser's tab a phone of the number.
func (l *live) enrol(msisdn string, before ...webtest.Step) *webtest.Tab {
	l.Helper()
	i, err := l.box.Invite(l.Context(), msisdn)
	if err != nil {
		l.Fatal(err)
	}
	p := webtest.Open(l.T, l.browser, i.URL, before...)
	p.Enrol("")
	return p
}

// answer is the answer to the party.
type answer struct {
	*signum.SignatureResponse
	err error
}

// ask sends a synchronous request in the background.
func (l *live) ask(r client.SignRequest) <-chan answer {
	got := make(chan answer, 1)
	go func() {
		resp, err := l.client.Sign(context.Background(), r)
		got <- answer{resp, err}
	}()
	return got
}

// askAsync sends an asynchronous request and polls in the background. It returns the services of
// the first answer.
func (l *live) askAsync(r client.SignRequest) (first []signum.ServiceResponse, got <-chan answer) {
	l.Helper()
	r.Async = true
	c, services := make(chan answer, 1), make(chan []signum.ServiceResponse, 1000)
	go func() {
		resp, err := l.client.SignAndWait(context.Background(), r, 100*time.Millisecond, func(p client.Progress) {
			select {
			case services <- p.Services:
			default:
			}
		})
		c <- answer{resp, err}
	}()
	select {
	case first = <-services:
	case a := <-c:
		l.Fatalf("ended at once: %v", a.err)
	}
	return first, c
}

// signed waits for the answer to a request that was approved, and verifies its CMS: the text, and
// the chain to the users' root.
func (l *live) signed(got <-chan answer, text string) {
	l.Helper()
	a := <-got
	if a.err != nil || a.Status != signum.SignatureMade {
		l.Fatalf("answer: %+v, %v", a.SignatureResponse, a.err)
	}
	l.verify(a.Signature, text)
}

func (l *live) verify(cms []byte, text string) {
	l.Helper()
	s, err := client.Verify(cms, l.party.UserRoots)
	if err != nil {
		l.Fatal(err)
	}
	if s.Text != text {
		l.Errorf("signed %q, want %q", s.Text, text)
	}
}

func (l *live) refused(got <-chan answer, want signum.Code) {
	l.Helper()
	a := <-got
	if f := signum.AsFault(a.err); f == nil || f.Code != want {
		l.Errorf("answer: %+v, %v; want %d", a.SignatureResponse, a.err, want)
	}
}

func approve(p *webtest.Tab) {
	p.Until(`document.querySelector('[data-do=approve]')?.disabled === false`)
	p.Click(`[data-do=approve]`)
	p.Unlock(webtest.Passcode)
}

const (
	lena     = "+41791000002" // an App and nothing else
	greeting = sandbox.DTBDPrefix + "Log in to Bäckerei Zürich? \"<b>&'"
)

func request(msisdn, text string) client.SignRequest {
	return client.SignRequest{MSISDN: msisdn, Text: text, Lang: "en", Profile: signum.ProfileDevice, Timeout: 300 * time.Second}
}

// TestLivePhone follows a person with a browser from the activation code to the blocked passcode.
func TestLivePhone(t *testing.T) {
	t.Parallel()
	l := newLive(t)
	p := l.enrol(lena)
	step := func(name string, f func()) { t.Log(name); f() }

	step("approve", func() {
		got := l.ask(request(lena, greeting))
		p.View("request")
		p.Says("main", greeting)
		p.Says(".asker", "Sandbox")
		p.Until(`document.querySelector('.asker img').naturalWidth === 96`)
		approve(p)
		p.Says("h1", "Signed")
		l.signed(got, greeting)
	})
	step("cancel", func() {
		got := l.ask(request(lena, greeting))
		p.View("request")
		p.Click(`[data-do=cancel]`)
		l.refused(got, signum.UserCancel)
	})
	step("timeout", func() {
		r := request(lena, greeting)
		r.Timeout = 240 * time.Second // less than the clocks may differ: a status query may be on its way
		got := l.ask(r)
		p.View("request")
		l.clock.Advance(r.Timeout)
		l.refused(got, signum.ExpiredTransaction)
		p.Until(`!document.querySelector('[data-view=request]')`)
	})
	step("transaction approval", func() {
		r := client.SignRequest{MSISDN: lena, Lang: "en", Profile: signum.ProfileDevice, Timeout: 300 * time.Second, Txn: payment(signum.MaxTxnPairs - 1)}
		got := l.ask(r)
		p.Says(".title", "Payment order")
		p.View("request")
		if !webtest.Eval[bool](p, `document.querySelector('[data-do=approve]').disabled`) {
			t.Error("Approve is enabled before the end was on the screen")
		}
		webtest.Eval[bool](p, `document.querySelector('[data-view=request] [role=region]').scrollTo(0, 1e6), true`)
		approve(p)
		l.signed(got, r.Txn.SignedContent())
	})
	step("reload", func() {
		_, got := l.askAsync(request(lena, greeting))
		p.View("request")
		p.Run(chromedp.Reload())
		p.View("request")
		p.Says("main", greeting)
		approve(p)
		l.signed(got, greeting)
	})
	step("restart", func() {
		r := request(lena, greeting)
		r.Async = true
		asked, err := l.client.Sign(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		p.View("request")
		address := strings.TrimPrefix(l.box.Info.BaseURL, "https://")
		l.stop()
		l.cfg.Addr = address // the party asks where it asked before
		l.start()
		p.View("request")
		approve(p)
		p.Says("h1", "Signed")
		got, err := l.client.Status(t.Context(), asked.TransID)
		if err != nil {
			t.Fatal(err)
		}
		l.verify(got.Signature, greeting)
		p.Forgive() // the inbox that was cut
	})
	step("two tabs", func() {
		q := webtest.Open(t, l.browser, l.box.WebURL()+"/phone")
		q.View("elsewhere")
		got := l.ask(request(lena, greeting))
		p.View("request")
		approve(p)
		l.signed(got, greeting)
		if !webtest.Eval[bool](q, `document.querySelector('[data-view=request]') === null`) {
			t.Error("shown twice")
		}
		q.Close()
	})
	step("superseded", func() {
		_, first := l.askAsync(request(lena, greeting))
		p.View("request")
		_, second := l.askAsync(request(lena, sandbox.DTBDPrefix+"The second"))
		p.Says("main", "The second")
		l.refused(first, signum.UserCancel)
		approve(p)
		l.signed(second, sandbox.DTBDPrefix+"The second")
	})
	step("verification code", func() {
		r := request(lena, greeting)
		r.VerificationCode = true
		services, got := l.askAsync(r)
		code := client.VerificationCode(services)
		p.Click(fmt.Sprintf(`[data-choice=%q]`, code))
		approve(p)
		l.signed(got, greeting)
		p.Says("h1", "Signed") // the codes of this one are gone

		services, got = l.askAsync(r)
		p.Click(fmt.Sprintf(`[data-choice]:not([data-choice=%q])`, client.VerificationCode(services)))
		approve(p)
		l.refused(got, signum.UserCancel)
	})
	step("app2app", func() {
		r := request(lena, greeting)
		r.App2App = l.box.WebURL() + "/me/login?back=1"
		services, got := l.askAsync(r)
		uri := client.AuthURI(services)
		if u, err := url.Parse(uri); err != nil || u.Path != "/phone" {
			t.Fatalf("AuthUri %s, %v", uri, err)
		}
		p.Run(chromedp.Navigate(uri))
		p.View("request")
		approve(p)
		l.signed(got, greeting)
		p.Wait("#number")
		if !webtest.Eval[bool](p, `location.href.endsWith("/me/login?back=1")`) {
			t.Error("the phone did not go to the RedirectUri")
		}
		p.Run(chromedp.Navigate(l.box.WebURL() + "/phone"))
		p.Ready()
	})
	step("portal", func() { l.portal(t, p) })
	step("report", func() { l.reportChange(t, p) })
	step("blocked", func() {
		got := l.ask(request(lena, greeting))
		p.View("request")
		p.Click(`[data-do=approve]`)
		for _, says := range []string{"2 tries left", "One try left"} {
			p.Unlock("000000")
			p.Says("dialog .error", says)
		}
		p.Unlock("000000")
		p.View("blocked")
		l.refused(got, signum.PINBlocked)
		l.refused(l.ask(request(lena, greeting)), signum.PINBlocked)
	})
}

// portal logs in to the self-care page with the phone page in another tab.
func (l *live) portal(t *testing.T, p *webtest.Tab) {
	q := webtest.Open(t, l.browser, l.box.WebURL()+"/me")
	q.Fill("#number", lena)
	q.Click("[value=app]")
	q.Wait(".code")
	p.View("request")
	name := p.Text(".asker bdi")
	q.Says("main", "the request is from “"+name+"”")
	p.Click(`[data-choice="` + q.Text(".code") + `"]`)
	approve(p)
	q.Wait("#recovery")
	s, err := l.box.Store.Subscriber(t.Context(), lena)
	if err != nil {
		t.Fatal(err)
	}
	q.Says("main", s.Serial)
	q.Run(chromedp.Navigate(l.box.WebURL() + "/me/activity"))
	q.Says("main", "Payment order")
	q.Says(".rows", "Title by Sandbox")
	q.Run(chromedp.Navigate(l.box.WebURL() + "/me/app"))
	q.Click("[value=app]")
	q.Wait(".code")
	p.View("request")
	p.Says("main", "Add a phone to your account?")
	p.Click(`[data-choice="` + q.Text(".code") + `"]`)
	approve(p)
	q.Wait("#code")
	if invite, err := l.box.Store.RecoveryHash(t.Context(), lena); err != nil || invite == nil {
		t.Errorf("no recovery code: %v", err)
	}
}

// reportChange lets a person find that a session is not theirs: "This was not me" ends it,
// and requests of parties come as before.
func (l *live) reportChange(t *testing.T, p *webtest.Tab) {
	q := webtest.Open(t, l.browser, l.box.WebURL()+"/me/app")
	q.Click("[value=app]")
	q.Wait(".code")
	p.View("request")
	p.Click(`[data-do=report]`)
	p.Click(`dialog [data-do=yes]`)
	p.Says("h1", "Reported")
	q.Wait("#number") // the log-in page: the session has ended
	got := l.ask(request(lena, greeting))
	p.View("request")
	p.Click(`[data-do=cancel]`)
	l.refused(got, signum.UserCancel)
}

func payment(rows int) *signum.TxnApproval {
	txn := &signum.TxnApproval{Type: "Payment order", Rows: []signum.TxnRow{{Key: "Bank", Value: sandbox.DTBDPrefix + "Zürich"}}}
	for i := range rows {
		txn.Rows = append(txn.Rows, signum.TxnRow{Key: fmt.Sprintf("Row %d", i+1), Value: "12.50 CHF"})
	}
	return txn
}

// TestLiveLanguages enrols and signs in each language, each on another phone.
func TestLiveLanguages(t *testing.T) {
	t.Parallel()
	browser := webtest.NewBrowser(t)
	for _, tt := range []struct{ lang, done string }{{"en", "Signed"}, {"de", "Unterschrieben"}, {"fr", "Signé"}, {"it", "Firmato"}} {
		t.Run(tt.lang, func(t *testing.T) {
			l := newLiveIn(t, browser) // another origin, and so another phone: what a page stores is its origin's
			p := l.enrol(lena, webtest.Speaking(tt.lang))
			r := request(lena, greeting)
			r.Lang = tt.lang
			got := l.ask(r)
			p.View("request")
			approve(p)
			p.Says("h1", tt.done)
			l.signed(got, greeting)
			if !webtest.Eval[bool](p, `document.documentElement.lang === "`+tt.lang+`"`) {
				t.Error("the page speaks another language")
			}
		})
	}
}
