package portal

import (
	"errors"
	"net/http"

	"github.com/signum-mssp/signum/internal/clientaddr"
	"github.com/signum-mssp/signum/internal/mssp"
)

// A text message about a change of the account ends with an address, by which its
// reader objects without logging in: perhaps a log-in is no longer possible.

const objectionsPerAddress = 20

// announced finds the notice that an address names. If there is none, it answers and
// returns nil.
func (c *call) announced() *mssp.Notice {
	if wait := c.p.objections.Take(clientaddr.Key(c.r), c.p.Clock.Now()); wait > 0 {
		c.slow(wait)
		c.message(http.StatusTooManyRequests, "unsigned.slow")
		return nil
	}
	n, err := c.p.Accounts.ByCode(c.r.Context(), c.r.PathValue("code"))
	if errors.Is(err, mssp.ErrNotFound) {
		c.message(http.StatusNotFound, "notice_over")
		return nil
	}
	if err != nil {
		c.fail(err)
		return nil
	}
	c.event.MSISDN = n.MSISDN
	return n
}

func (p *Portal) noticePage(c *call) {
	n := c.announced()
	if n == nil {
		return
	}
	if c.cookie(noticeCookie) == "" {
		c.setCookie(noticeCookie, "/me/no", newCookie())
	}
	c.session, c.token = nil, p.token(c.cookie(noticeCookie))
	c.render(http.StatusOK, "notice", "notice.title", map[string]any{"Kind": string(n.Kind), "Name": n.Name, "At": n.Created, "Action": c.r.URL.Path})
}

func (p *Portal) object(c *call) {
	if cookie := c.cookie(noticeCookie); cookie == "" || !c.form(cookie) {
		c.message(http.StatusForbidden, "stale")
		return
	}
	n := c.announced()
	if n == nil {
		return
	}
	did, err := p.Accounts.Object(c.r.Context(), n)
	if err != nil {
		c.fail(err)
		return
	}
	c.session = nil // it has ended
	c.render(http.StatusOK, "objected", "objected.title", map[string]any{"Did": string(did)})
}

// EndSessions ends all sessions and log-ins of a number.
func (p *Portal) EndSessions(number string) {
	p.endAll(number, nil)
	p.logins.endAll(number)
}

// notify announces a change that a user made here.
func (c *call) notify(k mssp.NoticeKind, deviceID, name string) {
	c.p.Accounts.Notify(c.r.Context(), mssp.Change{
		MSISDN: c.session.number, Kind: k, DeviceID: deviceID, Name: name, ByCode: c.session.recovery, Lang: c.lang,
	})
}
