package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/app"
	"github.com/signum-mssp/signum/internal/ca"
	"github.com/signum-mssp/signum/internal/edge"
	"github.com/signum-mssp/signum/internal/engine"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/rest"
	"github.com/signum-mssp/signum/internal/sim"
	"github.com/signum-mssp/signum/internal/simcards"
	"github.com/signum-mssp/signum/internal/smpp"
	"github.com/signum-mssp/signum/internal/soap"
	"github.com/signum-mssp/signum/internal/store"
)

// Timeouts of the listeners. There is none for answers: a request may wait
// for its user for 300 s, and the engine ends it.
const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	drainTimeout  = 5 * time.Second
	maxHeader     = 16 << 10 // bytes
)

// Config is what a node is made of.
type Config struct {
	Addr        string // of the service, host:port; port 0 picks a free one
	Certificate tls.Certificate
	PKIAddr     string // of OCSP, CRL and CA certificates, plain http
	Store       string // see store.Open
	// Authority gives the CA's keys and certificates. It is told where the CA
	// will publish, because a new CA's certificates say so.
	Authority func(pkiURL string) (*ca.Authority, error)
	Web       Web
	SIM       SIM
	MSSPURI   string // how the provider names itself in answers
	Shared    bool   // other nodes use the same store
	// HomeNetwork is MCC and MNC of the network whose SIMs can be located.
	HomeNetwork string
	AuthURI     string // that opens the app that signs, see engine.Config; one that begins with / is a page of Web
	// Handlers are further addresses of the service's listener, by pattern of
	// http.ServeMux.
	Handlers map[string]http.Handler
	// Wrap, if not nil, is put around the service's listener: it sees every
	// request before anything else does, and every answer after.
	Wrap   func(http.Handler) http.Handler
	Clock  mssp.Clock
	Logger *slog.Logger
	Engine engine.Config // only its durations are used
}

// Node is one node of the service. New makes it, Run serves until its context ends.
type Node struct {
	Store   mssp.Store
	CA      *ca.Issuer
	Apps    *app.Server
	SIMs    *sim.Channel
	Cards   *simcards.Provisioner
	KeyRing *simcards.KeyRing // of the cards

	cfg    Config
	smsc   *smpp.Client // nil: none is configured
	engine *engine.Engine
	tls    net.Listener
	pki    net.Listener
	web    *web
}

