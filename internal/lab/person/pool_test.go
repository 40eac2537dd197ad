package person_test

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum/internal/lab/person"
)

// A pool runs at most as many goroutines as its limit, keeps the order if the
// limit is one, finishes the work it accepted, and leaves no goroutine behind.
func TestPool(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{1, 3} {
		synctest.Test(t, func(t *testing.T) {
			p := person.NewPool(slog.New(slog.DiscardHandler), limit)
			var running, most, done atomic.Int32
			var mu sync.Mutex
			var order []int
			const work = 5000 // enough for the queue to be compacted
			for i := range work {
				ok := p.Submit(func() {
					if n := running.Add(1); n > most.Load() {
						most.Store(n)
					}
					time.Sleep(time.Millisecond)
					mu.Lock()
					order = append(order, i)
					mu.Unlock()
					running.Add(-1)
					done.Add(1)
				})
				if !ok {
					t.Fatal("refused")
				}
			}
			p.Close()
			if done.Load() != work || int(most.Load()) != limit {
				t.Errorf("limit %d: %d done, %d at a time", limit, done.Load(), most.Load())
			}
			if limit == 1 {
				for i, n := range order {
					if n != i {
						t.Fatalf("%d in place of %d", n, i)
					}
				}
			}
			if p.Submit(func() { t.Error("ran after Close") }) {
				t.Error("accepted after Close")
			}
		})
	}
}
