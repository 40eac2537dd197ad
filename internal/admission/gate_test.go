package admission

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// behind is a queue whose age tests set.
type behind map[string]time.Duration

func (b behind) queue(way string) Queue {
	return Queue{Name: "q" + way, Way: way, AgeOf: func(party string) time.Duration { return b[party] }, Age: func() time.Duration { return b[""] }}
}

func testGate(c Config, places int) *Gate {
	if c.Load == nil {
		c.Load = func() time.Duration { return 0 }
	}
	if c.InUse == nil {
		c.InUse = func() int64 { return 0 }
	}
	g := New(c)
	g.valve.places = places
	return g
}

// enter goes in and out at once.
func enter(t *testing.T, g *Gate, party string, has time.Duration) error {
	leave, err := g.Enter(t.Context(), party, has)
	if err == nil {
		leave()
	}
	return err
}

func TestRequestsThatCannotBeDoneInTimeAreRefused(t *testing.T) {
	for _, c := range []struct {
		name string
		has  time.Duration
		ages behind
		want string // in the refusal; empty: let in
	}{
		{"nothing to do", 15 * time.Second, behind{}, ""},
		{"half of its time", 15 * time.Second, behind{"a": 7500 * time.Millisecond}, ""},
		{"more than half of its time", 15 * time.Second, behind{"a": 7501 * time.Millisecond}, "7.501s, of 7.5s"},
		{"a moment, with hardly any time", time.Second, behind{"a": 900 * time.Millisecond}, ""},
		{"a patient one", time.Minute, behind{"a": 9 * time.Second}, ""},
		{"older than any may be", time.Minute, behind{"a": 11 * time.Second}, "11s, of 10s"},
		{"the queue of another party", 15 * time.Second, behind{"b": time.Minute, "": time.Minute}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := testGate(Config{Queues: []Queue{c.ages.queue("")}}, 10)
			err := enter(t, g, "a", c.has)
			r, refused := errors.AsType[*Refusal](err)
			if c.want == "" && err != nil || c.want != "" && (!refused || !strings.Contains(r.Note, c.want)) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if refused && (r.Reason != ReasonQueues || r.After < time.Second || g.Refused()[ReasonQueues] != 1) {
				t.Errorf("reason %s, after %s, counted %v", r.Reason, r.After, g.Refused())
			}
		})
	}
}

// What the configuration says can change.
func TestSet(t *testing.T) {
	ages := behind{"a": 5 * time.Second}
	g := testGate(Config{Queues: []Queue{ages.queue("")}}, 1)
	if err := enter(t, g, "a", time.Minute); err != nil {
		t.Error(err)
	}
	g.Set(4*time.Second, 0)
	if err := enter(t, g, "a", time.Minute); err == nil {
		t.Error("let in behind a queue that is older than may be")
	}
}

// Only the queues that a request must go through count.
func TestOtherWaysDoNotCount(t *testing.T) {
	ages := behind{"a": 20 * time.Second}
	g := testGate(Config{Queues: []Queue{ages.queue("SIM")}}, 1)
	if err := enter(t, g, "a", time.Minute); err != nil {
		t.Errorf("the way is not known yet: %v", err)
	}
	if err := g.Check("a", "App", time.Minute); err != nil {
		t.Errorf("another way: %v", err)
	}
	if err := g.Check("a", "SIM", time.Minute); err == nil {
		t.Error("let in behind a queue of 20 s")
	}
}

func TestMemoryInUseRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var used atomic.Int64
		used.Store(99 << 20)
		g := testGate(Config{MaxMemory: 100 << 20, InUse: used.Load}, 1)
		ctx, stop := context.WithCancel(t.Context())
		var run sync.WaitGroup
		run.Go(func() { _ = g.Run(ctx) })
		synctest.Wait()
		if err := enter(t, g, "a", time.Minute); err != nil {
			t.Error(err)
		}
		used.Store(101 << 20)
		time.Sleep(2 * look)
		r, refused := errors.AsType[*Refusal](enter(t, g, "a", time.Minute))
		if !refused || r.Reason != ReasonMemory || g.Refused()[ReasonMemory] != 1 {
			t.Errorf("got %v, counted %v", r, g.Refused())
		}
		stop()
		run.Wait()
	})
}

// A party with one request goes in after one of the other, however many that has.
func TestPartiesGoInByTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := testGate(Config{}, 1)
		leave, err := g.Enter(t.Context(), "big", time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		var order []string
		var all sync.WaitGroup
		for _, party := range []string{"big", "big", "big", "small"} {
			all.Go(func() {
				leave, err := g.Enter(t.Context(), party, time.Minute)
				if err != nil {
					t.Error(err)
					return
				}
				order = append(order, party)
				leave()
			})
			synctest.Wait()
		}
		leave()
		all.Wait()
		if want := []string{"big", "small", "big", "big"}; !slices.Equal(order, want) {
			t.Errorf("order %v, want %v", order, want)
		}
		if g.inside != 0 {
			t.Errorf("%d are inside at the end", g.inside)
		}
	})
}

