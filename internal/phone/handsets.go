package phone

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/sms"
)

// ErrUnreachable means that the handset is out of the network's reach: nothing
// was delivered, and later it may be.
var ErrUnreachable = errors.New("the handset is out of reach")

// Handsets are phones with a SIM on one radio network: what the network
// delivers to them are TPDUs, and so is what they send. Each drives its card
// as a terminal does, and has a person. It is safe for concurrent use.
//
// Config.Delay is what a person takes to press the first key of a request, the
// others follow at once. Config.Keys does not matter here.
//
// Behaviours mean what they mean elsewhere, in keys: Approve presses OK and
// enters the PIN that the card's person knows, or DefaultPIN where a new one is
// asked for; WrongPIN enters others for as long as the card asks. Silent leaves
// it to the handset, which gives up after Config.Inactivity or what the card
// says. Blocked, NoKey and BadSignature are the card's, and Unreachable is the
// network's: DeliverSM fails, for texts too.
type Handsets struct {
	c     Config
	seen  *observer
	hands *pool            // press keys, and let the cards sign
	radio *pool            // send messages
	parts *sms.Reassembler // of text messages
	last  atomic.Uint64    // dialogue

	mu      sync.RWMutex
	send    func(msisdn string, tpdu []byte) error
	mobiles map[string]*mobile // by MSISDN
	closed  bool
}

// NewHandsets returns a radio network without handsets.
func NewHandsets(c Config) *Handsets {
	c = c.withDefaults()
	return &Handsets{
		c:       c,
		seen:    &observer{f: c.Observe},
		hands:   newPool(runtime.GOMAXPROCS(0)),
		radio:   newPool(senders),
		parts:   sms.NewReassembler(textLifetime, textParts),
		mobiles: make(map[string]*mobile),
	}
}

// Connect sets where the handsets' SMS-SUBMITs go: to the service centre. It
// may be called back from there, and several messages may be under way at
// once, of one handset only one. Until it is set, nothing can be sent.
func (h *Handsets) Connect(send func(msisdn string, tpdu []byte) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.send = send
}

// submit sends an SMS-SUBMIT.
func (h *Handsets) submit(msisdn string, tpdu []byte) error {
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
func (h *Handsets) Insert(deviceID, msisdn string, c SIM) error {
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
	h.seen.flush()
	return nil
}

// mobile finds a handset or makes one.
func (h *Handsets) mobile(msisdn string) (*mobile, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, ErrClosed
	}
	m, ok := h.mobiles[msisdn]
	if !ok {
		m = &mobile{net: h, msisdn: msisdn}
		h.mobiles[msisdn] = m
	}
	return m, nil
}

// Remove takes a handset off the network, and its card with it. Who watches it
// is told that there is nothing more. ErrUnknown if there is none.
func (h *Handsets) Remove(msisdn string) error {
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
	return fmt.Errorf("%s: %w", signum.MaskMSISDN(msisdn), ErrUnknown)
}

func (h *Handsets) find(msisdn string) (*mobile, error) {
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
// and hold for the next message that reaches it. ErrUnknown if there is no such
// handset.
func (h *Handsets) Behave(msisdn string, b Behaviour) error {
	if err := b.check(); err != nil {
		return err
	}
	m, err := h.find(msisdn)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.does = b
	return nil
}

// TakeOver lets somebody else have the keys: while it is on, the simulated
// person presses none. Behaviours stay set, and hold again afterwards, also for
// what is then on the screen. ErrUnknown if there is no such handset.
func (h *Handsets) TakeOver(msisdn string, on bool) error {
	m, err := h.find(msisdn)
	if err != nil {
		return err
	}
	m.takeOver(on)
	return nil
}

// Place sets where a person is from now on. ErrUnknown if there is no such
// handset.
func (h *Handsets) Place(msisdn string, p Place) error {
	if err := p.check(); err != nil {
		return fmt.Errorf("place of %s: %w", signum.MaskMSISDN(msisdn), err)
	}
	m, err := h.find(msisdn)
	if err != nil {
		return err
	}
	m.where.move(p)
	return nil
}

// Locate is the network's location service: where a handset is, without asking
// it. Nil means that nothing is told. ErrUnknown if there is no such handset.
func (h *Handsets) Locate(ctx context.Context, msisdn string) (*mssp.Location, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m, err := h.find(msisdn)
	if err != nil {
		return nil, err
	}
	return m.where.place().location(signum.SIM, h.c.Clock.Now()), nil
}

// Close switches the network off: a card that is working finishes that, and
// nobody presses a key again.
func (h *Handsets) Close() {
	h.mu.Lock()
	h.closed = true
	all := h.mobiles
	h.mobiles = make(map[string]*mobile)
	h.mu.Unlock()
	for _, m := range all {
		m.switchOff()
	}
	h.hands.close()
	h.radio.close()
}
