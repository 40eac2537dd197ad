package app

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/limit"
	"github.com/signum-mssp/signum/internal/mssp"
)

const (
	// Root is what Handler is mounted at: all versions of the protocol.
	Root = "/app/"
	// Base is where the current version of the protocol is served.
	Base = Root + "v2"
	// firstBase is where version 1 was served. Its Apps must be replaced, because
	// they sign without naming the request that they unlock.
	firstBase = Root + "v1"
)

// Store is the part of mssp.Store that Apps need.
type Store interface {
	mssp.AppStore
	Subscriber(ctx context.Context, msisdn string) (*mssp.Subscriber, error)
	RenewDevice(ctx context.Context, deviceID, oldSerial, newSerial string) (bool, error)
	SetPINBlocked(ctx context.Context, deviceID string, blocked bool) error
	SerialKnown(ctx context.Context, msisdn string) (bool, error)
	Logo(ctx context.Context, id string) ([]byte, error)
	EndDevice(ctx context.Context, deviceID string, why mssp.DeviceEnd, at time.Time) error
}

// CA issues and revokes the certificates of Apps.
type CA interface {
	mssp.Issuer
	mssp.Chains // an App gets the CA certificates with its own
}

// Config configures a Server. Store, CA, Service, WebURL and NewSerial must be set.
type Config struct {
	Store     Store
	CA        CA
	Clock     mssp.Clock
	Logger    *slog.Logger
	Events    *event.Recorder // gets one event per call; nil: a recorder that writes to Logger
	Service   string          // aud of proofs
	WebURL    string          // of the web App; passkeys and browser inboxes must come from its origin
	Hosts     []string        // at which the web App is served as well, for inboxes alone
	Prefix    string          // of the paths that Apps call, which somebody in front of Handler strips; empty: none
	Accounts  Accounts        // nil: nobody is told of changes
	NewSerial func() string   // makes the serial number for an account that is reset

	VAPID VAPID // without keys: new ones are generated, and subscriptions made for older keys stop working
	// AllowPush decides whether a push service may be called. nil: https only, and
	// only public addresses.
	AllowPush func(*url.URL) error
	// PushClient calls push services. nil: a client that connects to public
	// addresses only, whatever the host name resolves to.
	PushClient *http.Client

	// Peers are the other nodes on the same store; nil: there are none. With them, Shared must
	// be set.
	Peers  Peers
	Shared mssp.SharedValues

	OpenAPI []byte // served as openapi.yaml; nil: not served
	Limits  Limits
}

// Limits bound what Apps may use. A zero value stands for the default.
type Limits struct {
	Connections int // inboxes that are open at a time; 20,000
	PerAccount  int // Apps of a user; 5
	Wakes       int // Apps that wait to be woken by push; 50,000

	Begin      limit.Rate // calls of /enrol/begin, per client address
	Address    limit.Rate // all calls, per client address; thousands of phones may share one behind a mobile network
	Device     limit.Rate // calls with a proof and frames of the inbox, per device
	Subscriber limit.Rate // calls with a proof, per account
}

func (l Limits) withDefaults() Limits {
	return Limits{
		Connections: cmp.Or(l.Connections, 20_000), PerAccount: cmp.Or(l.PerAccount, 5), Wakes: cmp.Or(l.Wakes, 50_000),

		Begin:      cmp.Or(l.Begin, limit.PerMinute(60, 60)),
		Address:    cmp.Or(l.Address, limit.PerMinute(6000, 3000)),
		Device:     cmp.Or(l.Device, limit.PerMinute(120, 60)),
		Subscriber: cmp.Or(l.Subscriber, limit.PerMinute(240, 120)),
	}
}

func (c Config) withDefaults() Config {
	if c.Clock == nil {
		c.Clock = mssp.SystemClock{}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Events == nil {
		c.Events = event.New(c.Clock, c.Logger)
	}
	if c.AllowPush == nil {
		c.AllowPush = publicPush
	}
	if c.PushClient == nil {
		c.PushClient = publicClient()
	}
	c.Limits = c.Limits.withDefaults()
	return c
}

func (c Config) check() error {
	if c.Store == nil || c.CA == nil || c.NewSerial == nil || c.Service == "" {
		return errors.New("app: Store, CA, Service and NewSerial must be set")
	}
	if c.Peers != nil && c.Shared == nil {
		return errors.New("app: other nodes need Shared")
	}
	return nil
}

// Server implements mssp.Channel for the method App. It is safe for concurrent use.
type Server struct {
	cfg     Config
	log     *slog.Logger
	events  *event.Recorder
	site    site // of the web App
	started time.Time
	decoy   *ecdsa.PublicKey // stands in for the key of a device that does not exist
	push    *pusher

	limits                                     atomic.Pointer[Limits]
	byBegin, byAddress, byDevice, bySubscriber *limit.Limiter

	proofs   *memory // proofs that were accepted, against replay
	ended    *memory // requests that have ended
	registry registry
	asked    wakeups
	enrols   pendingEnrolments

	mu       sync.RWMutex
	answerer mssp.AnswerHandler
	inbox    mssp.Inbox

	tasks tasks
}

var _ mssp.Channel = (*Server)(nil)

// New returns a server that accepts calls at once. Timeouts and expiry need Run.
func New(c Config) (*Server, error) {
	c = c.withDefaults()
	if err := c.check(); err != nil {
		return nil, err
	}
	web, err := parseSite(c.WebURL)
	if err != nil {
		return nil, err
	}
	decoy, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	s := &Server{
		cfg: c, log: c.Logger, events: c.Events, site: web, started: c.Clock.Now(), decoy: &decoy.PublicKey,
		byBegin: limit.New(c.Limits.Begin, limit.DefaultKeys), byAddress: limit.New(c.Limits.Address, limit.DefaultKeys),
		byDevice: limit.New(c.Limits.Device, limit.DefaultKeys), bySubscriber: limit.New(c.Limits.Subscriber, limit.DefaultKeys),
		proofs:   newMemory(proofWindow, 1<<19),
		ended:    newMemory(endedFor, 1<<18),
		registry: newRegistry(),
		asked:    wakeups{waiting: make(map[string]*time.Timer)},
		enrols:   newPendingEnrolments(),
		tasks:    tasks{log: c.Logger},
	}
	s.limits.Store(&c.Limits)
	if s.push, err = newPusher(s, c.VAPID); err != nil {
		return nil, err
	}
	return s, nil
}

// Connect sets the handler of answers and the source of pending requests. Call
// it before the first request arrives.
func (s *Server) Connect(a mssp.AnswerHandler, i mssp.Inbox) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answerer, s.inbox = a, i
}