// A request whose turn does not come in its time is refused then, and takes no place.
func TestWaitingEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := testGate(Config{}, 1)
		leave, _ := g.Enter(t.Context(), "a", time.Minute)
		begin := time.Now()
		_, err := g.Enter(t.Context(), "b", 15*time.Second)
		if _, refused := errors.AsType[*Refusal](err); !refused || time.Since(begin) != 7500*time.Millisecond {
			t.Errorf("got %v after %s", err, time.Since(begin))
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, err := g.Enter(ctx, "b", time.Minute); !errors.Is(err, context.Canceled) {
			t.Errorf("the party hung up: %v", err)
		}
		leave()
		if err := enter(t, g, "b", time.Minute); err != nil {
			t.Error(err)
		}
	})
}

// With ten places a second, a party may queue up as many requests as can be done in the
// time. The others are refused at once, and requests of another party are let in.
func TestQueuesAreAsLongAsTheTimeAllows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := testGate(Config{}, 1)
		var all sync.WaitGroup
		work := func(party string) error {
			leave, err := g.Enter(t.Context(), party, 20*time.Second)
			if err == nil {
				time.Sleep(100 * time.Millisecond)
				leave()
			}
			return err
		}
		for range 20 { // until it is known how fast they go in
			all.Go(func() { _ = work("flood") })
		}
		time.Sleep(1500 * time.Millisecond)
		refused := 0
		var mu sync.Mutex
		for range 500 {
			all.Go(func() {
				begin := time.Now()
				if _, ok := errors.AsType[*Refusal](work("flood")); ok && time.Since(begin) == 0 {
					mu.Lock()
					refused++
					mu.Unlock()
				}
			})
		}
		synctest.Wait()
		if let := 500 - refused; let < 80 || let > 100 {
			t.Errorf("%d wait, want about the 95 that go in within 10 s", let)
		}
		begin := time.Now()
		if err := work("small"); err != nil || time.Since(begin) > 400*time.Millisecond {
			t.Errorf("the other party: %v after %s", err, time.Since(begin))
		}
		all.Wait()
	})
}

func TestPlacesFollowTheLoad(t *testing.T) {
	v := newValve()
	for range 200 {
		v.adjust(50*time.Millisecond, 0, true)
	}
	if v.places != v.least {
		t.Errorf("%d places under load, want %d", v.places, v.least)
	}
	v.adjust(0, 0, false)
	if v.places != v.least {
		t.Error("more places although nobody waits")
	}
	for range 400 {
		v.adjust(0, 0, true)
	}
	if v.places != mostPlaces {
		t.Errorf("%d places without load, want %d", v.places, mostPlaces)
	}
}

func TestCrowd(t *testing.T) {
	for _, c := range []struct {
		name   string
		sample func(i int) int
		want   bool
	}{
		{"nothing", func(int) int { return 0 }, false},
		{"few at a time, all the time", func(int) int { return 3 }, false},
		{"a full window", func(int) int { return 20 }, true},
		{"a full window that a commit empties now and then", func(i int) int { return 20 * min(1, i%8) }, true},
		{"bursts", func(i int) int { return []int{20, 9, 2, 0, 4, 12, 6, 1}[i%8] }, false},
	} {
		var crowd crowd
		for i := range 300 {
			crowd.add(c.sample(i))
		}
		if got := crowd.standing(); got != c.want {
			t.Errorf("%s: %v, mean %.1f of %.1f", c.name, got, crowd.mean, crowd.peak)
		}
	}
}

func TestGroupLimit(t *testing.T) {
	files := map[string]string{
		"/proc/self/cgroup":                                     "0::/system.slice/signum.service\n",
		"/sys/fs/cgroup/system.slice/memory.max":                "max\n",
		"/sys/fs/cgroup/system.slice/signum.service/memory.max": "536870912\n",
	}
	read := func(name string) ([]byte, error) {
		if text, ok := files[name]; ok {
			return []byte(text), nil
		}
		return nil, fmt.Errorf("no file %s", name)
	}
	if got := groupLimit(read); got != 512<<20 {
		t.Errorf("limit %d", got)
	}
	files["/sys/fs/cgroup/system.slice/memory.max"] = "268435456\n"
	if got := groupLimit(read); got != 256<<20 {
		t.Errorf("limit %d, want that of the group above", got)
	}
	clear(files)
	if got := groupLimit(read); got != 0 {
		t.Errorf("limit %d without control groups", got)
	}
}

func TestFiguresOfTheRuntime(t *testing.T) {
	if newMemory().inUse() <= 0 {
		t.Error("no memory is in use")
	}
	for l, n := newLatency(), 0; n < 2; n++ {
		if l.since() < 0 {
			t.Error("a negative time")
		}
	}
}
