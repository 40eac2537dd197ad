package portal

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/clientaddr"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
)

// A log-in reveals nothing about a number to a stranger. Its request to the service
// runs in the background. Whatever the service knows without the person at the phone
// (no account, suspended, PIN blocked, not reachable) looks like a person who does
// not answer: the page waits equally long, then lists the possible reasons. Only
// what a person did at the phone shows at once.
const (
	loginTime  = 80 * time.Second           // time-out of the signature request
	loginWait  = loginTime + 2*time.Second  // for its outcome
	loginClaim = time.Minute                // to fetch the session after the approval
	loginPause = time.Second                // between status queries
	loginKeep  = loginWait + 10*time.Minute // how long the page shows the outcome
	loginCode  = 4                          // characters
)

// Limits of log-ins. The limit by number keeps strangers from making a phone ring
// all day; the price is that they can lock its owner out of the portal (and nothing
// else) for some minutes. The limit by address is checked first, because it bounds
// how many numbers one client can make up.
const (
	loginsPerNumber  = 3
	loginsPerAddress = 20
	loginWindow      = 5 * time.Minute
)

type loginState string

// The states. Their names are part of text keys.
const (
	loginWaiting  loginState = "waiting"
	loginApproved loginState = "approved"
	loginRefused  loginState = "refused"
	loginBlocked  loginState = "blocked"
	loginTimeout  loginState = "timeout"
	loginGone     loginState = "" // or it never existed
)

// login is one log-in of one browser.
type login struct {
	number, profile, lang, code string

	started  time.Time
	state    loginState // waiting, approved, refused or blocked
	approved time.Time
	// hidden: there is a newer log-in for the number, which may have ended this one if
	// the account has an App. The page must look the same if there is no account.
	hidden bool

	giveUp context.CancelFunc // ends the wait for the outcome
}

// loginPage asks for the number. The browser gets a cookie first, because the token
// of the form depends on it.
func (p *Portal) loginPage(c *call) {
	if c.session != nil {
		c.redirect("/me")
		return
	}
	c.loginForm(http.StatusOK, "", "", "")
}

func (c *call) loginForm(status int, number, method, problem string) {
	if c.cookie(loginCookie) == "" {
		c.setCookie(loginCookie, "/me/login", newCookie())
	}
	c.token = c.p.token(c.cookie(loginCookie))
	c.render(status, "login", "login.title", map[string]any{
		"Number": number, "Method": method, "Problem": problem, "Over": c.r.URL.Query().Has("over"),
	})
}

var loginProfiles = map[string]string{"": signum.ProfileAnyLoA4, "sim": signum.ProfileSTK, "app": signum.ProfileDevice}

func (p *Portal) beginLogin(c *call) {
	old := c.cookie(loginCookie)
	if old == "" || !c.form(old) {
		c.message(http.StatusForbidden, "stale")
		return
	}
	sent, method := c.r.PostForm.Get("number"), c.r.PostForm.Get("method")
	number, ok := loginNumber(sent)
	profile, known := loginProfiles[method]
	if !ok || !known {
		c.refuse("number")
		c.loginForm(http.StatusUnprocessableEntity, sent, method, "number")
		return
	}
	c.event.MSISDN = number
	l := &login{number: number, profile: profile, lang: c.lang, code: newLoginCode()}
	// The cookie is new, so that somebody who planted the old one does not know it.
	cookie := newCookie()
	if !p.logins.resume(old, cookie, l) {
		if wait := p.tooMany(c.r, number); wait > 0 {
			c.refuse("slow")
			c.w.Header().Set("Retry-After", strconv.Itoa(int(wait/time.Second)+1))
			c.loginForm(http.StatusTooManyRequests, sent, method, "slow")
			return
		}
		var ctx context.Context
		ctx, l.giveUp = context.WithTimeout(p.ctx, loginWait)
		p.logins.begin(cookie, l)
		p.work.Go(func() {
			defer event.Rescue(p.Logger, "portal log-in")
			defer l.giveUp()
			p.follow(ctx, l, c.event.Source)
		})
	}
	c.setCookie(loginCookie, "/me/login", cookie)
	c.redirect("/me/login/wait")
}

// tooMany counts a log-in. If there were too many, it returns how long to wait.
func (p *Portal) tooMany(r *http.Request, number string) time.Duration {
	now := p.Clock.Now()
	if wait := p.address.Take(clientaddr.Key(r), now); wait > 0 {
		return wait
	}
	return p.numbers.Take(number, now)
}

// loginNumber converts what people type to +, country code and number.
func loginNumber(s string) (string, bool) {
	s = strings.NewReplacer(" ", "", "-", "", "/", "", ".", "", "(0)", "", "(", "", ")", "", "\u00a0", "").Replace(s)
	if rest, ok := strings.CutPrefix(s, "00"); ok {
		s = rest
	}
	s = strings.TrimPrefix(s, "+")
	// A single zero starts a national number, but the country is not known.
	if len(s) < 7 || len(s) > 15 || s[0] == '0' || strings.Trim(s, "0123456789") != "" {
		return "", false
	}
	return "+" + s, true
}

// newLoginCode returns the code that both phone and page show.
func newLoginCode() string {
	const letters = "23456789ABCDEFGHJKMNPQRSTVWXYZ" // without characters that look alike
	b := make([]byte, 0, loginCode)
	for r := make([]byte, 1); len(b) < loginCode; {
		if rand.Read(r); int(r[0]) < 256/len(letters)*len(letters) {
			b = append(b, letters[int(r[0])%len(letters)])
		}
	}
	return string(b)
}

