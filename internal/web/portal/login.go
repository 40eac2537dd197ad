package portal

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/web/prompt"
)

// A log-in reveals nothing about a number to a stranger. Its request to the service
// runs in the background. Whatever the outcome, unless the user approves and the code
// is right, the page waits equally long, then lists the possible reasons.

// loginKeep is how long the page shows the outcome of a log-in.
const loginKeep = 13 * time.Minute

var loginMethods = map[string]signum.Method{"app": signum.App, "sim": signum.SIM}

// loginPage asks for the number. The browser gets a cookie first, because the token
// of the form depends on it.
func (p *Portal) loginPage(c *call) {
	if c.session != nil {
		c.redirect("/me")
		return
	}
	c.loginForm(http.StatusOK, "", "", 0)
}

func (c *call) loginForm(status int, number, problem string, wait time.Duration) {
	c.beforeLogin()
	national, international := exampleNumber(c.p.Country)
	c.render(status, "login", "login.title", map[string]any{
		"Number": number, "Problem": problem, "Wait": shortTime(wait), "Over": c.r.URL.Query().Has("over"),
		"National": national, "International": international,
	})
}

// beforeLogin gives a browser without a session the cookie and the token of a form.
func (c *call) beforeLogin() {
	if c.cookie(loginCookie) == "" {
		c.setCookie(loginCookie, "/me/login", c.p.newCookie())
	}
	c.token = c.p.token(c.cookie(loginCookie))
}

// postedBeforeLogin checks such a form. It answers a forged or outdated one.
func (c *call) postedBeforeLogin() (cookie string, ok bool) {
	cookie = c.cookie(loginCookie)
	if cookie == "" || !c.form(cookie) {
		c.message(http.StatusForbidden, "stale")
		return "", false
	}
	return cookie, true
}

// shortTime formats how long to wait, in symbols of all languages.
func shortTime(d time.Duration) string {
	if d < 2*time.Minute {
		return strconv.Itoa(int((d+time.Second-1)/time.Second)) + " s"
	}
	return strconv.Itoa(int((d+time.Minute-1)/time.Minute)) + " min"
}

// slow refuses what comes too early.
func (c *call) slow(wait time.Duration) {
	c.refuse("slow")
	c.w.Header().Set("Retry-After", strconv.Itoa(int(wait/time.Second)+1))
}

func (p *Portal) beginLogin(c *call) {
	old, ok := c.postedBeforeLogin()
	if !ok {
		return
	}
	sent := c.r.PostForm.Get("number")
	number, ok := parseNumber(sent, p.Country)
	method, known := loginMethods[c.r.PostForm.Get("method")]
	if !ok || !known {
		c.refuse("number")
		c.loginForm(http.StatusUnprocessableEntity, sent, "number", 0)
		return
	}
	c.event.MSISDN = number
	// The cookie is new, so that somebody who planted the old one does not know it.
	cookie := p.newCookie()
	same := func(l *login) bool { return l.Number == number && l.Method == method && l.lang == c.lang }
	if !p.logins.resume(old, cookie, same) {
		if wait := p.pace.take(c.r, number, c.isKnown(number), p.Clock.Now()); wait > 0 {
			c.slow(wait)
			c.loginForm(http.StatusTooManyRequests, sent, "slow", wait)
			return
		}
		p.logins.put(cookie, p.ask(c, number, method))
	}
	c.setCookie(loginCookie, "/me/login", cookie)
	c.redirect("/me/login/wait")
}

// ask sends the prompt of a log-in to the phone. After the user has reported a
// log-in, it only pretends to.
func (p *Portal) ask(c *call, number string, method signum.Method) *login {
	q := prompt.Question{
		Number: number, Method: method, Lang: c.lang, Text: phoneText(c.lang, "phone.login", method),
		Op: "login outcome", Source: c.event.Source,
	}
	began := p.agreed()
	if !c.isKnown(number) && p.isBarred(c.r.Context(), number) {
		return &login{p.prompts.Pretend(q), c.lang, began}
	}
	return &login{p.prompts.Ask(q, func(s prompt.State) {
		if s == prompt.Reported {
			p.reported(number)
		}
	}), c.lang, began}
}

// reported ends all log-ins of a number whose user did not start one of them.
func (p *Portal) reported(number string) {
	p.bar(number)
}

