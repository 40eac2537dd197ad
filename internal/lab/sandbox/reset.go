package sandbox

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/signum-mssp/signum/internal/lab/scenario"
)

// Reset makes the sandbox what it was when it was ready: it ends what is open and forgets
// outcomes, removes users who were added since, patterns' users included, and gives all
// others their state, PIN, behaviour and place of the start. What stays are the CA, the
// cards with their keys, the serial numbers of accounts, and accounts that only a person
// or an import made.
func (b *Sandbox) Reset(ctx context.Context) error {
	ctx, done := b.roster.takeAll(ctx)
	defer done()
	now := b.roster.all()
	for _, msisdn := range b.roster.ofPatterns() {
		now = append(now, scenario.User{MSISDN: msisdn})
	}
	if err := b.endAll(ctx, now); err != nil {
		return fmt.Errorf("ending what is open: %w", err)
	}
	was := func(u scenario.User) bool {
		return slices.ContainsFunc(b.initial, func(o scenario.User) bool { return o.MSISDN == u.MSISDN })
	}
	b.roster.reset(b.initial)
	for _, u := range slices.DeleteFunc(now, was) {
		s, err := b.account(ctx, u.MSISDN)
		if err == nil {
			err = b.dropAccount(ctx, s)
		}
		if err != nil {
			return fmt.Errorf("user %s: %w", u.MSISDN, err)
		}
	}
	for _, u := range b.initial {
		if u.IsPattern() {
			continue
		}
		if err := b.restore(ctx, u); err != nil {
			return fmt.Errorf("user %s: %w", u.MSISDN, err)
		}
	}
	if err := b.fulfil(func(wish) error { return nil }); err != nil {
		return err
	}
	if err := b.forgetOutcomes(ctx); err != nil {
		return fmt.Errorf("forgetting outcomes: %w", err)
	}
	return b.ResetParties(ctx) // which publishes users, too
}

// restore makes a user what it was at the start. A SIM that was activated since starts
// over, because its account has a serial number that parties know.
func (b *Sandbox) restore(ctx context.Context, u scenario.User) error {
	if u.State == scenario.Registered {
		s, err := b.account(ctx, u.MSISDN)
		if err == nil && b.stateOf(s) != scenario.Registered {
			err = b.dropAccount(ctx, s)
		}
		if err != nil {
			return err
		}
	}
	return b.realise(ctx, u, everything)
}

// endAll ends all open requests, as if the users had pressed Cancel.
func (b *Sandbox) endAll(ctx context.Context, users []scenario.User) error {
	const page = 100
	for after := ""; ; {
		open, err := b.Store.OutstandingTransactions(ctx, b.cfg.Clock.Now(), after, page)
		if err != nil {
			return err
		}
		for _, t := range open {
			after = t.ID
			if t.OTP() {
				continue
			}
			if err := b.cancel(ctx, t); err != nil {
				return err
			}
		}
		if len(open) < page {
			break
		}
	}
	for _, u := range users {
		s, err := b.account(ctx, u.MSISDN)
		if err == nil && s != nil {
			_, err = b.cancelReceipts(ctx, s)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// forgetOutcomes deletes the transactions that have ended, with their receipts.
func (b *Sandbox) forgetOutcomes(ctx context.Context) error {
	const page = 1000
	for {
		n, err := b.Store.PurgeTransactions(ctx, b.cfg.Clock.Now().Add(time.Second), page)
		if err != nil || n < page {
			return err
		}
	}
}