func (s *Server) engine() (mssp.AnswerHandler, mssp.Inbox, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.answerer == nil || s.inbox == nil {
		return nil, nil, errors.New("app: the server is not connected")
	}
	return s.answerer, s.inbox, nil
}

func (s *Server) now() time.Time { return s.cfg.Clock.Now() }

// Handler serves everything under Root.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST "+Base+"/enrol/begin", s.open((*call).begin))
	mux.Handle("POST "+Base+"/enrol", s.open((*call).enrol))
	mux.Handle("GET "+Base+"/push-key", s.open((*call).pushKey))
	mux.Handle("GET "+Base+"/openapi.yaml", s.open(func(*call) (any, error) {
		if s.cfg.OpenAPI == nil {
			return nil, errUnknown
		}
		return raw{mime: "application/yaml", body: s.cfg.OpenAPI}, nil
	}))
	mux.Handle("GET "+logoPath+"{file}", s.open((*call).logo))
	mux.HandleFunc("GET "+inboxPath, s.serveInbox)
	mux.Handle("GET "+Base+"/requests", s.proved((*call).requests))
	mux.Handle("POST "+Base+"/open", s.proved((*call).openToken))
	mux.Handle("POST "+Base+"/answer", s.proved((*call).answerRequest))
	mux.Handle("POST "+Base+"/unlock", s.proved((*call).unlock))
	mux.Handle("POST "+Base+"/passcode", s.proved((*call).passcode))
	mux.Handle("POST "+Base+"/share", s.proved((*call).share))
	mux.Handle("POST "+Base+"/passkey", s.proved((*call).registerPasskey))
	mux.Handle("GET "+Base+"/passkey", s.proved((*call).passkeys))
	mux.Handle("DELETE "+Base+"/passkey", s.proved((*call).removePasskey))
	mux.Handle("POST "+Base+"/heartbeat", s.proved((*call).heartbeat))
	mux.Handle("GET "+Base+"/notices", s.proved((*call).notices))
	mux.Handle("POST "+Base+"/object", s.proved((*call).object))
	mux.Handle("GET "+Base+"/signature", s.proved((*call).signature))
	mux.Handle("DELETE "+Base+"/device", s.proved((*call).remove))
	mux.HandleFunc(firstBase+"/", s.outdated)
	mux.Handle("/", s.open(func(*call) (any, error) { return nil, errUnknown }))
	return mux
}

// SetLimits replaces the limits. What is there already stays.
func (s *Server) SetLimits(l Limits) {
	l = l.withDefaults()
	s.limits.Store(&l)
	s.byBegin.SetRate(l.Begin)
	s.byAddress.SetRate(l.Address)
	s.byDevice.SetRate(l.Device)
	s.bySubscriber.SetRate(l.Subscriber)
}

// Run does once a second what is due, until ctx ends: it drops expired requests
// and enrolments, closes silent connections, and wakes Apps that did not show a
// request.
func (s *Server) Run(ctx context.Context) {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			s.sweep(s.now())
		}
	}
}

// Close closes all inboxes, which the Apps reopen later or on another node, and
// waits a few seconds at most for the calls in progress.
func (s *Server) Close() {
	s.tasks.stop()
	s.asked.stop()
	s.closeInboxes()
	s.tasks.wait()
	s.cfg.PushClient.CloseIdleConnections()
}

// tasks tracks the goroutines of a Server.
type tasks struct {
	log     *slog.Logger
	mu      sync.Mutex
	stopped bool
	n       sync.WaitGroup
}

// start runs f in a goroutine, unless stop was called. If f panics, the functions
// in then undo what it leaves behind.
func (t *tasks) start(f func(), then ...func()) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopped {
		return false
	}
	t.n.Go(func() {
		defer event.Rescue(t.log, "App task", then...)
		f()
	})
	return true
}

func (t *tasks) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped = true
}

func (t *tasks) stopping() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.stopped
}

func (t *tasks) wait() { t.n.Wait() }

// deviceOf returns the device of an App and the account that it belongs to.
func (s *Server) deviceOf(ctx context.Context, a *mssp.AppDevice) (*mssp.Subscriber, *mssp.Device, error) {
	sub, err := s.cfg.Store.Subscriber(ctx, a.MSISDN)
	if err != nil {
		return nil, nil, fmt.Errorf("account of device %s: %w", a.DeviceID, err)
	}
	for i := range sub.Devices {
		if sub.Devices[i].ID == a.DeviceID {
			return sub, &sub.Devices[i], nil
		}
	}
	return nil, nil, fmt.Errorf("device %s of its account: %w", a.DeviceID, mssp.ErrNotFound)
}
