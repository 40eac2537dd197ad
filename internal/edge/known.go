package edge

import (
	"context"
	"crypto/tls"
	"sync"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
)

// Known tells the connections of parties from those of strangers, before the first
// request. It says nothing about what a party may do.
type Known struct {
	// Pins returns those of all parties. It is called once a second at most.
	Pins  func(context.Context) ([]mssp.Pin, error)
	Clock mssp.Clock

	mu   sync.Mutex
	pins map[mssp.Pin]struct{}
	read time.Time
}

const (
	knownFor    = time.Second // a new party is a stranger for so long
	pinsTimeout = 2 * time.Second
)

// Shown reports whether the peer of a connection showed the certificate of a party.
func (k *Known) Shown(cs tls.ConnectionState) bool {
	now := k.Clock.Now()
	c := CallerOf(&cs, now)
	if c.Problem != "" {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if now.Sub(k.read).Abs() >= knownFor {
		k.read = now // also after an error: what was known still counts
		k.refresh()
	}
	_, ok := k.pins[c.Pin]
	return ok
}

func (k *Known) refresh() {
	ctx, cancel := context.WithTimeout(context.Background(), pinsTimeout)
	defer cancel()
	all, err := k.Pins(ctx)
	if err != nil {
		return
	}
	k.pins = make(map[mssp.Pin]struct{}, len(all))
	for _, p := range all {
		k.pins[p] = struct{}{}
	}
}
