package portal

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/account"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/web/prompt"
)

const (
	portalNumber = "+41791234567"
	otherNumber  = "+41791234568"
	portalURL    = "https://signum.example"
	pickCode     = "47" // that an App's user chooses
)

// fakeWorld implements everything behind the portal.
type fakeWorld struct {
	mu       sync.Mutex
	accounts map[string]*mssp.Subscriber
	recent   []*mssp.Transaction
	err      error  // result of every call of store, Apps and CA
	panics   string // prefix of the call that panics with the lock held

	signed  signum.Code   // answer to a request; 0: 100
	signErr error         // the request is refused
	answer  func() error  // result of a status query; nil: signed
	after   time.Duration // how long a request is outstanding
	asked   map[string]time.Time
	signs   []*signum.SignatureRequest
	callers []mssp.Caller
	did     []string // calls that change something

	told     []mssp.Change
	notices  map[string]*mssp.Notice // by code
	barred   bool                    // the card of every SIM
	apps     map[string]*mssp.AppDevice
	signer   string          // device that signs; empty: the first with the method
	consents []*mssp.Consent // all that were given
	open     *mssp.Consent   // the one that was not taken

	moreSigns *sync.Cond
}

func newFakeWorld() *fakeWorld {
	until := time.Date(2029, 5, 4, 10, 0, 0, 0, time.UTC)
	account := func(number, serial, suffix string) *mssp.Subscriber {
		return &mssp.Subscriber{MSISDN: number, Serial: serial, State: mssp.SubscriberActive, RecoveryCodeCreated: true, Devices: []mssp.Device{
			{ID: "app" + suffix, Method: signum.App, State: signum.DeviceActive, KeyType: signum.EC,
				Certificate: &mssp.Certificate{Serial: "4f1d22a90be7" + suffix, State: mssp.CertificateGood, NotAfter: until}},
			{ID: "sim" + suffix, Method: signum.SIM, State: signum.DeviceActive, KeyType: signum.RSA, Network: signum.Network{Name: "Sandbox Mobile"},
				Certificate: &mssp.Certificate{Serial: "7c03b91e44d1" + suffix, State: mssp.CertificateGood, NotAfter: until}},
		}}
	}
	f := &fakeWorld{
		accounts: map[string]*mssp.Subscriber{
			portalNumber: account(portalNumber, "MIDCHE2X7K9QWER1", "1"), otherNumber: account(otherNumber, "MIDCHEAAAABBBB12", "2"),
		},
		asked: map[string]time.Time{},
		apps: map[string]*mssp.AppDevice{
			"app1": {DeviceID: "app1", Name: "Lena's phone", LastSeen: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Enrolled: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)},
			"app2": {DeviceID: "app2", Name: "<script>"},
		},
	}
	f.moreSigns = sync.NewCond(&f.mu)
	return f
}

// awaitSigns waits for the n-th request.
func (f *fakeWorld) awaitSigns(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.signs) < n {
		f.moreSigns.Wait()
	}
}

func (f *fakeWorld) Sign(_ context.Context, c *mssp.Caller, r *signum.SignatureRequest) (*signum.SignatureResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.signs, f.callers = append(f.signs, r), append(f.callers, *c)
	f.moreSigns.Broadcast()
	f.mayPanic("Sign")
	if f.signErr != nil {
		return nil, f.signErr
	}
	if f.accounts[r.MSISDN] == nil {
		return nil, signum.NewFault(signum.UnknownClient)
	}
	if f.signed != 0 {
		return &signum.SignatureResponse{TransID: "h", Status: f.signed}, nil
	}
	id := "h" + r.AP.TransID
	f.asked[id] = time.Now()
	resp := &signum.SignatureResponse{TransID: id, Status: signum.RequestOK}
	if slices.ContainsFunc(r.Services, func(s signum.AdditionalService) bool { return s.URI == signum.ServiceVerification }) {
		resp.Services = []signum.ServiceResponse{{URI: signum.ServiceVerification, VerificationCode: pickCode}}
	}
	return resp, nil
}

