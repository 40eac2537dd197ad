package storetest

import (
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

func testCounter(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	_, c := holder(t, s, 1)
	for want := uint64(1); want <= 3; want++ {
		got, err := s.TakeCounter(ctx, c.ICCID, 0)
		must(t, err)
		same(t, want, got)
	}
	s = d.Reopen()
	got, err := s.TakeCounter(ctx, c.ICCID, 0)
	must(t, err)
	same(t, uint64(4), got)

	_, err = s.TakeCounter(ctx, "none", 0)
	wantNotFound(t, "no card", err)
	_, err = s.TakeCounter(ctx, "\x00", 0)
	wantNotFound(t, "no ICCID", err)
	stock := newCard(2)
	must(t, s.PutCard(ctx, stock))
	_, err = s.TakeCounter(ctx, stock.ICCID, 0)
	wantIs(t, "stock", err, mssp.ErrCardState)
	must(t, s.SetCardState(ctx, c.ICCID, mssp.CardBlocked, after(1)))
	_, err = s.TakeCounter(ctx, c.ICCID, 0)
	wantIs(t, "blocked", err, mssp.ErrCardState)

	// It never wraps.
	must(t, s.PutSubscriber(ctx, subscriber(3, sim(3))))
	last := newCard(3)
	last.State, last.DeviceID, last.Counter = mssp.CardActive, "sim-3", mssp.MaxCardCounter-1
	must(t, s.PutCard(ctx, last))
	got, err = s.TakeCounter(ctx, last.ICCID, 0)
	must(t, err)
	same(t, uint64(mssp.MaxCardCounter), got)
	for range 2 {
		got, err = s.TakeCounter(ctx, last.ICCID, 0)
		wantIs(t, "used up", err, mssp.ErrCounter)
		same(t, uint64(0), got)
	}
	last.Counter, last.MSISDN = mssp.MaxCardCounter, subscriber(3).MSISDN
	checkCard(t, s, last)
}

func testReplies(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	_, c := holder(t, s, 1)
	for _, step := range []struct {
		counter uint64
		want    bool
	}{
		{0, false}, {1, true}, {1, false}, {3, true}, {2, true}, {2, false}, {3, false}, {1, false},
		{66, true}, {2, false}, {3, false}, {4, true}, {65, true}, {66, false}, // the window is full to 2
		{67, true}, {2, false}, {3, false}, {4, false}, {5, true},
		{67 + 64, true}, {67, false}, {68, true}, {66, false}, // 67 is the last of the window
		{67 + 64 + 65, true}, {132, true}, {131, false},
		{1 << 32, true}, {1<<32 - 64, true}, {1<<32 - 65, false}, {1<<32 - 64, false},
		{mssp.MaxCardCounter, true}, {mssp.MaxCardCounter, false}, {mssp.MaxCardCounter + 1, false},
		{1 << 63, false}, {1<<64 - 1, false}, {mssp.MaxCardCounter - 1, true}, {0, false},
	} {
		s = d.Store()
		if step.counter%2 == 0 {
			s = d.Reopen()
		}
		got, err := s.AcceptReply(ctx, c.ICCID, step.counter)
		must(t, err)
		if got != step.want {
			t.Errorf("%d: %v, want %v", step.counter, got, step.want)
		}
	}
	_, err := s.AcceptReply(ctx, "none", 1)
	wantNotFound(t, "no card", err)
	_, err = s.AcceptReply(ctx, "\xff", 1)
	wantNotFound(t, "no ICCID", err)
}

// replies is the model of a window: all counters that were accepted.
type replies struct {
	seen    map[uint64]bool
	highest uint64
}

func (r *replies) accept(counter uint64) bool {
	if counter == 0 || counter > mssp.MaxCardCounter || r.seen[counter] || counter+mssp.ReplyWindow < r.highest {
		return false
	}
	r.seen[counter] = true
	r.highest = max(r.highest, counter)
	return true
}

// bits returns the window as Card has it.
func (r *replies) bits() (bits uint64) {
	for i := range uint64(mssp.ReplyWindow) {
		if r.highest > i+1 && r.seen[r.highest-1-i] {
			bits |= 1 << i
		}
	}
	return bits
}

// testReplyWindows compares the window with a model that keeps all counters.
func testReplyWindows(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		c := newCard(n)
		ok(rt, s.PutCard(ctx, c))
		m := replies{seen: make(map[uint64]bool)}
		steps := rapid.SliceOfN(rapid.OneOf(rapid.Int64Range(-70, 3), rapid.Int64Range(-3, 3), rapid.Int64Range(0, 130),
			rapid.SampledFrom([]int64{1 << 39, 63, 64, 65, -63, -64, -65})), 1, 40).Draw(rt, "steps")
		for _, step := range steps {
			counter := uint64(max(int64(m.highest)+step, 0))
			got, err := s.AcceptReply(ctx, c.ICCID, counter)
			ok(rt, err)
			agree(rt, "accepted", m.accept(counter), got)
		}
		got, err := s.Card(ctx, c.ICCID)
		ok(rt, err)
		agree(rt, "window", []uint64{m.highest, m.bits()}, []uint64{got.ReplyCounter, got.ReplySeen})
	})
}

