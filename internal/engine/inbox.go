package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
)

var _ mssp.Inbox = (*Engine)(nil)

// Pending implements mssp.Inbox.
func (e *Engine) Pending(ctx context.Context, deviceID string) (list []mssp.DeviceRequest, err error) {
	defer event.RescueTo(&err, e.cfg.Logger, "inbox")
	transactions, receipts, err := e.cfg.Store.DevicePending(ctx, deviceID, e.storeTime())
	if err != nil {
		return nil, fmt.Errorf("reading what is pending: %w", err)
	}
	list = make([]mssp.DeviceRequest, 0, len(transactions)+len(receipts))
	for _, t := range transactions {
		if t.SignedAttrs == nil && !t.Activating() {
			if err := prepare(t, t.Certificate, t.SigningTime()); err != nil {
				return nil, err
			}
		}
		e.flights.asked(t.ID) // by itself, if no channel asked its phone before
		if !e.alone() {
			e.peers.keep(t)
		}
		list = append(list, e.deviceRequest(t, e.identity(ctx, t.APID)))
	}
	for _, r := range receipts {
		apID, party, err := e.partyOf(ctx, r.TransID)
		if errors.Is(err, mssp.ErrNotFound) {
			continue // purged by now, and its receipt with it
		}
		if err != nil {
			return nil, err
		}
		list = append(list, e.displayRequest(r, apID, party))
	}
	return list, nil
}

// Ended implements mssp.Inbox.
func (e *Engine) Ended(ctx context.Context, msisdn, transID string, op mssp.DeviceOp) (ended bool, err error) {
	defer event.RescueTo(&err, e.cfg.Logger, "inbox")
	if op == mssp.OpDisplay {
		r, err := e.cfg.Store.Receipt(ctx, transID)
		if errors.Is(err, mssp.ErrNotFound) {
			return false, nil
		}
		return err == nil && r.MSISDN == msisdn && r.Result != "", err
	}
	t, err := e.cfg.Store.Transaction(ctx, transID)
	if errors.Is(err, mssp.ErrNotFound) {
		return false, nil
	}
	return err == nil && t.MSISDN == msisdn && t.State != mssp.StateOutstanding, err
}

// partyOf returns the party of a transaction, and how users recognise it.
func (e *Engine) partyOf(ctx context.Context, transID string) (apID string, p mssp.PartyIdentity, err error) {
	t, err := e.cfg.Store.Transaction(ctx, transID)
	if bad := asRowError(err); bad != nil {
		t, err = bad.Transaction, nil // its AP_ID is in a plain column
	}
	if err != nil {
		return "", p, fmt.Errorf("reading transaction: %w", err)
	}
	return t.APID, e.identity(ctx, t.APID), nil
}

// Signature implements mssp.Inbox.
func (e *Engine) Signature(ctx context.Context, deviceID, transID string) (der []byte, err error) {
	defer event.RescueTo(&err, e.cfg.Logger, "inbox")
	t, err := e.cfg.Store.Transaction(ctx, transID)
	if err != nil {
		return nil, err
	}
	if t.DeviceID != deviceID || !t.State.Signed() {
		return nil, mssp.ErrNotFound
	}
	return e.cms(t, t.Outcome)
}
