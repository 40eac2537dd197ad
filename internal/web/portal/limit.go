package portal

import (
	"net/netip"
	"sync"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
)

// Bounds of log-ins. The one per number keeps strangers from ringing a phone
// all day; the price is that they can keep its owner out of the portal (not
// out of anything else) for a few minutes.
const (
	loginsPerNumber  = 3
	loginsPerAddress = 20
	loginWindow      = 5 * time.Minute
	maxLimitKeys     = 20_000
)

// limit allows so many events a window for each key.
type limit struct {
	clock mssp.Clock
	max   int

	mu   sync.Mutex
	seen map[string][]time.Time // those within the window, oldest first
}

func newLimit(c mssp.Clock, max int) *limit {
	return &limit{clock: c, max: max, seen: map[string][]time.Time{}}
}

// allow counts an event, unless there were too many.
func (l *limit) allow(key string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.Now()
	if len(l.seen) >= maxLimitKeys {
		for k := range l.seen {
			l.recent(k, now)
		}
	}
	at := l.recent(key, now)
	// A full table refuses newcomers: to forget would be to let everything pass.
	if len(at) >= l.max || len(at) == 0 && len(l.seen) >= maxLimitKeys {
		return false
	}
	l.seen[key] = append(at, now)
	return true
}

// recent drops what is past the window.
func (l *limit) recent(key string, now time.Time) []time.Time {
	at := l.seen[key]
	for len(at) > 0 && now.Sub(at[0]) >= loginWindow {
		at = at[1:]
	}
	if len(at) == 0 {
		delete(l.seen, key)
		return nil
	}
	l.seen[key] = at
	return at
}

// addressKey is what counts as one address: of IPv6 the network, since a
// subscriber has a whole one.
func addressKey(remote string) string {
	ap, err := netip.ParseAddrPort(remote)
	if err != nil {
		return remote
	}
	a := ap.Addr().Unmap().WithZone("")
	if a.Is6() {
		if n, err := a.Prefix(64); err == nil {
			return n.String()
		}
	}
	return a.String()
}
