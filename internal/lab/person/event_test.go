package person_test

import (
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/signum-mssp/signum/internal/lab/person"
)

// The function may cause further events; they follow those that are queued.
func TestObserverCallsBack(t *testing.T) {
	t.Parallel()
	var got []string
	var o *person.Observer
	o = person.NewObserver(func(e person.Event) {
		got = append(got, e.Text)
		if e.Text == "a" {
			o.Add(person.Event{Text: "c"})
			o.Flush()
		}
	})
	o.Add(person.Event{Text: "a"})
	o.Add(person.Event{Text: "b"})
	o.Flush()
	if !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("%q", got)
	}
	nobody := person.NewObserver(nil)
	nobody.Add(person.Event{})
	nobody.Flush()
}

// With concurrent adders, each event is delivered once, one at a time, and in the
// order of its adder.
func TestObserverConcurrently(t *testing.T) {
	t.Parallel()
	const adders, each = 8, 200
	last := make(map[string]int)
	o := person.NewObserver(func(e person.Event) { // no lock: the race detector would report overlapping calls
		n, _ := strconv.Atoi(e.Text)
		if n != last[e.DeviceID]+1 {
			t.Errorf("%d of %s after %d", n, e.DeviceID, last[e.DeviceID])
		}
		last[e.DeviceID] = n
	})
	var wg sync.WaitGroup
	for i := range adders {
		wg.Go(func() {
			for n := range each {
				o.Add(person.Event{DeviceID: strconv.Itoa(i), Text: strconv.Itoa(n + 1)})
				o.Flush()
			}
		})
	}
	wg.Wait()
	o.Flush()
	for i := range adders {
		if n := last[strconv.Itoa(i)]; n != each {
			t.Errorf("%d of %d events of %d", n, each, i)
		}
	}
}

// After a panic of the function, later events are delivered.
func TestObserverPanics(t *testing.T) {
	t.Parallel()
	n := 0
	o := person.NewObserver(func(person.Event) {
		if n++; n == 1 {
			panic("first")
		}
	})
	o.Add(person.Event{})
	func() {
		defer func() { _ = recover() }()
		o.Flush()
	}()
	o.Add(person.Event{})
	o.Flush()
	if n != 2 {
		t.Errorf("%d events", n)
	}
}
