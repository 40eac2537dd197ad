package limit

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestStrikes(t *testing.T) {
	s := NewStrikes(3, 10*time.Minute, 10)
	at := func(minute int) time.Time { return epoch.Add(time.Duration(minute) * time.Minute) }
	wait := func(minute int, key string, want time.Duration) {
		t.Helper()
		if got := s.Wait(key, at(minute)); got != want {
			t.Errorf("minute %d: %s waits %s, want %s", minute, key, got, want)
		}
	}
	s.Add("a", at(0))
	s.Add("a", at(1))
	wait(1, "a", 0)
	s.Add("a", at(4))
	wait(4, "a", 6*time.Minute)
	wait(4, "b", 0)
	wait(10, "a", 0) // the first is ten minutes old
	s.Add("a", at(10))
	wait(10, "a", time.Minute)
	wait(11, "a", 0)
	s.Out("b", at(11))
	wait(11, "b", 10*time.Minute)
	wait(21, "b", 0)
}

// TestFullStrikes: a full table forgets the key whose last strike is the oldest, and
// is empty again once strikes no longer count.
func TestFullStrikes(t *testing.T) {
	s := NewStrikes(1, time.Minute, 3)
	for _, key := range []string{"a", "b", "c", "a", "d"} {
		s.Add(key, epoch)
	}
	for key, blocked := range map[string]bool{"a": true, "b": false, "c": true, "d": true} {
		if got := s.Wait(key, epoch) > 0; got != blocked {
			t.Errorf("%s: blocked %v", key, got)
		}
	}
	for i := range 3 {
		s.Add("new"+strconv.Itoa(i), epoch.Add(time.Minute))
	}
	if n := s.lru.Len(); n != 3 {
		t.Errorf("%d keys, want 3", n)
	}
	s.Add("new0", epoch.Add(2*time.Minute))
	s.Add("new0", epoch.Add(2*time.Minute))
	if n := s.lru.Len(); n != 1 {
		t.Errorf("%d keys, want 1", n)
	}
}

// TestStrikesModel: a key is blocked exactly while as many strikes as block it lie
// within the period, and waiting as long as Wait says ends it.
func TestStrikesModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most, period := rapid.IntRange(1, 4).Draw(t, "most"), time.Minute
		s := NewStrikes(most, period, 8)
		all := map[string][]time.Time{}
		now := epoch
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 40).Draw(t, "step")) * time.Second)
			key := fmt.Sprint(rapid.IntRange(1, 3).Draw(t, "key"))
			if rapid.Bool().Draw(t, "strike") {
				s.Add(key, now)
				all[key] = append(all[key], now)
			}
			recent := func(at time.Time) int {
				old := slices.IndexFunc(all[key], func(strike time.Time) bool { return at.Sub(strike) < period })
				if old < 0 {
					return 0
				}
				return len(all[key]) - old
			}
			wait := s.Wait(key, now)
			if blocked := recent(now) >= most; blocked != (wait > 0) {
				t.Fatalf("%s has %d strikes of %d, but waits %s", key, recent(now), most, wait)
			}
			if recent(now.Add(wait)) >= most || wait > 0 && recent(now.Add(wait-1)) < most {
				t.Fatalf("%s waits %s, which is not when its first strike is too old", key, wait)
			}
		}
	})
}
