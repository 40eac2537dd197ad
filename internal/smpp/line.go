package smpp

import (
	"time"

	"golang.org/x/time/rate"
)

// line is what a bind keeps from one session to the next: how fast it may send, and
// whether the SMSC takes what it sends.
type line struct {
	mode CommandID
	gate *gate
	rate *rate.Limiter // nil: as fast as the window allows
}

func newLine(cfg *ClientConfig, mode CommandID, f *full) *line {
	l := &line{mode: mode, gate: newGate(cfg.MinBackoff, cfg.MaxBackoff, f)}
	if cfg.Rate > 0 {
		l.rate = rate.NewLimiter(rate.Limit(cfg.Rate), 1)
	}
	return l
}

// delay takes the turn of one message and returns how long it has to wait for it.
func (l *line) delay() time.Duration {
	if l.rate == nil {
		return 0
	}
	return l.rate.Reserve().Delay()
}
