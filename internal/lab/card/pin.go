package card

import (
	"crypto/subtle"

	"github.com/signum-mssp/signum/internal/applet"
)

// maxNewPINs is how many invalid or different new PINs the card accepts before it
// gives up.
const maxNewPINs = 3

// verifyPIN stores the tries before it returns. If the store fails, the PIN counts as
// wrong.
func (c *Card) verifyPIN(typed string) (left int, ok bool) {
	left = max(c.kept.TriesLeft-1, 0)
	if c.kept.TriesLeft > 0 && subtle.ConstantTimeCompare([]byte(typed), []byte(c.kept.PIN)) == 1 {
		left, ok = MaxTries, true
	}
	if left == c.kept.TriesLeft {
		return left, ok
	}
	if err := c.keep(func(s *State) { s.TriesLeft = left }); err != nil {
		next := c.kept.clone()
		next.TriesLeft = max(next.TriesLeft-1, 0)
		c.kept = next
		return next.TriesLeft, false
	}
	return left, ok
}

// newPIN asks for a PIN twice.
type newPIN struct {
	first    string
	again    bool // the card asks for the second time
	failures int
}

func (c *Card) beginNewPIN(d *dialogue) { c.play(d, new(newPIN)) }

func (n *newPIN) ask(c *Card, d *dialogue) {
	switch {
	case n.again:
		c.getPIN(d, StepRepeat, d.words.again)
	case n.failures > 0:
		c.getPIN(d, StepNewPIN, d.words.differ+" "+d.words.newPIN)
	default:
		c.getPIN(d, StepNewPIN, d.words.newPIN)
	}
}

func (n *newPIN) next(c *Card, d *dialogue, typed string) {
	switch {
	case !n.again && isPIN(typed):
		n.first, n.again = typed, true
		n.ask(c, d)
	case n.again && typed == n.first:
		// A blocked PIN may be replaced.
		c.finish(d, applet.Reply{}, func(s *State) { s.PIN, s.TriesLeft = typed, MaxTries })
	default:
		n.first, n.again = "", false
		if n.failures++; n.failures == maxNewPINs {
			c.finish(d, applet.Reply{Result: applet.UserCancel})
			return
		}
		n.ask(c, d)
	}
}

func (n *newPIN) back(*Card, *dialogue) bool {
	first := !n.again
	n.first, n.again = "", false
	return first
}
