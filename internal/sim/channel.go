package sim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/scp80"
	"github.com/signum-mssp/signum/internal/smpp"
	"github.com/signum-mssp/signum/internal/sms"
)

// Store is what the channel needs of a mssp.Store.
type Store interface {
	Card(ctx context.Context, iccid string) (*mssp.Card, error)
	CardOf(ctx context.Context, msisdn string) (*mssp.Card, error)
	TakeCounter(ctx context.Context, iccid string) (uint64, error)
	AcceptReply(ctx context.Context, iccid string, counter uint64) (bool, error)
}

// CardKeys unwraps the keys of a card, which the store keeps wrapped. The keys are
// in the clear and must not be kept. It must be safe for concurrent use.
type CardKeys interface {
	Keys(c *mssp.Card) (scp80.Keys, error)
}

// Locator asks the network where a phone is; an error means that it does not
// know. It is called for signatures that want it only.
type Locator func(ctx context.Context, msisdn string) (*mssp.Location, error)

// Config of a Channel. Store, Keys, Submit and ServiceAddress must be set.
type Config struct {
	Store Store
	Keys  CardKeys
	// Submit hands a short message to the SMSC and returns its message id when
	// the SMSC has answered: smpp.Client.Submit.
	Submit         func(ctx context.Context, m *smpp.SubmitSM) (string, error)
	ServiceAddress smpp.Address // where requests come from and cards answer to
	TextSource     smpp.Address // of text messages: a number, or a name (TON 5); empty: ServiceAddress
	TAR            scp80.TAR    // of the applet; zero: applet.TAR
	Locator        Locator      // nil: no locations
	Clock          mssp.Clock
	Logger         *slog.Logger

	Retry          Retry
	Submits        int           // short messages that are handed over at once; 0: 128
	Capacity       int           // requests in memory, beyond which Send refuses; 0: 50,000
	SubmitTimeout  time.Duration // of one short message, from its turn to the SMSC's answer; 0: 30 s
	TextTimeout    time.Duration // of a text message with all its parts; 0: 10 s
	LocateTimeout  time.Duration // from the request on; 0: 3 s
	ReplyLifetime  time.Duration // of a reply that lacks parts; 0: 60 s
	ReplyParts     int           // incomplete ones kept per MSISDN; 0: 16
	TracedCards    int           // MSISDNs whose last exchanges are kept; 0: 1,000, negative: none
	TracedMessages int           // exchanges of each; 0: 40
}

// Retry says when a request is sent again. Zero values are replaced by the
// defaults. Nothing is sent after the request's Expires less Margin.
type Retry struct {
	Attempts   int           // of each step of a request, the first included; 8
	Absent     int           // attempts that the SMSC answers with ESME_RDELIVERYFAILURE, one after the other, before it is believed; 4
	Backoff    time.Duration // after the first failure, doubled each time, jittered by a fifth; 1 s
	MaxBackoff time.Duration // 8 s
	Silence    time.Duration // neither proof of receipt of the last packet nor reply; 8 s
	Patience   time.Duration // after such a proof: the user is being asked, or the reply was lost; 30 s
	Margin     time.Duration // before Expires, when a request that was not reached is given up; 1 s
}

func or[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

func (c Config) withDefaults() Config {
	if c.Clock == nil {
		c.Clock = mssp.SystemClock{}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.TextSource = or(c.TextSource, c.ServiceAddress)
	c.TAR = or(c.TAR, applet.TAR)
	c.Submits = or(c.Submits, 128)
	c.Capacity = or(c.Capacity, 50_000)
	c.SubmitTimeout = or(c.SubmitTimeout, 30*time.Second)
	c.TextTimeout = or(c.TextTimeout, 10*time.Second)
	c.LocateTimeout = or(c.LocateTimeout, 3*time.Second)
	c.ReplyLifetime = or(c.ReplyLifetime, 60*time.Second)
	c.ReplyParts = or(c.ReplyParts, 16)
	c.TracedCards = or(c.TracedCards, 1000)
	c.TracedMessages = or(c.TracedMessages, 40)
	r := &c.Retry
	r.Attempts = or(r.Attempts, 8)
	r.Absent = or(r.Absent, 4)
	r.Backoff = or(r.Backoff, time.Second)
	r.MaxBackoff = or(r.MaxBackoff, 8*time.Second)
	r.Silence = or(r.Silence, 8*time.Second)
	r.Patience = or(r.Patience, 30*time.Second)
	r.Margin = or(r.Margin, time.Second)
	return c
}

const (
	answersAtOnce = 64               // to the engine, of requests that were not reached
	locatesAtOnce = 64               // questions to the network
	answerTimeout = 10 * time.Second // of one answer to the engine
)

// Channel carries requests to SIM cards. It is safe for concurrent use.
type Channel struct {
	cfg   Config
	log   *slog.Logger
	parts *sms.Reassembler
	trace *recorder
	n     counters

	submits, answers, locates *pool

	mu       sync.Mutex
	table    table
	closed   bool
	sweeping bool // a sweep of the incomplete replies is due
	sweeper  *time.Timer
	busy     sync.WaitGroup    // Deliver, SendText
	ref      byte              // of the last text in parts
	stalls   map[string]*whole // by MSISDN

	answerer mssp.AnswerHandler
	inbox    mssp.Inbox

	moved func(from, to state) // tests watch the moves of requests; else nil
}

var (
	_ mssp.Channel    = (*Channel)(nil)
	_ mssp.TextSender = (*Channel)(nil)
)

// New returns a channel. Connect must be called before it can carry requests.
func New(c Config) (*Channel, error) {
	if c.Store == nil || c.Keys == nil || c.Submit == nil || c.ServiceAddress.Addr == "" {
		return nil, errors.New("sim: Store, Keys, Submit and ServiceAddress must be set")
	}
	c = c.withDefaults()
	return &Channel{
		cfg: c, log: c.Logger,
		parts: sms.NewReassembler(c.ReplyLifetime, c.ReplyParts),
		trace: newRecorder(c.TracedCards, c.TracedMessages),
		table: newTable(), stalls: map[string]*whole{},
		submits: newPool(c.Logger, c.Submits), answers: newPool(c.Logger, answersAtOnce), locates: newPool(c.Logger, locatesAtOnce),
	}, nil
}

// Connect sets who receives answers, and who knows what is pending. It must be
// called before Send, once.
func (c *Channel) Connect(a mssp.AnswerHandler, in mssp.Inbox) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answerer, c.inbox = a, in
}

func (c *Channel) now() time.Time { return c.cfg.Clock.Now() }

var errClosed = errors.New("the channel is closed")

// enter lets work in that Close waits for.
func (c *Channel) enter() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return errClosed
	case c.answerer == nil || c.inbox == nil:
		return errors.New("the channel is not connected")
	}
	c.busy.Add(1)
	return nil
}

