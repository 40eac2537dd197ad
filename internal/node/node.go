package node

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"slices"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/account"
	"github.com/signum-mssp/signum/internal/admission"
	"github.com/signum-mssp/signum/internal/app"
	"github.com/signum-mssp/signum/internal/ca"
	"github.com/signum-mssp/signum/internal/certfile"
	"github.com/signum-mssp/signum/internal/clientaddr"
	"github.com/signum-mssp/signum/internal/cluster"
	"github.com/signum-mssp/signum/internal/config"
	"github.com/signum-mssp/signum/internal/edge"
	"github.com/signum-mssp/signum/internal/engine"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/metrics"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/policy"
	"github.com/signum-mssp/signum/internal/retention"
	"github.com/signum-mssp/signum/internal/sim"
	"github.com/signum-mssp/signum/internal/simcards"
	"github.com/signum-mssp/signum/internal/smpp/group"
	"github.com/signum-mssp/signum/internal/store"
)

// Node is one node of the service. New binds its addresses, Run serves until
// its context ends, Close releases what New acquired.
type Node struct {
	Store   mssp.Store
	CA      *ca.Issuer
	Apps    *app.Server
	SIMs    *sim.Channel
	Cards   *simcards.Provisioner
	KeyRing *simcards.KeyRing // of the cards

	cfg        config.Config
	deps       Deps
	metrics    *metrics.Metrics
	events     *event.Recorder // one for all entrances: repeated errors are counted together
	httpLog    *log.Logger     // of net/http
	health     health
	smscs      *group.Group     // nil: none is configured
	peers      *cluster.Cluster // nil: the node is alone
	accounts   *account.Service
	engine     lateEngine
	questions  *cluster.Questions // nil if the node is alone
	placeName  string             // of several, this one
	rows       *store.Store       // Store itself, for what the port does not have
	retention  *retention.Job
	gate       *admission.Gate
	queues     []admission.Queue // behind it
	authority  *ca.Authority     // loaded with the store, see tie
	listeners  listeners
	doors      doors
	mss, web   *http.ServeMux
	pki        *http.ServeMux       // besides what the CA publishes
	proxies    *clientaddr.Resolver // in front of the pages and the PKI
	exempt     *clientaddr.Resolver // whose connections no limit per address counts
	tlsProxies *edge.Proxies        // end TLS in front of the listener mss; nil: none
	// endSessions ends the sessions of a number on the self-care pages.
	endSessions func(msisdn string)

	certificates map[string]*certfile.Pair // by listener: mss, maybe web
	webTLS       *tls.Config               // nil: the pages are served over plain http
	reload       reload

	release []func() error // in the order of acquisition
}

// lateEngine stands for the engine before it exists: the engine needs the channels,
// which need the engine, as do their wrappers. New sets it before anything can call
// it.
type lateEngine struct{ *engine.Engine }

var (
	_ mssp.AnswerHandler = (*lateEngine)(nil)
	_ mssp.Inbox         = (*lateEngine)(nil)
)

// New checks the configuration, binds the addresses and opens the store and the
// CA. It serves nothing yet. A node must be closed, whether it was run or not.
func New(ctx context.Context, cfg config.Config, deps Deps) (*Node, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	counted, err := metrics.New(deps.Metrics, deps.Version)
	if err != nil {
		return nil, err
	}
	n := &Node{
		cfg: cfg, deps: deps.withDefaults(), metrics: counted, proxies: clientaddr.New(cfg.TrustedProxies),
		mss: http.NewServeMux(), web: http.NewServeMux(), pki: http.NewServeMux(),
	}
	n.onClose(func() error { counted.Close(); return nil })
	n.setCurrent(cfg)
	n.newLogs()
	for _, step := range []func(context.Context) error{
		n.loadCertificates, n.listen, n.openStore, n.openCA, n.newSIMs, n.newApps, n.newGate, n.newEngine, n.newRetention, n.newPages, n.newEdge, n.newTLSProxies, n.newAdmin, n.newDoors, n.observe,
	} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, n.Close())
		}
	}
	return n, nil
}

// onClose registers f for Close, which runs the functions in reverse order.
func (n *Node) onClose(f func() error) { n.release = append(n.release, f) }

