package portal

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"html/template"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/signum-mssp/signum/internal/clientaddr"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/lang"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/visible"
)

// Cookies of a session, of one log-in, of a browser in which somebody has logged in
// before, and of the language. The last is no secret.
const (
	sessionCookie = "signum_me"
	loginCookie   = "signum_login"
	noticeCookie  = "signum_notice" // of the form of an objection
	knownCookie   = "signum_known"
	langCookie    = "signum_lang"
)

const (
	maxForm     = 4 << 10
	langSeconds = 365 * 24 * 3600
)

// call is one request and the data of its page.
type call struct {
	p       *Portal
	w       http.ResponseWriter
	r       *http.Request
	lang    string
	session *session // nil: nobody is logged in
	account *mssp.Subscriber
	token   string            // of the page's forms
	set     map[string]string // cookies set by this call
	refresh int               // seconds, 0: none
	once    bool              // the page shows a secret that cannot be shown a second time
	event   *event.Event      // of this call
	routine bool              // an event only if it fails
}

func (p *Portal) call(w http.ResponseWriter, r *http.Request, op string) *call {
	return &call{
		p: p, w: w, r: r, lang: languageOf(r), set: map[string]string{},
		event: p.Events.Begin("portal", op, clientaddr.Source(r)),
	}
}

// public wraps pages that anybody may see.
func (p *Portal) public(h func(*call)) func(*call) {
	return func(c *call) {
		if cookie := c.cookie(sessionCookie); cookie != "" {
			if c.session = p.sessions.use(cookie); c.session != nil {
				c.token = p.token(cookie)
			}
		}
		if want := c.r.URL.Query().Get("lang"); c.r.Method == http.MethodGet && slices.Contains(lang.All, want) {
			c.switchLanguage(want)
			return
		}
		h(c)
	}
}

// session wraps pages of the user who is logged in. Every POST needs the token of
// the session.
func (p *Portal) session(h func(*call)) func(*call) {
	return p.public(func(c *call) {
		if c.session == nil {
			to := "/me/login"
			c.refuse("no session")
			if c.cookie(sessionCookie) != "" {
				c.setCookie(sessionCookie, "/me", "")
				c.refuse("session over")
				to += "?over"
			}
			c.redirect(to)
			return
		}
		if c.r.Method == http.MethodPost && !c.form(c.cookie(sessionCookie)) {
			c.message(http.StatusForbidden, "stale")
			return
		}
		account, err := p.Store.Subscriber(c.r.Context(), c.session.number)
		switch {
		case errors.Is(err, mssp.ErrNotFound), err == nil && account.Serial != c.session.serial:
			c.endSession()
			c.refuse("session over")
			c.redirect("/me/login?over")
			return
		case err != nil:
			c.fail(err)
			return
		case account.State != mssp.SubscriberActive:
			c.endSession()
			c.message(http.StatusForbidden, "suspended")
			return
		}
		if over, err := p.over(c.r.Context(), c.session.number, c.session.id, c.session.began); err != nil {
			c.fail(err)
			return
		} else if over {
			c.endSession()
			c.refuse("session over")
			c.redirect("/me/login?over")
			return
		}
		c.account = account
		h(c)
	})
}

// watch wraps polls of a user, which must not prolong the session.
func (p *Portal) watch(h func(*call)) func(*call) {
	return func(c *call) {
		if c.session = p.sessions.peek(c.cookie(sessionCookie)); c.session == nil {
			c.refuse("no session")
			c.w.WriteHeader(http.StatusForbidden)
			c.event.Status = http.StatusForbidden
			return
		}
		h(c)
	}
}

// endSession logs the user out.
func (c *call) endSession() {
	c.event.MSISDN = c.session.number
	c.p.sessions.end(c.cookie(sessionCookie))
	c.setCookie(sessionCookie, "/me", "")
	c.session = nil
}

// token returns the form token of a cookie. It proves that a form comes from a page
// that was served to the owner of the cookie.
func (p *Portal) token(cookie string) string {
	return base64.RawURLEncoding.EncodeToString(p.mac("form " + cookie))
}

func (p *Portal) mac(of string) []byte {
	m := hmac.New(sha256.New, p.Key)
	m.Write([]byte(of))
	return m.Sum(nil)
}

// form reads a form and reports whether it contains the token of the cookie.
func (c *call) form(cookie string) bool {
	mediaType, _, _ := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	c.r.Body = http.MaxBytesReader(c.w, c.r.Body, maxForm)
	return mediaType == "application/x-www-form-urlencoded" && c.r.ParseForm() == nil &&
		hmac.Equal([]byte(c.r.PostForm.Get("token")), []byte(c.p.token(cookie)))
}

// cookie returns the value that the browser will have after this call.
func (c *call) cookie(name string) string {
	if v, ok := c.set[name]; ok {
		return v
	}
	stored, _ := c.p.stored(name, "")
	k, err := c.r.Cookie(stored)
	if err != nil {
		return ""
	}
	return k.Value
}