func testRaceForCounters(t *testing.T, d *database) {
	s := d.Store()
	const each = 5
	cards := make([]*mssp.Card, 3)
	for i := range cards {
		_, cards[i] = holder(t, s, i)
	}
	taken := make([][]uint64, crowd)
	race(crowd, func(i int) {
		for range each {
			n, err := s.TakeCounter(t.Context(), cards[i%len(cards)].ICCID, 0)
			if err != nil {
				t.Errorf("%d: %v", i, err)
				return
			}
			taken[i] = append(taken[i], n)
		}
	})
	s = d.Reopen()
	for k, c := range cards {
		var all []uint64
		for i := k; i < crowd; i += len(cards) {
			if !slices.IsSorted(taken[i]) {
				t.Errorf("not increasing: %v", taken[i])
			}
			all = append(all, taken[i]...)
		}
		slices.Sort(all)
		for i, n := range all {
			if n != uint64(i+1) {
				t.Fatalf("card %d: the %dth counter is %d", k, i+1, n)
			}
		}
		next, err := s.TakeCounter(t.Context(), c.ICCID, 0)
		must(t, err)
		if next != uint64(len(all)+1) {
			t.Errorf("after %d counters comes %d", len(all), next)
		}
	}
}

func testRaceOfReplies(t *testing.T, d *database) {
	s := d.Store()
	_, c := holder(t, s, 1)
	won := make([]bool, crowd)
	race(crowd, func(i int) {
		var err error
		if won[i], err = s.AcceptReply(t.Context(), c.ICCID, uint64(i%20)+1); err != nil {
			t.Errorf("%d: %v", i, err)
		}
	})
	for counter := range 20 {
		times := 0
		for i := counter; i < crowd; i += 20 {
			if won[i] {
				times++
			}
		}
		if times != 1 {
			t.Errorf("reply %d was accepted %d times", counter+1, times)
		}
	}
	got, err := d.Reopen().Card(t.Context(), c.ICCID)
	must(t, err)
	if got.ReplyCounter != 20 || got.ReplySeen != 1<<19-1 {
		t.Errorf("%d, %b", got.ReplyCounter, got.ReplySeen)
	}
}

// Once a card is blocked, no caller gets a counter.
func testRaceToBlock(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	sub, inserted := holder(t, s, 1)
	var c *mssp.Card // as it was when it was blocked
	var refused [crowd]bool
	race(crowd, func(i int) {
		if i == 0 {
			must(t, s.SetCardState(ctx, inserted.ICCID, mssp.CardBlocked, after(1)))
			at, err := s.Card(ctx, inserted.ICCID)
			must(t, err)
			c = at
			return
		}
		_, err := s.TakeCounter(ctx, inserted.ICCID, 0)
		refused[i] = errors.Is(err, mssp.ErrCardState)
		if err != nil && !refused[i] {
			t.Error(err)
		}
	})
	taken := 0
	for _, r := range refused[1:] {
		if !r {
			taken++
		}
	}
	checkCard(t, s, c)
	if c.Counter != uint64(taken) {
		t.Errorf("%d counters taken, the last is %d", taken, c.Counter)
	}
	sub.Devices[0].State = signum.DeviceInactive
	checkSubscriber(t, s, sub)
}

// Of several callers, one gets the card, by a swap or with a new account. The others
// change nothing.
func testRaceForCard(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	for round := range 3 {
		card := newCard(1000 + round)
		must(t, s.PutCard(ctx, card))
		errs := make([]error, 20)
		n := func(i int) int { return 100*round + i }
		for i := range errs {
			if i%2 == 0 {
				holder(t, s, n(i))
			}
		}
		race(len(errs), func(i int) {
			device := sim(5000 + n(i))
			if i%2 == 0 {
				errs[i] = s.SwapCard(ctx, subscriber(n(i)).MSISDN, card.ICCID, device, after(2))
				return
			}
			c := *card
			c.State, c.DeviceID = mssp.CardActive, device.ID
			errs[i] = s.EnrolCard(ctx, subscriber(n(i), device), &c)
		})
		winner := ""
		for i, err := range errs {
			msisdn := subscriber(n(i)).MSISDN
			switch {
			case err == nil && winner == "":
				winner = msisdn
			case err == nil:
				t.Error("two won")
			case i%2 == 0:
				wantIs(t, "swap", err, mssp.ErrCardState)
				c, err := s.CardOf(ctx, msisdn)
				must(t, err)
				same(t, newCard(n(i)).ICCID, c.ICCID)
			default:
				wantIs(t, "enrol", err, mssp.ErrExists)
				_, err := s.Subscriber(ctx, msisdn)
				wantNotFound(t, "account of a loser", err)
			}
		}
		got, err := s.Card(ctx, card.ICCID)
		must(t, err)
		same(t, winner, got.MSISDN)
	}
}

// An account moves once, and changes that are made to it meanwhile are not lost.
func testRaceToRenumber(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	for round := range 3 {
		sub, card := holder(t, s, round)
		to := make([]string, 20)
		errs := make([]error, len(to))
		var counters [20]uint64
		race(len(to), func(i int) {
			if i%2 == 1 {
				var err error
				if counters[i], err = s.TakeCounter(ctx, card.ICCID, 0); err != nil {
					t.Error(err)
				}
				return
			}
			to[i] = subscriber(1000 + 100*round + i%8).MSISDN // several want the same
			errs[i] = s.RenumberSubscriber(ctx, sub.MSISDN, to[i])
		})
		winner := ""
		for i, err := range errs {
			switch {
			case i%2 == 1:
			case err == nil && winner == "":
				winner = to[i]
			case err == nil:
				t.Error("two won")
			default:
				wantNotFound(t, "no account any more", err)
			}
		}
		sub.MSISDN, card.MSISDN, card.Counter = winner, winner, uint64(len(to)/2)
		checkSubscriber(t, s, sub)
		checkCard(t, s, card)
	}
}