// Close releases what New acquired. Run must have ended. A second call does
// nothing.
func (n *Node) Close() error {
	var errs []error
	for _, f := range slices.Backward(n.release) {
		errs = append(errs, within(n.deps.Logger, "close", f))
	}
	n.release = nil
	return errors.Join(errs...)
}

func (n *Node) openStore(ctx context.Context) error {
	for _, k := range mssp.RowKinds {
		n.metrics.UnreadableRows(string(k), 0)
	}
	var refused error // what keeps this node from this database lies in its configuration
	opts := []store.Option{
		store.WithLogger(n.deps.Logger), store.WithBeforeCommit(n.deps.BeforeCommit),
		store.WithInstance(func(known mssp.Ties) (i mssp.Instance, err error) {
			i, refused = n.tie(known)
			return i, refused
		}),
		store.WithRowErrors(func(e *mssp.RowError) { n.metrics.UnreadableRows(string(e.Kind), 1) }),
	}
	if u := n.cfg.Store.ListenURL.Reveal(); u != "" {
		opts = append(opts, store.WithListenURL(u))
	}
	if n.cfg.Store.Migrate {
		opts = append(opts, store.WithMigrations())
	}
	s, err := store.Open(ctx, n.cfg.Store.URL.Reveal(), opts...)
	switch {
	case refused != nil:
		return refused
	case err != nil:
		return &UnavailableError{Err: err}
	}
	n.metrics.Counters("signum_store_writes_total", "What the store wrote.", "what", func() map[string]uint64 {
		done := s.Stats()
		return map[string]uint64{"commit": done.Commits, "write": done.Writes, "split_group": done.Split}
	})
	n.Store, n.rows = s, s
	n.queues = append(n.queues, admission.Queue{Name: "writes", Age: s.Age, AgeOf: s.AgeOf})
	n.health.ping = s.Check
	n.onClose(s.Close)
	return n.joinCluster(ctx, s)
}

func (n *Node) openCA(context.Context) (err error) {
	if c := n.cfg.CA; c.Create && c.Test {
		if err := n.authority.Readdress(c.Directory, n.PKIURL()); err != nil {
			return err
		}
	}
	n.CA, err = ca.New(n.authority, n.Store, n.caOptions())
	return err
}

func (n *Node) newEngine(context.Context) error {
	c := engine.Config{
		Store: n.Store, Chains: n.CA, Issuer: n.CA, NewSerial: ca.NewSerial, Notifier: n.accounts, Texts: n.SIMs, ServiceName: n.cfg.Service.Name,
		Channels: map[signum.Method]mssp.Channel{
			signum.SIM: n.deps.WrapSIMs.wrap(n.SIMs, &n.engine),
			signum.App: n.deps.WrapApps.wrap(n.Apps, &n.engine),
		},
		MSSPURI:     n.cfg.Service.MSSPURI,
		HomeNetwork: n.cfg.SIM.HomeNetwork.MCC + n.cfg.SIM.HomeNetwork.MNC,
		AuthURI:     n.page(n.cfg.Service.AuthURI),
		Clock:       n.deps.Clock, Logger: n.deps.Logger, Gate: n.gate,
		Skew: n.cfg.Engine.Skew, Retention: n.cfg.Retention.Outcomes, Sweep: n.cfg.Engine.Sweep, MinTimeout: n.cfg.Engine.MinTimeout,
	}
	if n.deps.WrapStore != nil {
		c.Store = n.deps.WrapStore(n.Store)
	}
	var err error
	if c.Limits, err = limitsOf(&n.cfg); err != nil {
		return err
	}
	if n.peers != nil {
		c.Cluster, c.Poll = n.peers, n.cfg.Engine.Poll
	}
	if n.engine.Engine, err = engine.New(c); err != nil {
		return err
	}
	n.enterCluster()
	var answers mssp.AnswerHandler = &n.engine
	if n.deps.WrapAnswers != nil {
		answers = n.deps.WrapAnswers(answers)
	}
	n.SIMs.Connect(answers, &n.engine)
	n.Apps.Connect(answers, &n.engine)
	return nil
}

