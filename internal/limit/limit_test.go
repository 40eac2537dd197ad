package limit

import (
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var epoch = time.Unix(1_000_000, 0)

func TestTake(t *testing.T) {
	type use struct {
		at   time.Duration
		key  string
		wait time.Duration
	}
	for _, tt := range []struct {
		name string
		rate Rate
		uses []use
	}{
		{"burst, then one per interval", Rate{Burst: 2, Every: time.Second}, []use{
			{0, "a", 0}, {0, "a", 0}, {0, "a", time.Second}, {400 * time.Millisecond, "a", 600 * time.Millisecond},
			{time.Second, "a", 0}, {time.Second, "a", time.Second},
		}},
		{"keys are apart", Rate{Burst: 1, Every: time.Minute}, []use{
			{0, "a", 0}, {0, "b", 0}, {0, "a", time.Minute}, {0, "", 0},
		}},
		{"refused uses cost nothing", Rate{Burst: 1, Every: time.Minute}, []use{
			{0, "a", 0}, {59 * time.Second, "a", time.Second}, {59 * time.Second, "a", time.Second}, {time.Minute, "a", 0},
		}},
		{"per minute", PerMinute(60, 3), []use{
			{0, "a", 0}, {0, "a", 0}, {0, "a", 0}, {0, "a", time.Second},
		}},
		{"per window", PerWindow(3, 5*time.Minute), []use{
			{0, "a", 0}, {0, "a", 0}, {0, "a", 0}, {0, "a", 100 * time.Second},
			{5 * time.Minute, "a", 0}, {5 * time.Minute, "a", 0}, {5 * time.Minute, "a", 0}, {5 * time.Minute, "a", 100 * time.Second},
		}},
		{"a clock that goes back grants nothing", Rate{Burst: 1, Every: time.Minute}, []use{
			{time.Hour, "a", 0}, {0, "a", time.Minute},
		}},
	} {
		l := New(tt.rate, 10)
		for i, u := range tt.uses {
			if wait := l.Take(u.key, epoch.Add(u.at)); wait != u.wait {
				t.Errorf("%s, use %d: wait %s, want %s", tt.name, i, wait, u.wait)
			}
		}
	}
}

// A full table evicts the key that was used least recently. It never refuses a
// newcomer, and a key in use is not evicted, even if its uses are refused.
func TestFullTable(t *testing.T) {
	l := New(Rate{Burst: 1, Every: time.Hour}, 3)
	for _, u := range []struct {
		key     string
		allowed bool
	}{
		{"attacked", true}, {"a", true}, {"b", true}, {"attacked", false}, {"c", true}, {"attacked", false}, {"d", true},
		{"attacked", false}, {"a", true}, // was evicted
	} {
		if wait := l.Take(u.key, epoch); (wait == 0) != u.allowed {
			t.Errorf("%s: wait %s, want allowed %v", u.key, wait, u.allowed)
		}
		if n := l.lru.Len(); n > 3 {
			t.Fatalf("%d keys", n)
		}
	}
}

// After a flood the table shrinks again.
func TestForget(t *testing.T) {
	l := New(Rate{Burst: 2, Every: time.Second}, 1000)
	for i := range 1000 {
		l.Take(strconv.Itoa(i), epoch)
	}
	for i := range 1000 {
		l.Take("still here", epoch.Add(2*time.Second+time.Duration(i)*time.Second))
	}
	if n := l.lru.Len(); n != 1 {
		t.Errorf("%d keys are left, want 1", n)
	}
}

func TestNewPanics(t *testing.T) {
	for _, f := range []func(){
		func() { New(Rate{}, 1) }, func() { New(Rate{Burst: 1}, 1) }, func() { New(Rate{Every: 1}, 1) }, func() { New(PerMinute(1, 1), 0) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f()
		}()
	}
}

// model is a token bucket in whole nanoseconds, of one key: full is when
// the bucket will be full.
type model struct{ full time.Duration }

func (m *model) take(r Rate, now time.Duration) (wait time.Duration) {
	full := max(m.full, now)
	if wait = full + r.Every - r.refill() - now; wait > 0 {
		return wait
	}
	m.full = full + r.Every
	return 0
}

// TestModel: with room for all keys the limiter does what the model does. With
// less room it grants no key less than that, and never keeps more keys than it
// may.
func TestModel(t *testing.T) {
	const rounding = time.Microsecond
	rapid.Check(t, func(t *rapid.T) {
		r := Rate{
			Burst: rapid.IntRange(1, 5).Draw(t, "burst"),
			Every: time.Duration(rapid.IntRange(1, 100).Draw(t, "every")) * 100 * time.Millisecond,
		}
		const keys = 6
		large, small := New(r, keys), New(r, keys/2)
		models, byLarge, bySmall := map[string]*model{}, map[string]int{}, map[string]int{}
		now := time.Duration(0)
		for range rapid.IntRange(1, 200).Draw(t, "uses") {
			// Steps that are no multiple of the interval keep clear of rounding at
			// the instant at which a token arrives.
			now += time.Duration(rapid.IntRange(0, 3000).Draw(t, "step"))*time.Millisecond + 777*time.Microsecond
			key := fmt.Sprint(rapid.IntRange(1, keys).Draw(t, "key"))
			if models[key] == nil {
				models[key] = new(model)
			}
			want := models[key].take(r, now)
			got := large.Take(key, epoch.Add(now))
			if diff := (got - want).Abs(); diff > rounding || (got == 0) != (want == 0) {
				t.Fatalf("at %s the wait of %s is %s, want %s", now, key, got, want)
			}
			if got == 0 {
				byLarge[key]++
			}
			if small.Take(key, epoch.Add(now)) == 0 {
				bySmall[key]++
			}
			if bySmall[key] < byLarge[key] {
				t.Fatalf("at %s the small table has granted %s %d uses, want %d at least", now, key, bySmall[key], byLarge[key])
			}
			if n := small.lru.Len(); n > keys/2 {
				t.Fatalf("%d keys in a table of %d", n, keys/2)
			}
		}
	})
}

// TestConcurrent: what many goroutines get together is one burst per key.
func TestConcurrent(t *testing.T) {
	l := New(Rate{Burst: 10, Every: time.Hour}, 4)
	var allowed atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 200 {
				if l.Take(strconv.Itoa(i%4), epoch) == 0 {
					allowed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if n := allowed.Load(); n != 40 {
		t.Errorf("%d allowed, want 40", n)
	}
}

// BenchmarkFullTable: each use is of a new key and evicts another. A
// table a hundred times larger must not cost much more than its cache misses.
func BenchmarkFullTable(b *testing.B) {
	for _, size := range []int{1000, DefaultKeys} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			l := New(PerWindow(3, 5*time.Minute), size)
			for i := range size {
				l.Take(strconv.Itoa(i), epoch)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				l.Take("n"+strconv.Itoa(i), epoch)
			}
		})
	}
}