// set changes what happens from now on, while requests may be under way.
func (f *fakeWorld) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *fakeWorld) Status(_ context.Context, _ *mssp.Caller, r *signum.StatusRequest) (*signum.StatusResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	age := time.Since(f.asked[r.TransID])
	switch {
	case age >= prompt.Timeout:
		return nil, signum.Faultf(signum.ExpiredTransaction, signum.DetailTimeoutStatus)
	case age < f.after:
		return &signum.StatusResponse{Status: signum.OutstandingTransact}, nil
	case f.answer != nil:
		if err := f.answer(); err != nil {
			return nil, err
		}
	}
	return &signum.StatusResponse{Status: signum.SignatureMade, Signature: []byte{1}}, nil
}

func (f *fakeWorld) Subscriber(_ context.Context, n string) (*mssp.Subscriber, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mayPanic("Subscriber")
	if f.err != nil {
		return nil, f.err
	}
	s := f.accounts[n]
	if s == nil {
		return nil, mssp.ErrNotFound
	}
	c := *s
	c.Devices = slices.Clone(s.Devices)
	return &c, nil
}

func (f *fakeWorld) ReopenDevice(_ context.Context, id string) error {
	if f.barred {
		return mssp.ErrCardState
	}
	return f.do("reopen " + id)
}

func (f *fakeWorld) App(_ context.Context, id string) (*mssp.AppDevice, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if a := f.apps[id]; a != nil {
		return a, f.err
	}
	return nil, mssp.ErrNotFound
}

// Recheck records that what waits for an account was checked again.
func (f *fakeWorld) Recheck(_ context.Context, msisdn string) error {
	return f.do("recheck " + msisdn)
}

// Transaction returns one that the device signed which signs with the profile.
func (f *fakeWorld) Transaction(_ context.Context, id string) (*mssp.Transaction, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.signs {
		if "h"+r.AP.TransID != id {
			continue
		}
		for _, d := range f.accounts[r.MSISDN].Devices {
			if mssp.ProfileOf(r.Profile).Admits(d.Method) && (f.signer == "" || f.signer == d.ID) {
				return &mssp.Transaction{ID: id, DeviceID: d.ID, MSISDN: r.MSISDN}, f.err
			}
		}
	}
	return nil, mssp.ErrNotFound
}

func (f *fakeWorld) PutConsent(_ context.Context, c *mssp.Consent) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.consents = append(f.consents, c)
	f.open = c
	return f.err
}

func (f *fakeWorld) Consent(context.Context, string, mssp.ConsentKind, string, time.Time) (*mssp.Consent, error) {
	panic("not used")
}

func (f *fakeWorld) TakeConsent(_ context.Context, n string, k mssp.ConsentKind, subject string, _ time.Time) (*mssp.Consent, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.open
	if f.open = nil; c == nil || c.MSISDN != n || c.Kind != k || c.Subject != subject {
		return nil, mssp.ErrNotFound
	}
	return c, f.err
}

func (f *fakeWorld) RecentTransactions(_ context.Context, n string, limit int) ([]*mssp.Transaction, error) {
	return f.recent[:min(limit, len(f.recent))], f.err
}

func (f *fakeWorld) do(call string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.did = append(f.did, call)
	f.mayPanic(call)
	return f.err
}

func (f *fakeWorld) mayPanic(call string) {
	if f.panics != "" && strings.HasPrefix(call, f.panics) {
		panic("the fake breaks in " + call)
	}
}

func (f *fakeWorld) SetSubscriberState(_ context.Context, n string, s mssp.SubscriberState) error {
	err := f.do("state " + n + " " + string(s))
	f.mu.Lock()
	defer f.mu.Unlock()
	f.accounts[n].State = s
	return err
}

