package world

import (
	"context"
	"errors"
	"fmt"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/control"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/policy"
)

// Cancel ends what is open on the phones of a number, as if the user had pressed Cancel:
// signatures, activations and receipts, also those for which no party waits any more. It
// returns what it ended. The error is ErrNoUser if the number has no account.
func (w *World) Cancel(ctx context.Context, number string) ([]control.Cancelled, error) {
	msisdn, ok := policy.ParseMSISDN(number)
	if !ok {
		return nil, fmt.Errorf("%q is not the number of a mobile user", number)
	}
	s, err := w.account(ctx, msisdn)
	if err != nil {
		return nil, err
	}
	ended, err := w.cancelTransactions(ctx, msisdn)
	if err != nil {
		return nil, err
	}
	if s == nil && len(ended) == 0 {
		return nil, noUser(msisdn)
	}
	if s != nil {
		receipts, err := w.cancelReceipts(ctx, s)
		if err != nil {
			return nil, err
		}
		ended = append(ended, receipts...)
	}
	return ended, nil
}

func (w *World) cancelTransactions(ctx context.Context, msisdn string) ([]control.Cancelled, error) {
	ended := []control.Cancelled{}
	open, err := w.service.Store.SubscriberPending(ctx, msisdn)
	if err != nil {
		return nil, err
	}
	for _, t := range open {
		if t.OTP() {
			continue // nobody is asked
		}
		if err := w.cancel(ctx, t); err != nil {
			return nil, err
		}
		operation := control.CancelledSignature
		if t.Activating() {
			operation = control.CancelledActivation
		}
		now, err := w.service.Store.Transaction(ctx, t.ID)
		if err != nil && !errors.Is(err, mssp.ErrNotFound) {
			return nil, err
		}
		if err == nil && now.Outcome.Code == signum.UserCancel {
			ended = append(ended, control.Cancelled{MSISDN: msisdn, APID: t.APID, TransID: t.ID, Operation: operation})
		}
	}
	return ended, nil
}

// cancel ends a transaction as its user would. A SIM that has not shown it yet must not show
// it later: the card would be busy.
func (w *World) cancel(ctx context.Context, t *mssp.Transaction) error {
	a := mssp.DeviceAnswer{TransID: t.ID, DeviceID: t.DeviceID, Fault: signum.NewFault(signum.UserCancel)}
	if t.Activating() {
		a.Op = mssp.OpActivate
	}
	if err := w.service.Answers.Answer(ctx, a); err != nil {
		return fmt.Errorf("ending transaction %s: %w", t.ID, err)
	}
	return w.dismiss(t.MSISDN, t.ID)
}

func (w *World) dismiss(msisdn, transID string) error {
	if err := w.Handsets.Dismiss(msisdn, transID); err != nil && !errors.Is(err, person.ErrUnknown) {
		return err
	}
	return nil
}

func (w *World) cancelReceipts(ctx context.Context, s *mssp.Subscriber) (ended []control.Cancelled, err error) {
	for _, d := range s.Devices {
		_, open, err := w.service.Store.DevicePending(ctx, d.ID, w.cfg.Clock.Now())
		if err != nil {
			return nil, err
		}
		for _, r := range open {
			a := mssp.DeviceAnswer{Op: mssp.OpDisplay, TransID: r.TransID, DeviceID: r.DeviceID, Receipt: signum.ReceiptCancelled}
			if err := w.service.Answers.Answer(ctx, a); err != nil {
				return nil, fmt.Errorf("ending the receipt of %s: %w", r.TransID, err)
			}
			if err := w.dismiss(s.MSISDN, r.TransID); err != nil {
				return nil, err
			}
			e := control.Cancelled{MSISDN: s.MSISDN, TransID: r.TransID, Operation: control.CancelledReceipt}
			if t, err := w.service.Store.Transaction(ctx, r.TransID); err == nil {
				e.APID = t.APID
			}
			ended = append(ended, e)
		}
	}
	return ended, nil
}
