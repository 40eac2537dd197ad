package fair

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestKeyTravelsInTheContext(t *testing.T) {
	if got := Key(t.Context()); got != "" {
		t.Errorf("key %q without any", got)
	}
	ctx, cancel := context.WithCancel(With(t.Context(), "a"))
	cancel()
	if got := Key(context.WithoutCancel(ctx)); got != "a" {
		t.Errorf("key %q, want a", got)
	}
}

func TestTurnsGoRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := NewTurns(1, time.Now)
		must(t, turns.Take(t.Context(), "big", nil))
		var order []string
		var wg sync.WaitGroup
		for _, key := range []string{"big", "big", "big", "small"} {
			wg.Go(func() {
				must(t, turns.Take(t.Context(), key, nil))
				order = append(order, key)
				turns.Leave()
			})
			synctest.Wait()
		}
		time.Sleep(time.Second)
		if age, of, none := turns.Age(), turns.AgeOf("small"), turns.AgeOf("other"); age != time.Second || of != time.Second || none != 0 {
			t.Errorf("ages %v, %v, %v; want 1s, 1s, 0s", age, of, none)
		}
		turns.Leave()
		wg.Wait()
		if want := []string{"big", "small", "big", "big"}; !slices.Equal(order, want) {
			t.Errorf("order %v, want %v", order, want)
		}
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

func TestTurnsPassAPlaceOverThoseWhoGaveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := NewTurns(1, time.Now)
		must(t, turns.Take(t.Context(), "a", nil))
		ctx, cancel := context.WithCancel(t.Context())
		stop, results := make(chan struct{}), make(chan error, 3)
		go func() { results <- turns.Take(ctx, "a", nil) }()
		go func() { results <- turns.Take(t.Context(), "b", stop) }()
		synctest.Wait()
		cancel()
		if err := <-results; !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		close(stop)
		if err := <-results; !errors.Is(err, ErrStopped) {
			t.Errorf("stopped: %v", err)
		}
		go func() { results <- turns.Take(t.Context(), "c", nil) }()
		synctest.Wait()
		turns.Leave()
		must(t, <-results)
		turns.Leave()
		must(t, turns.Take(t.Context(), "d", nil)) // the place is free again
	})
}

// Whatever comes together, no more than n hold a place, and none is lost.
func TestTurnsLoseNoPlace(t *testing.T) {
	const n = 3
	turns := NewTurns(n, time.Now)
	var inside, most atomic.Int64
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for j := range 200 {
				ctx, cancel := context.WithCancel(t.Context())
				if (i+j)%3 == 0 {
					go cancel() // sometimes before, sometimes after the place is granted
				}
				if turns.Take(ctx, string(rune('a'+i%4)), nil) == nil {
					most.Store(max(most.Load(), inside.Add(1)))
					inside.Add(-1)
					turns.Leave()
				}
				cancel()
			}
		})
	}
	wg.Wait()
	if most.Load() > n || turns.free != n || turns.waiting.Len() != 0 {
		t.Errorf("at most %d inside, %d free, %d waiting; want at most %d, %d, 0", most.Load(), turns.free, turns.waiting.Len(), n, n)
	}
}
