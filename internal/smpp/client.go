package smpp

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/fair"
)

// Defaults of ClientConfig and ServerConfig.
const (
	DefaultWindow          = 10
	DefaultDeliverWindow   = 100
	DefaultEnquireLink     = 30 * time.Second
	DefaultResponseTimeout = 10 * time.Second
	DefaultDialTimeout     = 10 * time.Second
	DefaultMinBackoff      = 500 * time.Millisecond
	DefaultMaxBackoff      = 30 * time.Second
)

// ClientConfig says where and how a Client binds. Zero values mean the defaults.
type ClientConfig struct {
	Name       string      // of the SMSC in the log; default Addr
	Addr       string      // host:port of the SMSC
	TLS        *tls.Config // nil: no TLS; an empty ServerName becomes the host of Addr
	SystemID   string      // at most 15 characters
	Password   string      // at most 8
	SystemType string      // at most 12
	Sessions   Sessions    // by mode; default one transceiver
	Window     int         // per bind: submit_sm without a response
	Rate       float64     // per bind: submit_sm per second; 0: as many as the window allows
	// DeliverWindow is how many deliver_sm are handled at a time, per bind. It should not be
	// below the window of the SMSC: what the SMSC holds back waits in its order, whereas
	// what is being handled has its turn by party.
	DeliverWindow int

	EnquireLink     time.Duration // silence after which enquire_link is sent
	ResponseTimeout time.Duration // for a response, for Deliver and for one write
	DialTimeout     time.Duration // TLS handshake included
	// MinBackoff and MaxBackoff bound the pauses between two binds, and those
	// while the SMSC refuses messages because of load; a pause doubles until there
	// is a success.
	MinBackoff, MaxBackoff time.Duration

	// Deliver handles a message or receipt; its status is the answer. It is
	// called concurrently, up to DeliverWindow times per session, and for one source no
	// more than half as often; further messages are answered with
	// StatusRxTempError. Its context ends after ResponseTimeout,
	// and it must return then. It completes the event: Op, what it knows of the
	// message, and the Reason if the message had no effect; the Cause if the
	// handling failed. Nil answers StatusRxTempError.
	Deliver func(ctx context.Context, d *DeliverSM, e *event.Event) Status
	Events  *event.Recorder // one event per deliver_sm and per unreadable PDU; nil: one that writes to Logger
	Logger  *slog.Logger
	// Trace gets each PDU, without passwords, as it is sent or received. It must
	// neither block nor change the PDU.
	Trace func(sent bool, pdu PDU, at time.Time)
	// Changed is told which sessions are bound whenever that changes. It must not block.
	Changed func(Sessions)
	Dial    func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Client is an ESME: it keeps sessions with one SMSC.
type Client struct {
	cfg     ClientConfig
	log     *slog.Logger
	ready   chan slot   // of the windows
	last    chan slot   // the same, for destinations that were refused or not reached lately
	turns   *fair.Turns // in all windows
	half    *fair.Turns // for messages to one of these: half of all windows
	lines   []*line     // one per bind
	full    *full
	counts  counts
	stopped chan struct{}
	started atomic.Bool
	present presence
	slots   chan struct{} // for Deliver
	poison  *poison       // messages that made Deliver panic

	mu       sync.Mutex
	draining bool           // no new Deliver
	taken    map[string]int // slots by source
	work     sync.WaitGroup
}

// NewClient checks the configuration. Run connects.
func NewClient(cfg ClientConfig) (*Client, error) {
	bind := PDU{Sequence: 1, Body: cfg.bind(CmdBindTransceiver)}
	if _, err := bind.Marshal(); err != nil {
		return nil, err
	}
	if cfg.Addr == "" {
		return nil, errors.New("smpp: no address of an SMSC")
	}
	if cfg.Window < 0 {
		return nil, errors.New("smpp: a negative window size")
	}
	var err error
	if cfg.Sessions, err = cfg.Sessions.withDefaults(); err != nil {
		return nil, err
	}
	if cfg.Rate < 0 {
		return nil, errors.New("smpp: a negative rate")
	}
	cfg.Window = cmp.Or(cfg.Window, DefaultWindow)
	cfg.DeliverWindow = cmp.Or(cfg.DeliverWindow, DefaultDeliverWindow)
	cfg.EnquireLink = cmp.Or(cfg.EnquireLink, DefaultEnquireLink)
	cfg.ResponseTimeout = cmp.Or(cfg.ResponseTimeout, DefaultResponseTimeout)
	cfg.DialTimeout = cmp.Or(cfg.DialTimeout, DefaultDialTimeout)
	cfg.MinBackoff = cmp.Or(cfg.MinBackoff, DefaultMinBackoff)
	cfg.MaxBackoff = max(cmp.Or(cfg.MaxBackoff, DefaultMaxBackoff), cfg.MinBackoff)
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Events == nil {
		cfg.Events = event.New(systemClock{}, cfg.Logger)
	}
	if cfg.Dial == nil {
		cfg.Dial = (&net.Dialer{}).DialContext
	}
	if cfg.TLS != nil && cfg.TLS.ServerName == "" {
		host, _, err := net.SplitHostPort(cfg.Addr)
		if err != nil {
			return nil, fmt.Errorf("smpp: address of the SMSC: %w", err)
		}
		cfg.TLS = cfg.TLS.Clone()
		cfg.TLS.ServerName = host
	}
	c := &Client{
		cfg: cfg, log: cfg.Logger.With("smsc", cmp.Or(cfg.Name, cfg.Addr)),
		ready: make(chan slot), last: make(chan slot), full: newFull(), stopped: make(chan struct{}),
		slots:   make(chan struct{}, cfg.Sessions.Deliver()*cfg.DeliverWindow),
		turns:   fair.NewTurns(max(1, cfg.Sessions.Submit()*cfg.Window), time.Now),
		half:    fair.NewTurns(max(1, cfg.Sessions.Submit()*cfg.Window/2), time.Now),
		present: presence{changed: cfg.Changed},
		poison:  newPoison(),
		taken:   make(map[string]int),
	}
	for _, mode := range cfg.Sessions.modes() {
		c.lines = append(c.lines, newLine(&c.cfg, mode, c.full))
	}
	return c, nil
}

func (cfg *ClientConfig) bind(mode CommandID) *Bind {
	return &Bind{
		Mode: mode, SystemID: cfg.SystemID, Password: cfg.Password, SystemType: cfg.SystemType, Version: version3_4,
	}
}

// Run keeps the sessions bound until the context ends. Then it waits for the
// outstanding responses and for Deliver, and unbinds; each of these takes at most
// ResponseTimeout. Submit returns ErrUnbound from then on. Run returns nil, or
// ErrClosed if it was called before.
func (c *Client) Run(ctx context.Context) error {
	if c.started.Swap(true) {
		return ErrClosed
	}
	c.present.count()
	var binds sync.WaitGroup
	for _, l := range c.lines {
		binds.Go(func() {
			defer event.Rescue(c.log, "SMPP bind")
			c.keepBound(ctx, l)
		})
	}
	<-ctx.Done()
	close(c.stopped)
	binds.Wait()
	c.work.Wait()
	return nil
}

// keepBound binds again each time a session ends. The pause before it doubles
// until a session has lasted longer than the pause before that session.
func (c *Client) keepBound(ctx context.Context, l *line) {
	pause := c.cfg.MinBackoff
	for ctx.Err() == nil {
		start := time.Now()
		err := c.session(ctx, l)
		if ctx.Err() != nil {
			return
		}
		if time.Since(start) > pause {
			pause = c.cfg.MinBackoff
		}
		wait := jitter(pause)
		pause = min(2*pause, c.cfg.MaxBackoff)
		c.log.Warn("SMPP session ended", "mode", l.mode.String(), "err", err, "retry_in", wait)
		sleep(ctx, wait)
	}
}

// jitter returns a random duration between half of d and d.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d/2+1) }

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// session binds once and returns why the session ended.
func (c *Client) session(ctx context.Context, l *line) (err error) {
	defer event.RescueTo(&err, c.log, "SMPP session")
	nc, err := c.dial(ctx)
	if err != nil {
		return err
	}
	s := &bindSession{c: c, mode: l.mode, line: l, window: make(chan struct{}, c.cfg.Window), stop: make(chan struct{})}
	s.conn = newConn(nc, connConfig{
		enquire: c.cfg.EnquireLink, respond: c.cfg.ResponseTimeout, trace: c.cfg.Trace, events: c.cfg.Events, log: c.log,
	})
	var running sync.WaitGroup
	running.Go(func() {
		defer event.Rescue(c.log, "SMPP connection", func() { s.conn.close(errPanic) })
		_ = s.conn.run(s.handle)
	})
	if err := s.bind(ctx); err != nil {
		s.conn.close(err)
		running.Wait()
		return err
	}
	c.log.Info("SMPP bound", "mode", l.mode.String())
	c.present.add(l.mode, 1)
	var offering sync.WaitGroup
	if s.submits() {
		offering.Go(s.offer)
	}
	select {
	case <-s.conn.closing:
	case <-s.conn.done:
	case <-ctx.Done():
	}
	c.present.add(l.mode, -1)
	close(s.stop)
	offering.Wait()
	if ctx.Err() != nil {
		s.drain()
		s.conn.unbind()
	}
	running.Wait()
	return s.conn.ended()
}

func (c *Client) dial(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.DialTimeout)
	defer cancel()
	nc, err := c.cfg.Dial(ctx, "tcp", c.cfg.Addr)
	if err != nil || c.cfg.TLS == nil {
		return nc, err
	}
	tc := tls.Client(nc, c.cfg.TLS)
	if err := tc.HandshakeContext(ctx); err != nil {
		_ = nc.Close()
		return nil, err
	}
	return tc, nil
}

