package sim

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/scp80"
	"github.com/signum-mssp/signum/internal/smpp"
)

// Profile is what differs between kinds of cards. The comment of each field says what
// its zero value means.
type Profile struct {
	TAR            scp80.TAR     // of the applet; zero: applet.TAR
	ServiceAddress smpp.Address  // to which the cards answer; empty: that of the SMSC, else Config.ServiceAddress
	KIDKeySet      byte          // the key set of KID, 1 to 15; 0: that of the card, which KIc has in any case
	MaxValidity    time.Duration // of short messages to the cards; 0: as long as the request
	Retry          Retry         // zero values: those of Settings.Retry
}

// profileOf returns the profile of a card. The error is the service's own: cards were
// imported with a profile that its configuration does not have, or has no longer.
func (c *Channel) profileOf(card *mssp.Card) (*Profile, error) {
	name := cmp.Or(card.Profile, mssp.DefaultProfile)
	p := c.set().profiles[name]
	if p == nil {
		return nil, fmt.Errorf("card %s has the profile %q, which is not in sim.card_profiles", card.ICCID, name)
	}
	return p, nil
}

// params returns the security parameters of requests to a card. Those of its answers
// follow from them.
func (p *Profile) params(card *mssp.Card, k scp80.Keys) scp80.Params {
	return scp80.Params{
		SPI: spi, TAR: p.TAR,
		KIc: card.KeySet<<4 | coding(card.Algorithm, k.KIc),
		KID: cmp.Or(p.KIDKeySet, card.KeySet)<<4 | coding(card.Algorithm, k.KID),
	}
}

// or replaces zero values.
func (r Retry) or(o Retry) Retry {
	return Retry{
		Attempts: cmp.Or(r.Attempts, o.Attempts), Absent: cmp.Or(r.Absent, o.Absent),
		Backoff: cmp.Or(r.Backoff, o.Backoff), MaxBackoff: cmp.Or(r.MaxBackoff, o.MaxBackoff),
		Silence: cmp.Or(r.Silence, o.Silence), Patience: cmp.Or(r.Patience, o.Patience), Margin: cmp.Or(r.Margin, o.Margin),
	}
}

// pause is the pause after a number of attempts.
func (r *Retry) pause(attempts int) time.Duration {
	d := r.MaxBackoff
	if shift := max(attempts-1, 0); shift < 20 {
		d = min(d, r.Backoff<<shift)
	}
	return d + time.Duration((rand.Float64()*0.4-0.2)*float64(d))
}
