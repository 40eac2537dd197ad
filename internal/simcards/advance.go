package simcards

import (
	"context"
	"errors"

	"github.com/signum-mssp/signum/internal/mssp"
)

// Advance moves counters towards cards forward, because the cards have seen higher ones:
// after a restore of the database. It moves that of one card, by its ICCID or the number of its
// subscriber, or of all if the name is empty; see mssp.CardStore.AdvanceCounters.
func (p *Provisioner) Advance(ctx context.Context, name string, a mssp.CounterAdvance) (done mssp.CounterAdvanced, err error) {
	if a.By == 0 || a.By > mssp.MaxCardCounter {
		return done, refusef(nil, "a counter can be moved by 1 to %d", uint64(mssp.MaxCardCounter))
	}
	if name != "" {
		c, err := p.find(ctx, name)
		if err != nil {
			return done, err
		}
		a.ICCID = c.ICCID
	}
	done, err = p.cfg.Store.AdvanceCounters(ctx, a)
	if errors.Is(err, mssp.ErrCardState) {
		err = refusef(err, "the card is retired")
	}
	return done, err
}
