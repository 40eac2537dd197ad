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
	acts := b.Acts()
	if acts {
		p.later(b.After, func() {
			if _, other := p.others.Load(id); !other {
				p.act(id, b)
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

// decided is what the person does with a request, with the delay filled in.
func (p *app) decided(id requestKey) person.Behaviour {
	usual := p.person.Behaviour()
	if p.s.c.Decide == nil {
		return usual
	}
	b, ok := p.s.c.Decide(p.record.MSISDN, id.transID, id.op)
	if !ok {
		return usual
	}
	if b.After == 0 {
		b.After = p.s.c.Delay
	}
	return b
}

// act does with the request on the screen what the person does. It may have left the screen
// before they act.
func (p *app) act(id requestKey, b person.Behaviour) {
	if a, err := act(p.device, id, b); err == nil {
		p.reply(a)
	}
}

// Act lets the person do something else with the request on the screen, at once unless the
// behaviour has a delay. person.ErrNotShown, person.ErrUnknown.
func (s *Apps) Act(deviceID, transID string, op mssp.DeviceOp, b person.Behaviour) error {
	p, err := s.find(deviceID)
	if err != nil {
		return err
	}
	id := requestKey{transID, op}
	if p.device.shownKey() != id {
		return person.ErrNotShown
	}
	p.others.Store(id, b)
	if b.Acts() {
		p.later(b.After, func() {
			if now, _ := p.others.Load(id); now == b {
				p.act(id, b)
			}
		})
	}
	return nil
}

// Usually returns what a subscriber does with requests; person.ErrUnknown.
func (s *Apps) Usually(msisdn string) (person.Behaviour, error) {
	theirs, err := s.of(msisdn)
	if err != nil {
		return person.Behaviour{}, err
	}
	return theirs[0].person.Behaviour(), nil
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

func act(d *Device, id requestKey, b person.Behaviour) (mssp.DeviceAnswer, error) {
	do := b.Do
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
		for n := 1; ; n++ {
			a, err := d.EnterPIN(id.transID, person.NotThePIN(pin))
			if n == b.Times && errors.As(err, new(*PINError)) {
				return d.EnterPIN(id.transID, pin)
			}
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