// unreachable marks an error of the network, or of a card that nothing may be sent
// to. Whatever is not marked is a failure of the service itself.
func unreachable(err error) error {
	return fmt.Errorf("%w: %w", mssp.ErrUnreachable, err)
}

// Send implements mssp.Channel. It returns when the request is queued. The error is
// mssp.ErrUnreachable if the subscriber has no active card here, and
// mssp.ErrRefused if the card would sign something else than the engine will
// verify. That a queued request does not reach the phone is told to the
// AnswerHandler as soon as it is known.
func (c *Channel) Send(ctx context.Context, r mssp.DeviceRequest) error {
	err := c.enter()
	if err == nil {
		defer c.busy.Done()
		err = c.queue(ctx, &r)
	}
	if err == nil || errors.Is(err, errClosed) {
		return nil // or it is outstanding, and goes on at the next start
	}
	return fmt.Errorf("sim: %w", err)
}

// queue puts a request into the queue of those that are to be sent.
func (c *Channel) queue(ctx context.Context, r *mssp.DeviceRequest) error {
	if !c.now().Before(r.Expires) {
		return nil // the engine's to end
	}
	card, err := c.cardFor(ctx, r)
	if err != nil {
		return err
	}
	q := newRequest(*r, c.cfg.Retry.Margin, c.now())
	if _, err := c.build(q, q.step, c.now()); err != nil {
		return fmt.Errorf("%w: %s: %w", mssp.ErrRefused, q.step, err)
	}
	q.attempts.card = card
	known, err := c.begin(q)
	if err == nil && !known {
		c.locate(q)
	}
	return err
}

// begin puts a new request into the table and the queue.
func (c *Channel) begin(q *request) (known bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known, err = c.add(q); err == nil && !known {
		c.enqueue(q)
		c.arm(q)
	}
	return known, err
}

// cardFor is the card that a request may be sent to; mssp.ErrUnreachable if there
// is none.
func (c *Channel) cardFor(ctx context.Context, r *mssp.DeviceRequest) (*mssp.Card, error) {
	card, err := c.cfg.Store.CardOf(ctx, r.MSISDN)
	switch {
	case errors.Is(err, mssp.ErrNotFound):
		return nil, unreachable(errors.New("the subscriber has no card"))
	case err != nil:
		return nil, fmt.Errorf("card of the subscriber: %w", err)
	case card.State != mssp.CardActive:
		return nil, unreachable(fmt.Errorf("the subscriber's card is %s", card.State))
	case card.DeviceID != r.DeviceID:
		return nil, unreachable(fmt.Errorf("the subscriber's card is %s, the request is for %s", card.DeviceID, r.DeviceID))
	}
	return card, nil
}

// Cancel implements mssp.Channel. The card cannot be told: what it still
// answers is dropped.
func (c *Channel) Cancel(_ context.Context, deviceID, transID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, q := range c.table.of(applet.TransactionID(transID), deviceID) {
		c.end(q)
	}
}

// Close ends what is going on: nothing is sent any more, no reply is taken. The
// requests stay the engine's.
func (c *Channel) Close() {
	c.mu.Lock()
	c.closed = true
	for q := range c.table.all {
		c.end(q)
	}
	if c.sweeper != nil {
		c.sweeper.Stop()
	}
	c.mu.Unlock()
	c.submits.close()
	c.answers.close()
	c.locates.close()
	c.busy.Wait()
}
