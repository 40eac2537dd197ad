package portal

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"rsc.io/qr"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

const (
	maxActivity = 30
	cessation   = 5 // CRLReason cessationOfOperation: the user no longer wants the method
)

// notices are what the overview can confirm, by ?done=.
var notices = []string{"removed", "deactivated", "activated"}

func (p *Portal) overview(c *call) {
	notice := c.r.URL.Query().Get("done")
	if !slices.Contains(notices, notice) {
		notice = ""
	}
	methods, err := c.methods()
	if err != nil {
		c.fail(err)
		return
	}
	c.render(http.StatusOK, "overview", "overview.title", map[string]any{"Account": c.account, "Methods": methods, "Notice": notice})
}

func (p *Portal) activity(c *call) {
	ts, err := p.Store.RecentTransactions(c.r.Context(), c.session.number, maxActivity)
	if err != nil {
		c.fail(err)
		return
	}
	rows := make([]activityRow, len(ts))
	names := make(map[string]string) // of parties, by AP_ID
	for i, t := range ts {
		if _, ok := names[t.APID]; !ok {
			if names[t.APID], err = p.partyName(c.r.Context(), t.APID); err != nil {
				c.fail(err)
				return
			}
		}
		rows[i] = activityOf(t, p.Party, names[t.APID])
	}
	c.render(http.StatusOK, "activity", "activity.title", map[string]any{"Rows": rows})
}

// partyName returns the name by which users know a party; the AP_ID of one that is gone.
func (p *Portal) partyName(ctx context.Context, id string) (string, error) {
	party, err := p.Store.Party(ctx, id)
	if errors.Is(err, mssp.ErrNotFound) {
		return id, nil
	}
	if err != nil {
		return "", err
	}
	return party.Identity().Name, nil
}

func (p *Portal) appPage(c *call) {
	if p.Apps.Full(c.account) {
		c.message(http.StatusConflict, "appLimit")
		return
	}
	c.render(http.StatusOK, "app", "app.title", map[string]any{"Signers": c.signers()})
}

// askApp asks for a signature only if it can lead to another App.
func (p *Portal) askApp(c *call) {
	if p.Apps.Full(c.account) {
		c.message(http.StatusConflict, "appLimit")
		return
	}
	c.ask(&change{kind: mssp.ConsentAddApp}, "phone.app")
}

func (p *Portal) addApp(c *call) {
	// The user has consented, so the account keeps its serial.
	code, expires, err := p.Apps.Invite(c.r.Context(), c.session.number, true)
	if errors.Is(err, mssp.ErrAppLimit) {
		c.message(http.StatusConflict, "appLimit")
		return
	}
	if err != nil {
		c.fail(err)
		return
	}
	plain := strings.NewReplacer("-", "", " ", "").Replace(code)
	p.sessions.setSecret(c.session, &secret{
		kind: "app", code: grouped(plain), expires: expires,
		link: strings.TrimSuffix(p.WebURL(), "/") + "/phone?code=" + url.QueryEscape(plain),
	})
	c.redirect("/me/app/code")
}

func (p *Portal) appCode(c *call) {
	s := p.sessions.takeSecret(c.session, "app")
	if s == nil {
		c.render(http.StatusOK, "shown", "shown.title", map[string]any{"Again": "/me/app"})
		return
	}
	c.once = true
	c.render(http.StatusOK, "appcode", "appcode.title", map[string]any{"Code": s.code, "Link": s.link, "Expires": s.expires})
}

// appQR serves the link as an image, to the same session, and only shortly after the
// page was shown.
func (p *Portal) appQR(c *call) {
	link := p.sessions.secretLink(c.session)
	if link == "" {
		c.message(http.StatusNotFound, "missing")
		return
	}
	code, err := qr.Encode(link, qr.M)
	if err != nil {
		c.fail(err)
		return
	}
	c.w.Header().Set("Content-Type", "image/png")
	c.w.Write(code.PNG())
}

func (p *Portal) recoveryPage(c *call) {
	c.render(http.StatusOK, "recovery", "recovery.title", map[string]any{
		"Created": c.account.RecoveryCodeCreated, "Signers": c.signers(),
	})
}

func (p *Portal) askRecovery(c *call) { c.ask(&change{kind: mssp.ConsentRecovery}, "phone.recovery") }

func (p *Portal) newRecovery(c *call) {
	code, err := p.Apps.SetRecovery(c.r.Context(), c.session.number)
	if err != nil {
		c.fail(err)
		return
	}
	c.notify(mssp.NoticeRecoveryCode, "", "")
	p.sessions.setSecret(c.session, &secret{kind: "recovery", code: code, expires: p.Clock.Now().Add(sessionIdle)})
	c.redirect("/me/recovery/code")
}

func (p *Portal) recoveryCode(c *call) {
	s := p.sessions.takeSecret(c.session, "recovery")
	if s == nil {
		c.render(http.StatusOK, "shown", "shown.title", map[string]any{"Again": "/me/recovery"})
		return
	}
	c.once = true
	c.render(http.StatusOK, "recoverycode", "recoverycode.title", map[string]any{"Code": s.code})
}