// stored returns the name and path under which a browser keeps a cookie. It takes one
// with the prefix __Host- from this host over https only, so that neither another
// host of the domain nor a network without TLS can plant a session (RFC 6265bis). The
// language is no secret.
func (p *Portal) stored(name, path string) (string, string) {
	if p.HostCookies && name != langCookie {
		return "__Host-" + name, "/"
	}
	return name, path
}

// setCookie sets a cookie until the browser is closed, those of the language and of a
// known browser for longer. An empty value deletes it.
func (c *call) setCookie(name, path, value string) {
	stored, path := c.p.stored(name, path)
	k := &http.Cookie{
		Name: stored, Value: value, Path: path,
		HttpOnly: true, Secure: !c.p.onLoopback(), SameSite: http.SameSiteStrictMode,
	}
	switch {
	case value == "":
		k.MaxAge = -1
	case name == langCookie:
		k.MaxAge = langSeconds
	case name == knownCookie:
		k.MaxAge = knownDays * 24 * 3600
	}
	c.set[name] = value
	http.SetCookie(c.w, k)
}

func (c *call) switchLanguage(to string) {
	c.setCookie(langCookie, "/me", to)
	q := c.r.URL.Query()
	q.Del("lang")
	c.redirect((&url.URL{Path: c.r.URL.Path, RawQuery: q.Encode()}).String())
}

func (c *call) redirect(to string) {
	c.event.Status = http.StatusSeeOther
	http.Redirect(c.w, c.r, to, http.StatusSeeOther)
}

// page is the data of a template.
type page struct {
	Lang    string
	Service string // its name
	Title   string // key
	User    bool
	Number  string // of the user
	// Recovery: the user is logged in with the recovery code.
	Recovery bool
	Token    string
	Refresh  int
	Once     bool
	Self     *url.URL
	Body     any
}

// T returns a text in the language of the page.
func (p *page) T(key string, args ...any) (string, error) {
	return text(p.Lang, key, args...)
}

// Time returns an element that the script of the page converts to local time.
func (p *page) Time(t time.Time) template.HTML {
	layout := "02.01.2006 15:04"
	if p.Lang == "en" {
		layout = "2 Jan 2006 15:04"
	}
	t = t.UTC()
	return template.HTML(fmt.Sprintf(`<time datetime="%s">%s UTC</time>`, t.Format(time.RFC3339), t.Format(layout)))
}

// Exact returns an element that lays a text out as it was signed: from left to right,
// with each run of right-to-left letters isolated.
func (p *page) Exact(s string) template.HTML {
	var b strings.Builder
	b.WriteString(`<bdo dir="ltr">`)
	for _, r := range visible.Runs(s) {
		if r.RightToLeft {
			b.WriteString(`<bdi dir="rtl">` + html.EscapeString(r.Text) + `</bdi>`)
		} else {
			b.WriteString(html.EscapeString(r.Text))
		}
	}
	b.WriteString(`</bdo>`)
	return template.HTML(b.String())
}

// Languages returns links to this page in all languages.
func (p *page) Languages() []map[string]any {
	var links []map[string]any
	for _, l := range lang.All {
		q := p.Self.Query()
		q.Set("lang", l)
		links = append(links, map[string]any{"Lang": l, "Current": l == p.Lang, "URL": p.Self.Path + "?" + q.Encode()})
	}
	return links
}

// render executes the template completely before it sends anything.
func (c *call) render(status int, name, title string, body any) {
	page := &page{
		Lang: c.lang, Service: c.p.ServiceName, Title: title, User: c.session != nil, Token: c.token, Refresh: c.refresh, Once: c.once,
		Self: c.r.URL, Body: body,
	}
	if c.session != nil {
		page.Number, page.Recovery = c.session.number, c.session.recovery
	}
	if c.r.Method != http.MethodGet {
		page.Once = true // a GET of its address shows another page
	}
	var b bytes.Buffer
	if err := c.p.pages[name].Execute(&b, page); err != nil {
		incident := c.p.Events.Fail(c.r.Context(), c.event, fmt.Errorf("portal: page %s: %w", name, err))
		c.event.Status = http.StatusInternalServerError
		http.Error(c.w, "internal error "+incident, http.StatusInternalServerError)
		return
	}
	c.event.Status = status
	c.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	c.w.Header().Set("Content-Language", c.lang)
	c.w.Header().Add("Vary", "Accept-Language, Cookie")
	c.w.WriteHeader(status)
	c.w.Write(b.Bytes())
}

// message shows a page with one message. what is the key of its texts, and the reason
// if the status is a refusal.
func (c *call) message(status int, what string) {
	if status >= http.StatusBadRequest {
		c.refuse(what)
	}
	c.render(status, "message", what+".title", map[string]any{"What": what})
}
