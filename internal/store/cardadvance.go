package store

import (
	"context"
	"fmt"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/storable"
)

// advancePage is how many cards have their counters moved in one transaction: it
// holds their locks, and on SQLite nobody else writes meanwhile.
const advancePage = 200

var (
	nextCards = &query{text: `
SELECT COALESCE(max(iccid), '') FROM (SELECT iccid FROM sim_cards WHERE iccid > $1 ORDER BY iccid LIMIT $2) page`}
	// The range begins after $1 and ends with $2. Those that cannot be moved by $3 are
	// counted apart from the others.
	countCounters = &query{text: `
SELECT count(*), COALESCE(sum(CASE WHEN counter > 1099511627775 - $3 THEN 1 ELSE 0 END), 0),
    COALESCE(max(CASE WHEN counter > 1099511627775 - $3 THEN counter ELSE counter + $3 END), 0)
FROM sim_cards WHERE iccid > $1 AND iccid <= $2 AND state <> 'RETIRED'`}
	countCounter = &query{text: `
SELECT count(*), COALESCE(sum(CASE WHEN counter > 1099511627775 - $2 THEN 1 ELSE 0 END), 0),
    COALESCE(max(CASE WHEN counter > 1099511627775 - $2 THEN counter ELSE counter + $2 END), 0)
FROM sim_cards WHERE iccid = $1 AND state <> 'RETIRED'`}
	moveCounters = &query{text: `
UPDATE sim_cards SET counter = counter + $3
WHERE iccid > $1 AND iccid <= $2 AND state <> 'RETIRED' AND counter <= 1099511627775 - $3`}
	moveCounter = &query{text: `
UPDATE sim_cards SET counter = counter + $2
WHERE iccid = $1 AND state <> 'RETIRED' AND counter <= 1099511627775 - $2`}
)

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
		var last string
		if err := s.read.row(ctx, nextCards, []any{after, int64(advancePage)}, &last); err != nil {
			return done, fmt.Errorf("store: counters: %w", err)
		}
		if done.Last = last; last == "" {
			return done, nil
		}
		n, err := s.advance(ctx, a.DryRun, countCounters, moveCounters, after, last, int64(a.By))
		if err != nil {
			return done, err
		}
		done.Moved, done.Refused, done.Least = done.Moved+n.Moved, done.Refused+n.Refused, min(done.Least, n.Least)
		a.Progress(done)
		after = last
	}
	return done, nil
}

// advanceCard moves the counter of one card.
func (s *Store) advanceCard(ctx context.Context, a mssp.CounterAdvance, done mssp.CounterAdvanced) (mssp.CounterAdvanced, error) {
	if !storable.IsKey(a.ICCID) {
		return done, mssp.ErrNotFound
	}
	n, err := s.advance(ctx, a.DryRun, countCounter, moveCounter, a.ICCID, int64(a.By))
	if err != nil {
		return done, err
	}
	if n.Moved+n.Refused == 0 { // no such card, or a retired one
		if _, err := s.Card(ctx, a.ICCID); err != nil {
			return done, err
		}
		return done, fmt.Errorf("store: card %s: %w", a.ICCID, mssp.ErrCardState)
	}
	a.Progress(n)
	return n, nil
}

// advance moves the counters of some cards, in one transaction.
func (s *Store) advance(ctx context.Context, dry bool, count, move *query, args ...any) (mssp.CounterAdvanced, error) {
	var cards, refused, highest int64
	var err error
	if dry {
		err = s.read.row(ctx, count, args, &cards, &refused, &highest)
	} else {
		err = s.write(ctx, &write{then: func(ctx context.Context, s *session, _ int64) error {
			if _, err := s.row(ctx, count, args, &cards, &refused, &highest); err != nil {
				return err
			}
			_, err := s.exec(ctx, move, args...)
			return err
		}})
	}
	if err != nil {
		return mssp.CounterAdvanced{}, fmt.Errorf("store: counters: %w", err)
	}
	return mssp.CounterAdvanced{Moved: int(cards - refused), Refused: int(refused), Least: mssp.MaxCardCounter - uint64(highest)}, nil
}
