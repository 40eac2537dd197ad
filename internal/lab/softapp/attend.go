package softapp

import (
	"errors"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/mssp"
)

// attend sends what the device answered, and lets the person act if they are
// asked. A waiting request costs what it holds: a person who will act has a
// timer, a silent one nothing, unless it is a receipt, whose own timer runs
// where nobody will touch it before.
func (p *app) attend(id name, got reception, b person.Behaviour) {
	for _, a := range got.answers {
		p.later(b.After, func() { p.reply(a) })
	}
	if !got.asked {
		return
	}
	acts := b.Do != person.Silent && b.Do != person.Unreachable
	if acts {
		p.later(b.After, func() {
			if a, err := act(p.device, id, b.Do); err == nil { // else it went while they made up their mind
				p.reply(a)
			}
		})
	}
	if id.op == mssp.OpDisplay && (!acts || b.After > signum.ReceiptShown) {
		p.later(signum.ReceiptShown, func() {
			if a, err := p.device.TimeOut(id.transID); err == nil {
				p.reply(a)
			}
		})
	}
}

// later does nothing once the Apps are closed.
func (p *app) later(after time.Duration, f func()) {
	if after == 0 {
		p.s.hands.Submit(f)
		return
	}
	time.AfterFunc(after, func() {
		defer event.Rescue(p.s.c.Logger, "software App")
		p.s.hands.Submit(f)
	})
}

// act is what a person does with the request on the screen.
func act(d *Device, id name, do person.Action) (mssp.DeviceAnswer, error) {
	if do == person.Cancel {
		return d.cancel(id.transID, id.op)
	}
	if id.op == mssp.OpDisplay {
		return d.Acknowledge(id.transID)
	}
	pin := d.knownPIN()
	switch do {
	case person.WrongPIN:
		for {
			a, err := d.EnterPIN(id.transID, person.NotThePIN(pin))
			if wrong := (*PINError)(nil); !errors.As(err, &wrong) {
				return a, err
			}
		}
	case person.BadSignature:
		return d.enter(id.transID, pin, spoil)
	}
	return d.EnterPIN(id.transID, pin)
}

// spoil makes a signature wrong that is still well-formed.
func spoil(signature []byte) { signature[len(signature)-1] ^= 1 }
