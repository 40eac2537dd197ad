package retention

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// backlog is a store with rows that are due. A slice takes as long as it is told to.
type backlog struct {
	mu           sync.Mutex // held while a test changes it
	rows, slices int
	takes        time.Duration
	busy, pauses time.Duration
	ended        time.Time
	before       time.Time
	err          error
}

func (b *backlog) PurgeTransactions(_ context.Context, before time.Time, limit int) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.ended.IsZero() {
		b.pauses += time.Since(b.ended)
	}
	time.Sleep(b.takes)
	n := min(limit, b.rows)
	b.rows -= n
	b.slices++
	b.busy += b.takes
	b.before, b.ended = before, time.Now()
	return n, b.err
}

func start(t *testing.T, b *backlog) *Job {
	j, err := New(Config{Store: b, Evidence: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- j.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return j
}

// Between two slices the store is free for at least four times as long as a slice took.
func TestPauses(t *testing.T) {
	for _, takes := range []time.Duration{time.Millisecond, 200 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			b := &backlog{rows: 10*slice + 1, takes: takes}
			j := start(t, b)
			time.Sleep(every + 100*takes)
			synctest.Wait()
			if b.rows != 0 || b.slices != 11 {
				t.Fatalf("%d rows left after %d slices", b.rows, b.slices)
			}
			if b.pauses < share*(b.busy-takes) {
				t.Errorf("busy for %v, paused for %v", b.busy, b.pauses)
			}
			if n := j.Stats().Transactions; n != 10*slice+1 {
				t.Errorf("%d counted", n)
			}
			if age := b.ended.Sub(b.before); age < time.Hour {
				t.Errorf("rows of %v ago are gone", age)
			}
		})
	}
}

// A store that fails is asked again a minute later, and a stop does not wait for a pause.
func TestFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backlog{err: errors.New("disk full")}
		j := start(t, b)
		time.Sleep(2*every + time.Second)
		synctest.Wait()
		if s := j.Stats(); s.Failures != 2 || b.slices != 2 {
			t.Errorf("%d failures in %d rounds", s.Failures, b.slices)
		}
		b.mu.Lock()
		b.err, b.rows, b.takes = nil, 1000*slice, time.Hour // a pause of 10 s follows
		b.mu.Unlock()
		time.Sleep(every + time.Hour)
		synctest.Wait()
	})
}

func TestNew(t *testing.T) {
	if _, err := New(Config{Store: &backlog{}}); err == nil {
		t.Error("everything is due at once")
	}
	if _, err := New(Config{Evidence: time.Hour}); err == nil {
		t.Error("there is no store")
	}
}
