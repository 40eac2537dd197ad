package softapp

import (
	"errors"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/mssp"
)

// letPersonAct sends the answers of the device and, if the person is asked, makes
// them act after their delay. A person who will act costs a timer, a silent one
// nothing. A receipt that nobody will touch in time has a timer of its own.
func (p *app) letPersonAct(id requestKey, got reception, b person.Behaviour) {
	for _, a := range got.answers {
		p.later(b.After, func() { p.reply(a) })
	}
	if !got.asked {
		return
	}
	acts := b.Do != person.Silent && b.Do != person.Unreachable
	if acts {
		p.later(b.After, func() {
			if a, err := act(p.device, id, b.Do); err == nil { // otherwise it left the screen before they acted
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

// later runs f after a delay, unless the Apps are closed by then.
func (p *app) later(after time.Duration, f func()) {
	if after == 0 {
		p.s.acting.Submit(f)
		return
	}
	time.AfterFunc(after, func() {
		defer event.Rescue(p.s.c.Logger, "software App")
		p.s.acting.Submit(f)
	})
}

// act does with the request on the screen what the person does.
func act(d *Device, id requestKey, do person.Action) (mssp.DeviceAnswer, error) {
	switch {
	case do == person.Report && id.op == mssp.OpSign:
		return d.Report(id.transID)
	case do == person.Cancel || do == person.Report:
		return d.cancel(id.transID, id.op)
	case id.op == mssp.OpDisplay:
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

// spoil makes a signature wrong but leaves it well-formed.
func spoil(signature []byte) { signature[len(signature)-1] ^= 1 }
