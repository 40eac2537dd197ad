package handset

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/sms"
)

const (
	// DefaultInactivity is how long a handset waits for a key (TS 102 223 leaves
	// it to the handset).
	DefaultInactivity = 60 * time.Second

	// senders bounds the messages that are being sent at once. Each waits for
	// the network.
	senders = 256
)

// ErrClosed means that the network was closed.
var ErrClosed = errors.New("the phone network is closed")

// ErrUnreachable means that the handset is out of the network's reach: nothing
// was delivered, and later it may be.
var ErrUnreachable = errors.New("the handset is out of reach")

// Config is what handsets need. The zero value is usable: real time, no delay,
// no log.
type Config struct {
	Clock  mssp.Clock
	Delay  time.Duration // from the arrival of a request to the first key; 0: at once
	Logger *slog.Logger
	// Inactivity is how long a handset waits for a key, unless the card says so;
	// 0: DefaultInactivity.
	Inactivity time.Duration
	// Observe, if not nil, is called for each event, one at a time, in order.
	// It may call the handsets, and must return soon: others wait behind it.
	Observe func(person.Event)
}

func (c Config) withDefaults() Config {
	if c.Clock == nil {
		c.Clock = mssp.SystemClock{}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Inactivity <= 0 {
		c.Inactivity = DefaultInactivity
	}
	return c
}

// Network is a radio network of phones with a SIM: what the network
// delivers to them are TPDUs, and so is what they send. Each drives its card
// as a terminal does, and has a person. It is safe for concurrent use.
//
// Config.Delay is what a person takes to press the first key of a request, the
// others follow at once.
//
// Behaviours mean what they mean elsewhere, in keys: Approve presses OK and
// enters the PIN that the card's person knows, or person.DefaultPIN where a new one is
// asked for; WrongPIN enters others for as long as the card asks. Silent leaves
// it to the handset, which gives up after Config.Inactivity or what the card
// says. Blocked, NoKey and BadSignature are the card's, and Unreachable is the
// network's: DeliverSM fails, for texts too.
type Network struct {
	c     Config
	seen  *person.Observer
	hands *person.Pool     // press keys, and let the cards sign
	radio *person.Pool     // send messages
	parts *sms.Reassembler // of text messages
	last  atomic.Uint64    // dialogue

	mu      sync.RWMutex
	send    func(msisdn string, tpdu []byte) error
	mobiles map[string]*mobile // by MSISDN
	closed  bool
}

// New returns a network without handsets.
func New(c Config) *Network {
	c = c.withDefaults()
	return &Network{
		c:       c,
		seen:    person.NewObserver(c.Observe),
		hands:   person.NewPool(c.Logger, runtime.GOMAXPROCS(0)),
		radio:   person.NewPool(c.Logger, senders),
		parts:   sms.NewReassembler(textLifetime, textParts),
		mobiles: make(map[string]*mobile),
	}
}

// Connect sets where the handsets' SMS-SUBMITs go: to the service centre. It
// may be called back from there, and several messages may be under way at
// once, of one handset only one. Until it is set, nothing can be sent.
func (h *Network) Connect(send func(msisdn string, tpdu []byte) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.send = send
}

// submit sends an SMS-SUBMIT.
func (h *Network) submit(msisdn string, tpdu []byte) error {
	h.mu.RLock()
	send := h.send
	h.mu.RUnlock()
	if send == nil {
		return errors.New("the handsets are not connected")
	}
	return send(msisdn, tpdu)
}

// Insert puts a card into the handset of a number, which appears with its first
// one and approves what comes. A card that is in there is taken out: its
// dialogue ends without an answer. The person, their place and their messages
// stay. The device ID is for events only.
func (h *Network) Insert(deviceID, msisdn string, c SIM) error {
	if deviceID == "" || msisdn == "" || c == nil {
		return errors.New("a SIM needs a device ID, an MSISDN and a card")
	}
	m, err := h.mobile(msisdn)
	if err != nil {
		return err
	}
	t := &terminal{m: m, deviceID: deviceID, card: c}
	m.insert(t)
	t.start()
	h.seen.Flush()
	return nil
}

// mobile finds a handset or makes one.
func (h *Network) mobile(msisdn string) (*mobile, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, ErrClosed
	}
	m, ok := h.mobiles[msisdn]
	if !ok {
		m = &mobile{Person: person.New(h.c.Delay), net: h, msisdn: msisdn}
		h.mobiles[msisdn] = m
	}
	return m, nil
}

// Remove takes a handset off the network, and its card with it. Who watches it
// is told that there is nothing more. person.ErrUnknown if there is none.
func (h *Network) Remove(msisdn string) error {
	h.mu.Lock()
	m, ok := h.mobiles[msisdn]
	delete(h.mobiles, msisdn)
	h.mu.Unlock()
	if !ok {
		return unknown(msisdn)
	}
	m.switchOff()
	return nil
}

func unknown(msisdn string) error {
	return fmt.Errorf("%s: %w", signum.MaskMSISDN(msisdn), person.ErrUnknown)
}

func (h *Network) find(msisdn string) (*mobile, error) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	m, ok := h.mobiles[msisdn]
	switch {
	case h.closed:
		return nil, ErrClosed
	case !ok:
		return nil, unknown(msisdn)
	}
	return m, nil
}

// Behave sets what a person does from now on. What is on the screen keeps the
// behaviour that it came with; Blocked, NoKey and BadSignature are the card's,
// and hold for the next message that reaches it. person.ErrUnknown if there is no such
// handset.
func (h *Network) Behave(msisdn string, b person.Behaviour) error {
	if err := b.Check(); err != nil {
		return err
	}
	m, err := h.find(msisdn)
	if err != nil {
		return err
	}
	return m.Behave(b)
}

// TakeOver lets somebody else have the keys: while it is on, the simulated
// person presses none. Behaviours stay set, and hold again afterwards, also for
// what is then on the screen. person.ErrUnknown if there is no such handset.
func (h *Network) TakeOver(msisdn string, on bool) error {
	m, err := h.find(msisdn)
	if err != nil {
		return err
	}
	m.takeOver(on)
	return nil
}

// Place sets where a person is from now on. person.ErrUnknown if there is no such
// handset.
func (h *Network) Place(msisdn string, p person.Place) error {
	m, err := h.find(msisdn)
	if err != nil {
		return err
	}
	if err := m.MoveTo(p); err != nil {
		return fmt.Errorf("place of %s: %w", signum.MaskMSISDN(msisdn), err)
	}
	return nil
}

// Locate is the network's location service: where a handset is, without asking
// it. Nil means that nothing is told. person.ErrUnknown if there is no such handset.
func (h *Network) Locate(ctx context.Context, msisdn string) (*mssp.Location, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m, err := h.find(msisdn)
	if err != nil {
		return nil, err
	}
	return m.Place().Location(signum.SIM, h.c.Clock.Now()), nil
}

// Close switches the network off: a card that is working finishes that, and
// nobody presses a key again.
func (h *Network) Close() {
	h.mu.Lock()
	h.closed = true
	all := h.mobiles
	h.mobiles = make(map[string]*mobile)
	h.mu.Unlock()
	for _, m := range all {
		m.switchOff()
	}
	h.hands.Close()
	h.radio.Close()
}
