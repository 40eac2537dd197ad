package portal

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/account"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/web/prompt"
)

// A stranger whose log-in the owner approved has a session, and nothing more:
// each change that could hand over the account needs a signature of its own, whose text
// says what happens. The signature becomes a consent in the store, and the change uses
// it up.

const voidTimeout = 10 * time.Second

// change is what a session wants to do to its account.
type change struct {
	kind    mssp.ConsentKind
	subject string // a device
	prompt  *prompt.Prompt
}

// page is where the change is asked for.
func (x *change) page() string {
	switch x.kind {
	case mssp.ConsentAddApp:
		return "/me/app"
	case mssp.ConsentRecovery:
		return "/me/recovery"
	}
	if x.kind == mssp.ConsentActivate {
		return "/me/device/activate?id=" + url.QueryEscape(x.subject)
	}
	return "/me/device?id=" + url.QueryEscape(x.subject)
}

// signer reports whether a device could sign now.
func signer(d *mssp.Device, now time.Time) bool {
	k := d.Certificate
	return d.State == signum.DeviceActive && !d.PINBlocked && k != nil && k.State == mssp.CertificateGood && now.Before(k.NotAfter)
}

// signers are the methods with which the user could consent to a change now.
func (c *call) signers() []string {
	var all []string
	for _, m := range []signum.Method{signum.App, signum.SIM} {
		for _, d := range c.account.Devices {
			if d.Method == m && signer(&d, c.p.Clock.Now()) {
				all = append(all, string(m))
				break
			}
		}
	}
	return all
}

// ask has the phone sign a change. text is its text key, with arguments.
func (c *call) ask(x *change, text string, args ...any) {
	if c.session.recovery {
		c.consentByCode(x)
		return
	}
	method, ok := loginMethods[c.r.PostForm.Get("method")]
	if !ok {
		c.message(http.StatusUnprocessableEntity, "stale")
		return
	}
	if wait := c.p.changes.Take(c.session.number, c.p.Clock.Now()); wait > 0 {
		c.slow(wait)
		c.render(http.StatusTooManyRequests, "unsigned", "unsigned.slow.title", map[string]any{"State": "slow", "Wait": shortTime(wait), "Page": x.page()})
		return
	}
	number := c.session.number
	x.prompt = c.p.prompts.Ask(prompt.Question{
		Number: number, Method: method, Lang: c.lang, Text: phoneText(c.lang, text, method, args...),
		Op: "consent outcome", Source: c.event.Source,
	}, func(s prompt.State) {
		if s == prompt.Reported {
			c.p.stranger(number)
		}
	})
	if old := c.p.sessions.setChange(c.session, x); old != nil {
		old.prompt.End()
	}
	c.redirect("/me/consent")
}

// stranger ends what somebody who is not the owner did in a session of a number. Unlike
// a log-in, which anybody can start, a change is asked for in a session only.
func (p *Portal) stranger(number string) {
	p.endAll(number, nil)
	p.reported(number)
	ctx, cancel := context.WithTimeout(context.Background(), voidTimeout) // the request that began this has ended
	defer cancel()
	if err := p.Store.VoidChanges(ctx, number); err != nil {
		p.Logger.Error("open changes of a reported session not ended", "msisdn", signum.MaskMSISDN(number), "err", err)
	}
}

// consentStatus tells the script of the page what the page would show.
func (p *Portal) consentStatus(c *call) {
	c.routine = true
	stage := "none"
	if x := p.sessions.changeOf(c.session, false); x != nil {
		stage = stageOf(x.prompt, x.prompt.State())
	}
	c.w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(c.w).Encode(map[string]string{"stage": stage})
}

// consentCode takes the code that the text on a SIM ends with.
func (p *Portal) consentCode(c *call) {
	if x := p.sessions.changeOf(c.session, false); x != nil && !x.prompt.Try(c.r.PostForm.Get("code")) {
		c.refuse("code")
	}
	c.redirect("/me/consent")
}

// consentPage shows that a change waits for its signature or why there is none. If
// there is one, it carries out the change.
func (p *Portal) consentPage(c *call) {
	x := p.sessions.changeOf(c.session, true)
	if x == nil {
		c.redirect("/me")
		return
	}
	switch s := x.prompt.State(); s {
	case prompt.Waiting:
		c.waitForm(x.prompt, "/me/consent", stageOf(x.prompt, s))
	case prompt.Approved:
		p.consented(c, x)
	default:
		c.unsigned(x, string(s))
	}
}

func (c *call) unsigned(x *change, state string) {
	c.refuse("unsigned")
	c.render(http.StatusOK, "unsigned", "unsigned."+state+".title", map[string]any{"State": state, "Page": x.page()})
}

// consented stores the consent that the user has signed and carries out the change.
func (p *Portal) consented(c *call, x *change) {
	ctx, now := c.r.Context(), p.Clock.Now()
	t, err := p.Store.Transaction(ctx, x.prompt.TransID())
	if err != nil {
		c.fail(err)
		return
	}
	young, err := account.Young(ctx, p.Store, c.account, t.DeviceID, now)
	switch {
	case err != nil:
		c.fail(err)
		return
	case young:
		c.unsigned(x, "young")
		return
	}
	c.carryOut(x, &mssp.Consent{
		MSISDN: c.session.number, Kind: x.kind, Subject: x.subject, DeviceID: t.DeviceID, TransID: t.ID,
		Given: now, Expires: now.Add(mssp.ConsentFor),
	})
}

// carryOut makes a change that the user has consented to.
func (c *call) carryOut(x *change, k *mssp.Consent) {
	ctx, s := c.r.Context(), c.p.Store
	if err := s.PutConsent(ctx, k); err != nil {
		c.fail(err)
		return
	}
	if x.kind == mssp.ConsentActivate {
		c.p.reopen(c, x.subject)
		return
	}
	_, err := s.TakeConsent(ctx, k.MSISDN, k.Kind, k.Subject, c.p.Clock.Now())
	if errors.Is(err, mssp.ErrNotFound) { // the device that signed has ended meanwhile
		c.unsigned(x, "failed")
		return
	}
	if err != nil {
		c.fail(err)
		return
	}
	switch x.kind {
	case mssp.ConsentAddApp:
		c.p.addApp(c)
	case mssp.ConsentRecovery:
		c.p.newRecovery(c)
	case mssp.ConsentRemove:
		c.p.removeDevice(c, x.subject)
	}
}

const maxName = 24 // of an App in a text for a phone

// nameOf returns the name of an App for the text on a phone, which may be a SIM: short,
// and without signs.
func (c *call) nameOf(deviceID string) string {
	a, err := c.p.Store.App(c.r.Context(), deviceID)
	if err != nil {
		return "App"
	}
	var b strings.Builder
	for _, r := range a.Name {
		if n, gsm := signum.GSMLength(string(r)); gsm && n == 1 && (unicode.IsLetter(r) || unicode.IsDigit(r) || r == ' ' || r == '-') && b.Len() < maxName {
			b.WriteRune(r)
		}
	}
	if name := strings.TrimSpace(b.String()); name != "" {
		return name
	}
	return "App"
}