// phoneText is what a phone shows, with what the user of this method does with the
// code.
func phoneText(lang, key string, m signum.Method, args ...any) string {
	what, err := text(lang, key, args...)
	if err == nil {
		var how string
		if how, err = text(lang, "phone.code."+string(m)); err == nil {
			return what + " " + how
		}
	}
	panic(err) // all languages have the same keys
}

// stageOf names what the page of a prompt shows, so that its script knows when to
// reload it. s is its state or its public one.
func stageOf(q *prompt.Prompt, s prompt.State) string {
	switch {
	case s == prompt.Waiting && q.Method == signum.App && q.PageCode() == "":
		return "start"
	case s == prompt.Waiting && q.Typed():
		return "typed"
	}
	return string(s)
}

// loginStatus tells the script of the page what the page would show.
func (p *Portal) loginStatus(c *call) {
	c.routine = true
	stage := "none"
	if l := p.logins.get(c.cookie(loginCookie), false); l != nil {
		stage = stageOf(l.Prompt, l.Public())
	}
	c.w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(c.w).Encode(map[string]string{"stage": stage})
}

// waitPage shows that the log-in waits or how it ended. If it was approved, it starts
// the session.
func (p *Portal) waitPage(c *call) {
	l := p.logins.get(c.cookie(loginCookie), true)
	if l == nil {
		c.redirect("/me/login")
		return
	}
	switch s := l.Public(); s {
	case prompt.Waiting:
		c.session, c.token = nil, p.token(c.cookie(loginCookie)) // also if somebody is logged in
		c.waitForm(l.Prompt, "/me/login", stageOf(l.Prompt, s))
	case prompt.Approved:
		p.startSession(c, l.Number, l.TransID(), l.began, false)
	default:
		c.render(http.StatusOK, "ended", "ended."+string(s)+".title", map[string]any{"State": string(s), "Number": l.Number})
	}
}

// waitForm shows what to do with the phone. base is the path of the prompt's pages.
func (c *call) waitForm(q *prompt.Prompt, base, stage string) {
	if q.Method == signum.App || stage == "typed" {
		c.refresh = 3 // not while somebody types
	}
	c.render(http.StatusOK, "wait", "wait.title", map[string]any{
		"Number": q.Number, "Method": string(q.Method), "Code": q.PageCode(), "Stage": stage, "Base": base, "Left": q.Left(),
	})
}

// loginCode takes the code that the text on a SIM ends with.
func (p *Portal) loginCode(c *call) {
	cookie := c.cookie(loginCookie)
	if cookie == "" || !c.form(cookie) {
		c.message(http.StatusForbidden, "stale")
		return
	}
	if l := p.logins.get(cookie, false); l != nil {
		c.event.MSISDN = l.Number
		if !l.Try(c.r.PostForm.Get("code")) {
			c.refuse("code")
		}
	}
	c.redirect("/me/login/wait")
}

// startSession logs in a user who has signed, or who has the recovery code. began is when the
// log-in began.
func (p *Portal) startSession(c *call, number, transID string, began time.Time, recovery bool) {
	c.event.MSISDN = number
	barred, err := p.marked(c.r.Context(), sharedBar, number)
	over := !barred.At.Before(began)
	if err == nil && !over {
		over, err = p.over(c.r.Context(), number, "", began)
	}
	if err != nil {
		c.fail(err)
		return
	}
	if over {
		c.refuse("log-in over")
		c.redirect("/me/login?over")
		return
	}
	s, err := p.Store.Subscriber(c.r.Context(), number)
	if err != nil {
		c.fail(err)
		return
	}
	if s.State != mssp.SubscriberActive {
		c.message(http.StatusForbidden, "suspended")
		return
	}
	device := ""
	if t, err := p.Store.Transaction(c.r.Context(), transID); err == nil { // otherwise the overview does not show it
		device = t.DeviceID
	}
	p.sessions.end(c.cookie(sessionCookie)) // of another user who was logged in
	c.setCookie(loginCookie, "/me/login", "")
	c.setCookie(sessionCookie, "/me", p.sessions.create(session{
		number: number, began: began, serial: s.Serial, device: device, recovery: recovery, browser: browserOf(c.r.UserAgent()), address: c.event.Source,
	}))
	if recovery {
		p.Accounts.Notify(c.r.Context(), mssp.Change{MSISDN: number, Kind: mssp.NoticeRecoveryLogin, ByCode: true, Lang: c.lang})
	} else {
		c.know(number)
	}
	c.redirect("/me")
}
