package sim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/scp80"
	"github.com/signum-mssp/signum/internal/smpp"
	"github.com/signum-mssp/signum/internal/smpp/group"
	"github.com/signum-mssp/signum/internal/sms"
)

// Store is the part of mssp.Store that the channel needs.
type Store interface {
	Card(ctx context.Context, iccid string) (*mssp.Card, error)
	CardOf(ctx context.Context, msisdn string) (*mssp.Card, error)
	TakeCounter(ctx context.Context, iccid string, least uint64) (uint64, error)
	AcceptReply(ctx context.Context, iccid string, counter uint64) (bool, error)
}

// CardKeys unwraps the keys of a card, which the store holds wrapped. The result is in
// the clear and must not be kept. It must be safe for concurrent use.
type CardKeys interface {
	Keys(c *mssp.Card) (scp80.Keys, error)
}

// Locator asks the network where a phone is; an error means that the network does not
// know. It is called only for signatures that need a location.
type Locator func(ctx context.Context, msisdn string) (*mssp.Location, error)

// Config configures a Channel. Store, Keys and ServiceAddress must be set; zero
// values of the others mean the defaults.
type Config struct {
	Store   Store
	Keys    CardKeys
	Send    group.Sender             // hands messages to the SMSCs; nil: there is no SMSC, and no phone can be reached
	Cluster func(smsc string) string // of SMSCs that share their message ids; empty, and nil: it shares them with none
	// Unbound returns for how long there has been no session with an SMSC; if answers are
	// needed, none in both directions. Nil: there always is one.
	Unbound func(answers bool) time.Duration
	// Late reports whether answers of phones may be in queues of the service or in front of
	// it. Nil: they never are. Requests of which nothing was heard are not repeated then. It
	// must not call the channel, except for Age and AgeOf.
	Late           func() bool
	ServiceAddress smpp.Address // sender of requests, to which cards answer
	TextSource     smpp.Address // of text messages: a number, or a name (TON 5); empty: ServiceAddress
	Locator        Locator      // nil: no locations
	Clock          mssp.Clock
	Logger         *slog.Logger
	// Peers are the other nodes on the same store; nil: there are none. With them, Parts and
	// Outbox must be set.
	Peers  Peers
	Parts  mssp.PartStore
	Outbox mssp.SIMRequestStore // nil: a restart begins all requests from the start

	Settings
	Submits        int           // attempts being submitted at a time; 0: 128
	SubmitTimeout  time.Duration // for one short message, until the SMSC's answer; 0: 30 s
	TextTimeout    time.Duration // for all parts of a text message; 0: 10 s
	LocateTimeout  time.Duration // for a location, from the request on; 0: 3 s
	ReplyLifetime  time.Duration // how long an incomplete reply is kept; 0: 60 s
	ReplyParts     int           // parts kept per MSISDN; 0: 16
	TracedCards    int           // MSISDNs whose last exchanges are kept; 0: 1,000; negative: none
	TracedMessages int           // exchanges kept of each; 0: 40
}

// Settings are what can change while the channel runs.
type Settings struct {
	Retry        Retry
	Advance      Advance
	UnboundLimit time.Duration      // without a session for so long, new requests and texts are refused; 0: 10 s
	Profiles     map[string]Profile // of cards, by name; mssp.DefaultProfile is for those that name none
}

// Retry says when a request is sent again. Zero values mean the defaults. Nothing is
// sent during the last Margin before the request's Expires.
type Retry struct {
	Attempts   int           // of each step of a request, the first included; 8
	Absent     int           // answers ESME_RDELIVERYFAILURE in a row that mean that the phone is off; 4
	Backoff    time.Duration // pause after the first failure, doubled each time, jittered by a fifth; 1 s
	MaxBackoff time.Duration // the longest pause; 8 s
	Silence    time.Duration // wait for a proof of receipt or reply; 8 s
	Patience   time.Duration // wait after a proof of receipt: the user is being asked, or the reply was lost; 30 s
	Margin     time.Duration // before Expires, when a request that did not reach its user is given up; 1 s
}

