package phone

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

const (
	// DefaultDelay is what the sandbox lets a person take to answer.
	DefaultDelay = 200 * time.Millisecond

	// answerTimeout bounds one call of AnswerHandler.Answer.
	answerTimeout = 10 * time.Second
	// answerAttempts is how often an answer is sent that is not taken, with
	// pauses of answerPause, then twice as long each time: 1.5 s in all.
	answerAttempts = 5
	answerPause    = 100 * time.Millisecond
	// senders bounds the answers under way at once. Each waits for a commit:
	// with few of them the store has nothing to group.
	senders = 256
)

// Errors of a Network.
var (
	// ErrClosed means that the network was closed.
	ErrClosed = errors.New("the phone network is closed")
	// ErrUnknown means that there is no such subscriber or device.
	ErrUnknown = errors.New("no such phone")
)

// Config is what phones need. The zero value is usable: real time, no delay,
// no log, keys in memory.
type Config struct {
	Clock  mssp.Clock
	Delay  time.Duration // from the arrival of a request to the answer; 0: at once
	Logger *slog.Logger
	Keys   KeyStore
	// Inactivity is how long a handset waits for a key, unless the card says so;
	// 0: DefaultInactivity.
	Inactivity time.Duration
	// Observe, if not nil, is called for each event, one at a time, in order.
	// It may call the phones, and must return soon: others wait behind it.
	Observe func(Event)
}

func (c Config) withDefaults() Config {
	if c.Clock == nil {
		c.Clock = mssp.SystemClock{}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Keys == nil {
		c.Keys = NewMemoryKeys()
	}
	c.Delay = max(c.Delay, 0)
	if c.Inactivity <= 0 {
		c.Inactivity = DefaultInactivity
	}
	return c
}

// Network carries requests to the phones of many subscribers, and their
// answers back. It is safe for concurrent use.
type Network struct {
	c     Config
	seen  *observer
	hands *pool // act and sign
	radio *pool // send answers

	mu       sync.RWMutex
	answerer mssp.AnswerHandler
	lines    map[string]line     // by device ID
	persons  map[string]*handset // by MSISDN
	closed   bool
}

type line struct {
	device *Device
	person *handset
}

var _ mssp.Channel = (*Network)(nil)

// New returns a network without subscribers.
func New(c Config) *Network {
	c = c.withDefaults()
	return &Network{
		c:       c,
		seen:    &observer{f: c.Observe},
		hands:   newPool(runtime.GOMAXPROCS(0)),
		radio:   newPool(senders),
		lines:   make(map[string]line),
		persons: make(map[string]*handset),
	}
}

// Connect sets who receives the answers; before the first Send, and again
// when another takes over.
func (n *Network) Connect(a mssp.AnswerHandler) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.answerer = a
}

// Add gives a subscriber a device, as NewDevice makes it. The subscriber
// appears with the first one, and approves what comes. The ID must be new.
func (n *Network) Add(spec DeviceSpec) (*Device, error) {
	if _, err := n.find(spec.ID); err == nil {
		return nil, fmt.Errorf("device %q exists", spec.ID)
	}
	d, err := newDevice(spec, n.c, n.seen)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, ok := n.lines[spec.ID]; ok { // added while the key was made
		return nil, fmt.Errorf("device %q exists", spec.ID)
	}
	h, ok := n.persons[spec.MSISDN]
	if !ok {
		h = &handset{delay: n.c.Delay, hands: n.hands, does: make(map[signum.Method]Behaviour)}
		n.persons[spec.MSISDN] = h
	}
	d.where = &h.where
	n.lines[spec.ID] = line{device: d, person: h}
	return d, nil
}

// Device finds a device by its ID; ErrUnknown if there is none.
func (n *Network) Device(id string) (*Device, error) {
	l, err := n.find(id)
	return l.device, err
}

func (n *Network) find(id string) (line, error) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	l, ok := n.lines[id]
	if !ok {
		return line{}, fmt.Errorf("device %q: %w", id, ErrUnknown)
	}
	return l, nil
}

// Behave sets what a subscriber does with the requests that arrive from now on
// by these methods; by all if none is named. A request that waits for Open
// arrives when it is opened. ErrUnknown if the subscriber has no device at all.
func (n *Network) Behave(msisdn string, b Behaviour, methods ...signum.Method) error {
	if err := b.check(); err != nil {
		return err
	}
	h, err := n.person(msisdn)
	if err != nil {
		return err
	}
	if len(methods) == 0 {
		methods = []signum.Method{signum.SIM, signum.App}
	}
	h.behave(b, methods)
	return nil
}

func (n *Network) person(msisdn string) (*handset, error) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	h, ok := n.persons[msisdn]
	if !ok {
		return nil, fmt.Errorf("%s: %w", signum.MaskMSISDN(msisdn), ErrUnknown)
	}
	return h, nil
}

