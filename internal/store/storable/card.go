package storable

import (
	"errors"
	"fmt"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// Card refuses a card that cannot be kept.
func Card(c *mssp.Card) error {
	if err := Keys(F("ICCID", c.ICCID), F("device ID", c.DeviceID), F("profile", c.Profile)); err != nil {
		return err
	}
	wrong := func(format string, args ...any) error {
		return fmt.Errorf("store: card %s: "+format, append([]any{c.ICCID}, args...)...)
	}
	switch c.State {
	case mssp.CardActive, mssp.CardBlocked:
		if c.DeviceID == "" {
			return wrong("%s without a device", c.State)
		}
	case mssp.CardRetired, mssp.CardStock:
		if c.DeviceID != "" {
			return wrong("%s with a device", c.State)
		}
	default:
		return wrong("unknown state %q", c.State)
	}
	switch {
	case c.ICCID == "":
		return errors.New("store: a card without an ICCID")
	case c.KeySet < 1 || c.KeySet > 15:
		return wrong("key set %d, there are 1 to 15", c.KeySet)
	case c.Algorithm != mssp.CardAES && c.Algorithm != mssp.Card3DES:
		return wrong("unknown algorithm %q", c.Algorithm)
	case len(c.KIc) == 0 || len(c.KID) == 0:
		return wrong("a key is missing")
	case c.Counter > mssp.MaxCardCounter || c.ReplyCounter > mssp.MaxCardCounter:
		return wrong("a counter is above 2^40-1")
	}
	return nil
}

// EnrolledCard refuses an account and a card that do not belong together.
func EnrolledCard(sub *mssp.Subscriber, c *mssp.Card) error {
	if err := Subscriber(sub); err != nil {
		return err
	}
	if err := Card(c); err != nil {
		return err
	}
	if len(sub.Devices) != 1 || sub.Devices[0].ID != c.DeviceID || sub.Devices[0].Method != signum.SIM {
		return fmt.Errorf("store: card %s is enrolled with an account whose only device is not its SIM", c.ICCID)
	}
	return nil
}

// ReplyWindow records which counters a card has used in replies: the highest, and
// in bit i of Seen the counter that is i+1 below it.
type ReplyWindow struct{ Highest, Seen uint64 }

// Accept returns the window with the counter added. It returns false if the
// counter was seen before or is below the window.
func (w ReplyWindow) Accept(counter uint64) (ReplyWindow, bool) {
	switch {
	case counter > mssp.MaxCardCounter || counter == w.Highest:
		return w, false
	case counter > w.Highest:
		// A shift by more than the size of the window clears it.
		up := counter - w.Highest
		seen := w.Seen << up
		if w.Highest > 0 && up <= mssp.ReplyWindow {
			seen |= 1 << (up - 1)
		}
		return ReplyWindow{counter, seen}, true
	}
	bit := w.Highest - counter - 1
	if counter == 0 || bit >= mssp.ReplyWindow || w.Seen&(1<<bit) != 0 {
		return w, false
	}
	return ReplyWindow{w.Highest, w.Seen | 1<<bit}, true
}