// Submit sends a message as soon as a session has room in its window and may send.
// A refusal is returned at once: ESME_RTHROTTLED or ESME_RMSGQFUL may be about this
// destination alone, and the caller knows what else there is for it. If the SMSC
// refuses several destinations in a row so, the bind holds all messages back and
// tries one at a time. Errors:
//
//   - a Status: the SMSC refused the message
//   - *ProtocolError: SMPP cannot carry the message
//   - ErrUnbound: nothing was sent. It wraps StatusThrottled if messages were held back
//   - ErrTimeout: it was sent without a response, so the SMSC may have it or not
//
// When the context ended, the error wraps the context's error too.
//
// If the windows are full, the parties (fair.Key of the context) have their turns.
func (c *Client) Submit(ctx context.Context, m *SubmitSM) (messageID string, err error) {
	for {
		s, err := c.slot(ctx, m.Dest.Addr)
		if err != nil {
			return "", err
		}
		id, err := s.submit(ctx, m)
		if !errors.Is(err, errNotSent) { // otherwise the session ended first: use the next one
			return id, err
		}
	}
}

// slot waits for a slot of a window for a message to the destination. Destinations that
// were refused or not reached lately get no more than half of the windows: phones that
// are off hold a slot until the SMSC gives up.
func (c *Client) slot(ctx context.Context, to string) (s slot, err error) {
	ready, suspect := c.ready, c.full.suspect(to)
	if suspect {
		ready = c.last
		if err := c.turn(ctx, c.half); err != nil {
			return slot{}, err
		}
		defer func() {
			if err != nil {
				c.half.Leave()
			}
		}()
	}
	if err := c.turn(ctx, c.turns); err != nil {
		return slot{}, err
	}
	select {
	case s := <-ready:
		s.suspect = suspect
		return s, nil
	case <-ctx.Done():
		err = c.notSent(ctx.Err())
	case <-c.stopped:
		err = ErrUnbound
	}
	c.turns.Leave()
	return slot{}, err
}

// turn waits for the turn of a party.
func (c *Client) turn(ctx context.Context, of *fair.Turns) error {
	if ctx.Err() != nil {
		return c.notSent(ctx.Err())
	}
	err := of.Take(ctx, fair.Key(ctx), c.stopped)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fair.ErrStopped):
		return ErrUnbound
	}
	return c.notSent(err)
}

// Handling returns how many messages Deliver handles at the moment.
func (c *Client) Handling() int { return len(c.slots) }

// Age returns for how long the message has waited for a window that has waited longest.
func (c *Client) Age() time.Duration { return c.turns.Age() }

// AgeOf returns the same of the messages of one party.
func (c *Client) AgeOf(party string) time.Duration { return c.turns.AgeOf(party) }

// notSent is the error of a message that the SMSC does not have, because the context
// ended.
func (c *Client) notSent(why error) error {
	if c.Throttled() {
		return fmt.Errorf("%w: messages are held back: %w: %w", ErrUnbound, StatusThrottled, why)
	}
	return fmt.Errorf("%w: %w", ErrUnbound, why)
}