// Send implements mssp.Channel. The error wraps mssp.ErrUnreachable: there is no
// such device, it is out of reach, or the network is closed.
func (n *Network) Send(ctx context.Context, r mssp.DeviceRequest) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l, err := n.route(r)
	if err != nil {
		return fmt.Errorf("%w: %w", mssp.ErrUnreachable, err)
	}
	return l.person.receive(l.device, r, n.reply)
}

func (n *Network) route(r mssp.DeviceRequest) (line, error) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	l, ok := n.lines[r.DeviceID]
	switch {
	case n.closed:
		return line{}, ErrClosed
	case n.answerer == nil:
		return line{}, errors.New("the phone network is not connected")
	case !ok:
		return line{}, fmt.Errorf("device %q: %w", r.DeviceID, ErrUnknown)
	case r.MSISDN != l.device.MSISDN() || r.Method != l.device.Method():
		return line{}, fmt.Errorf("device %q is the %s of another subscriber: %w", r.DeviceID, l.device.Method(), ErrUnknown)
	}
	return l, nil
}

// Cancel implements mssp.Channel. A real SIM cannot take a text off its
// screen when the MSSP says so; this one can, or else it would stay busy for
// a transaction that is over.
func (n *Network) Cancel(_ context.Context, deviceID, transID string) {
	if l, err := n.find(deviceID); err == nil {
		l.device.Withdraw(transID)
	}
}

// EnterPIN is a person at the device by hand, for requests to a Silent one. It
// is Device.EnterPIN, and the answer goes out.
func (n *Network) EnterPIN(deviceID, transID, pin string) error {
	return n.byHand(deviceID, func(d *Device) (mssp.DeviceAnswer, error) { return d.EnterPIN(transID, pin) })
}

// SetPIN is Device.SetPIN by hand.
func (n *Network) SetPIN(deviceID, transID, first, second string) error {
	return n.byHand(deviceID, func(d *Device) (mssp.DeviceAnswer, error) { return d.SetPIN(transID, first, second) })
}

// Acknowledge is Device.Acknowledge by hand.
func (n *Network) Acknowledge(deviceID, transID string) error {
	return n.byHand(deviceID, func(d *Device) (mssp.DeviceAnswer, error) { return d.Acknowledge(transID) })
}

// TimeOut is Device.TimeOut by hand, instead of waiting for the timer.
func (n *Network) TimeOut(deviceID, transID string) error {
	return n.byHand(deviceID, func(d *Device) (mssp.DeviceAnswer, error) { return d.TimeOut(transID) })
}

// Decline is Device.Cancel by hand, whatever is asked.
func (n *Network) Decline(deviceID, transID string) error {
	return n.byHand(deviceID, func(d *Device) (mssp.DeviceAnswer, error) { return d.Cancel(transID) })
}

func (n *Network) byHand(deviceID string, f func(*Device) (mssp.DeviceAnswer, error)) error {
	d, err := n.Device(deviceID)
	if err != nil {
		return err
	}
	a, err := f(d)
	if err != nil {
		return err
	}
	n.reply(a)
	return nil
}

// Close switches the network off: what is being signed and sent is finished,
// who has not acted yet never will. It takes at most as long as the answers
// under way, each of which has 10 s.
func (n *Network) Close() {
	n.mu.Lock()
	n.closed = true
	n.mu.Unlock()
	n.hands.close()
	n.radio.close()
}

func (n *Network) reply(a mssp.DeviceAnswer) { n.transmit(a, 1) }

// transmit queues an answer for its nth attempt.
func (n *Network) transmit(a mssp.DeviceAnswer, attempt int) {
	ok := n.radio.submit(func() {
		err := n.answer(a)
		if err == nil {
			return
		}
		log := n.c.Logger.With("trans_id", a.TransID, "op", a.Op, "device", a.DeviceID, "attempt", attempt, "err", err)
		if attempt == answerAttempts {
			log.Error("answer of a phone given up")
			return
		}
		log.Warn("answer of a phone not taken")
		time.AfterFunc(answerPause<<(attempt-1), func() { n.transmit(a, attempt+1) })
	})
	if !ok {
		n.c.Logger.Warn("answer of a phone lost: the network is closed", "trans_id", a.TransID, "op", a.Op, "device", a.DeviceID)
	}
}

func (n *Network) answer(a mssp.DeviceAnswer) error {
	n.mu.RLock()
	to := n.answerer
	n.mu.RUnlock()
	ctx, cancel := context.WithTimeoutCause(context.Background(), answerTimeout,
		fmt.Errorf("answer of a phone not taken after %s", answerTimeout))
	defer cancel()
	return to.Answer(ctx, a)
}