func (f *fakeWorld) EndDevice(_ context.Context, id string, why mssp.DeviceEnd, _ time.Time) error {
	return f.do("end " + id + " by " + string(why))
}
func (f *fakeWorld) Remove(_ context.Context, id string) error { return f.do("remove " + id) }

func (f *fakeWorld) Revoke(_ context.Context, serial string, reason int) error {
	return f.do("revoke " + serial)
}

func (f *fakeWorld) Invite(_ context.Context, n string, trusted bool) (string, time.Time, error) {
	if !trusted {
		return "", time.Time{}, errors.New("not trusted")
	}
	return "K7QZ4MX92T", time.Now().Add(15 * time.Minute), f.do("invite " + n)
}

func (f *fakeWorld) SetRecovery(_ context.Context, n string) (string, error) {
	return "W4XD-9KQT-22MB-7HNP", f.do("recovery " + n)
}

func (f *fakeWorld) CheckRecovery(_ context.Context, n, code string) (bool, error) {
	return f.accounts[n] != nil && code == "W4XD-9KQT-22MB-7HNP", f.err
}

func (f *fakeWorld) Notify(_ context.Context, c mssp.Change) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.told = append(f.told, c)
}

func (f *fakeWorld) ByCode(_ context.Context, code string) (*mssp.Notice, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := f.notices[code]; n != nil {
		return n, f.err
	}
	return nil, mssp.ErrNotFound
}

func (f *fakeWorld) Object(_ context.Context, n *mssp.Notice) (account.Undone, error) {
	return account.AppRemoved, f.do("object " + n.ID)
}

func newTestPortal(t *testing.T, f *fakeWorld, change ...func(*Config)) *Portal {
	t.Helper()
	c := Config{
		Signer: f, Pending: f, Store: f, Apps: f, CA: f, Accounts: f, Party: "mid://portal", Pin: mssp.PinOf([]byte("portal")), Prefix: "Signum: ", ServiceName: "Test & Söhne",
		WebURL: func() string { return portalURL },
	}
	for _, f := range change {
		f(&c)
	}
	p, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// portalTab is a tab of a browser: its cookies and its address.
type portalTab struct {
	t       *testing.T
	h       http.Handler
	cookies map[string]*http.Cookie
	header  http.Header // of every request
	remote  string
	at      string
}

func newPortalTab(t *testing.T, p *Portal) *portalTab {
	return &portalTab{t: t, h: p.Handler(), cookies: map[string]*http.Cookie{}, header: http.Header{}, remote: "192.0.2.7:1000"}
}

func (b *portalTab) send(method, target string, form url.Values) *httptest.ResponseRecorder {
	b.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r := httptest.NewRequest(method, portalURL+target, body)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", portalURL)
	}
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	for k, v := range b.header {
		if r.Header[k] = v; v[0] == "" {
			r.Header.Del(k)
		}
	}
	r.RemoteAddr = b.remote
	for _, c := range b.cookies {
		if strings.HasPrefix(r.URL.Path, c.Path) {
			r.AddCookie(c)
		}
	}
	w := httptest.NewRecorder()
	b.h.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		if b.cookies[c.Name] = c; c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		}
	}
	if strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") && w.Code != http.StatusSeeOther {
		wellFormed(b.t, target, w.Body.String())
	}
	return w
}

// open gets a page and follows redirects.
func (b *portalTab) open(target string) (int, string) {
	b.t.Helper()
	return b.follow(target, b.send("GET", target, nil))
}

func (b *portalTab) follow(target string, w *httptest.ResponseRecorder) (int, string) {
	b.t.Helper()
	for range 5 {
		b.at = target
		if w.Code != http.StatusSeeOther {
			return w.Code, w.Body.String()
		}
		target = w.Header().Get("Location")
		w = b.send("GET", target, nil)
	}
	b.t.Fatalf("%s: too many redirects", target)
	return 0, ""
}

var tokenField = regexp.MustCompile(`name="token" value="([^"]+)"`)