// New opens the store and the CA and binds the addresses. Apps are served at
// once, parties when the Node is Run. One that is not Run must be closed.
func New(ctx context.Context, cfg Config) (s *Node, err error) {
	if cfg.Clock == nil {
		cfg.Clock = mssp.SystemClock{}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s = &Node{cfg: cfg}
	defer func() {
		if err != nil {
			err, s = errors.Join(err, s.Close()), nil
		}
	}()
	if s.tls, err = net.Listen("tcp", cfg.Addr); err != nil {
		return s, err
	}
	if s.pki, err = net.Listen("tcp", cfg.PKIAddr); err != nil {
		return s, err
	}
	if s.web, err = cfg.Web.listen(); err != nil {
		return s, err
	}
	st, err := store.Open(ctx, cfg.Store, store.WithLogger(cfg.Logger))
	if err != nil {
		return s, err
	}
	s.Store = st
	authority, err := cfg.Authority(s.PKIURL())
	if err != nil {
		return s, err
	}
	s.CA, err = ca.New(authority, st, ca.Options{URL: s.PKIURL(), Clock: cfg.Clock, Log: cfg.Logger})
	if err != nil {
		return s, err
	}
	if s.Apps, err = s.newApps(); err != nil {
		return s, err
	}
	if err = s.newSIMs(); err != nil {
		return s, err
	}
	ec := cfg.Engine
	ec.Store, ec.Chains, ec.MSSPURI = s.Store, authority, cfg.MSSPURI
	ec.Clock, ec.Logger = cfg.Clock, cfg.Logger
	ec.Issuer, ec.Texts, ec.HomeNetwork, ec.AuthURI = s.CA, s.SIMs, cfg.HomeNetwork, s.web.page(cfg.AuthURI)
	apps := mssp.Channel(s.Apps)
	if cfg.Web.Channel != nil {
		apps = cfg.Web.Channel(apps)
	}
	ec.Channels = map[signum.Method]mssp.Channel{signum.SIM: s.simChannel(), signum.App: apps}
	if cfg.Shared && ec.Poll == 0 {
		ec.Poll = time.Second
	}
	if s.engine, err = engine.New(ec); err != nil {
		return s, err
	}
	s.SIMs.Connect(s.engine, s.engine)
	s.Apps.Connect(s.engine, s.engine)
	return s, s.serveWeb(ctx)
}

// Addr is the host:port of the service, as it is reached from this machine.
func (s *Node) Addr() string { return reachable(s.tls.Addr()) }

// reachable is a listener's address for those who connect: all addresses of a
// machine are none to them.
func reachable(a net.Addr) string {
	tcp, ok := a.(*net.TCPAddr)
	if !ok || !tcp.IP.IsUnspecified() {
		return a.String()
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(tcp.Port))
}

// PKIURL is where the CA publishes, without a slash at its end.
func (s *Node) PKIURL() string { return "http://" + reachable(s.pki.Addr()) }

// WebURL is where people find the pages, without a slash at its end.
func (s *Node) WebURL() string { return s.web.url }

// AnswerHandler is who is told what phones answer.
func (s *Node) AnswerHandler() mssp.AnswerHandler { return s.engine }

// Close gives back what New took, for a Node that was not Run.
func (s *Node) Close() error {
	var errs []error
	for _, l := range []net.Listener{s.tls, s.pki} {
		if l != nil {
			if err := l.Close(); !errors.Is(err, net.ErrClosed) {
				errs = append(errs, err)
			}
		}
	}
	if s.web != nil {
		errs = append(errs, s.stopWeb(context.Background()))
	}
	if s.SIMs != nil {
		s.SIMs.Close()
	}
	if s.Store != nil {
		errs = append(errs, s.Store.Close())
	}
	return errors.Join(errs...)
}

// errStopping is what those who wait are told when the node stops. Their
// transactions go on when it starts again.
var errStopping = signum.Faultf(signum.InternalError, "The service is stopping")

// Run serves until ctx ends or a listener fails, then stops in order: no new
// requests, those that wait are told, SIMs, engine, store.
func (s *Node) Run(ctx context.Context) error {
	requests, stopRequests := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stopRequests(nil)
	mux := http.NewServeMux()
	edge.Register(mux, edge.Options{Service: s.engine, Clock: s.cfg.Clock, Logger: s.cfg.Logger},
		rest.Wire{}, soap.Wire{PortalURL: s.web.page(portalPath)})
	for pattern, h := range s.cfg.Handlers {
		mux.Handle(pattern, h)
	}
	handler := http.Handler(mux)
	if s.cfg.Wrap != nil {
		handler = s.cfg.Wrap(handler)
	}
	service := s.httpServer(handler, requests)
	service.TLSConfig = edge.TLSConfig(s.cfg.Certificate)
	pki := s.httpServer(s.CA.Handler(), requests)

	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	engineDone := make(chan error, 1)
	go func() {
		defer event.Rescue(s.cfg.Logger, "engine", func() { engineDone <- errPanic })
		engineDone <- s.engine.Run(life)
	}()
	smscDone := make(chan error, 1)
	go func() {
		defer event.Rescue(s.cfg.Logger, "SMSC client", func() { smscDone <- errPanic })
		smscDone <- s.runSMSC(life)
	}()

	g, gctx := errgroup.WithContext(ctx)
	run := func(where string, f func() error) {
		g.Go(func() (err error) {
			defer event.RescueTo(&err, s.cfg.Logger, where)
			return f()
		})
	}
	run("service listener", func() error { return served(service.ServeTLS(s.tls, "", "")) })
	run("PKI listener", func() error { return served(pki.Serve(s.pki)) })
	run("web listener", func() error { return <-s.web.served })
	run("Apps", func() error { s.Apps.Run(gctx); return nil })
	run("engine watch", func() error {
		select {
		case <-gctx.Done():
			return nil
		case err := <-engineDone:
			engineDone <- err
			return err
		}
	})
	<-gctx.Done()
	stopRequests(errStopping)
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	err := errors.Join(shutdown(drain, service), shutdown(drain, pki), s.stopWeb(drain), g.Wait())
	s.SIMs.Close()
	stop()
	return errors.Join(err, <-smscDone, <-engineDone, s.Store.Close())
}

// errPanic is how a part ends that panicked; the log has the stack.
var errPanic = errors.New("internal error")

// served is the error of a server that ended other than by Shutdown.
func served(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func shutdown(ctx context.Context, srv *http.Server) error {
	err := srv.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.Join(fmt.Errorf("connections still open after %s", drainTimeout), srv.Close())
	}
	return err
}

func (s *Node) httpServer(h http.Handler, requests context.Context) *http.Server {
	srv := &http.Server{
		Handler:           event.Handler(s.cfg.Logger, "HTTP handler", h),
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(s.cfg.Logger.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return requests },
	}
	new(idleConns).watch(srv)
	return srv
}
