package retention

import (
	"context"
	"errors"
	"maps"
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

	keep, life time.Duration

	pages  int                  // that are free
	others map[string]time.Time // the latest end of what was deleted, by kind

	set   func(func(string, []byte) error) error // is exported; nil: nothing is
	done  bool                                   // the rest was
	order []string                               // of what was done with transactions
}

// spanEnd is until when the rest is exported.
var spanEnd = time.Date(2026, 3, 29, 12, 0, 0, 0, time.UTC)

func (b *backlog) other(kind string, before time.Time) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.others == nil {
		b.others = make(map[string]time.Time)
	}
	b.others[kind] = before
	return 1, nil
}

func (b *backlog) Shrink(context.Context, int) (int, error) {
	n := min(b.pages, slice)
	b.pages -= n
	return n, nil
}

func (b *backlog) PurgeDevices(_ context.Context, before time.Time, _ int) (int, error) {
	return b.other("device", before)
}

func (b *backlog) PurgeCertificates(_ context.Context, before time.Time, _ int) (int, error) {
	return b.other("certificate", before)
}

func (b *backlog) PurgeInvites(_ context.Context, before time.Time, _ int) (int, error) {
	return b.other("invite", before)
}

func (b *backlog) PurgeConsents(_ context.Context, before time.Time, _ int) (int, error) {
	return b.other("consent", before)
}

func (b *backlog) PurgeNotices(_ context.Context, before time.Time, _ int) (int, error) {
	return b.other("notice", before)
}

func (b *backlog) PurgeSIMRequests(_ context.Context, before time.Time, _ int) (int, error) {
	return b.other("SIM request", before)
}

func (b *backlog) PurgeValues(_ context.Context, before time.Time, _ int) (int, error) {
	return b.other("shared value", before)
}

func (b *backlog) PurgeParts(_ context.Context, before time.Time, _ int) (int, error) {
	return b.other("message part", before)
}

func (b *backlog) MakePartitions(context.Context, time.Time, time.Duration) error { return nil }

func (b *backlog) DropPartitions(_ context.Context, _ time.Time, keep, life time.Duration, exported bool) (int, error) {
	b.keep, b.life = keep, life
	if exported {
		b.order = append(b.order, "drop exported")
	}
	return 1, nil
}

func (b *backlog) ExportPartitions(_ context.Context, _ time.Time, _ time.Duration, export exported) error {
	b.order, b.done = append(b.order, "partitions"), false
	return export("partition", b.set)
}

func (b *backlog) ExportRest(_ context.Context, _ time.Time, _ time.Duration, export exported) (time.Time, error) {
	b.order = append(b.order, "rest")
	if b.done {
		return time.Time{}, nil
	}
	b.done = true
	return spanEnd, export("rest", b.set)
}

func (b *backlog) Partitions(context.Context) (int, int, error) { return 5, b.rows, nil }

func (b *backlog) PurgeRest(_ context.Context, before time.Time, limit int) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.ended.IsZero() {
		b.pauses += time.Since(b.ended)
	}
	time.Sleep(b.takes)
	if b.set != nil {
		b.order = append(b.order, "purge")
	}
	n := min(limit, b.rows)
	b.rows -= n
	b.slices++
	b.busy += b.takes
	b.before, b.ended = before, time.Now()
	return n, b.err
}

func start(t *testing.T, b *backlog) *Job {
	j, err := New(Config{Store: b, Evidence: time.Hour, Life: 10 * time.Minute})
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
			b := &backlog{rows: 10*slice + 1, takes: takes, pages: 2*slice + 1}
			j := start(t, b)
			time.Sleep(every + 100*takes)
			synctest.Wait()
			if b.rows != 0 || b.slices != 11 || b.pages != 0 {
				t.Fatalf("%d rows left after %d slices, and %d pages", b.rows, b.slices, b.pages)
			}
			if b.pauses < share*(b.busy-takes) {
				t.Errorf("busy for %v, paused for %v", b.busy, b.pauses)
			}
			if n := j.Stats().Deleted["transaction"]; n != 10*slice+1 {
				t.Errorf("%d counted", n)
			}
			if s := j.Stats(); s.Dropped == 0 || s.Partitions != 5 || s.Rest != 0 {
				t.Errorf("%+v", s)
			}
			if b.keep != time.Hour || b.life != 10*time.Minute {
				t.Errorf("partitions are kept for %v, after a life of %v", b.keep, b.life)
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

// Each kind is kept for its own time; what is kept always is left alone.
func TestKinds(t *testing.T) {
	const day = 24 * time.Hour
	for _, tt := range []struct {
		devices, certificates time.Duration
		want                  map[string]time.Duration
	}{
		{0, 0, map[string]time.Duration{"invite": 0, "consent": 0, "notice": 0, "SIM request": 0, "shared value": 0, "message part": time.Minute}},
		{day, 0, map[string]time.Duration{"invite": 0, "consent": 0, "notice": 0, "SIM request": 0, "shared value": 0, "message part": time.Minute, "device": day}},
		{day, 2 * day, map[string]time.Duration{"invite": 0, "consent": 0, "notice": 0, "SIM request": 0, "shared value": 0, "message part": time.Minute, "device": day, "certificate": 2 * day}},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := &backlog{}
			j, err := New(Config{Store: b, Evidence: time.Hour, Devices: tt.devices, Certificates: tt.certificates})
			if err != nil {
				t.Fatal(err)
			}
			if err := j.round(t.Context()); err != nil {
				t.Fatal(err)
			}
			got := make(map[string]time.Duration)
			for kind, before := range b.others {
				got[kind] = time.Since(before)
				if j.Stats().Deleted[kind] != 1 {
					t.Errorf("%s is not counted", kind)
				}
			}
			if !maps.Equal(got, tt.want) {
				t.Errorf("kept: %v, want %v", got, tt.want)
			}
		})
	}
}

func TestNew(t *testing.T) {
	if _, err := New(Config{Store: &backlog{}}); err == nil {
		t.Error("everything is due at once")
	}
	if _, err := New(Config{Evidence: time.Hour}); err == nil {
		t.Error("there is no store")
	}
}
