package limit

import (
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestPauses(t *testing.T) {
	p := NewPauses(Growth{Free: 2, First: 10 * time.Second, Longest: time.Minute, Forget: time.Hour}, 10)
	now := epoch
	for i, want := range []time.Duration{0, 0, 10 * time.Second, 20 * time.Second, 40 * time.Second, time.Minute, time.Minute} {
		if got := p.Take("a", now); got != want {
			t.Fatalf("use %d: wait %s, want %s", i, got, want)
		}
		if want == 0 {
			continue
		}
		if got := p.Take("a", now.Add(want-time.Second)); got != time.Second {
			t.Fatalf("use %d, a second too early: wait %s", i, got)
		}
		if now = now.Add(want); p.Take("a", now) != 0 {
			t.Fatalf("use %d: refused after its pause", i)
		}
	}
	if p.Take("b", now) != 0 {
		t.Error("another key has to wait")
	}
	// After a day all is forgotten.
	now = now.Add(24 * time.Hour)
	for i := range 2 {
		if p.Take("a", now) != 0 {
			t.Errorf("the next day, use %d has to wait", i)
		}
	}
	if p.Take("a", epoch) <= 0 {
		t.Error("a clock that goes back grants a use")
	}
}

func TestPausesFull(t *testing.T) {
	p := NewPauses(Growth{Free: 1, First: time.Second, Longest: time.Second, Forget: time.Minute}, 3)
	for i := range 10 {
		if p.Take(strconv.Itoa(i), epoch) != 0 {
			t.Fatal("a newcomer was refused")
		}
	}
	if n := p.lru.Len(); n != 3 {
		t.Errorf("%d keys", n)
	}
}

// However the uses of a key are spread over the time, there are no more of them than
// the free ones and one for each shortest pause, and nobody waits longer than the
// longest.
func TestPausesBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := Growth{
			Free:    rapid.IntRange(1, 5).Draw(t, "free"),
			First:   time.Duration(rapid.IntRange(1, 30).Draw(t, "first")) * time.Second,
			Longest: time.Duration(rapid.IntRange(30, 600).Draw(t, "longest")) * time.Second,
			Forget:  time.Duration(rapid.IntRange(1, 7200).Draw(t, "forget")) * time.Second,
		}
		p, now, used := NewPauses(g, 1), epoch, 0
		for range rapid.IntRange(1, 100).Draw(t, "uses") {
			now = now.Add(time.Duration(rapid.IntRange(0, 100).Draw(t, "step")) * time.Second)
			wait := p.Take("a", now)
			if wait > g.Longest || wait < 0 {
				t.Fatalf("wait %s", wait)
			}
			if wait == 0 {
				used++
			}
		}
		if most := g.Free + int(now.Sub(epoch)/g.First) + 1 + int(now.Sub(epoch)/g.Forget); used > most {
			t.Fatalf("%d uses in %s, at most %d are allowed", used, now.Sub(epoch), most)
		}
	})
}

func TestNewPausesPanics(t *testing.T) {
	good := Growth{Free: 1, First: 1, Longest: 1, Forget: 2}
	for _, change := range []func(*Growth){
		func(g *Growth) { g.Free = 0 }, func(g *Growth) { g.First = 0 }, func(g *Growth) { g.Longest = 0 }, func(g *Growth) { g.Forget = 0 },
	} {
		g := good
		change(&g)
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%+v is accepted", g)
				}
			}()
			NewPauses(g, 1)
		}()
	}
}
