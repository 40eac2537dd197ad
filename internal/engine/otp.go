package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/policy"
)

// completeOTP completes the transaction of a one-time password. It looks for no
// subscriber: passwords are for users who have no method at all.
func (e *Engine) completeOTP(t *mssp.Transaction, p *mssp.Party, c *policy.Content, f policy.Fields) error {
	if e.cfg.Texts == nil {
		return mssp.Noted(signum.NewFault(signum.UnsupportedProfile), "the node has no sender of text messages")
	}
	if err := policy.LegalMSISDN(f.MSISDN); err != nil {
		return err
	}
	if err := e.limits.text(p, f.MSISDN, t.Created); err != nil {
		return err
	}
	t.Profile = c.Profile
	t.Expires = t.Created.Add(cmp.Or(f.Timeout, mssp.OTPTimeout))
	if c.Services.SubscriberInfo {
		t.Services.Subscriber = mccmnc(signum.UnknownNetwork)
	}
	return nil
}

// sendOTP sends a one-time password. The transaction ends as soon as the network
// has taken the text.
func (e *Engine) sendOTP(ctx context.Context, t *mssp.Transaction) error {
	if e.cfg.Texts == nil {
		return errors.New("no sender of text messages")
	}
	m := mssp.TextMessage{MSISDN: t.MSISDN, Text: t.Text, Flash: t.Profile == signum.ProfileOTPFlash}
	err := e.handOver(ctx, func(ctx context.Context) error { return e.cfg.Texts.SendText(ctx, m) })
	if err != nil {
		return err
	}
	if _, err := e.finish(ctx, t, mssp.Outcome{Code: signum.RequestOK}, mssp.EndAnswered); err != nil {
		// The user has the text. The transaction will expire all the same, because
		// the store could not be told.
		e.cfg.Logger.ErrorContext(ctx, "text sent, but its transaction was not ended", "trans_id", t.ID, "err", err)
	}
	return nil
}

// otpDue reports whether recovery has to send the text of an outstanding
// transaction. Recovery runs while the node serves, so it must skip a text that
// this node is sending, or has sent since the list of outstanding ones was read.
func (e *Engine) otpDue(ctx context.Context, t *mssp.Transaction) (bool, error) {
	if _, here := e.sendingTexts.Load(t.ID); here {
		return false, nil
	}
	now, err := e.cfg.Store.Transaction(ctx, t.ID)
	if errors.Is(err, mssp.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading transaction %s: %w", t.ID, err)
	}
	return now.State == mssp.StateOutstanding, nil
}
