package portal

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"html/template"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/signum-mssp/signum/internal/account"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/limit"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/web/prompt"
)

//go:embed assets lang pages
var files embed.FS

// Pending is what waits for the user's devices.
type Pending interface {
	// Recheck ends what no device of the subscriber can answer any more.
	Recheck(ctx context.Context, msisdn string) error
}

// Store has the accounts.
type Store interface {
	Subscriber(ctx context.Context, msisdn string) (*mssp.Subscriber, error)
	RecentTransactions(ctx context.Context, msisdn string, limit int) ([]*mssp.Transaction, error)
	SetSubscriberState(ctx context.Context, msisdn string, s mssp.SubscriberState) error
	// Party returns ErrNotFound for an unknown AP_ID.
	Party(ctx context.Context, id string) (*mssp.Party, error)
	// EndDevice ends a device and changes nothing else in the account. ErrNotFound if
	// there is no such device.
	EndDevice(ctx context.Context, deviceID string, why mssp.DeviceEnd, at time.Time) error
	// ReopenDevice lets a SIM that has ended be activated again. ErrCardState if its card
	// is blocked.
	ReopenDevice(ctx context.Context, deviceID string) error
	// App and Transaction return ErrNotFound if there is none.
	App(ctx context.Context, deviceID string) (*mssp.AppDevice, error)
	Transaction(ctx context.Context, id string) (*mssp.Transaction, error)
	mssp.ConsentStore
}

// Apps enrols and removes Apps.
type Apps interface {
	// Full reports whether an account has as many Apps as it may have.
	Full(s *mssp.Subscriber) bool
	// Invite creates an activation code and invalidates an earlier one of the
	// subscriber.
	Invite(ctx context.Context, msisdn string, trusted bool) (code string, expires time.Time, err error)
	// SetRecovery replaces the recovery code.
	SetRecovery(ctx context.Context, msisdn string) (code string, err error)
	// CheckRecovery reports whether this is the recovery code of the subscriber. It takes
	// equally long if there is no such subscriber or code.
	CheckRecovery(ctx context.Context, msisdn, code string) (bool, error)
	// Remove deletes an App. ErrNotFound if there is no such App.
	Remove(ctx context.Context, deviceID string) error
}

// Accounts announces changes of accounts and takes objections: see package account.
type Accounts interface {
	mssp.Notifier
	// ByCode finds the notice of a text message; mssp.ErrNotFound.
	ByCode(ctx context.Context, code string) (*mssp.Notice, error)
	Object(ctx context.Context, n *mssp.Notice) (account.Undone, error)
}

// CA revokes certificates for a reason of RFC 5280, clause 5.3.1. Revoking a second
// time changes nothing.
type CA interface {
	Revoke(ctx context.Context, serial string, reason int) error
}

// Config configures a Portal. Clock, Logger and Events may be nil.
type Config struct {
	Signer      prompt.Signer
	Pending     Pending
	Store       Store
	Apps        Apps
	CA          CA
	Accounts    Accounts
	Party       string        // AP_ID of the portal, which may use the profiles STK and Device LoA4, and verification codes
	Pin         mssp.Pin      // a pin of the party
	Prefix      string        // DTBD prefix of the party
	ServiceName string        // what users know the service by
	Country     string        // of numbers that are typed without a country code: ISO 3166-1 alpha-2; empty: none
	WebURL      func() string // public address of the pages: https://host
	HostCookies bool          // no other host may set the cookies of sessions: the origin has https and a name of its own
	Clock       mssp.Clock
	Logger      *slog.Logger
	Events      *event.Recorder // takes the one event of each request; nil: one that writes to Logger
	// Several nodes share Shared and Key, and agree on the time. nil, for a node that is alone:
	// nothing is shared, a key of its own, and Clock.
	Shared mssp.SharedValues
	Key    []byte // of form tokens and of browsers that are known; 32 bytes
	Agreed func() time.Time
	Nodes  Nodes
}

// Portal serves the self-care pages under /me. Sessions are in memory, at the node that
// logged the user in; other nodes pass requests on to it.
type Portal struct {
	Config
	pages    map[string]*template.Template
	assets   map[string]asset
	sessions *sessionTable
	logins   *loginTable
	pace     *pace          // of log-ins
	changes  *limit.Limiter // that phones are asked to sign, by number
	prompts  *prompt.Asker
	// pagesHere serves requests about what this node has.
	pagesHere http.Handler

	objections *limit.Limiter // by address
	recoveries *limit.Limiter // log-ins by recovery code, by network and number
	recovered  *limit.Pauses  // the same by number
	relays     *limit.Limiter // requests that are passed on, by address
	relaying   chan struct{}  // one for each at a time
}

