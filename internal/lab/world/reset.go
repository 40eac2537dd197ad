package world

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/signum-mssp/signum/internal/lab/scenario"
)

// Reset makes the world what it was when it was ready: it ends what is open and forgets
// outcomes, drops scripts, removes users who were added since, patterns' users included, and gives all
// others their state, PIN, behaviour and place of the start. What stays are the CA, the
// cards with their keys, the serial numbers of accounts, and accounts that only a person
// or an import made.
func (w *World) Reset(ctx context.Context) error {
	ctx, done := w.roster.takeAll(ctx)
	defer done()
	now := w.roster.all()
	for _, msisdn := range w.roster.ofPatterns() {
		now = append(now, scenario.User{MSISDN: msisdn})
	}
	if err := w.endAll(ctx, now); err != nil {
		return fmt.Errorf("ending what is open: %w", err)
	}
	w.requests.clear()
	was := func(u scenario.User) bool {
		return slices.ContainsFunc(w.initial, func(o scenario.User) bool { return o.MSISDN == u.MSISDN })
	}
	w.roster.reset(w.initial)
	for _, u := range slices.DeleteFunc(now, was) {
		s, err := w.account(ctx, u.MSISDN)
		if err == nil {
			err = w.dropAccount(ctx, s)
		}
		if err != nil {
			return fmt.Errorf("user %s: %w", u.MSISDN, err)
		}
	}
	for _, u := range w.initial {
		if u.IsPattern() {
			continue
		}
		if err := w.restore(ctx, u); err != nil {
			return fmt.Errorf("user %s: %w", u.MSISDN, err)
		}
	}
	if err := w.fulfil(func(wish) error { return nil }); err != nil {
		return err
	}
	if err := w.forgetOutcomes(ctx); err != nil {
		return fmt.Errorf("forgetting outcomes: %w", err)
	}
	return w.ResetParties(ctx) // which publishes users, too
}

// restore makes a user what it was at the start. A SIM that was activated since starts
// over, because its account has a serial number that parties know.
func (w *World) restore(ctx context.Context, u scenario.User) error {
	if w.cfg.Lazy {
		if s, err := w.account(ctx, u.MSISDN); err != nil || s == nil {
			return err // it is made when it is asked for
		}
		defer w.roster.complete(u.MSISDN)
	}
	if u.State == scenario.Registered {
		s, err := w.account(ctx, u.MSISDN)
		if err == nil && w.stateOf(s) != scenario.Registered {
			err = w.dropAccount(ctx, s)
		}
		if err != nil {
			return err
		}
	}
	return w.realise(ctx, u, everything)
}

// endAll ends all open requests, as if the users had pressed Cancel.
func (w *World) endAll(ctx context.Context, users []scenario.User) error {
	const page = 100
	for after := ""; ; {
		open, err := w.service.Store.OutstandingTransactions(ctx, w.cfg.Clock.Now(), after, page)
		if err != nil {
			return err
		}
		for _, t := range open {
			after = t.ID
			if t.OTP() {
				continue
			}
			if err := w.cancel(ctx, t); err != nil {
				return err
			}
		}
		if len(open) < page {
			break
		}
	}
	for _, u := range users {
		s, err := w.account(ctx, u.MSISDN)
		if err == nil && s != nil {
			_, err = w.cancelReceipts(ctx, s)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// forgetOutcomes deletes the transactions that have ended, with their receipts.
func (w *World) forgetOutcomes(ctx context.Context) error {
	const page = 1000
	for {
		n, err := w.service.Store.PurgeTransactions(ctx, w.cfg.Clock.Now().Add(time.Second), page)
		if err != nil || n < page {
			return err
		}
	}
}