func (n *Node) newRetention(ctx context.Context) (err error) {
	n.retention, err = retention.New(retention.Config{
		Store: n.rows, Clock: n.deps.Clock, Logger: n.deps.Logger, Evidence: n.cfg.Retention.Evidence,
		Life:    n.cfg.Engine.Skew + policy.MaxTimeout,
		Devices: n.cfg.Retention.Devices, Certificates: n.cfg.Retention.Certificates, Export: n.cfg.Retention.Export,
	})
	if err != nil {
		return err
	}
	if err := n.retention.Prepare(ctx); err != nil {
		// Requests find a place without them.
		n.deps.Logger.WarnContext(ctx, "partitions could not be made; trying again in a minute", "err", err)
	}
	return nil
}

// Answers takes the answers of phones.
func (n *Node) Answers() mssp.AnswerHandler { return &n.engine }

// Inbox tells what phones are asked for.
func (n *Node) Inbox() mssp.Inbox { return &n.engine }

// HandleMSS adds a handler to the listener of application providers, by a pattern
// of http.ServeMux. It must not be called once the node runs.
func (n *Node) HandleMSS(pattern string, h http.Handler) { n.mss.Handle(pattern, h) }

// ServeMSS serves a request with the handlers of that listener, wherever it came in.
func (n *Node) ServeMSS(w http.ResponseWriter, r *http.Request) { n.mss.ServeHTTP(w, r) }

// HandleWeb does the same for the listener of the pages.
func (n *Node) HandleWeb(pattern string, h http.Handler) { n.web.Handle(pattern, h) }

// HandlePKI does the same for the listener of OCSP and CRLs.
func (n *Node) HandlePKI(pattern string, h http.Handler) { n.pki.Handle(pattern, h) }

// MSSAddr is the host:port of the listener for application providers, as reachable
// from this machine.
func (n *Node) MSSAddr() string { return reachable(n.listeners.mss.Addr()) }

// MSSURL is the origin under which application providers reach the service. It need not
// be reachable from here; see MSSAddr.
func (n *Node) MSSURL() string {
	return cmp.Or(string(n.cfg.Listen.MSS.URL), "https://"+n.public(n.listeners.mss.Addr()))
}

// PKIURL is the base under which everybody reaches what the CA publishes,
// without a slash at its end.
func (n *Node) PKIURL() string {
	return cmp.Or(string(n.cfg.Listen.PKI.URL), "http://"+n.public(n.listeners.pki.Addr()))
}

// PKIListenerURL is the same by the address of the listener, as reachable from this machine.
func (n *Node) PKIListenerURL() string { return "http://" + reachable(n.listeners.pki.Addr()) }

// OpsURL is the base URL of metrics and health; empty if they are not served. A listener
// on loopback is for this machine, whatever name the node has.
func (n *Node) OpsURL() string {
	if n.listeners.ops == nil {
		return ""
	}
	a := n.listeners.ops.Addr()
	if tcp, ok := a.(*net.TCPAddr); ok && tcp.IP.IsLoopback() {
		return "http://" + a.String()
	}
	return "http://" + n.public(a)
}

// Addresses are those on which the node listens, by ListenerNames.
func (n *Node) Addresses() map[string]net.Addr {
	all := make(map[string]net.Addr)
	for name, l := range map[string]net.Listener{"mss": n.listeners.mss, "web": n.listeners.web, "pki": n.listeners.pki, "ops": n.listeners.ops} {
		if l != nil {
			all[name] = l.Addr()
		}
	}
	return all
}

// ServiceName is what users know the service by: the name on the pages and in
// texts to phones.
func (n *Node) ServiceName() string { return n.cfg.Service.Name }

// WebURL is the origin under which people find the pages. It need not be
// reachable from here; see WebListenerURL.
func (n *Node) WebURL() string {
	return cmp.Or(string(n.cfg.Listen.Web.URL), n.origin(n.listeners.web.Addr().(*net.TCPAddr)))
}

// WebListenerURL is the origin of the pages' listener by its address, not by a public
// name. Parts of this process use it.
func (n *Node) WebListenerURL() string { return n.webScheme() + reachable(n.listeners.web.Addr()) }

// putParty adds a party of the node's own.
func (n *Node) putParty(ctx context.Context, p *mssp.Party) error {
	if err := n.Store.PutParty(ctx, p); err != nil {
		return fmt.Errorf("party %s: %w", p.ID, err)
	}
	return nil
}
