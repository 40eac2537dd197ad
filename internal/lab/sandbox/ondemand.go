package sandbox

import (
	"context"
	"errors"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/policy"
)

// onDemand goes between the engine and the store: a number of a pattern gets its user
// when the engine first looks for it.
func (b *Sandbox) onDemand(next mssp.Store) mssp.Store { return &patternStore{next, b} }

type patternStore struct {
	mssp.Store
	box *Sandbox
}

// Subscriber implements mssp.Store.
func (s *patternStore) Subscriber(ctx context.Context, msisdn string) (*mssp.Subscriber, error) {
	if taken(ctx, msisdn) {
		return s.Store.Subscriber(ctx, msisdn)
	}
	before := s.box.roster.progress(msisdn)
	if before == partial {
		return s.whole(ctx, msisdn)
	}
	sub, err := s.Store.Subscriber(ctx, msisdn)
	switch {
	case err == nil && s.box.roster.progress(msisdn) != before: // it may have been partial when it was read
		return s.whole(ctx, msisdn)
	case !errors.Is(err, mssp.ErrNotFound):
		return sub, err
	}
	if _, ok := s.box.roster.match(msisdn); !ok {
		return nil, err
	}
	if _, legal := policy.ParseMSISDN(msisdn); !legal {
		return nil, err
	}
	return s.whole(ctx, msisdn)
}

// whole returns an account that a pattern makes, once it has all its phones.
func (s *patternStore) whole(ctx context.Context, msisdn string) (*mssp.Subscriber, error) {
	if err := s.box.makeUser(ctx, msisdn); err != nil {
		return nil, err
	}
	return s.Store.Subscriber(ctx, msisdn)
}

// makeUser gives a number the user of its pattern, unless it has one by the time of its
// turn.
func (b *Sandbox) makeUser(ctx context.Context, msisdn string) error {
	select {
	case <-b.ready:
	default: // Apps cannot enrol yet
		return nil
	}
	ctx, done, err := b.roster.take(ctx, msisdn)
	if err != nil {
		return err
	}
	defer done()
	s, err := b.account(ctx, msisdn)
	if err != nil || s != nil {
		return err
	}
	u, ok := b.roster.match(msisdn)
	if !ok {
		return nil
	}
	switch ok, first := b.roster.begin(msisdn); {
	case first:
		b.cfg.Logger.Warn("patterns have made as many users as they may in one run; further numbers are unknown", "users", maxMade)
		return nil
	case !ok:
		return nil
	}
	ctx = context.WithoutCancel(ctx) // a party that hangs up leaves no half of a user
	if err = b.realise(ctx, u, everything); err == nil {
		b.roster.complete(msisdn)
		return nil
	}
	b.cfg.Logger.Error("user of a pattern not made", "msisdn", signum.MaskMSISDN(msisdn), "err", err)
	b.roster.remove(msisdn)
	s, rest := b.account(ctx, msisdn)
	if rest == nil {
		rest = b.dropAccount(ctx, s)
	}
	return errors.Join(err, rest)
}
