package portal

import (
	"net/http"
	"time"

	"github.com/signum-mssp/signum/internal/clientaddr"
	"github.com/signum-mssp/signum/internal/limit"
	"github.com/signum-mssp/signum/internal/mssp"
)

// A user whose only method is lost or blocked logs in with the recovery code. Such a
// session needs no signatures, because there is nothing to sign with. It may do what
// leads back to a method, and nothing else: add an App, end a method, suspend the
// account.

// Limits of log-ins by recovery code. A code has 80 bits, so the limits are there to
// keep guesses visible and rare; nobody can use up the tries of the owner, who comes from
// another network.
const recoveryTries = 5 // per hour, of one network against one number

var pauseOfRecovery = limit.Growth{Free: 20, First: 5 * time.Second, Longest: time.Minute, Forget: 10 * time.Minute}

func (p *Portal) recoverPage(c *call) {
	if c.session != nil {
		c.redirect("/me")
		return
	}
	c.recoverForm(http.StatusOK, "", "", 0)
}

func (c *call) recoverForm(status int, number, problem string, wait time.Duration) {
	c.beforeLogin()
	national, international := exampleNumber(c.p.Country)
	c.render(status, "recover", "recover.title", map[string]any{
		"Number": number, "Problem": problem, "Wait": shortTime(wait), "National": national, "International": international,
	})
}

func (p *Portal) recover(c *call) {
	if _, ok := c.postedBeforeLogin(); !ok {
		return
	}
	sent := c.r.PostForm.Get("number")
	number, ok := parseNumber(sent, p.Country)
	if !ok {
		c.refuse("number")
		c.recoverForm(http.StatusUnprocessableEntity, sent, "number", 0)
		return
	}
	c.event.MSISDN = number
	now := p.Clock.Now()
	wait := p.recoveries.Take(clientaddr.Key(c.r)+" "+number, now)
	if wait == 0 {
		wait = p.recovered.Take(number, now)
	}
	if wait > 0 {
		c.slow(wait)
		c.recoverForm(http.StatusTooManyRequests, sent, "slow", wait)
		return
	}
	right, err := p.Apps.CheckRecovery(c.r.Context(), number, c.r.PostForm.Get("code"))
	if err != nil {
		c.fail(err)
		return
	}
	if !right {
		c.refuse("recovery code")
		c.recoverForm(http.StatusUnprocessableEntity, sent, "code", 0)
		return
	}
	p.startSession(c, number, "", p.agreed(), true)
}

// user wraps pages of a user who has logged in with a signature.
func (p *Portal) user(h func(*call)) func(*call) {
	return p.session(func(c *call) {
		if c.session.recovery {
			c.message(http.StatusForbidden, "needs_signature")
			return
		}
		h(c)
	})
}

// consentByCode carries out a change that the recovery code allows.
func (c *call) consentByCode(x *change) {
	now := c.p.Clock.Now()
	c.carryOut(x, &mssp.Consent{MSISDN: c.session.number, Kind: x.kind, Subject: x.subject, Given: now, Expires: now.Add(mssp.ConsentFor)})
}