// header returns the header of a request of the portal's party.
func (p *Portal) header() signum.Header {
	return signum.Header{AP: signum.APInfo{ID: p.Party, TransID: "P" + rand.Text(), Instant: signum.FormatInstant(p.Clock.Now())}}
}

// follow sends the signature request of a log-in and waits for its outcome, which is
// an event of its own.
func (p *Portal) follow(ctx context.Context, l *login, source string) {
	e := p.Events.Begin("portal", "login outcome", source)
	e.MSISDN, e.APID = l.number, p.Party
	err := p.await(ctx, l, e)
	if f := signum.AsFault(err); f != nil {
		e.Code, e.Detail = f.Code, f.Detail
	}
	switch {
	case p.ctx.Err() != nil:
		e.Reason = "stopped"
	case errors.Is(err, context.DeadlineExceeded):
		e.Reason = "timeout"
	case errors.Is(err, context.Canceled):
		e.Reason = "evicted"
	case err != nil && !causedByUser(err):
		p.Events.Fail(e, err)
	}
	p.Events.Emit(p.ctx, e)
}

// await asks for the signature and polls its status. The error says why there
// is no session.
func (p *Portal) await(ctx context.Context, l *login, e *event.Event) (err error) {
	defer event.RescueTo(&err, p.Logger, "portal log-in")
	caller := &mssp.Caller{Pin: p.Pin}
	h := p.header()
	e.APTransID = h.AP.TransID
	resp, err := p.Signer.Sign(ctx, caller, &signum.SignatureRequest{
		Header: h, MessagingMode: signum.Asynch, TimeOut: strconv.Itoa(int(loginTime.Seconds())),
		MSISDN: l.number, Profile: l.profile,
		Data:     signum.DataToBeSigned{MimeType: signum.MimeText, Encoding: "UTF-8", Data: p.loginText(l)},
		Services: []signum.AdditionalService{{URI: signum.ServiceUserLang, UserLang: l.lang}},
	})
	if err != nil {
		return err
	}
	e.TransID, e.Code = resp.TransID, resp.Status
	if resp.Status != signum.RequestOK {
		return nil
	}
	tick := time.NewTicker(loginPause)
	defer tick.Stop()
	var failed error // of the last status query; the next may succeed
	for {
		select {
		case <-ctx.Done():
			if failed != nil {
				return failed
			}
			return ctx.Err()
		case <-tick.C:
		}
		var st *signum.StatusResponse
		st, failed = p.Signer.Status(ctx, caller, &signum.StatusRequest{Header: p.header(), TransID: resp.TransID})
		switch f := signum.AsFault(failed); {
		case failed == nil && st.Status == signum.OutstandingTransact:
		case failed == nil:
			e.Code = st.Status
			if st.Status == signum.SignatureMade || st.Status == signum.ValidSignature {
				p.logins.finish(l, loginApproved)
			}
			return nil
		case f != nil && f.Code != signum.InternalError:
			switch f.Code {
			case signum.UserCancel:
				p.logins.finish(l, loginRefused)
			case signum.PINBlocked:
				p.logins.finish(l, loginBlocked)
			}
			return failed
		default:
			e.Note = event.Clip(failed.Error())
		}
	}
}

// causedByUser reports whether the user or the account is the reason why a log-in
// failed, as opposed to the service or the portal's own party.
func causedByUser(err error) bool {
	f := signum.AsFault(err)
	return f != nil && (f.Code >= 200 && f.Code != signum.InternalError ||
		f.Code == signum.UnknownClient || f.Code == signum.UnsupportedProfile || f.Detail == signum.DetailIllegalMSISDN)
}

func (p *Portal) loginText(l *login) string {
	text, err := text(l.lang, "login.phone", l.code)
	if err != nil {
		panic(err) // all languages have the same keys
	}
	return p.Prefix + text
}

// loginStatus tells the script of the page when to reload it.
func (p *Portal) loginStatus(c *call) {
	c.routine = true
	_, s := p.logins.get(c.cookie(loginCookie), false)
	c.w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(c.w).Encode(map[string]bool{"waiting": s == loginWaiting})
}

// waitPage shows that the log-in waits or how it ended. If it was approved, it starts
// the session.
func (p *Portal) waitPage(c *call) {
	l, s := p.logins.get(c.cookie(loginCookie), true)
	switch s {
	case loginGone:
		c.redirect("/me/login")
	case loginWaiting:
		c.refresh = 3
		c.render(http.StatusOK, "wait", "wait.title", l.view())
	case loginApproved:
		p.startSession(c, l.number)
	default:
		c.render(http.StatusOK, "ended", "ended."+string(s)+".title", map[string]any{"State": string(s), "Number": l.number})
	}
}

func (l *login) view() map[string]any {
	return map[string]any{"Number": l.number, "Code": l.code}
}

// startSession logs in a user who has signed.
func (p *Portal) startSession(c *call, number string) {
	c.event.MSISDN = number
	s, err := p.Store.Subscriber(c.r.Context(), number)
	if err != nil {
		c.fail(err)
		return
	}
	if s.State != mssp.SubscriberActive {
		c.message(http.StatusForbidden, "suspended")
		return
	}
	p.sessions.end(c.cookie(sessionCookie)) // of another user who was logged in
	c.setCookie(loginCookie, "/me/login", "")
	c.setCookie(sessionCookie, "/me", p.sessions.create(number, s.Serial))
	c.redirect("/me")
}
