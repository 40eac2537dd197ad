package world

import (
	"context"
	"errors"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/policy"
)

// WrapStore goes between the engine and the store: a number of a pattern gets its user
// when the engine first looks for it.
func (w *World) WrapStore(next mssp.Store) mssp.Store { return &patternStore{next, w} }

type patternStore struct {
	mssp.Store
	world *World
}

// Subscriber implements mssp.Store.
func (s *patternStore) Subscriber(ctx context.Context, msisdn string) (*mssp.Subscriber, error) {
	if taken(ctx, msisdn) {
		return s.Store.Subscriber(ctx, msisdn)
	}
	before := s.world.roster.progress(msisdn)
	if before == partial {
		return s.whole(ctx, msisdn)
	}
	sub, err := s.Store.Subscriber(ctx, msisdn)
	switch {
	case err == nil && s.world.roster.progress(msisdn) != before: // it may have been partial when it was read
		return s.whole(ctx, msisdn)
	case !errors.Is(err, mssp.ErrNotFound):
		return sub, err
	}
	if _, ok := s.world.roster.match(msisdn); !ok {
		return nil, err
	}
	if _, legal := policy.ParseMSISDN(msisdn); !legal {
		return nil, err
	}
	return s.whole(ctx, msisdn)
}

// whole returns an account that a pattern makes, once it has all its phones.
func (s *patternStore) whole(ctx context.Context, msisdn string) (*mssp.Subscriber, error) {
	if err := s.world.makeUser(ctx, msisdn); err != nil {
		return nil, err
	}
	return s.Store.Subscriber(ctx, msisdn)
}

// ensure makes the user of a number that is made on demand.
func (w *World) ensure(msisdn string) error {
	if _, ok := w.roster.match(msisdn); !ok {
		return nil
	}
	return w.makeUser(context.Background(), msisdn)
}

// makeUser gives a number the user of its pattern, unless it has one by the time of its
// turn.
func (w *World) makeUser(ctx context.Context, msisdn string) error {
	select {
	case <-w.cfg.Ready:
	default: // Apps cannot enrol yet
		return nil
	}
	ctx, done, err := w.roster.take(ctx, msisdn)
	if err != nil {
		return err
	}
	defer done()
	s, err := w.account(ctx, msisdn)
	if err != nil || s != nil {
		return err
	}
	u, ok := w.roster.match(msisdn)
	if !ok {
		return nil
	}
	switch ok, first := w.roster.begin(msisdn); {
	case first:
		w.cfg.Logger.Warn("as many users were made on demand as may be in one run; further numbers are unknown", "users", MaxMade)
		return nil
	case !ok:
		return nil
	}
	ctx = context.WithoutCancel(ctx) // a party that hangs up leaves no half of a user
	if err = w.realise(ctx, u, everything); err == nil {
		w.roster.complete(msisdn)
		return nil
	}
	w.cfg.Logger.Error("user not made on demand", "msisdn", signum.MaskMSISDN(msisdn), "err", err)
	w.roster.abandon(msisdn)
	s, rest := w.account(ctx, msisdn)
	if rest == nil {
		rest = w.dropAccount(ctx, s)
	}
	return errors.Join(err, rest)
}
