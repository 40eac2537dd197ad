package door

import (
	"context"
	"net/http"
	"sync"
)

// inside counts the requests whose handlers run. net/http does not wait for those of an
// HTTP/2 connection that its client has closed, but what they use ends after the door.
type inside struct {
	mu    sync.Mutex
	n     int
	empty chan struct{} // closed when n becomes 0; nil: nobody waits
}

func (i *inside) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.add(1)
		defer i.add(-1)
		next.ServeHTTP(w, r)
	})
}

func (i *inside) add(delta int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.n += delta
	if i.n == 0 && i.empty != nil {
		close(i.empty)
		i.empty = nil
	}
}

// wait returns when no handler runs, or with the error of the context when that ends.
func (i *inside) wait(ctx context.Context) error {
	i.mu.Lock()
	if i.n == 0 {
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
