package smpp

import (
	"context"
	"sync"
	"time"
)

// throttle holds messages back while the SMSC throttles. It is open until the
// SMSC throttles a message. Then one message at a time is tried, after a pause
// that doubles with each failure, until the SMSC accepts one.
type throttle struct {
	least, most time.Duration
	probe       chan struct{} // held by the message that is tried

	mu    sync.Mutex
	pause time.Duration // 0: open
	opens time.Time
}

func newThrottle(least, most time.Duration) *throttle {
	return &throttle{least: least, most: most, probe: make(chan struct{}, 1)}
}

func (t *throttle) state() (closed bool, wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.pause > 0, time.Until(t.opens)
}

// enter waits until a message may be sent. After it, leave must be called.
func (t *throttle) enter(ctx context.Context, stopped <-chan struct{}) (probing bool, err error) {
	if closed, _ := t.state(); !closed {
		return false, nil
	}
	select {
	case t.probe <- struct{}{}:
	case <-ctx.Done():
		return false, ctx.Err()
	case <-stopped:
		return false, ErrUnbound
	}
	closed, wait := t.state()
	if !closed {
		<-t.probe
		return false, nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true, nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-stopped:
		err = ErrUnbound
	}
	<-t.probe
	return false, err
}

// leave says what became of the message: throttled, accepted, or neither.
func (t *throttle) leave(probing, throttled, accepted bool) {
	t.mu.Lock()
	now := time.Now()
	switch {
	case throttled && (probing || t.pause == 0): // not once for each message that was under way
		t.pause = min(max(2*t.pause, t.least), t.most)
		t.opens = now.Add(jitter(t.pause))
	case accepted && (probing || t.pause == 0):
		t.pause = 0
	}
	t.mu.Unlock()
	if probing {
		<-t.probe
	}
}