// device finds a removable device of the user. If there is none, it answers and
// returns nil.
func (c *call) device(id string) *mssp.Device {
	i := slices.IndexFunc(c.account.Devices, func(d mssp.Device) bool { return d.ID == id })
	if i < 0 || !removable(&c.account.Devices[i]) {
		c.message(http.StatusNotFound, "missing")
		return nil
	}
	c.event.Device = id
	return &c.account.Devices[i]
}

func (p *Portal) devicePage(c *call) {
	d := c.device(c.r.URL.Query().Get("id"))
	if d == nil {
		return
	}
	last := !slices.ContainsFunc(c.account.Devices, func(o mssp.Device) bool {
		return o.ID != d.ID && o.State == signum.DeviceActive
	})
	c.render(http.StatusOK, "device", "device."+string(d.Method)+".title", map[string]any{
		"ID": d.ID, "Method": string(d.Method), "Last": last, "Signers": c.signers(),
	})
}

func (p *Portal) askRemoval(c *call) {
	d := c.device(c.r.PostForm.Get("id"))
	if d == nil {
		return
	}
	x := &change{kind: mssp.ConsentRemove, subject: d.ID}
	if d.Method == signum.App {
		c.ask(x, "phone.remove", c.nameOf(d.ID))
	} else {
		c.ask(x, "phone.end")
	}
}

// dormant finds a SIM of the user that is not active. If there is none, it answers
// and returns nil.
func (c *call) dormant(id string) *mssp.Device {
	i := slices.IndexFunc(c.account.Devices, func(d mssp.Device) bool { return d.ID == id })
	if i < 0 || !dormant(&c.account.Devices[i]) {
		c.message(http.StatusNotFound, "missing")
		return nil
	}
	c.event.Device = id
	return &c.account.Devices[i]
}

func (p *Portal) activatePage(c *call) {
	if d := c.dormant(c.r.URL.Query().Get("id")); d != nil {
		c.render(http.StatusOK, "activate", "activate.title", map[string]any{"ID": d.ID, "Signers": c.signers()})
	}
}

func (p *Portal) askActivation(c *call) {
	if d := c.dormant(c.r.PostForm.Get("id")); d != nil {
		c.ask(&change{kind: mssp.ConsentActivate, subject: d.ID}, "phone.activate")
	}
}

// reopen lets a SIM be activated again. The consent stays in the store: the activation
// uses it up, and the account keeps its serial.
func (p *Portal) reopen(c *call, id string) {
	if c.dormant(id) == nil {
		return
	}
	switch err := p.Store.ReopenDevice(c.r.Context(), id); {
	case errors.Is(err, mssp.ErrCardState): // the operator has blocked its card
		c.unsigned(&change{kind: mssp.ConsentActivate, subject: id}, "barred")
	case err != nil:
		c.fail(err)
	default:
		c.notify(mssp.NoticeSIMWaiting, id, "")
		c.redirect("/me?done=activated")
	}
}

// removeDevice revokes before it removes, so that a failure in between can be
// retried and no removed device can sign.
func (p *Portal) removeDevice(c *call, id string) {
	d := c.device(id)
	if d == nil {
		return
	}
	ctx := c.r.Context()
	if k := d.Certificate; k != nil && k.State == mssp.CertificateGood {
		if err := p.CA.Revoke(ctx, k.Serial, cessation); err != nil {
			c.fail(err)
			return
		}
	}
	done, kind, name := "deactivated", mssp.NoticeSIMEnded, ""
	var err error
	if d.Method == signum.App {
		done, kind, name = "removed", mssp.NoticeAppRemoved, c.nameOf(d.ID)
		err = p.Apps.Remove(ctx, d.ID)
	} else {
		err = p.Store.EndDevice(ctx, d.ID, mssp.EndedByUser, p.Clock.Now())
	}
	if err != nil {
		c.fail(err)
		return
	}
	p.recheck(c)
	c.notify(kind, d.ID, name)
	// Other sessions may be those of somebody who used the device.
	p.endAll(c.session.number, c.session)
	c.redirect("/me?done=" + done)
}

func (p *Portal) suspendPage(c *call) { c.suspendForm(http.StatusOK) }

func (c *call) suspendForm(status int) {
	c.render(status, "suspend", "suspend.title", map[string]any{"Problem": status != http.StatusOK})
}

func (p *Portal) suspend(c *call) {
	if !c.confirmed() {
		c.refuse("unconfirmed")
		c.suspendForm(http.StatusUnprocessableEntity)
		return
	}
	if err := p.Store.SetSubscriberState(c.r.Context(), c.session.number, mssp.SubscriberInactive); err != nil {
		c.fail(err)
		return
	}
	p.recheck(c)
	c.notify(mssp.NoticeSuspended, "", "")
	p.endAll(c.session.number, nil)
	c.endSession()
	c.message(http.StatusOK, "suspended")
}

// recheck ends what waits for a device that must not sign any more. If it fails, the
// request expires, and a signature that comes is refused.
func (p *Portal) recheck(c *call) {
	if err := p.Pending.Recheck(c.r.Context(), c.session.number); err != nil {
		p.Logger.ErrorContext(c.r.Context(), "requests not ended", "err", err)
	}
}

func (p *Portal) logout(c *call) {
	c.endSession()
	c.message(http.StatusOK, "loggedout")
}

// confirmed reports whether the box was ticked. Browsers enforce it, scripts need
// not.
func (c *call) confirmed() bool { return c.r.PostForm.Get("confirm") == "yes" }