// TestTakeAt: a key whose rate changes keeps what it has used.
func TestTakeAt(t *testing.T) {
	l := New(PerMinute(1, 1), 10)
	small, large := Rate{Burst: 1, Every: time.Minute}, Rate{Burst: 3, Every: time.Second}
	for i, tt := range []struct {
		at   time.Duration
		rate Rate
		wait time.Duration
	}{
		{0, small, 0}, {0, small, time.Minute}, {0, large, time.Second}, {time.Second, large, 0},
		{10 * time.Second, large, 0}, {10 * time.Second, large, 0}, {10 * time.Second, small, 0}, {10 * time.Second, small, time.Minute},
	} {
		if looked := l.WaitAt(tt.rate, "a", epoch.Add(tt.at)); looked != tt.wait {
			t.Errorf("use %d: a look says %s, want %s", i, looked, tt.wait)
		}
		if wait := l.TakeAt(tt.rate, "a", epoch.Add(tt.at)); wait != tt.wait {
			t.Errorf("use %d: wait %s, want %s", i, wait, tt.wait)
		}
	}
	if n := l.Refused(); n != 6 { // each by a look and by a use
		t.Errorf("%d refused, want 6", n)
	}
}

// TestSetRate: another rate holds for all keys from their next use on, and what was used
// before still counts.
func TestSetRate(t *testing.T) {
	l, now := New(PerMinute(1, 1), 10), time.Unix(1000, 0)
	if wait := l.Take("a", now); wait != 0 {
		t.Errorf("first use: wait %s", wait)
	}
	l.SetRate(PerMinute(60, 3))
	for _, step := range []struct {
		key         string
		after, wait time.Duration
	}{{"a", 0, time.Second}, {"a", time.Second, 0}, {"b", 0, 0}, {"b", 0, 0}, {"b", 0, 0}, {"b", 0, time.Second}} {
		now = now.Add(step.after)
		if wait := l.Take(step.key, now); wait != step.wait {
			t.Errorf("%+v: wait %s", step, wait)
		}
	}
}
