package card

import (
	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/mssp"
)

// This file is for the sandbox, which simulates the person who holds a card, and
// faults of the card. A real card has none of it.

// Step is what a command asks the user for.
type Step uint8

// The steps.
const (
	StepNotice Step = iota // nothing
	StepText               // to read the text to be signed, or a receipt
	StepPIN
	StepNewPIN
	StepRepeat // the new PIN again
	StepParty  // to read who asks; the text follows
)

// Asking describes the dialogue that is on the screen or comes next.
type Asking struct {
	Op      mssp.DeviceOp
	TransID string // the applet.ID in its printed form; the card knows no more
	Step    Step
	Party   string // the name of the party that asks; empty: the card was not told
}

// AskedAs returns how Asking names a transaction of the service.
func AskedAs(transID string) string { return applet.TransactionID(transID).String() }

// Asking describes the first command that needs the user and that the phone has
// fetched or will fetch. It returns the zero value if there is none.
func (c *Card) Asking() Asking {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.queue {
		if m.dialogue != nil {
			r := m.dialogue.req
			name, _ := r.Party.Decode() // the dialogue would not have begun
			return Asking{deviceOp(r.Op), r.ID.String(), m.step, name}
		}
	}
	return Asking{}
}

func deviceOp(op applet.Op) mssp.DeviceOp {
	switch op {
	case applet.SetPIN, applet.GenKey:
		return mssp.OpActivate
	case applet.Display:
		return mssp.OpDisplay
	}
	return mssp.OpSign
}

// KnownPIN returns the PIN that the card's user knows or, while the card has none,
// will choose.
func (c *Card) KnownPIN() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept.PIN == "" {
		return c.cfg.PIN
	}
	return c.kept.PIN
}

// TriesLeft returns how many wrong PINs the card still accepts; at 0 it is blocked.
func (c *Card) TriesLeft() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.kept.TriesLeft
}

// Unblock resets the PIN counter, as a PUK does.
func (c *Card) Unblock() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.keep(func(s *State) { s.TriesLeft = MaxTries }) != nil {
		c.kept.TriesLeft = MaxTries // until the process ends
	}
}

// ForceResult makes the card answer later signature requests with r, without asking
// the user. applet.OK restores normal operation.
func (c *Card) ForceResult(r applet.Result) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forced = r
}

// CorruptSignatures makes the card flip a bit in later signatures and proofs.
func (c *Card) CorruptSignatures(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.corrupt = on
}

// SimulateFault is ForceResult and CorruptSignatures by status code: PINBlocked, NoKeyFound, or 0
// for normal operation. Any other code makes the card answer with an internal
// error.
func (c *Card) SimulateFault(code signum.Code, corrupt bool) {
	r := applet.Internal
	switch code {
	case 0:
		r = applet.OK
	case signum.PINBlocked:
		r = applet.PINBlocked
	case signum.NoKeyFound:
		r = applet.NoKey
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forced, c.corrupt = r, corrupt
}

// Block uses up the tries of the PIN, as wrong PINs do.
func (c *Card) Block() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.keep(func(s *State) { s.TriesLeft = 0 })
}
