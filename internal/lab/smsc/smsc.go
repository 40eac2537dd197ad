package smsc

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/smpp"
)

// Defaults of Config.
const (
	DefaultRadioTimeout = 8 * time.Second // below the response timeout of an ESME
	DefaultRetryPause   = 5 * time.Second
	DefaultLifetime     = time.Hour
	DefaultReorderWait  = 2 * time.Second
	DefaultMaxWaiting   = 10000
)

var (
	// ErrUnknown is what a Radio returns, wrapped or not, for a subscriber who
	// is none of its network's.
	ErrUnknown = errors.New("smsc: unknown subscriber")
	// ErrCongested means that a message of a phone was not taken; it may try
	// again.
	ErrCongested = errors.New("smsc: congestion")
	// ErrClosed means that the service centre is closed.
	ErrClosed = errors.New("smsc: closed")
)

// Radio is the network with the phones.
type Radio interface {
	// DeliverSM brings an SMS-DELIVER TPDU to a phone (MSISDN with a plus sign)
	// and returns the SMS-DELIVER-REPORT with which it answered; an empty one is
	// an acknowledgement. Errors: ErrUnknown; any other means that the phone
	// was not reached. Calls for one phone come one after the other.
	DeliverSM(ctx context.Context, msisdn string, tpdu []byte) (report []byte, err error)
}

// Config is what a service centre needs. Zero means the default.
type Config struct {
	Addr        string            // to listen on; 127.0.0.1:0. Not used with a Listener
	Listener    net.Listener      // its own; closed by Close
	Credentials map[string]string // password by system_id
	Radio       Radio
	Faults      Faults // of both directions; see SetFaults
	Seed        uint64 // of the faults
	Clock       interface{ Now() time.Time }
	Logger      *slog.Logger

	RadioTimeout time.Duration // of one attempt to reach a phone
	RetryPause   time.Duration // between two attempts, in both directions
	Lifetime     time.Duration // of a message that does not say; none lives longer
	ReorderWait  time.Duration // the longest that a reordered message waits
	MaxWaiting   int           // messages per direction; more are refused

	// Of the sessions with ESMEs; see smpp.ServerConfig.
	EnquireLink, ResponseTimeout time.Duration
}

// Counters are of one direction.
type Counters struct {
	Taken     uint64 // from their senders, lost ones included
	Refused   uint64 // not taken, or refused by the receiver for good
	Delivered uint64 // acknowledged by the receiver, each once
	Expired   uint64 // neither in their lifetime
	Attempts  uint64
	Waiting   int64 // now
	Injected  Injected
}

// SMSC is a service centre. It works from New until Close.
type SMSC struct {
	cfg    Config
	log    *slog.Logger
	server *smpp.Server
	addr   string
	ctx    context.Context
	stop   context.CancelFunc
	ways   [directions]*way
	nextID atomic.Uint32
	nextTo atomic.Uint32 // round robin over sessions

	mu     sync.Mutex
	closed bool
	bound  chan struct{} // closed when an ESME binds, and replaced
	work   sync.WaitGroup
}

// way is one direction.
type way struct {
	faults *injector
	lanes  *lanes

	taken, refused, delivered, expired, attempts atomic.Uint64
	waiting                                      atomic.Int64
}

// New starts a service centre.
func New(cfg Config) (*SMSC, error) {
	if cfg.Radio == nil {
		return nil, errors.New("smsc: no radio network")
	}
	cfg.setDefaults()
	l := cfg.Listener
	if l == nil {
		var err error
		if l, err = net.Listen("tcp", cfg.Addr); err != nil {
			return nil, fmt.Errorf("smsc: %w", err)
		}
	}
	s := &SMSC{cfg: cfg, log: cfg.Logger, addr: l.Addr().String(), bound: make(chan struct{})}
	s.ctx, s.stop = context.WithCancel(context.Background())
	for d := range s.ways {
		s.ways[d] = &way{faults: newInjector(cfg.Seed, Direction(d), cfg.Faults), lanes: newLanes()}
	}
	s.server = smpp.NewServer(smpp.ServerConfig{
		SystemID: "signum-smsc", Authenticate: s.authenticate, Submit: s.submitSM, Bound: s.wake, Logger: cfg.Logger,
		EnquireLink: cfg.EnquireLink, ResponseTimeout: cfg.ResponseTimeout,
	})
	s.work.Go(func() {
		defer event.Rescue(s.log, "SMSC")
		if err := s.server.Serve(l); !errors.Is(err, smpp.ErrClosed) {
			s.log.Error("SMSC does not accept connections any more", "err", err)
		}
	})
	return s, nil
}

func (cfg *Config) setDefaults() {
	or := func(v *time.Duration, d time.Duration) {
		if *v <= 0 {
			*v = d
		}
	}
	or(&cfg.RadioTimeout, DefaultRadioTimeout)
	or(&cfg.RetryPause, DefaultRetryPause)
	or(&cfg.Lifetime, DefaultLifetime)
	or(&cfg.ReorderWait, DefaultReorderWait)
	if cfg.MaxWaiting <= 0 {
		cfg.MaxWaiting = DefaultMaxWaiting
	}
	if cfg.Addr == "" {
		cfg.Addr = "127.0.0.1:0"
	}
	if cfg.Clock == nil {
		cfg.Clock = systemClock{}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
}

type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }

// Addr is host:port where ESMEs bind.
func (s *SMSC) Addr() string { return s.addr }

// SetFaults changes what goes wrong from now on, in the directions named, or in
// both if none is.
func (s *SMSC) SetFaults(f Faults, d ...Direction) {
	if len(d) == 0 {
		d = []Direction{ToPhone, ToESME}
	}
	for _, way := range d {
		s.ways[way].faults.set(f)
	}
}

// Counters are those of a direction.
func (s *SMSC) Counters(d Direction) Counters {
	w := s.ways[d]
	return Counters{
		Taken: w.taken.Load(), Refused: w.refused.Load(), Delivered: w.delivered.Load(), Expired: w.expired.Load(),
		Attempts: w.attempts.Load(), Waiting: w.waiting.Load(), Injected: w.faults.injected(),
	}
}

// Disconnect cuts the sessions of all ESMEs; they may bind again.
func (s *SMSC) Disconnect() {
	for _, ss := range s.server.Sessions() {
		ss.Close()
	}
}

// Run returns after the context has ended and the service centre is closed.
func (s *SMSC) Run(ctx context.Context) error {
	select {
	case <-ctx.Done():
	case <-s.ctx.Done():
	}
	s.Close()
	return nil
}

// Close unbinds the ESMEs and ends. What waits is lost.
func (s *SMSC) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.stop()
	s.server.Close()
	s.work.Wait()
}

// start does work that Close waits for, unless it has begun.
func (s *SMSC) start(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.work.Go(func() {
		defer event.Rescue(s.log, "SMSC delivery")
		f()
	})
	return true
}

func (s *SMSC) authenticate(systemID, password string) smpp.Status {
	want, known := s.cfg.Credentials[systemID]
	switch {
	case !known:
		return smpp.StatusInvSysID
	case subtle.ConstantTimeCompare([]byte(want), []byte(password)) == 0:
		return smpp.StatusInvPaswd
	}
	return smpp.StatusOK
}

func (s *SMSC) wake(*smpp.Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.bound)
	s.bound = make(chan struct{})
}

// binds is closed when the next ESME binds.
func (s *SMSC) binds() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bound
}
