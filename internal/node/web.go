package node

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/api"
	"github.com/signum-mssp/signum/internal/app"
	"github.com/signum-mssp/signum/internal/ca"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/web/phonepage"
	"github.com/signum-mssp/signum/internal/web/portal"
)

// Web is what people reach: the App protocol, the phone page and the
// self-care portal.
type Web struct {
	Addr string // host:port; port 0 picks a free one
	// Certificate of the pages. Without one they are served over plain http,
	// which browsers and Apps accept on loopback only.
	Certificate *tls.Certificate
	// URL is where people find the pages, an origin such as https://example.com.
	// Empty: that of the listener, by the name localhost on loopback, since
	// passkeys need a name.
	URL    string
	VAPID  app.VAPID  // see app.Config
	Limits app.Limits // of the App protocol
	// Handlers are further pages, by pattern of http.ServeMux.
	Handlers map[string]http.Handler
	// Channel, if not nil, is put between the engine and the Apps.
	Channel func(mssp.Channel) mssp.Channel
}

// The portal is a party like others, but nobody else can be it: no
// certificate has this pin.
const (
	portalParty  = "mid://signum/portal"
	portalPrefix = "Signum: "
	portalPath   = "/me"
)

var portalPin = mssp.PinOf([]byte(portalParty))

// web is the listener of the pages with what is behind it.
type web struct {
	Web
	url      string
	listener net.Listener
	http     *http.Server
	portal   *portal.Portal
	served   chan error // how it ended, once
}

func (c Web) listen() (*web, error) {
	l, err := net.Listen("tcp", c.Addr)
	if err != nil {
		return nil, err
	}
	addr := l.Addr().(*net.TCPAddr)
	w := &web{Web: c, listener: l, url: cmp.Or(c.URL, c.origin(addr)), served: make(chan error, 1)}
	if c.Certificate == nil && !addr.IP.IsLoopback() {
		return nil, errors.Join(fmt.Errorf("the pages would be served without TLS at %s: give them a certificate, or an address on loopback", addr), l.Close())
	}
	return w, nil
}

// origin is that of a listener.
func (c Web) origin(addr *net.TCPAddr) string {
	scheme, host := "http", addr.IP.String()
	if c.Certificate != nil {
		scheme = "https"
	}
	if addr.IP.IsLoopback() || addr.IP.IsUnspecified() {
		host = "localhost"
	}
	return scheme + "://" + net.JoinHostPort(host, strconv.Itoa(addr.Port))
}

// page makes the address of a page of what begins with a slash.
func (w *web) page(address string) string {
	if strings.HasPrefix(address, "/") {
		return w.url + address
	}
	return address
}

func (s *Node) newApps() (*app.Server, error) {
	vapid := s.web.VAPID
	if vapid.Public == "" {
		var err error
		if vapid, err = app.NewVAPID(cmp.Or(vapid.Contact, s.web.url)); err != nil {
			return nil, err
		}
	}
	return app.New(app.Config{
		Store: s.Store, CA: s.CA, Clock: s.cfg.Clock, Logger: s.cfg.Logger,
		Service: s.cfg.MSSPURI, WebURL: s.web.url, NewSerial: ca.NewSerial,
		VAPID: vapid, OpenAPI: api.AppOpenAPI, Limits: s.web.Limits,
	})
}

// serveWeb begins to serve the pages.
func (s *Node) serveWeb(ctx context.Context) error {
	w := s.web
	err := s.Store.PutParty(ctx, &mssp.Party{
		ID: portalParty, DTBDPrefix: portalPrefix, Pins: []mssp.Pin{portalPin},
		Profiles: []string{signum.ProfileAnyLoA4, signum.ProfileSTK, signum.ProfileDevice}, DefaultLang: "en",
	})
	if err != nil {
		return fmt.Errorf("party %s: %w", portalParty, err)
	}
	w.portal, err = portal.New(portal.Config{
		Signer: s.engine, Store: s.Store, Apps: s.Apps, CA: s.CA, Party: portalParty, Pin: portalPin, Prefix: portalPrefix,
		WebURL: s.WebURL, Clock: s.cfg.Clock, Logger: s.cfg.Logger,
	})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	phonePage, selfCare := phonepage.Handler(), w.portal.Handler()
	for _, pattern := range []string{"/phone", "/phone/"} {
		mux.Handle(pattern, phonePage)
	}
	for _, pattern := range []string{portalPath, portalPath + "/"} {
		mux.Handle(pattern, selfCare)
	}
	for pattern, h := range w.Handlers {
		mux.Handle(pattern, h)
	}
	mux.Handle(app.Base+"/", s.Apps.Handler())
	mux.Handle("GET /{$}", http.RedirectHandler(portalPath, http.StatusSeeOther))
	w.http = s.httpServer(mux, context.WithoutCancel(ctx))
	go func() {
		defer event.Rescue(s.cfg.Logger, "web listener", func() { w.served <- errPanic })
		if w.Certificate == nil {
			w.served <- served(w.http.Serve(w.listener))
			return
		}
		w.http.TLSConfig = &tls.Config{Certificates: []tls.Certificate{*w.Certificate}, MinVersion: tls.VersionTLS12}
		w.served <- served(w.http.ServeTLS(w.listener, "", ""))
	}()
	return nil
}

// stopWeb ends connections of Apps, which open them again elsewhere or later,
// and lets calls under way end.
func (s *Node) stopWeb(ctx context.Context) error {
	if s.Apps != nil {
		s.Apps.Close()
	}
	w := s.web
	if w.http == nil {
		return w.listener.Close()
	}
	err := shutdown(ctx, w.http)
	return errors.Join(err, w.portal.Close())
}
