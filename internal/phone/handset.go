package phone

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/signum-mssp/signum"
)

// handset is a person with a SIM, an app, or both, who behaves as they are
// told. Whoever carries requests to the person's devices passes them through
// receive, and gets the answers when the person has acted.
//
// A waiting request costs what it holds: the person who will act has a timer,
// the silent one nothing.
type handset struct {
	delay time.Duration // unless the behaviour has its own
	hands *pool         // where persons act, since signing costs a CPU

	mu   sync.Mutex
	does map[signum.Method]Behaviour // absent: the zero Behaviour
}

// behave sets what the person does from now on. Requests that arrived before
// keep the behaviour of their arrival.
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

// receive gives a request to one of the person's devices and returns at once.
// Answers go to reply, later and from other goroutines. An error means that the
// bearer did not reach the device.
func (h *handset) receive(d *Device, r signum.DeviceRequest, reply func(signum.DeviceAnswer)) error {
	b := h.behaviour(d.Method())
	var refuse signum.Code
	switch b.Do {
	case Unreachable:
		if !d.knows(r.TransID) { // else it was reached before, and may answer
			return d.undelivered(r)
		}
	case Blocked:
		refuse = signum.PINBlocked
	case NoKey:
		refuse = signum.NoKeyFound
	}
	got := d.receive(r, refuse)
	for _, a := range got.Answers {
		h.later(b.After, func() { reply(a) })
	}
	if got.Asked && b.Do != Silent {
		id := r.TransID // the timer shall not hold the request
		h.later(b.After, func() {
			a, err := act(d, id, b.Do)
			if err == nil {
				reply(a)
			}
		})
	}
	return nil
}

func (h *handset) later(after time.Duration, f func()) {
	if after == 0 {
		h.hands.submit(f)
		return
	}
	time.AfterFunc(after, func() { h.hands.submit(f) })
}

// act is what a person does with the request on the screen. The error is
// ErrNotShown: it went while they made up their mind.
func act(d *Device, transID string, do Action) (signum.DeviceAnswer, error) {
	switch do {
	case Cancel:
		return d.Cancel(transID)
	case WrongPIN:
		for {
			a, err := d.EnterPIN(transID, notThePIN(d.spec.PIN))
			if wrong := (*PINError)(nil); !errors.As(err, &wrong) {
				return a, err
			}
		}
	case BadSignature:
		return d.enter(transID, d.spec.PIN, func(signature []byte) {
			signature[len(signature)-1] ^= 1 // still well-formed
		})
	default:
		return d.EnterPIN(transID, d.spec.PIN)
	}
}

// notThePIN is as long and of the same kind.
func notThePIN(pin string) string {
	first := byte('0')
	if c := pin[0]; c >= '0' && c < '9' {
		first = c + 1
	}
	return string(first) + pin[1:]
}

// undelivered is the error of a bearer that cannot reach the device.
func (d *Device) undelivered(r signum.DeviceRequest) error {
	d.mu.Lock()
	defer d.release()
	d.note(Event{Kind: Undelivered, Code: signum.OTAError}, &r, d.clock.Now())
	return fmt.Errorf("device %s is out of reach: %w", d.spec.ID, signum.NewFault(signum.OTAError))
}
