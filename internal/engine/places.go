package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/policy"
)

// places count the open transactions of this node by method, because each takes memory
// here and in the channel of its method. The mutex of flights guards them.
type places struct {
	open    map[signum.Method]int
	of      map[place]int
	refused map[signum.Method]uint64
}

// place is what a transaction takes. The zero value is that of a one-time password, which
// no phone answers.
type place struct {
	method signum.Method
	party  string // AP_ID
}

func newPlaces() places {
	return places{open: make(map[signum.Method]int), of: make(map[place]int), refused: make(map[signum.Method]uint64)}
}

func placeOf(t *mssp.Transaction) place {
	if t.OTP() {
		return place{}
	}
	return place{t.Method, t.APID}
}

// others is the part of the places that one party leaves to others: a party gets one more
// while it has less than nine times as many as are free. So one alone gets nine tenths,
// and a party that has few gets one as long as there are any.
const others = 9

// errFull means that there is no place left.
type errFull struct {
	place
	open, own, most int
}

func (e *errFull) Error() string {
	return fmt.Sprintf("%d of %d requests to phones of the method %s are open, %d of them of this party", e.open, e.most, e.method, e.own)
}

// room returns an error if there is no place for one more; most 0 allows any number.
func (ps *places) room(at place, most int) error {
	if most == 0 || at == (place{}) {
		return nil
	}
	open, own := ps.open[at.method], ps.of[at]
	if own < others*(most-open) {
		return nil
	}
	ps.refused[at.method]++
	return &errFull{at, open, own, most}
}

func (ps *places) take(at place) {
	ps.open[at.method]++
	ps.of[at]++
}

func (ps *places) leave(at place) {
	ps.open[at.method]--
	if ps.of[at]--; ps.of[at] == 0 {
		delete(ps.of, at)
	}
}

// fullPause is what a refused party is told to wait: by then others have ended.
const fullPause = 5 * time.Second

// takePlace registers a transaction that is about to be inserted, or refuses it.
func (e *Engine) takePlace(ctx context.Context, t *mssp.Transaction, due time.Time) error {
	err := e.flights.begin(t, due, e.limits.rules.Load().MaxOpen[t.Method])
	if full, ok := errors.AsType[*errFull](err); ok {
		e.cfg.Logger.WarnContext(ctx, "too many open requests to phones", "method", string(full.method), "ap_id", full.party, "own", full.own, "open", full.open, "max", full.most)
		return policy.Busy(full.Error(), fullPause)
	}
	return err
}

// Places are the open requests to the phones of a method.
type Places struct {
	Open    int    // now
	Max     int    // 0: any number
	Refused uint64 // since the start
}

// Places returns them by method.
func (e *Engine) Places() map[signum.Method]Places {
	all := make(map[signum.Method]Places)
	most := e.limits.rules.Load().MaxOpen
	e.flights.mu.Lock()
	defer e.flights.mu.Unlock()
	ps := &e.flights.places
	for m := range e.cfg.Channels {
		all[m] = Places{Open: ps.open[m], Max: most[m], Refused: ps.refused[m]}
	}
	return all
}
