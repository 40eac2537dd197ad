package smsc

import (
	"context"
	"time"

	"github.com/signum-mssp/signum/internal/event"
)

// verdict is the result of an attempt, or of a message.
type verdict int

const (
	delivered verdict = iota
	later             // failed, but may succeed later
	occupied          // likewise: the phone was reached but is busy
	refused           // failed for good
	unknown           // there is no such subscriber
	expired
)

// parcel is a message on its way.
type parcel struct {
	key      string // its lane: the MSISDN of the phone
	lifetime time.Duration
	once     bool // only one attempt
	fate     fate
	// try makes an attempt; the first is number 0.
	try func(ctx context.Context, attempt int) verdict
	// done gets the result; later and occupied only if once is set. May be nil.
	done func(verdict)
}

// carry accepts a parcel if there is room for it. Unless the parcel is delayed or
// held, it has its turn in the lane when carry returns.
func (s *SMSC) carry(w *way, p *parcel) bool {
	if w.waiting.Add(1) > int64(s.cfg.MaxWaiting) {
		w.waiting.Add(-1)
		w.refused.Add(1)
		return false
	}
	var turn chan struct{}
	if p.fate.delay <= 0 && !p.fate.held {
		turn = w.lanes.enter(p.key)
	}
	started := s.start(func() {
		ctx, cancel := context.WithTimeout(s.ctx, p.lifetime)
		defer cancel()
		v := s.rescued(ctx, w, p, turn)
		w.waiting.Add(-1)
		w.count(v)
		if p.done != nil {
			p.done(v)
		}
	})
	if !started {
		w.waiting.Add(-1)
		if turn != nil {
			w.lanes.leave(p.key, turn)
		}
		return false
	}
	w.taken.Add(1)
	return true
}

// rescued delivers a parcel. If that panics, the parcel is lost.
func (s *SMSC) rescued(ctx context.Context, w *way, p *parcel, turn chan struct{}) (v verdict) {
	defer event.Rescue(s.log, "SMSC delivery", func() { v = expired })
	return s.deliverParcel(ctx, w, p, turn)
}

func (w *way) count(v verdict) {
	switch v {
	case delivered:
		w.delivered.Add(1)
	case refused, unknown:
		w.refused.Add(1)
	case later, occupied, expired:
		w.expired.Add(1)
	}
}

// deliverParcel makes attempts until one decides or the lifetime ends.
func (s *SMSC) deliverParcel(ctx context.Context, w *way, p *parcel, turn chan struct{}) verdict {
	if turn == nil {
		pause(ctx, p.fate.delay, nil)
		if p.fate.held {
			w.lanes.hold(ctx, p.key, s.cfg.ReorderWait)
		}
		turn = w.lanes.enter(p.key)
	}
	for attempt := 0; ; attempt++ {
		bind := s.binds() // before the attempt, so that no bind is missed
		v := s.attempt(ctx, w, p, turn, attempt)
		if v != later && v != occupied || p.once {
			return v
		}
		pause(ctx, s.cfg.RetryPause, bind)
		turn = w.lanes.enter(p.key)
	}
}

// attempt waits for its turn, tries, and gives up the turn.
func (s *SMSC) attempt(ctx context.Context, w *way, p *parcel, turn chan struct{}, n int) verdict {
	defer w.lanes.leave(p.key, turn)
	select {
	case <-turn:
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		return expired
	}
	w.attempts.Add(1)
	return p.try(ctx, n)
}

// pause waits for a time, or until the channel is closed.
func pause(ctx context.Context, d time.Duration, sooner <-chan struct{}) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-sooner:
	case <-ctx.Done():
	}
}
