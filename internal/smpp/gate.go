package smpp

import (
	"context"
	"sync"
	"time"
)

// gate holds messages back while the SMSC throttles. It is open until one is
// throttled; then one message after the other tries, after a pause that doubles
// each time, until one is taken.
type gate struct {
	least, most time.Duration
	probe       chan struct{} // held by the one that tries

	mu    sync.Mutex
	pause time.Duration // 0: open
	opens time.Time
}

func newGate(least, most time.Duration) *gate {
	return &gate{least: least, most: most, probe: make(chan struct{}, 1)}
}

func (g *gate) state() (closed bool, left time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.pause > 0, time.Until(g.opens)
}

// enter waits for its turn. Who enters must leave.
func (g *gate) enter(ctx context.Context, stopped <-chan struct{}) (probing bool, err error) {
	if closed, _ := g.state(); !closed {
		return false, nil
	}
	select {
	case g.probe <- struct{}{}:
	case <-ctx.Done():
		return false, ctx.Err()
	case <-stopped:
		return false, ErrUnbound
	}
	closed, left := g.state()
	if !closed {
		<-g.probe
		return false, nil
	}
	t := time.NewTimer(left)
	defer t.Stop()
	select {
	case <-t.C:
		return true, nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-stopped:
		err = ErrUnbound
	}
	<-g.probe
	return false, err
}

// leave says how it went: throttled, taken, or neither.
func (g *gate) leave(probing, throttled, taken bool) {
	g.mu.Lock()
	now := time.Now()
	switch {
	case throttled && (probing || g.pause == 0): // not once more for each that was on its way
		g.pause = min(max(2*g.pause, g.least), g.most)
		g.opens = now.Add(jitter(g.pause))
	case taken && (probing || g.pause == 0):
		g.pause = 0
	}
	g.mu.Unlock()
	if probing {
		<-g.probe
	}
}
