package node

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/api"
	"github.com/signum-mssp/signum/internal/app"
	"github.com/signum-mssp/signum/internal/ca"
	"github.com/signum-mssp/signum/internal/config"
	"github.com/signum-mssp/signum/internal/limit"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/web"
	"github.com/signum-mssp/signum/internal/web/phonepage"
	"github.com/signum-mssp/signum/internal/web/portal"
)

// The portal is a party like others, but nobody else can be it: no
// certificate has this pin.
const (
	portalParty = "mid://signum/portal"
	portalPath  = "/me"
)

var portalPin = mssp.PinOf([]byte(portalParty))

// page makes an address that begins with a slash absolute: it is one of the pages.
func (n *Node) page(address string) string {
	if strings.HasPrefix(address, "/") {
		return n.WebURL() + address
	}
	return address
}

func (n *Node) newApps(ctx context.Context) (err error) {
	c := n.cfg.App
	vapid := app.VAPID{Public: c.VAPID.PublicKey, Private: c.VAPID.PrivateKey.Reveal()}
	if vapid.Contact, err = config.ContactURI(n.cfg.PushContact()); err != nil {
		n.deps.Logger.Info("Apps are not woken by push: set app.vapid.contact to an e-mail or https address of the operator")
	}
	if n.peers != nil && vapid.Public == "" {
		if vapid, err = n.sharedVAPID(ctx, vapid.Contact); err != nil {
			return err
		}
	}
	n.Apps, err = app.New(app.Config{
		Accounts: n.accounts, Store: n.Store, CA: n.CA, Clock: n.deps.Clock, Logger: n.deps.Logger, Events: n.events,
		Service: n.cfg.Service.MSSPURI, WebURL: n.WebURL(), Hosts: n.webHosts(), NewSerial: ca.NewSerial,
		VAPID: vapid, OpenAPI: api.AppOpenAPI, Peers: n.appPeers(), Shared: n.rows,
		Limits: appLimits(c),
	})
	if err == nil {
		n.onClose(func() error { n.Apps.Close(); return nil })
	}
	return err
}

func rate(r config.Rate) limit.Rate { return limit.PerMinute(r.PerMinute, r.Burst) }

// newPages puts everything for people and Apps on the web listener.
func (n *Node) newPages(ctx context.Context) error {
	prefix := n.cfg.Service.Name + ": "
	err := n.putParty(ctx, &mssp.Party{
		ID: portalParty, Name: n.cfg.Service.Name, DTBDPrefix: prefix, Pins: []mssp.Pin{portalPin},
		Profiles: []string{signum.ProfileSTK, signum.ProfileDevice}, Services: []string{signum.ServiceVerification}, DefaultLang: "en", Own: true,
	})
	if err != nil {
		return err
	}
	c := portal.Config{
		Signer: &n.engine, Pending: &n.engine, Store: n.Store, Apps: n.Apps, CA: n.CA, Accounts: n.accounts, Party: portalParty, Pin: portalPin, Prefix: prefix, ServiceName: n.cfg.Service.Name, Country: n.cfg.Service.Country,
		WebURL: n.WebURL, HostCookies: n.httpsOnly(), Clock: n.deps.Clock, Logger: n.deps.Logger, Events: n.events,
	}
	if n.peers != nil {
		c.Shared, c.Agreed, c.Nodes = n.rows, n.peers.Now, pageNodes{n}
		if c.Key, err = n.sharedSecret(ctx, "portal key", newKey); err != nil {
			return err
		}
	}
	selfCare, err := portal.New(c)
	if err != nil {
		return err
	}
	n.onClose(selfCare.Close)
	if n.questions != nil {
		n.questions.Handle(aboutPage, selfCare.Relayed)
	}
	n.endSessions = selfCare.EndSessions
	n.accounts.Connect(n.Apps, n.endSessions)
	for path, h := range map[string]http.Handler{"/phone": phonepage.Handler(phonepage.Config{ServiceName: n.cfg.Service.Name, Logger: n.deps.Logger, Events: n.events}), portalPath: selfCare.Handler()} {
		n.web.Handle(path, h)
		n.web.Handle(path+"/", h)
	}
	n.web.Handle(app.Root, n.Apps.Handler())
	n.web.Handle("GET /{$}", http.RedirectHandler(portalPath, http.StatusSeeOther))
	return nil
}

// aboutPage is the subject of requests for the self-care pages that another node has to answer.
const aboutPage = "page"

// pageNodes are the nodes that share the self-care pages.
type pageNodes struct{ n *Node }

func (p pageNodes) ID() string { return p.n.peers.ID() }

func (p pageNodes) Lives(node string) bool {
	return slices.Contains(p.Others(), node)
}

func (p pageNodes) Others() (ids []string) {
	for _, o := range p.n.peers.Others() {
		ids = append(ids, o.ID)
	}
	return ids
}

func (p pageNodes) Ask(ctx context.Context, node string, request []byte) ([]byte, error) {
	return p.n.questions.Ask(ctx, node, aboutPage, request)
}

// httpsOnly reports whether the name of the pages is for https alone.
func (n *Node) httpsOnly() bool { return n.cfg.Listen.Web.HTTPSOnly && web.RealName(n.WebURL()) }

// webHosts are the names of the pages besides that of WebURL.
func (n *Node) webHosts() (names []string) {
	for _, h := range n.cfg.Listen.Web.Hosts {
		names = append(names, string(h))
	}
	return names
}

func (n *Node) webHandler() http.Handler {
	pages := http.Handler(n.web)
	if n.httpsOnly() {
		pages = web.HTTPSOnly(pages)
	}
	return n.proxies.Handler(web.OwnHosts(n.WebURL(), n.webHosts(), n.events, pages))
}
