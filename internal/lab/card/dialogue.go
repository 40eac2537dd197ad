package card

import (
	"crypto"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/scp80"
	"github.com/signum-mssp/signum/internal/sms"
)

const (
	// defaultTimeout applies to requests that name no time-out.
	defaultTimeout = 2 * time.Minute
	// maxRepeats bounds how often a busy phone or a user who presses Back can
	// repeat a step of one dialogue, so that no phone can keep a card busy.
	maxRepeats = 10
	// onlyKey is the id of the card's only key.
	onlyKey = 1
)

// dialogue is a request that needs the user.
type dialogue struct {
	req      *applet.Request
	from     sms.Address
	params   scp80.Params
	words    phrases
	deadline time.Time
	script   script
	repeats  int
}

// script is the sequence of steps of a dialogue. Each method queues a command or
// finishes the dialogue.
type script interface {
	ask(*Card, *dialogue)               // the current step
	next(*Card, *dialogue, string)      // the step is done; the string is what the user typed
	back(*Card, *dialogue) (first bool) // go to the previous step; first: there is none
}

func timeout(r *applet.Request) time.Duration {
	switch {
	case r.Timeout > 0:
		return r.Timeout
	case r.Op == applet.Display:
		return signum.ReceiptShown
	}
	return defaultTimeout
}

// begin answers a request that needs no user, and starts the dialogue of any other.
func (c *Card) begin(d *dialogue) {
	c.dialogue = d
	switch d.req.Op {
	case applet.Status:
		c.finish(d, applet.Reply{State: c.state()})
	case applet.Sign:
		c.beginSignature(d)
	case applet.GenKey:
		c.makeKey(d)
	case applet.SetPIN:
		c.beginNewPIN(d)
	case applet.Display:
		c.beginReceipt(d)
	default:
		c.finish(d, applet.Reply{Result: applet.Refused})
	}
}

// play starts a script.
func (c *Card) play(d *dialogue, s script) {
	d.script = s
	s.ask(c, d)
}

// resume continues after a step. A result after the deadline is too late.
func (c *Card) resume(d *dialogue, result byte, typed []byte) {
	if !c.now().Before(d.deadline) {
		c.finish(d, applet.Reply{Result: applet.NoAnswer})
		return
	}
	switch result {
	case resultOK, resultNoIcon:
		d.script.next(c, d, input(typed))
	case resultEnded:
		c.finish(d, applet.Reply{Result: applet.UserCancel})
	case resultNoResponse:
		c.finish(d, applet.Reply{Result: applet.NoAnswer})
	case resultBack:
		if first := d.script.back(c, d); first {
			c.finish(d, applet.Reply{Result: applet.UserCancel})
			return
		}
		c.repeat(d, applet.UserCancel)
	case resultBusy:
		c.repeat(d, applet.Busy)
	default: // the phone failed, perhaps in part: a text shown in part does not count as shown
		c.finish(d, applet.Reply{Result: applet.Internal})
	}
}

// repeat asks the current step again, or gives up.
func (c *Card) repeat(d *dialogue, otherwise applet.Result) {
	if d.repeats++; d.repeats > maxRepeats {
		c.finish(d, applet.Reply{Result: otherwise})
		return
	}
	d.script.ask(c, d)
}

// finish ends a dialogue: it stores the answer together with the changes of the
// state, then sends it. If the store fails, it changes nothing and sends an internal
// error, which it does not store.
func (c *Card) finish(d *dialogue, r applet.Reply, changes ...func(*State)) {
	c.dialogue = nil
	var payload []byte
	err := c.keep(func(s *State) {
		for _, change := range changes {
			change(s)
		}
		if payload = c.payload(d, r, s.TriesLeft); payload != nil {
			s.remember(Answer{d.req.Op, d.req.ID, payload})
		}
	})
	if err != nil {
		payload = c.payload(d, applet.Reply{Result: applet.Internal}, c.kept.TriesLeft)
	}
	if payload != nil {
		c.reply(d.from, d.params, payload)
	}
}

// payload completes and encodes a reply.
func (c *Card) payload(d *dialogue, r applet.Reply, tries int) []byte {
	r.Op, r.ID, r.KeyID, r.Algorithm = d.req.Op, d.req.ID, onlyKey, algorithmOf(c.key)
	if r.Result != applet.PINBlocked { // which may be simulated
		r.TriesLeft = byte(tries)
	}
	b, err := r.MarshalBinary()
	if err != nil {
		c.cfg.Logger.Error("answer of a card", "iccid", c.cfg.ICCID, "err", err)
		return nil
	}
	return b
}

func (c *Card) state() (s applet.State) {
	if c.key != nil {
		s |= applet.HasKey
	}
	if c.kept.PIN != "" {
		s |= applet.HasPIN
	}
	return s
}

// receipt shows a text, page by page.
type receipt struct {
	pages []text
	at    int
}

func (r *receipt) ask(c *Card, d *dialogue) { c.displayText(d, StepText, r.pages[r.at]) }

func (r *receipt) next(c *Card, d *dialogue, _ string) {
	if r.at++; r.at == len(r.pages) {
		c.finish(d, applet.Reply{})
		return
	}
	r.ask(c, d)
}

func (r *receipt) back(*Card, *dialogue) (first bool) {
	if r.at == 0 {
		return true
	}
	r.at--
	return false
}

// beginReceipt shows a text, and decrypts it first if it is encrypted.
//
// An attacker who learns of very many PKCS #1 v1.5 texts whether they decrypt can
// use the key. Here, only the owner of the card's keys can ask, and learns that
// decryption failed but not why. Physical cards have the same weakness.
func (c *Card) beginReceipt(d *dialogue) {
	t, err := readable(d.req.Text)
	if len(d.req.Sealed) > 0 {
		t, err = c.unseal(d.req.Sealed)
	}
	who, errWho := sender(d.req.Party, d.words.tells)
	if err != nil || errWho != nil {
		c.finish(d, applet.Reply{Result: applet.Refused})
		return
	}
	c.play(d, introduced(who, &receipt{pages: t.pages()}))
}

func (c *Card) unseal(sealed []byte) (text, error) {
	key, ok := c.key.(crypto.Decrypter)
	if !ok || algorithmOf(c.key) != applet.RSA {
		return text{}, errIllegible
	}
	plain, err := key.Decrypt(nil, sealed, nil) // no options: PKCS #1 v1.5
	if err != nil {
		return text{}, errIllegible
	}
	return alpha(plain)
}
