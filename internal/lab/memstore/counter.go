package memstore

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/storable"
)

// TakeCounter implements mssp.Store.
func (s *Store) TakeCounter(ctx context.Context, iccid string, least uint64) (counter uint64, err error) {
	if least > mssp.MaxCardCounter && storable.IsKey(iccid) {
		return 0, fmt.Errorf("store: card %s, counter %d: %w", iccid, least, mssp.ErrCounter)
	}
	err = s.write(ctx, func() error {
		c := s.cards[iccid]
		switch {
		case c == nil:
			return mssp.ErrNotFound
		case c.State != mssp.CardActive:
			return fmt.Errorf("store: card %s is %s: %w", iccid, c.State, mssp.ErrCardState)
		case c.Counter >= mssp.MaxCardCounter:
			return fmt.Errorf("store: card %s: %w", iccid, mssp.ErrCounter)
		}
		c.Counter = max(c.Counter+1, least)
		counter = c.Counter
		return nil
	})
	return counter, err
}

// AcceptReply implements mssp.Store.
func (s *Store) AcceptReply(ctx context.Context, iccid string, counter uint64) (accepted bool, err error) {
	err = s.write(ctx, func() error {
		c := s.cards[iccid]
		if c == nil {
			return mssp.ErrNotFound
		}
		var w storable.ReplyWindow
		w, accepted = storable.ReplyWindow{Highest: c.ReplyCounter, Seen: c.ReplySeen}.Accept(counter)
		if accepted {
			c.ReplyCounter, c.ReplySeen = w.Highest, w.Seen
		}
		return nil
	})
	return accepted, err
}

// advancePage is how many cards are moved at a time.
const advancePage = 200

// AdvanceCounters implements mssp.Store.
func (s *Store) AdvanceCounters(ctx context.Context, a mssp.CounterAdvance) (mssp.CounterAdvanced, error) {
	done := mssp.CounterAdvanced{Least: mssp.MaxCardCounter}
	if a.By == 0 || a.By > mssp.MaxCardCounter {
		return done, fmt.Errorf("store: counters cannot be moved by %d", a.By)
	}
	if a.Progress == nil {
		a.Progress = func(mssp.CounterAdvanced) {}
	}
	if a.ICCID != "" {
		return s.advanceCard(ctx, a, done)
	}
	for after, cards := a.After, 0; a.Most == 0 || cards < a.Most; cards += advancePage {
		err := s.write(ctx, func() error {
			page := slices.DeleteFunc(slices.Sorted(maps.Keys(s.cards)), func(iccid string) bool { return iccid <= after })
			page = first(page, advancePage)
			after = ""
			for _, iccid := range page {
				after = iccid
				advance(&done, s.cards[iccid], a)
			}
			return nil
		})
		if done.Last = after; err != nil || after == "" {
			return done, err
		}
		a.Progress(done)
	}
	return done, nil
}

func (s *Store) advanceCard(ctx context.Context, a mssp.CounterAdvance, done mssp.CounterAdvanced) (mssp.CounterAdvanced, error) {
	err := s.write(ctx, func() error {
		c := s.cards[a.ICCID]
		if c == nil {
			return mssp.ErrNotFound
		}
		if !advance(&done, c, a) {
			return fmt.Errorf("store: card %s: %w", a.ICCID, mssp.ErrCardState)
		}
		return nil
	})
	if err == nil {
		a.Progress(done)
	}
	return done, err
}

// advance moves the counter of a card, unless it is retired, which it reports.
func advance(done *mssp.CounterAdvanced, c *mssp.Card, a mssp.CounterAdvance) bool {
	if c.State == mssp.CardRetired {
		return false
	}
	to := c.Counter + a.By
	if c.Counter > mssp.MaxCardCounter-a.By {
		done.Refused++
		to = c.Counter
	} else {
		done.Moved++
	}
	if !a.DryRun {
		c.Counter = to
	}
	done.Least = min(done.Least, mssp.MaxCardCounter-to)
	return true
}
