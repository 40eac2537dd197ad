package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/signum-mssp/signum/internal/mssp"
)

// A counter that must be at least so high is never lower than the next one, and what
// it skips is never used.
func testCounterFloor(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	_, c := holder(t, s, 1)
	for i, step := range []struct{ least, want uint64 }{
		{1, 1}, {0, 2}, {2, 3}, {4, 4}, {300, 300}, {300, 301}, {10, 302}, {mssp.MaxCardCounter - 1, mssp.MaxCardCounter - 1},
	} {
		got, err := s.TakeCounter(ctx, c.ICCID, step.least)
		if err != nil || got != step.want {
			t.Errorf("%d: at least %d: %d, %v, want %d", i, step.least, got, err, step.want)
		}
	}
	for _, least := range []uint64{mssp.MaxCardCounter + 1, 1<<63 + 5} {
		_, err := s.TakeCounter(ctx, c.ICCID, least)
		wantIs(t, fmt.Sprint(least), err, mssp.ErrCounter)
	}
	s = d.Reopen()
	c.Counter = mssp.MaxCardCounter - 1
	checkCard(t, s, c)
	must(t, s.SetCardState(ctx, c.ICCID, mssp.CardBlocked, after(1)))
	_, err := s.TakeCounter(ctx, c.ICCID, mssp.MaxCardCounter)
	wantIs(t, "blocked", err, mssp.ErrCardState)
}

func testAdvanceCounters(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	const cards, by = 450, 1000 // more than two pages
	counters := make([]uint64, cards)
	var want mssp.CounterAdvanced
	for i := range counters {
		c := newCard(i)
		c.Counter = uint64(i)
		if i%100 == 7 {
			c.Counter = mssp.MaxCardCounter - by + 1
			want.Refused++
		} else {
			counters[i] = by
			want.Moved++
		}
		counters[i] += c.Counter
		must(t, s.PutCard(ctx, c))
	}
	want.Least = by - 1
	retired := newCard(cards)
	retired.State = mssp.CardRetired
	must(t, s.PutCard(ctx, retired))

	got, err := s.AdvanceCounters(ctx, mssp.CounterAdvance{By: by, DryRun: true})
	must(t, err)
	same(t, want, got)
	part, err := s.AdvanceCounters(ctx, mssp.CounterAdvance{By: by, DryRun: true, Most: 200})
	must(t, err)
	same(t, newCard(199).ICCID, part.Last)
	part, err = s.AdvanceCounters(ctx, mssp.CounterAdvance{By: by, DryRun: true, Most: 1000, After: newCard(441).ICCID})
	must(t, err)
	same(t, mssp.CounterAdvanced{Moved: 8, Least: mssp.MaxCardCounter - by - 449}, part)
	first, err := s.Card(ctx, newCard(0).ICCID)
	must(t, err)
	same(t, uint64(0), first.Counter)

	var told []int
	got, err = s.AdvanceCounters(ctx, mssp.CounterAdvance{By: by, Progress: func(n mssp.CounterAdvanced) { told = append(told, n.Moved+n.Refused) }})
	must(t, err)
	same(t, want, got)
	if len(told) < 2 || !slices.IsSorted(told) || told[len(told)-1] != cards {
		t.Errorf("progress %v", told)
	}
	s = d.Reopen()
	for i, counter := range counters {
		c, err := s.Card(ctx, newCard(i).ICCID)
		must(t, err)
		if c.Counter != counter {
			t.Errorf("card %d has %d, want %d", i, c.Counter, counter)
		}
	}
	checkCard(t, s, retired)

	one := newCard(3).ICCID
	got, err = s.AdvanceCounters(ctx, mssp.CounterAdvance{ICCID: one, By: mssp.MaxCardCounter - by - 3})
	must(t, err)
	same(t, mssp.CounterAdvanced{Moved: 1}, got)
	got, err = s.AdvanceCounters(ctx, mssp.CounterAdvance{ICCID: one, By: 1})
	must(t, err)
	same(t, mssp.CounterAdvanced{Refused: 1}, got)
	for name, a := range map[string]mssp.CounterAdvance{"unknown": {ICCID: "none", By: 1}, "no ICCID": {ICCID: "\x00", By: 1}} {
		_, err = s.AdvanceCounters(ctx, a)
		wantNotFound(t, name, err)
	}
	_, err = s.AdvanceCounters(ctx, mssp.CounterAdvance{ICCID: retired.ICCID, By: 1})
	wantIs(t, "retired", err, mssp.ErrCardState)
	for _, by := range []uint64{0, mssp.MaxCardCounter + 1} {
		if _, err = s.AdvanceCounters(ctx, mssp.CounterAdvance{By: by}); err == nil || errors.Is(err, mssp.ErrNotFound) {
			t.Errorf("by %d: %v", by, err)
		}
	}
	checkCard(t, s, retired)
}
