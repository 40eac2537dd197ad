package smsc

import (
	"cmp"
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
	DefaultWindow       = 100
)

var (
	// ErrUnknown is returned by a Radio, wrapped or not, for a number that is not
	// in its network.
	ErrUnknown = errors.New("smsc: unknown subscriber")
	// ErrCongested means that a message from a phone was not accepted; the phone
	// may try again.
	ErrCongested = errors.New("smsc: congestion")
	// ErrClosed means that the service centre is closed.
	ErrClosed = errors.New("smsc: closed")
)

// Radio is the radio network with the phones.
type Radio interface {
	// DeliverSM brings an SMS-DELIVER TPDU to a phone (MSISDN with a plus sign) and
	// returns the SMS-DELIVER-REPORT with which the phone answered; an empty one is
	// an acknowledgement. Errors: ErrUnknown; any other error means that the phone
	// was not reached. There is one call at a time for each phone.
	DeliverSM(ctx context.Context, msisdn string, tpdu []byte) (report []byte, err error)
}

// Config configures a service centre. Zero values mean the defaults; Radio must be
// set.
type Config struct {
	Addr        string            // to listen on, if there is no Listener; default 127.0.0.1:0
	Listener    net.Listener      // closed by Close
	Credentials map[string]string // password by system_id
	// Local is the only ESME, in this process: nothing listens, and messages go to it and come
	// from it (SubmitSM) by calls. It must not be set together with an address.
	Local  func(context.Context, *smpp.DeliverSM) smpp.Status
	Radio  Radio
	Faults Faults // of both directions; see SetFaults
	Seed   uint64 // of the faults
	// AnswerSender: a message of a phone goes to the ESME, by its system_id, that last sent
	// one to the phone. Otherwise it goes to any ESME, in turn.
	AnswerSender bool
	Clock        interface{ Now() time.Time }
	Logger       *slog.Logger

	RadioTimeout time.Duration // of one attempt to reach a phone
	RetryPause   time.Duration // between two attempts, in both directions
	Lifetime     time.Duration // of a message without a validity, and the most for any other
	ReorderWait  time.Duration // the longest that a reordered message waits
	MaxWaiting   int           // messages per direction; more are refused
	Window       int           // deliver_sm without a response, per session

	// For the sessions with ESMEs; see smpp.ServerConfig.
	EnquireLink, ResponseTimeout time.Duration
}

// Counters counts the messages of one direction.
type Counters struct {
	Taken     uint64 // accepted from their senders, lost ones included
	Refused   uint64 // not accepted, or refused by the receiver for good
	Delivered uint64 // acknowledged by the receiver; a duplicate does not count
	Expired   uint64 // neither acknowledged nor refused within their lifetime
	Attempts  uint64
	Waiting   int64 // at this moment
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
	nextTo atomic.Uint32 // for round robin over the sessions

	senders sync.Map // system_id by MSISDN, if Config.AnswerSender

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

// New starts a service centre. It must be closed.
func New(cfg Config) (*SMSC, error) {
	if cfg.Radio == nil {
		return nil, errors.New("smsc: no radio network")
	}
	cfg.setDefaults()
	s := &SMSC{cfg: cfg, log: cfg.Logger, bound: make(chan struct{})}
	s.ctx, s.stop = context.WithCancel(context.Background())
	for d := range s.ways {
		s.ways[d] = &way{faults: newInjector(cfg.Seed, Direction(d), cfg.Faults), lanes: newLanes()}
	}
	if cfg.Local != nil {
		return s, nil
	}
	if err := s.listen(); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *SMSC) listen() error {
	cfg, l := s.cfg, s.cfg.Listener
	if l == nil {
		var err error
		if l, err = net.Listen("tcp", cfg.Addr); err != nil {
			return fmt.Errorf("smsc: %w", err)
		}
	}
	s.addr = l.Addr().String()
	s.server = smpp.NewServer(smpp.ServerConfig{
		SystemID: "signum-smsc", Authenticate: s.authenticate, Submit: s.submitSM, Bound: s.wake, Logger: cfg.Logger,
		DeliverWindow: cfg.Window, EnquireLink: cfg.EnquireLink, ResponseTimeout: cfg.ResponseTimeout,
	})
	s.work.Go(func() {
		defer event.Rescue(s.log, "SMSC")
		if err := s.server.Serve(l); !errors.Is(err, smpp.ErrClosed) {
			s.log.Error("SMSC no longer accepts connections", "err", err)
		}
	})
	return nil
}

func (cfg *Config) setDefaults() {
	cfg.RadioTimeout = cmp.Or(cfg.RadioTimeout, DefaultRadioTimeout)
	cfg.RetryPause = cmp.Or(cfg.RetryPause, DefaultRetryPause)
	cfg.Lifetime = cmp.Or(cfg.Lifetime, DefaultLifetime)
	cfg.ReorderWait = cmp.Or(cfg.ReorderWait, DefaultReorderWait)
	cfg.MaxWaiting = cmp.Or(cfg.MaxWaiting, DefaultMaxWaiting)
	cfg.Window = cmp.Or(cfg.Window, DefaultWindow)
	cfg.Addr = cmp.Or(cfg.Addr, "127.0.0.1:0")
	if cfg.Clock == nil {
		cfg.Clock = systemClock{}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
}

type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }

// Addr is the host:port to which ESMEs connect; empty with Config.Local.
func (s *SMSC) Addr() string { return s.addr }

// SetFaults sets the faults of the given directions from now on; of both if none
// is given.
func (s *SMSC) SetFaults(f Faults, d ...Direction) {
	if len(d) == 0 {
		d = []Direction{ToPhone, ToESME}
	}
	for _, way := range d {
		s.ways[way].faults.set(f)
	}
}

// SetFull makes the queues of these phones (MSISDNs with a plus sign) full, and of no
// others: a submit_sm to them is answered with ESME_RMSGQFUL.
func (s *SMSC) SetFull(msisdns ...string) { s.ways[ToPhone].faults.setFull(msisdns) }

// Counters returns the counters of a direction.
func (s *SMSC) Counters(d Direction) Counters {
	w := s.ways[d]
	return Counters{
		Taken: w.taken.Load(), Refused: w.refused.Load(), Delivered: w.delivered.Load(), Expired: w.expired.Load(),
		Attempts: w.attempts.Load(), Waiting: w.waiting.Load(), Injected: w.faults.injected(),
	}
}

// Bound returns how many sessions ESMEs have.
func (s *SMSC) Bound() int { return len(s.sessions()) }

// sessions returns those of all ESMEs; none with Config.Local.
func (s *SMSC) sessions() []*smpp.Session {
	if s.server == nil {
		return nil
	}
	return s.server.Sessions()
}

// Disconnect cuts the sessions of all ESMEs. They may bind again.
func (s *SMSC) Disconnect() {
	for _, ss := range s.sessions() {
		ss.Close()
	}
}

// Run closes the service centre when the context ends, and returns.
func (s *SMSC) Run(ctx context.Context) error {
	select {
	case <-ctx.Done():
	case <-s.ctx.Done():
	}
	s.Close()
	return nil
}

// Close unbinds the ESMEs and stops. Waiting messages are lost.
func (s *SMSC) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.stop()
	if s.server != nil {
		s.server.Close()
	}
	s.work.Wait()
}

// start runs f in a goroutine that Close waits for; false if Close was called.
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

// binds returns a channel that is closed when the next ESME binds.
func (s *SMSC) binds() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bound
}