// form opens a page and returns the values of its form: the token.
func (b *portalTab) form(page string) url.Values {
	b.t.Helper()
	_, body := b.open(page)
	m := tokenField.FindAllStringSubmatch(body, -1)
	if m == nil {
		b.t.Fatalf("%s has no form:\n%s", page, body)
	}
	return url.Values{"token": {m[len(m)-1][1]}}
}

// submit opens a page and sends its form.
func (b *portalTab) submit(page, action string, fields ...string) (int, string) {
	b.t.Helper()
	form := b.form(page)
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	return b.follow(action, b.send("POST", action, form))
}

// sign submits the form of a change, waits for the signature, and returns what follows.
func (b *portalTab) sign(page, action string, fields ...string) (int, string) {
	b.t.Helper()
	if b.submit(page, action, append(fields, "method", "app")...); b.at != "/me/consent" {
		b.t.Fatalf("at %s", b.at)
	}
	time.Sleep(statusPause)
	return b.open("/me/consent")
}

// logIn starts a log-in and waits until the fake has answered.
func (b *portalTab) logIn(number string) (int, string) {
	b.t.Helper()
	b.begin(number, "app")
	time.Sleep(statusPause)
	return b.open("/me/login/wait")
}

// statusPause is long enough for a status query.
const statusPause = 2 * time.Second

// begin starts a log-in and returns the page that waits.
func (b *portalTab) begin(number, method string) string {
	b.t.Helper()
	_, body := b.submit("/me/login", "/me/login", "number", number, "method", method)
	if b.at != "/me/login/wait" {
		b.t.Fatalf("at %s:\n%s", b.at, body)
	}
	return body
}

func has(t *testing.T, body string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(body, want) {
			t.Errorf("%q is missing in:\n%s", want, body)
		}
	}
}

var voidElements = []string{"meta", "link", "img", "input", "br"}

// wellFormed checks that elements are closed in order, that IDs are unique, that
// references have a target, and that there is no inline script or style.
func wellFormed(t *testing.T, at, page string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(page))
	d.Strict, d.Entity = false, xml.HTMLEntity
	var open []string
	ids, refs, labels, fields := map[string]bool{}, []string{}, map[string]bool{}, []string{}
	headings := 0
	for {
		tok, err := d.RawToken()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("%s: %v\n%s", at, err, page)
		}
		switch e := tok.(type) {
		case xml.StartElement:
			name := e.Name.Local
			kind := ""
			for _, a := range e.Attr {
				switch k := a.Name.Local; {
				case k == "id" && ids[a.Value]:
					t.Errorf("%s: ID %q twice", at, a.Value)
				case k == "id":
					ids[a.Value] = true
					if name == "select" || name == "input" {
						fields = append(fields, a.Value)
					}
				case k == "for":
					labels[a.Value] = true
				case k == "aria-labelledby" || k == "aria-describedby":
					refs = append(refs, strings.Fields(a.Value)...)
				case k == "style" || strings.HasPrefix(k, "on"):
					t.Errorf("%s: attribute %s", at, k)
				case k == "type":
					kind = a.Value
				}
			}
			if name == "h1" {
				headings++
			}
			if name == "input" && kind != "hidden" && !slices.ContainsFunc(e.Attr, func(a xml.Attr) bool { return a.Name.Local == "id" }) {
				t.Errorf("%s: a field without an ID cannot have a label", at)
			}
			if !slices.Contains(voidElements, name) {
				open = append(open, name)
			}
		case xml.EndElement:
			if len(open) == 0 || open[len(open)-1] != e.Name.Local {
				t.Fatalf("%s: </%s> in %v\n%s", at, e.Name.Local, open, page)
			}
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 || headings != 1 {
		t.Errorf("%s: open %v, %d h1", at, open, headings)
	}
	for _, id := range refs {
		if !ids[id] {
			t.Errorf("%s: nothing has the ID %q", at, id)
		}
	}
	for _, id := range fields {
		if !labels[id] {
			t.Errorf("%s: field %q has no label", at, id)
		}
	}
}
