package group

import (
	"testing"

	"pgregory.net/rapid"
)

// ready is an SMSC that works.
func ready(weight int) candidate { return candidate{weight: weight, submits: true, bothWays: true} }

func TestChoose(t *testing.T) {
	slow := func(c candidate) candidate { c.throttled = true; return c }
	deaf := func(c candidate) candidate { c.bothWays = false; return c }
	down := func(weight int) candidate { return candidate{weight: weight} }
	for _, tt := range []struct {
		name string
		all  []candidate
		want int
	}{
		{"the only one, although it is down", []candidate{down(1)}, 0},
		{"the one that is bound", []candidate{down(9), ready(1)}, 1},
		{"a standby only if nothing else works", []candidate{ready(0), ready(1)}, 1},
		{"a standby if the others are down", []candidate{down(1), ready(0), down(5)}, 1},
		{"one that does not throttle", []candidate{slow(ready(9)), ready(1)}, 1},
		{"no standby because of throttling", []candidate{slow(ready(1)), ready(0)}, 0},
		{"a standby before one that hears no answers", []candidate{deaf(ready(5)), ready(0)}, 1},
		{"one that hears no answers before one that is down", []candidate{down(5), deaf(ready(1))}, 1},
		{"of those that are down, no standby", []candidate{down(0), down(1)}, 1},
		{"nothing", nil, -1},
	} {
		got := choose(tt.all, func(int) bool { return true }, func(int) int { return 0 })
		if got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}

// The choice is always one of the best that may be taken, and over all rolls each of
// them is chosen as often as its weight says.
func TestChooseProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) candidate {
			c := candidate{weight: rapid.IntRange(0, 5).Draw(t, "weight"), submits: rapid.Bool().Draw(t, "submits"), throttled: rapid.Bool().Draw(t, "throttled")}
			c.bothWays = c.submits && rapid.Bool().Draw(t, "bothWays")
			return c
		}), 0, 6).Draw(t, "all")
		barred := rapid.IntRange(0, 63).Draw(t, "barred")
		may := func(i int) bool { return barred>>i&1 == 0 }
		best, sum := 8, 0
		for i, c := range all {
			switch {
			case !may(i):
			case c.rank() < best:
				best, sum = c.rank(), share(c)
			case c.rank() == best:
				sum += share(c)
			}
		}
		if best == 8 {
			if got := choose(all, may, func(int) int { return 0 }); got != -1 {
				t.Fatalf("chose %d although no candidate may be taken", got)
			}
			return
		}
		times := make([]int, len(all))
		for at := range sum {
			got := choose(all, may, func(n int) int {
				if n != sum {
					t.Fatalf("a roll of %d, want %d", n, sum)
				}
				return at
			})
			times[got]++
		}
		for i, c := range all {
			want := 0
			if may(i) && c.rank() == best {
				want = share(c)
			}
			if times[i] != want {
				t.Errorf("number %d was chosen %d times of %d, want %d", i, times[i], sum, want)
			}
		}
	})
}
