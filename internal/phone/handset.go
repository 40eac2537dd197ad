package phone

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// handset is a person with a SIM, an app, or both, who behaves as they are
// told. Whoever carries requests to the person's devices passes them through
// receive, and gets the answers when the person has acted.
//
// A waiting request costs what it holds: the person who will act has a timer,
// the silent one nothing, unless it is a receipt.
type handset struct {
	delay time.Duration // unless the behaviour has its own
	hands *pool         // where persons act, since signing costs a CPU

	where whereabouts // for all devices

	mu   sync.Mutex
	does map[signum.Method]Behaviour // absent: the zero Behaviour
}

// behave sets what the person does from now on. Requests that arrived before
// keep the behaviour of their arrival; what waits to be opened arrives then.
func (h *handset) behave(b Behaviour, methods []signum.Method) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range methods {
		h.does[m] = b
	}
}

func (h *handset) behaviour(m signum.Method) Behaviour {
	h.mu.Lock()
	defer h.mu.Unlock()
	b := h.does[m]
	if b.After == 0 {
		b.After = h.delay
	}
	return b
}

// unreachable reports whether any behaviour of the person is.
func (h *handset) unreachable() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, b := range h.does {
		if b.Do == Unreachable {
			return true
		}
	}
	return false
}

// receive gives a request to one of the person's devices and returns at once.
// Answers go to reply, later and from other goroutines. An error means that the
// bearer did not reach the device.
func (h *handset) receive(d *Device, r mssp.DeviceRequest, reply func(mssp.DeviceAnswer)) error {
	b := h.behaviour(d.Method())
	if b.Do == Unreachable && !d.knows(nameOf(&r)) { // else it was reached before, and may answer
		return d.undelivered(r)
	}
	h.attend(d, nameOf(&r), d.receive(r, b.plays(r.Op)), b, reply)
	return nil
}

// open is receive for what waits on the device for this token.
func (h *handset) open(d *Device, token string, reply func(mssp.DeviceAnswer)) (Opening, error) {
	b := h.behaviour(d.Method())
	o, err := d.open(token, b.plays(mssp.OpSign))
	if err == nil {
		h.attend(d, name{o.TransID, mssp.OpSign}, o.Reception, b, reply)
	}
	return o, err
}

// attend sends what the device answered, and acts if the person is asked. The
// timer of a receipt runs only where nobody will touch it before.
func (h *handset) attend(d *Device, id name, got Reception, b Behaviour, reply func(mssp.DeviceAnswer)) {
	for _, a := range got.Answers {
		h.later(b.After, func() { reply(a) })
	}
	if !got.Asked {
		return
	}
	acts := b.Do != Silent && b.Do != Unreachable
	if acts {
		h.later(b.After, func() {
			if a, err := act(d, id, b.Do); err == nil {
				reply(a)
			}
		})
	}
	if id.op == mssp.OpDisplay && (!acts || b.After > signum.ReceiptShown) {
		h.later(signum.ReceiptShown, func() {
			if a, err := d.TimeOut(id.transID); err == nil {
				reply(a)
			}
		})
	}
}

// later does nothing once the network is closed.
func (h *handset) later(after time.Duration, f func()) {
	if after == 0 {
		h.hands.submit(f)
		return
	}
	time.AfterFunc(after, func() { h.hands.submit(f) })
}

// act is what a person does with the request on the screen. The error is
// ErrNotShown: it went while they made up their mind.
func act(d *Device, id name, do Action) (mssp.DeviceAnswer, error) {
	switch {
	case do == Cancel:
		return d.cancel(id.transID, id.op)
	case id.op == mssp.OpActivate:
		return activate(d, id.transID, do)
	case id.op == mssp.OpDisplay:
		return d.Acknowledge(id.transID)
	default:
		return sign(d, id.transID, do)
	}
}

func sign(d *Device, transID string, do Action) (mssp.DeviceAnswer, error) {
	pin := d.knownPIN()
	switch do {
	case WrongPIN:
		for {
			a, err := d.EnterPIN(transID, notThePIN(pin))
			if wrong := (*PINError)(nil); !errors.As(err, &wrong) {
				return a, err
			}
		}
	case BadSignature:
		return d.enter(transID, pin, spoil)
	default:
		return d.EnterPIN(transID, pin)
	}
}

func activate(d *Device, transID string, do Action) (mssp.DeviceAnswer, error) {
	switch do {
	case WrongPIN:
		for range MaxTries {
			a, err := d.SetPIN(transID, DefaultPIN, notThePIN(DefaultPIN))
			if rejected := (*NewPINError)(nil); !errors.As(err, &rejected) {
				return a, err
			}
		}
		return d.cancel(transID, mssp.OpActivate)
	case BadSignature:
		return d.setPIN(transID, DefaultPIN, DefaultPIN, spoil)
	default:
		return d.SetPIN(transID, DefaultPIN, DefaultPIN)
	}
}

// spoil makes a signature wrong that is still well-formed.
func spoil(signature []byte) { signature[len(signature)-1] ^= 1 }

// notThePIN is as long and of the same kind.
func notThePIN(pin string) string {
	first := byte('0')
	if c := pin[0]; c >= '0' && c < '9' {
		first = c + 1
	}
	return string(first) + pin[1:]
}

// undelivered is the error of a bearer that cannot reach the device.
func (d *Device) undelivered(r mssp.DeviceRequest) error {
	d.mu.Lock()
	defer d.release()
	d.note(Event{Kind: Undelivered, Code: signum.OTAError}, &r, d.clock.Now())
	return fmt.Errorf("device %s is out of reach: %w", d.spec.ID, mssp.ErrUnreachable)
}
