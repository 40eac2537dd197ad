package smpp

import (
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
)

// Defaults of ClientConfig and ServerConfig.
const (
	DefaultWindow          = 10
	DefaultEnquireLink     = 30 * time.Second
	DefaultResponseTimeout = 10 * time.Second
	DefaultDialTimeout     = 10 * time.Second
	DefaultMinBackoff      = 500 * time.Millisecond
	DefaultMaxBackoff      = 30 * time.Second
)

// ClientConfig says to whom and how a Client binds. Zero means the default.
type ClientConfig struct {
	Addr       string      // host:port of the SMSC
	TLS        *tls.Config // nil: none; without a ServerName it is the host of Addr
	SystemID   string      // at most 15 characters
	Password   string      // at most 8
	SystemType string      // at most 12
	Binds      int         // transceiver sessions; 1
	Window     int         // open submit_sm per bind, and deliver_sm in work per bind

	EnquireLink     time.Duration // after so long a silence
	ResponseTimeout time.Duration // of a response; also for Deliver, and for one write
	DialTimeout     time.Duration // with the TLS handshake
	// MinBackoff and MaxBackoff bound the pauses between binds and those after
	// the SMSC has throttled; a pause doubles while there is no success.
	MinBackoff, MaxBackoff time.Duration

	// Deliver handles a message or receipt; its status is the answer. It is
	// called concurrently, up to Binds * Window times; further messages are
	// answered with StatusRxTempError. Its context ends after ResponseTimeout,
	// and it must return then. It completes the event: Op, what it knows of the
	// message, and the Reason if the message had no effect; the Cause if the
	// handling failed. Nil answers StatusRxTempError.
	Deliver func(ctx context.Context, d *DeliverSM, e *event.Event) Status
	Events  *event.Recorder // one event per deliver_sm and per unreadable PDU; nil: one that writes to Logger
	Logger  *slog.Logger
	// Trace sees each PDU, passwords left out, as it is sent and received. It
	// must not wait nor change it.
	Trace func(sent bool, pdu PDU, at time.Time)
	Dial  func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Client is an ESME: it keeps transceiver sessions with one SMSC.
type Client struct {
	cfg     ClientConfig
	log     *slog.Logger
	ready   chan *link // a bind that has a place in its window reserved
	stopped chan struct{}
	started atomic.Bool
	bound   atomic.Int32
	gate    *gate
	places  chan struct{} // for Deliver
	poison  *poison       // messages that made Deliver panic

	mu       sync.Mutex
	draining bool // no new Deliver
	work     sync.WaitGroup
}

// NewClient checks the configuration. Run does the rest.
func NewClient(cfg ClientConfig) (*Client, error) {
	bind := PDU{Sequence: 1, Body: cfg.bind()}
	if _, err := bind.Marshal(); err != nil {
		return nil, err
	}
	if cfg.Addr == "" {
		return nil, errors.New("smpp: no address of an SMSC")
	}
	orInt := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	orInt(&cfg.Binds, 1)
	orInt(&cfg.Window, DefaultWindow)
	orTime(&cfg.EnquireLink, DefaultEnquireLink)
	orTime(&cfg.ResponseTimeout, DefaultResponseTimeout)
	orTime(&cfg.DialTimeout, DefaultDialTimeout)
	orTime(&cfg.MinBackoff, DefaultMinBackoff)
	orTime(&cfg.MaxBackoff, DefaultMaxBackoff)
	cfg.MaxBackoff = max(cfg.MaxBackoff, cfg.MinBackoff)
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
	return &Client{
		cfg: cfg, log: cfg.Logger.With("smsc", cfg.Addr),
		ready: make(chan *link), stopped: make(chan struct{}),
		gate:   newGate(cfg.MinBackoff, cfg.MaxBackoff),
		places: make(chan struct{}, cfg.Binds*cfg.Window),
		poison: newPoison(),
	}, nil
}

func orTime(v *time.Duration, d time.Duration) {
	if *v <= 0 {
		*v = d
	}
}

func (cfg *ClientConfig) bind() *Bind {
	return &Bind{
		Mode: CmdBindTransceiver, SystemID: cfg.SystemID, Password: cfg.Password, SystemType: cfg.SystemType, Version: version3_4,
	}
}

// Bound is how many sessions are bound now.
func (c *Client) Bound() int { return int(c.bound.Load()) }

// Run keeps the sessions until the context ends. It then waits for the
// responses to what is open, for Deliver, and unbinds, each at most
// ResponseTimeout long; Submit returns ErrUnbound from then on. It returns nil,
// or ErrClosed if it was called before.
func (c *Client) Run(ctx context.Context) error {
	if c.started.Swap(true) {
		return ErrClosed
	}
	var binds sync.WaitGroup
	for range c.cfg.Binds {
		binds.Go(func() {
			defer event.Rescue(c.log, "SMPP bind")
			c.keep(ctx)
		})
	}
	<-ctx.Done()
	close(c.stopped)
	binds.Wait()
	c.work.Wait()
	return nil
}

// keep binds again and again. The pause doubles until a session has lasted
// longer than the pause before it.
func (c *Client) keep(ctx context.Context) {
	pause := c.cfg.MinBackoff
	for ctx.Err() == nil {
		start := time.Now()
		err := c.session(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(start) > pause {
			pause = c.cfg.MinBackoff
		}
		wait := jitter(pause)
		pause = min(2*pause, c.cfg.MaxBackoff)
		c.log.Warn("SMPP session ended", "err", err, "again_in", wait)
		sleep(ctx, wait)
	}
}

// jitter is between a half and the whole.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d/2+1) }

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// session is the life of one bind.
func (c *Client) session(ctx context.Context) (err error) {
	defer event.RescueTo(&err, c.log, "SMPP session")
	nc, err := c.dial(ctx)
	if err != nil {
		return err
	}
	l := &link{c: c, window: make(chan struct{}, c.cfg.Window), stop: make(chan struct{})}
	l.conn = newConn(nc, connConfig{
		enquire: c.cfg.EnquireLink, respond: c.cfg.ResponseTimeout, trace: c.cfg.Trace, events: c.cfg.Events, log: c.log,
	})
	var running sync.WaitGroup
	running.Go(func() {
		defer event.Rescue(c.log, "SMPP connection", func() { l.conn.close(errPanic) })
		_ = l.conn.run(l.handle)
	})
	if err := l.bind(ctx); err != nil {
		l.conn.close(err)
		running.Wait()
		return err
	}
	c.log.Info("SMPP bound")
	c.bound.Add(1)
	var offering sync.WaitGroup
	offering.Go(l.offer)
	select {
	case <-l.conn.bye:
	case <-l.conn.done:
	case <-ctx.Done():
	}
	c.bound.Add(-1)
	close(l.stop)
	offering.Wait()
	if ctx.Err() != nil {
		l.drain()
		l.conn.unbind()
	}
	running.Wait()
	return l.conn.ended()
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

// Submit sends a message when a bind has a place in its window, and returns the
// id that the SMSC gave. While the SMSC throttles (0x58, 0x14) it waits and
// tries again. Errors: Status, what the SMSC answered; *ProtocolError, the
// message cannot be; ErrUnbound, nothing was sent; ErrTimeout, it was sent and
// has no response, so that it may have been taken or not. When the context
// ended, the error is its error too.
func (c *Client) Submit(ctx context.Context, m *SubmitSM) (messageID string, err error) {
	var throttled error
	for {
		pass, err := c.gate.enter(ctx, c.stopped)
		if err != nil {
			return "", c.notSent(err, throttled)
		}
		id, err := c.submit(ctx, m)
		st, _ := errors.AsType[Status](err)
		slow := st == StatusThrottled || st == StatusMsgQFull
		c.gate.leave(pass, slow, err == nil)
		switch {
		case err == nil:
			return id, nil
		case slow:
			throttled = err
		case errors.Is(err, errNotSent): // the bind went; the next one
		case errors.Is(err, ErrUnbound) || !errors.Is(err, ErrTimeout) && ctx.Err() != nil:
			return "", c.notSent(err, throttled)
		default:
			return "", err
		}
	}
}

// notSent is the error of a message that no SMSC has.
func (c *Client) notSent(err, throttled error) error {
	switch {
	case throttled != nil:
		return fmt.Errorf("%w: %w", throttled, err)
	case errors.Is(err, ErrUnbound):
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnbound, err)
}

func (c *Client) submit(ctx context.Context, m *SubmitSM) (string, error) {
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	select {
	case l := <-c.ready:
		return l.submit(ctx, m)
	case <-ctx.Done():
		return "", ctx.Err()
	case <-c.stopped:
		return "", ErrUnbound
	}
}

// link is one bind of a client.
type link struct {
	c      *Client
	conn   *conn
	window chan struct{}
	stop   chan struct{}
}

func (l *link) bind(ctx context.Context) error {
	r, err := l.conn.send(l.c.cfg.bind(), func() {})
	if err != nil {
		return l.conn.ended()
	}
	p, err := r.wait(ctx)
	if err != nil {
		return err
	}
	if p.Status != StatusOK {
		return fmt.Errorf("%w: %w", errRefused, p.Status)
	}
	return nil
}

// offer hands out the places of the window, one at a time.
func (l *link) offer() {
	defer event.Rescue(l.c.log, "SMPP window", func() { l.conn.close(errPanic) })
	for {
		select {
		case l.window <- struct{}{}:
		case <-l.stop:
			return
		}
		select {
		case l.c.ready <- l:
		case <-l.stop:
			l.release()
			return
		}
	}
}

func (l *link) release() { <-l.window }

// submit uses a place of the window that is reserved; it becomes free when
// there is a response or can be none, even if nobody waits for it any more.
func (l *link) submit(ctx context.Context, m *SubmitSM) (string, error) {
	r, err := l.conn.send(m, l.release)
	if err != nil {
		return "", err
	}
	p, err := r.wait(ctx)
	if err != nil {
		return "", err
	}
	if p.Status != StatusOK {
		return "", p.Status
	}
	resp, _ := p.Body.(*SubmitSMResp)
	if resp == nil {
		return "", nil
	}
	return resp.MessageID, nil
}

// drain waits for the responses to what is open: each has a limit.
func (l *link) drain() {
	l.c.mu.Lock()
	l.c.draining = true
	l.c.mu.Unlock()
	for range cap(l.window) {
		l.window <- struct{}{}
	}
	l.c.work.Wait()
}

func (l *link) handle(p PDU) {
	d, ok := p.Body.(*DeliverSM)
	if !ok {
		l.conn.respond(p.Sequence, StatusInvCmdID, GenericNack{})
		return
	}
	e := l.c.cfg.Events.Begin(entrance, opDeliver, l.conn.source)
	answer := func(ctx context.Context, st Status) {
		l.conn.respond(p.Sequence, st, &DeliverSMResp{})
		l.c.emit(ctx, e, st)
	}
	if !l.c.take(func(ctx context.Context) { answer(ctx, l.c.deliver(ctx, d, e)) }) {
		e.Reason = reasonBusy
		answer(context.Background(), StatusRxTempError) // the SMSC tries again
	}
}

// deliver calls Deliver. If that panics, the SMSC is told to try again later, but
// not forever: the third time the message is acknowledged and dropped.
func (c *Client) deliver(ctx context.Context, d *DeliverSM, e *event.Event) Status {
	if c.poison.dropped(d) {
		e.Reason = reasonDropped
		return StatusOK
	}
	st, err := c.handled(ctx, d, e)
	if err == nil {
		c.poison.forget(d)
		return st
	}
	e.Cause = err
	if c.poison.add(d) < maxPanics {
		return StatusRxTempError
	}
	e.Reason = reasonDropped
	c.log.Error("message dropped: its handling panicked each time", "deliveries", maxPanics, "err", err)
	return StatusOK
}

func (c *Client) handled(ctx context.Context, d *DeliverSM, e *event.Event) (st Status, err error) {
	defer event.RescueTo(&err, c.log, "deliver_sm")
	return c.cfg.Deliver(ctx, d, e), nil
}

// emit ends the event of a message. An SMSC can send messages without effect as
// often as it likes, so the log gets examples of them.
func (c *Client) emit(ctx context.Context, e *event.Event, st Status) {
	e.Status = int(st)
	switch {
	case e.Cause != nil:
		c.cfg.Events.Fail(e, e.Cause)
	case e.Reason != "":
		c.cfg.Events.Sample(e)
	}
	c.cfg.Events.Emit(ctx, e)
}

// take starts the work on a message if there is a place for it. What is begun
// is done, even if the session ends meanwhile.
func (c *Client) take(work func(context.Context)) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cfg.Deliver == nil || c.draining {
		return false
	}
	select {
	case c.places <- struct{}{}:
	default:
		return false
	}
	c.work.Go(func() {
		defer event.Rescue(c.log, "deliver_sm")
		defer func() { <-c.places }()
		ctx, cancel := context.WithTimeout(context.Background(), c.cfg.ResponseTimeout)
		defer cancel()
		work(ctx)
	})
	return true
}
