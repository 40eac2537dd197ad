package node

import (
	"context"
	"sync"
	"time"
)

// watchEvery is how often a node asks whether its store works.
const watchEvery = time.Second

// outage is a time in which the store does not do its work.
type outage struct {
	mu    sync.Mutex
	since time.Time // zero: the store works
}

// watchStore asks the store once a second whether it works, until ctx ends. A database that
// hangs says nothing of itself: the log tells when it began and when it ended.
func (n *Node) watchStore(ctx context.Context) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		began := time.Now()
		err := n.pingStore(ctx)
		if ctx.Err() != nil {
			return nil
		}
		n.health.outage.note(n, began, err)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// note notes what the store said when it was asked.
func (o *outage) note(n *Node, asked time.Time, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case err != nil && o.since.IsZero():
		o.since = asked
		n.deps.Logger.Error("the store does not work; until it does, requests get 900", "err", err)
	case err == nil && !o.since.IsZero():
		n.deps.Logger.Warn("the store works again", "after", time.Since(o.since).Round(time.Millisecond))
		o.since = time.Time{}
	}
}

// lasts returns for how long the store has not done its work; 0 if it does.
func (o *outage) lasts() time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.since.IsZero() {
		return 0
	}
	return time.Since(o.since)
}
