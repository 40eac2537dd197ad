package smsc

import (
	"context"
	"slices"
	"sync"
	"time"
)

// lanes let one message of each phone pass at a time.
type lanes struct {
	mu    sync.Mutex
	turns map[string][]chan struct{} // in order; the message of the first may pass
	held  map[string][]chan struct{} // one for each message that waits to be overtaken
}

func newLanes() *lanes {
	return &lanes{turns: make(map[string][]chan struct{}), held: make(map[string][]chan struct{})}
}

// enter takes the next turn: the message may pass when the channel is closed.
// After enter, leave must be called.
func (l *lanes) enter(key string) chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	turn := make(chan struct{})
	if len(l.turns[key]) == 0 {
		close(turn)
	}
	l.turns[key] = append(l.turns[key], turn)
	for _, h := range l.held[key] {
		close(h)
	}
	delete(l.held, key)
	return turn
}

// leave gives up a turn, whether its channel was closed or not.
func (l *lanes) leave(key string, turn chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	line := l.turns[key]
	i := slices.Index(line, turn)
	line = slices.Delete(line, i, i+1)
	if len(line) == 0 {
		delete(l.turns, key)
		return
	}
	l.turns[key] = line
	if i == 0 {
		close(line[0])
	}
}

// hold waits until another message of the phone has entered, at most for limit.
func (l *lanes) hold(ctx context.Context, key string, limit time.Duration) {
	h := make(chan struct{})
	l.mu.Lock()
	l.held[key] = append(l.held[key], h)
	l.mu.Unlock()
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case <-h:
		return
	case <-t.C:
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if left := slices.DeleteFunc(l.held[key], func(o chan struct{}) bool { return o == h }); len(left) > 0 {
		l.held[key] = left
	} else {
		delete(l.held, key)
	}
}
