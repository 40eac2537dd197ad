package door

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// inside are the requests whose handlers run. net/http does not wait for those of an
// HTTP/2 connection that its client has closed, but what they use ends after the door.
type inside struct {
	mu       sync.Mutex
	requests map[*http.ResponseController]struct{}
	empty    chan struct{} // closed with the last request; nil: nobody waits
}

func (i *inside) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		i.enter(c)
		defer i.leave(c)
		next.ServeHTTP(w, r)
	})
}

func (i *inside) enter(c *http.ResponseController) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.requests == nil {
		i.requests = make(map[*http.ResponseController]struct{})
	}
	i.requests[c] = struct{}{}
}

func (i *inside) leave(c *http.ResponseController) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.requests, c)
	if len(i.requests) == 0 && i.empty != nil {
		close(i.empty)
		i.empty = nil
	}
}

func (i *inside) len() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.requests)
}

// hurry ends the reading of bodies that have not arrived by then: a client that stopped
// in the middle of one would hold the door open. WebSockets are closed meanwhile by those
// who serve them.
func (i *inside) hurry(until time.Time) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for c := range i.requests {
		_ = c.SetReadDeadline(until)
	}
}

// wait returns when no handler runs, or with the error of the context when that ends.
func (i *inside) wait(ctx context.Context) error {
	i.mu.Lock()
	if len(i.requests) == 0 {
		i.mu.Unlock()
		return nil
	}
	if i.empty == nil {
		i.empty = make(chan struct{})
	}
	empty := i.empty
	i.mu.Unlock()
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
