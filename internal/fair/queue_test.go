package fair

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// at returns a time n milliseconds after some begin.
func at(n int) time.Time { return time.UnixMilli(1_000_000 + int64(n)) }

func pops(q *Queue[string]) (all []string) {
	for v, ok := q.Pop(); ok; v, ok = q.Pop() {
		all = append(all, v)
	}
	return all
}

func TestQueueGivesEachKeyItsTurn(t *testing.T) {
	var q Queue[string]
	for i := range 4 {
		q.Push("big", fmt.Sprint("big", i), at(i))
	}
	q.Push("small", "small", at(5))
	q.Push("other", "other", at(6))
	if got, want := pops(&q), []string{"big0", "small", "other", "big1", "big2", "big3"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestQueueGivesBegunWorkPrecedenceWithinAKey(t *testing.T) {
	var q Queue[string]
	q.Push("a", "a new", at(0))
	q.PushBegun("a", "a begun", at(1))
	q.Push("b", "b new", at(2))
	if got, want := pops(&q), []string{"a begun", "b new", "a new"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestQueueTellsItsAge(t *testing.T) {
	var q Queue[string]
	if !q.Oldest().IsZero() || !q.OldestOf("a").IsZero() {
		t.Error("an empty queue has an oldest entry")
	}
	q.Push("a", "1", at(1))
	q.PushBegun("a", "2", at(2))
	q.Push("b", "3", at(3))
	for _, c := range []struct {
		got  time.Time
		want int
	}{{q.Oldest(), 1}, {q.OldestOf("a"), 1}, {q.OldestOf("b"), 3}} {
		if !c.got.Equal(at(c.want)) {
			t.Errorf("oldest is of %v, want %v", c.got, at(c.want))
		}
	}
	q.Pop() // "2", then b, then "1"
	q.Pop()
	if got := q.Oldest(); !got.Equal(at(1)) {
		t.Errorf("oldest is of %v, want %v", got, at(1))
	}
}

// model is what a queue must do, in the simplest way.
type model struct {
	turns []string // keys with entries; the first is next
	begun map[string][]int
	fresh map[string][]int
}

func (m *model) push(key string, v int, begun bool) {
	if len(m.begun[key])+len(m.fresh[key]) == 0 {
		m.turns = append(m.turns, key)
	}
	if begun {
		m.begun[key] = append(m.begun[key], v)
		return
	}
	m.fresh[key] = append(m.fresh[key], v)
}

func (m *model) pop() (v int, ok bool) {
	if len(m.turns) == 0 {
		return 0, false
	}
	key := m.turns[0]
	m.turns = m.turns[1:]
	from := m.begun
	if len(from[key]) == 0 {
		from = m.fresh
	}
	v, from[key] = from[key][0], from[key][1:]
	if len(m.begun[key])+len(m.fresh[key]) > 0 {
		m.turns = append(m.turns, key)
	}
	return v, true
}

func (m *model) trim(key string, unwanted func(int) bool) (n int) {
	for _, from := range []map[string][]int{m.begun, m.fresh} {
		for len(from[key]) > 0 && unwanted(from[key][0]) {
			from[key] = from[key][1:]
			n++
		}
	}
	if len(m.begun[key])+len(m.fresh[key]) == 0 {
		m.turns = slices.DeleteFunc(m.turns, func(k string) bool { return k == key })
	}
	return n
}

func TestQueueBehavesLikeItsModel(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		var q Queue[int]
		m := model{begun: map[string][]int{}, fresh: map[string][]int{}}
		waiting := 0
		for i := range 2000 {
			switch n := r.IntN(10); {
			case n < 5:
				key := fmt.Sprint(r.IntN(5) * r.IntN(5))
				m.push(key, i, n == 0)
				if n == 0 {
					q.PushBegun(key, i, at(i))
				} else {
					q.Push(key, i, at(i))
				}
				waiting++
			case n == 5:
				key := fmt.Sprint(r.IntN(5) * r.IntN(5))
				unwanted := func(v int) bool { return v%3 == 0 }
				waiting -= m.trim(key, unwanted)
				q.Trim(key, unwanted)
			default:
				got, ok := q.Pop()
				want, wantOK := m.pop()
				if got != want || ok != wantOK {
					t.Fatalf("seed %d, step %d: got %d, %v, want %d, %v", seed, i, got, ok, want, wantOK)
				}
				if ok {
					waiting--
				}
			}
			if q.Len() != waiting || q.Keys() != len(m.turns) {
				t.Fatalf("seed %d, step %d: %d entries of %d keys, want %d of %d", seed, i, q.Len(), q.Keys(), waiting, len(m.turns))
			}
		}
	}
}

// A key with one entry at a time waits for one entry of each other key, never more.
func TestQueueStarvesNobody(t *testing.T) {
	var q Queue[string]
	for i := range 100 {
		q.Push("flood", "flood", at(i))
		q.Push("second flood", "flood", at(i))
	}
	for round := range 200 {
		q.Push("small", "small", at(round))
		for n := 0; ; n++ {
			v, _ := q.Pop()
			if v == "small" {
				break
			}
			q.PushBegun("flood", "flood", at(round)) // it never ends
			q.Push("second flood", "flood", at(round))
			if n == 2 {
				t.Fatalf("round %d: three entries of others came first", round)
			}
		}
	}
}

func TestQueueForgetsWhatIsOver(t *testing.T) {
	var q Queue[*int]
	for i := range 1000 {
		q.Push(fmt.Sprint(i), new(int), at(i))
	}
	for range 1000 {
		q.Pop()
	}
	if len(q.lines) != 0 || q.last != nil {
		t.Errorf("%d keys are left, last %v", len(q.lines), q.last)
	}
	q.Push("a", new(int), at(0))
	q.Pop()
	per := testing.AllocsPerRun(100, func() {
		q.Push("a", nil, at(0))
		q.Pop()
	})
	if per > 0 {
		t.Errorf("an entry of an empty queue allocates %v times", per)
	}
}

func BenchmarkQueue(b *testing.B) {
	keys := []string{"mid://one", "mid://two", "mid://three"}
	var q Queue[int]
	for i := 0; b.Loop(); i++ {
		q.Push(keys[i%3], i, at(i))
		if i%16 == 15 {
			for range 16 {
				q.Pop()
			}
		}
	}
}