// New returns a portal. Close ends its work in the background.
func New(c Config) (*Portal, error) {
	if c.Signer == nil || c.Pending == nil || c.Store == nil || c.Apps == nil || c.CA == nil || c.Accounts == nil || c.WebURL == nil || c.Party == "" || c.ServiceName == "" {
		return nil, errors.New("portal: Signer, Pending, Store, Apps, CA, Accounts, Party, ServiceName and WebURL are required")
	}
	if c.Clock == nil {
		c.Clock = mssp.SystemClock{}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Events == nil {
		c.Events = event.New(c.Clock, c.Logger)
	}
	pages, err := parsePages()
	if err != nil {
		return nil, err
	}
	assets, err := readAssets()
	if err != nil {
		return nil, err
	}
	p := &Portal{
		Config: c, pages: pages, assets: assets,
		logins: newLoginTable(), pace: newPace(),
		objections: limit.New(limit.PerWindow(objectionsPerAddress, loginWindow), limit.DefaultKeys),
		recoveries: limit.New(limit.PerWindow(recoveryTries, time.Hour), limit.DefaultKeys),
		recovered:  limit.NewPauses(pauseOfRecovery, limit.DefaultKeys),
		relays:     limit.New(relayRate, limit.DefaultKeys),
		relaying:   make(chan struct{}, maxRelaying),
		changes:    limit.New(limit.PerWindow(changesPerNumber, loginWindow), limit.DefaultKeys),
		prompts: prompt.New(prompt.Config{
			Signer: c.Signer, Party: c.Party, Pin: c.Pin, Prefix: c.Prefix, Clock: c.Clock, Logger: c.Logger, Events: c.Events,
		}),
	}
	if p.Key == nil {
		p.Key = make([]byte, 32)
		rand.Read(p.Key)
	}
	p.sessions = newSessionTable(p.Clock, p.newCookie)
	p.pagesHere = p.allPages()
	return p, nil
}

// Close aborts log-ins. The handler must not be called after it.
func (p *Portal) Close() error {
	p.prompts.Close()
	return nil
}

// Handler serves everything under /me.
func (p *Portal) Handler() http.Handler {
	if p.Nodes == nil {
		return p.pagesHere
	}
	return p.relay(p.pagesHere)
}

func (p *Portal) allPages() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern, op string, h func(*call)) { mux.Handle(pattern, p.entrance(op, h)) }
	handle("GET /me/assets/{name}", "asset", p.asset)

	handle("GET /me/login", "login page", p.public(p.loginPage))
	handle("POST /me/login", "login", p.public(p.beginLogin))
	handle("GET /me/login/wait", "login wait", p.public(p.waitPage))
	handle("POST /me/login/code", "login code", p.public(p.loginCode))
	// A poll must not prolong a session.
	handle("GET /me/login/status", "login status", p.loginStatus)

	handle("GET /me/login/recovery", "recovery log-in page", p.public(p.recoverPage))
	handle("POST /me/login/recovery", "recovery log-in", p.public(p.recover))

	handle("GET /me/no/{code}", "notice page", p.public(p.noticePage))
	handle("POST /me/no/{code}", "objection", p.public(p.object))

	handle("GET /me", "overview", p.session(p.overview))
	handle("GET /me/activity", "activity", p.user(p.activity))
	handle("GET /me/app", "app page", p.session(p.appPage))
	handle("GET /me/consent", "consent", p.user(p.consentPage))
	handle("POST /me/consent/code", "consent code", p.user(p.consentCode))
	handle("GET /me/consent/status", "consent status", p.watch(p.consentStatus))
	handle("POST /me/app", "app invitation", p.session(p.askApp))
	handle("GET /me/app/code", "app code", p.session(p.appCode))
	handle("GET /me/app/qr.png", "app qr", p.session(p.appQR))
	handle("GET /me/recovery", "recovery page", p.user(p.recoveryPage))
	handle("POST /me/recovery", "recovery renewal", p.user(p.askRecovery))
	handle("GET /me/recovery/code", "recovery code", p.user(p.recoveryCode))
	handle("GET /me/device", "device page", p.session(p.devicePage))
	handle("POST /me/device", "device removal", p.session(p.askRemoval))
	handle("GET /me/device/activate", "activation page", p.session(p.activatePage))
	handle("POST /me/device/activate", "activation", p.session(p.askActivation))
	handle("GET /me/suspend", "suspension page", p.session(p.suspendPage))
	handle("POST /me/suspend", "suspension", p.session(p.suspend))
	handle("GET /me/sessions", "sessions page", p.session(p.sessionsPage))
	handle("POST /me/sessions", "sessions", p.session(p.endSessions))
	handle("POST /me/logout", "logout", p.session(p.logout))

	notFound := p.public(func(c *call) { c.message(http.StatusNotFound, "missing") })
	handle("GET /me/{$}", "other", func(c *call) { c.redirect("/me") })
	handle("/me/", "other", notFound)
	handle("/me", "other", notFound)
	return headers(mux)
}

// sameOrigin reports whether a request comes from a page of this origin or directly
// from the person. The only thing that other sites may do is link to the portal. The
// form tokens would be enough; this check does not depend on them.
func sameOrigin(r *http.Request) bool {
	safe := r.Method == http.MethodGet || r.Method == http.MethodHead
	origin := r.Header.Get("Origin")
	if origin != "" {
		if u, err := url.Parse(origin); err != nil || u.Host == "" || u.Host != r.Host {
			return false
		}
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin":
		return true
	case "none": // typed, or a bookmark
		return safe
	case "": // an older browser, which sends at least the origin of a form
		return safe || origin != ""
	}
	return safe && r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
}

// onLoopback reports whether the pages are served without TLS, which is allowed only
// for a browser on the same machine.
func (p *Portal) onLoopback() bool {
	u, err := url.Parse(p.WebURL())
	if err != nil || u.Scheme != "http" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

type asset struct {
	mediaType string
	body      string
}

func readAssets() (map[string]asset, error) {
	types := map[string]string{"portal.css": "text/css; charset=utf-8", "portal.js": "text/javascript; charset=utf-8", "icon.svg": "image/svg+xml"}
	m := make(map[string]asset, len(types))
	for name, mediaType := range types {
		b, err := files.ReadFile("assets/" + name)
		if err != nil {
			return nil, err
		}
		m[name] = asset{mediaType, string(b)}
	}
	return m, nil
}

func (p *Portal) asset(c *call) {
	c.routine = true
	a, ok := p.assets[c.r.PathValue("name")]
	if !ok {
		c.message(http.StatusNotFound, "missing")
		return
	}
	c.w.Header().Set("Content-Type", a.mediaType)
	c.w.Header().Set("Cache-Control", "max-age=300")
	io.WriteString(c.w, a.body)
}
