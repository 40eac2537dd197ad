package fair

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrStopped is returned by Take when its stop was closed.
var ErrStopped = errors.New("fair: stopped")

// Turns is a number of places that the keys take in turn. It is safe for concurrent use.
type Turns struct {
	mu      sync.Mutex
	n, free int
	waiting Queue[*waiter]
	now     func() time.Time
}

type waiter struct {
	granted chan struct{} // closed with the place
	gone    bool          // it waits no longer
}

// NewTurns returns n places. now tells the time at which a caller begins to wait.
func NewTurns(n int, now func() time.Time) *Turns { return &Turns{n: n, free: n, now: now} }

// Take waits for a place. After it, unless it returns an error, Leave must be called. It
// returns the error of the context if that ends first, or ErrStopped when stop is closed.
func (t *Turns) Take(ctx context.Context, key string, stop <-chan struct{}) error {
	t.mu.Lock()
	if t.free > 0 {
		t.free--
		t.mu.Unlock()
		return nil
	}
	w := &waiter{granted: make(chan struct{})}
	t.waiting.Push(key, w, t.now())
	t.mu.Unlock()
	select {
	case <-w.granted:
		return nil
	case <-ctx.Done():
		return t.withdraw(key, w, ctx.Err())
	case <-stop:
		return t.withdraw(key, w, ErrStopped)
	}
}

// withdraw gives up waiting. A place that was granted meanwhile goes to the next.
func (t *Turns) withdraw(key string, w *waiter, err error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	select {
	case <-w.granted:
		t.leave()
	default:
		w.gone = true
		t.waiting.Trim(key, func(w *waiter) bool { return w.gone })
	}
	return err
}

// Leave gives a place back.
func (t *Turns) Leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.leave()
}

func (t *Turns) leave() {
	for {
		w, ok := t.waiting.Pop()
		switch {
		case !ok:
			t.free++
			return
		case !w.gone:
			close(w.granted)
			return
		}
	}
}

// Taken returns how many places are taken.
func (t *Turns) Taken() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.n - t.free
}

// Age returns for how long the caller has waited that has waited longest.
func (t *Turns) Age() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return since(t.waiting.Oldest(), t.now)
}

// AgeOf returns the same of the callers of one key.
func (t *Turns) AgeOf(key string) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return since(t.waiting.OldestOf(key), t.now)
}

func since(at time.Time, now func() time.Time) time.Duration {
	if at.IsZero() {
		return 0
	}
	return max(now().Sub(at), 0)
}
