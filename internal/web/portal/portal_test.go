package portal

import (
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
)

const (
	portalNumber = "+41791234567"
	otherNumber  = "+41791234568"
	portalURL    = "https://signum.example"
	pickCode     = "47" // that an App's user chooses
)

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
