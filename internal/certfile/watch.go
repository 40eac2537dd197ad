package certfile

import (
	"context"
	"log/slog"
	"time"
)

const (
	// every is how often the files are looked at.
	every = 10 * time.Second

	day    = 24 * time.Hour
	soon   = 30 * day
	urgent = 7 * day
)

// Watch takes over files that are replaced, and warns once a day of certificates that
// end within 30 days; within the last 7 days the line is an error. It returns when ctx
// ends. now is the clock by which certificates end.
func Watch(ctx context.Context, log *slog.Logger, now func() time.Time, pairs ...*Pair) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		for _, p := range pairs {
			p.look(log, now())
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (p *Pair) look(log *slog.Logger, now time.Time) {
	changed, err := p.check()
	switch {
	case err != nil:
		log.Warn("TLS certificate files cannot be used; the certificate before stays until they are right", "listener", p.name, "err", err)
	case changed:
		log.Info("TLS certificate taken over", "listener", p.name, "not_after", p.NotAfter())
	}
	p.warn(log, now)
}

func (p *Pair) warn(log *slog.Logger, now time.Time) {
	end := p.NotAfter()
	left := end.Sub(now)
	p.mu.Lock()
	if left >= soon {
		p.warned = time.Time{}
	}
	due := left < soon && (p.warned.IsZero() || now.Sub(p.warned).Abs() >= day)
	if due {
		p.warned = now
	}
	p.mu.Unlock()
	if !due {
		return
	}
	level, text := slog.LevelWarn, "the TLS certificate ends soon; replace its files"
	if left < urgent {
		level = slog.LevelError
	}
	if left <= 0 {
		text = "the TLS certificate has ended; clients refuse it; replace its files"
	}
	log.Log(context.Background(), level, text, "listener", p.name, "not_after", end, "days_left", int(max(left, 0)/day))
}