func (c Config) withDefaults() Config {
	if c.Clock == nil {
		c.Clock = mssp.SystemClock{}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Late == nil {
		c.Late = func() bool { return false }
	}
	c.TextSource = cmp.Or(c.TextSource, c.ServiceAddress)
	c.Submits = cmp.Or(c.Submits, 128)
	c.SubmitTimeout = cmp.Or(c.SubmitTimeout, 30*time.Second)
	c.TextTimeout = cmp.Or(c.TextTimeout, 10*time.Second)
	c.LocateTimeout = cmp.Or(c.LocateTimeout, 3*time.Second)
	c.ReplyLifetime = cmp.Or(c.ReplyLifetime, 60*time.Second)
	c.ReplyParts = cmp.Or(c.ReplyParts, 16)
	c.TracedCards = cmp.Or(c.TracedCards, 1000)
	c.TracedMessages = cmp.Or(c.TracedMessages, 40)
	return c
}

const (
	answersAtOnce = 64               // answers handed to the engine outside Deliver
	locatesAtOnce = 64               // phones being located
	answerTimeout = 10 * time.Second // of one answer to the engine
)

// Channel carries requests to SIM cards. It is safe for concurrent use.
type Channel struct {
	cfg     Config
	applies atomic.Pointer[settings]
	log     *slog.Logger
	parts   *sms.Reassembler
	trace   *recorder
	n       counters

	submits, answers, locates *pool

	// When a worker last had done with the network, and when that last took a message, as
	// times since born.
	born           time.Time
	offered, taken atomic.Int64

	mu       sync.Mutex
	table    table
	brakes   brakes
	advances advances
	closed   bool
	sweeping bool // a sweep is scheduled
	sweeper  *time.Timer
	busy     sync.WaitGroup    // Send, Deliver, SendText
	ref      byte              // of the last text in parts
	stalls   map[string]*whole // by MSISDN
	inHand   map[string]int    // messages being handled, by MSISDN

	answerer mssp.AnswerHandler
	inbox    mssp.Inbox

	moved func(from, to state) // set by tests only
}

var (
	_ mssp.Channel    = (*Channel)(nil)
	_ mssp.TextSender = (*Channel)(nil)
)

// New returns a channel. Connect must be called before Send and Deliver.
func New(c Config) (*Channel, error) {
	if c.Store == nil || c.Keys == nil || c.ServiceAddress.Addr == "" {
		return nil, errors.New("sim: Store, Keys and ServiceAddress must be set")
	}
	if c.Peers != nil && (c.Parts == nil || c.Outbox == nil) {
		return nil, errors.New("sim: other nodes need Parts and Outbox")
	}
	c = c.withDefaults()
	ch := &Channel{
		born: time.Now(), cfg: c, log: c.Logger,
		parts: sms.NewReassembler(c.ReplyLifetime, c.ReplyParts),
		trace: newRecorder(c.TracedCards, c.TracedMessages),
		table: newTable(), brakes: newBrakes(), stalls: map[string]*whole{}, inHand: map[string]int{},
		submits: newPool(c.Logger, c.Clock.Now, c.Submits), answers: newPool(c.Logger, c.Clock.Now, answersAtOnce), locates: newPool(c.Logger, c.Clock.Now, locatesAtOnce),
	}
	ch.Set(c.Settings)
	return ch, nil
}

// Connect sets the receiver of answers and the source of pending requests. It must be
// called once, before Send and Deliver.
func (c *Channel) Connect(a mssp.AnswerHandler, in mssp.Inbox) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answerer, c.inbox = a, in
}

// cluster names the SMSCs that share their message ids with this one.
func (c *Channel) cluster(smsc string) string {
	if c.cfg.Cluster == nil {
		return smsc
	}
	return cmp.Or(c.cfg.Cluster(smsc), smsc)
}

func (c *Channel) now() time.Time { return c.cfg.Clock.Now() }

var errClosed = errors.New("the channel is closed")

// enter registers a call that Close waits for. After it, busy.Done must be called.
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

// unreachable marks an error of the network, or of a card that nothing may be sent to.
// An error without this mark is a failure of the service itself.
func unreachable(err error) error {
	return fmt.Errorf("%w: %w", mssp.ErrUnreachable, err)
}

// Send implements mssp.Channel. It returns when the request is queued. The error is
// mssp.ErrUnreachable if the subscriber has no active card here, and mssp.ErrRefused
// if the card would sign something other than the engine will verify. If a queued
// request does not reach the phone, the AnswerHandler is told as soon as that is
// known.
func (c *Channel) Send(ctx context.Context, r mssp.DeviceRequest) error {
	err := c.enter()
	if err == nil {
		defer c.busy.Done()
		err = c.queue(ctx, &r)
	}
	if err == nil || errors.Is(err, errClosed) {
		return nil // if closed: the request is outstanding and goes on at the next start
	}
	return fmt.Errorf("sim: %w", err)
}

// bound returns mssp.ErrUnreachable if there is no SMSC, or none has had a session for too
// long. What waits already is not affected: a session may come back in its time.
func (c *Channel) bound(answers bool) error {
	if c.cfg.Send == nil {
		return unreachable(errors.New("no SMSC is configured"))
	}
	if c.cfg.Unbound == nil {
		return nil
	}
	if d := c.cfg.Unbound(answers); d >= c.set().UnboundLimit {
		return unreachable(fmt.Errorf("no SMSC has been bound for %s", d.Round(time.Second)))
	}
	return nil
}

// queue checks a request and queues it for sending.
func (c *Channel) queue(ctx context.Context, r *mssp.DeviceRequest) error {
	if !c.now().Before(r.Expires) {
		return nil // the engine ends it
	}
	if err := c.bound(true); err != nil {
		return err
	}
	card, err := c.cardFor(ctx, r)
	if err != nil {
		return err
	}
	p, err := c.profileOf(card)
	if err != nil {
		return err
	}
	q := newRequest(*r, &p.Retry, c.now())
	c.resume(ctx, q)
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
		c.awaitLocation(q)
		if q.next.IsZero() || !c.now().Before(q.next) {
			c.enqueue(q)
		}
		c.arm(q)
	}
	return known, err
}

// cardFor returns the card to which a request may be sent. The error is
// mssp.ErrUnreachable if there is none.
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

// Cancel implements mssp.Channel. The card cannot be told; a reply that still comes is
// dropped.
func (c *Channel) Cancel(_ context.Context, w mssp.Withdrawal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, q := range c.table.of(applet.TransactionID(w.TransID), w.DeviceID) {
		c.end(q)
	}
}

// Close stops sending and accepting replies. The requests remain outstanding in the
// engine.
func (c *Channel) Close() {
	if c.cfg.Outbox != nil {
		c.leave()
	}
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
