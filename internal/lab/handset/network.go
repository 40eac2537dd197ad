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
	// DefaultInactivity is how long a handset waits for a key. TS 102 223 leaves this
	// to the handset.
	DefaultInactivity = 60 * time.Second

	// senders bounds how many messages are being sent at a time. Each waits for the
	// network.
	senders = 256
)

// ErrClosed means that the network is closed.
var ErrClosed = errors.New("the phone network is closed")

// ErrUnreachable means that the handset is out of reach. Nothing was delivered; a later
// attempt may succeed.
var ErrUnreachable = errors.New("the handset is out of reach")

// Config configures a Network. The zero value is usable: real time, no delay, no log.
type Config struct {
	Clock  mssp.Clock
	Delay  time.Duration // from the arrival of a request to the first key; 0: at once
	Logger *slog.Logger
	// Inactivity is how long a handset waits for a key if the card does not say; 0
	// means DefaultInactivity.
	Inactivity time.Duration
	// Decide, if not nil, is asked once for each request. It must not call the Network.
	Decide person.Decider
	// Observe, if not nil, is called for each event, one at a time and in order. It
	// may call the Network. It must return soon, because other events wait for it.
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

// Network is a radio network of handsets with SIM cards. It delivers TPDUs to them and
// takes TPDUs from them. Each handset drives its card as a terminal does, and has a
// simulated user. A Network is safe for concurrent use.
//
// Config.Delay is how long a user takes to press the first key of a request; the other
// keys follow at once, and so does OK at the dialogue that says who asks, which simulated
// users pass before they do anything else.
//
// Behaviours are played with the keys. Approve presses OK and enters the PIN that the
// user knows, or person.DefaultPIN if the card asks for a new one. WrongPIN enters other
// PINs as long as the card asks. Silent presses no other key, so that the handset gives up
// after Config.Inactivity or the card's own time. The card plays Blocked, NoKey and
// BadSignature, and the network plays Unreachable: DeliverSM fails, for texts too.
type Network struct {
	c     Config
	seen  *person.Observer
	hands *person.Pool     // runs what users do, and the cards' work
	radio *person.Pool     // sends messages
	parts *sms.Reassembler // of text messages
	last  atomic.Uint64    // ID of the last dialogue

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

// Connect sets the function that takes the handsets' SMS-SUBMITs, usually an SMSC's. It
// may call the Network. It is called concurrently, but with one message of a handset at
// a time. Until Connect is called, handsets cannot send.
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

// Insert puts a card into the handset of a number. It creates the handset if there is
// none, with a user who approves everything. It removes the previous card, whose
// dialogue ends without an answer; the user's behaviour, place and messages stay. The
// device ID appears in events only.
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

// mobile returns the handset of a number, and creates it if there is none.
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

// Remove removes a handset with its card, and closes the channels of Watch. The error is
// person.ErrUnknown if there is no such handset.
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

// Behave sets what a user does from now on. A request on the screen keeps the previous
// behaviour. Blocked, NoKey and BadSignature take effect with the next message to the
// card. The error is person.ErrUnknown if there is no such handset.
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

// TakeOver gives the keys to a real person: while it is on, the simulated user presses
// none. Afterwards, the simulated user continues with the behaviour that is set, also for
// the dialogue on the screen. The error is person.ErrUnknown if there is no such handset.
func (h *Network) TakeOver(msisdn string, on bool) error {
	m, err := h.find(msisdn)
	if err != nil {
		return err
	}
	m.takeOver(on)
	return nil
}

// Place sets where a user is from now on. The error is person.ErrUnknown if there is no
// such handset.
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

// Locate is the network's location service: it returns where a handset is, without asking
// the handset. A nil location means that the network does not tell. The error is
// person.ErrUnknown if there is no such handset.
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

// Close switches the network off. It waits for cards that are working; no key is pressed
// afterwards.
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
