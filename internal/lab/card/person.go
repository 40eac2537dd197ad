package card

import (
	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/mssp"
)

// What the sandbox needs to play the person who holds a card, and to let cards
// fail. A real card has none of it.

// Step is what a command asks the user for.
type Step uint8

// The steps.
const (
	StepNotice Step = iota // nothing
	StepText               // to read the text to be signed, or of a receipt
	StepPIN
	StepNewPIN
	StepRepeat // the new PIN again
)

// Asking is why there is, or will be next, a dialogue on the screen.
type Asking struct {
	Op      mssp.DeviceOp
	TransID string // the applet.ID, as it prints; the card knows no more
	Step    Step
}

// Asking is what the first command asks for that the phone has or will fetch;
// the zero value if no user is needed.
func (c *Card) Asking() Asking {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.queue {
		if m.dialogue != nil {
			return Asking{deviceOp(m.dialogue.req.Op), m.dialogue.req.ID.String(), m.step}
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

// KnownPIN is what the card's person knows: its PIN, or while it has none the
// one that they will choose.
func (c *Card) KnownPIN() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept.PIN == "" {
		return c.cfg.PIN
	}
	return c.kept.PIN
}

// TriesLeft is how many wrong PINs the card still takes; at 0 it is blocked.
func (c *Card) TriesLeft() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.kept.TriesLeft
}

// Unblock fills the PIN counter, as a PUK would.
func (c *Card) Unblock() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.keep(func(s *State) { s.TriesLeft = MaxTries }) != nil {
		c.kept.TriesLeft = MaxTries // until the process ends
	}
}

// Rig makes the card answer signature requests that arrive from now on with r,
// without asking anybody; applet.OK gives it back its own mind.
func (c *Card) Rig(r applet.Result) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rig = r
}

// Spoil makes a bit of the signatures and proofs wrong that the card makes from
// now on.
func (c *Card) Spoil(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.spoil = on
}

// SimulateFault sets Rig and Spoil by status code: PINBlocked, NoKeyFound, or 0
// for normal operation. Any other code makes the card answer with an internal
// error.
func (c *Card) SimulateFault(code signum.Code, spoil bool) {
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
	c.rig, c.spoil = r, spoil
}
