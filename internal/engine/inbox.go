package engine

import (
	"context"
	"fmt"

	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
)

var _ mssp.Inbox = (*Engine)(nil)

// Pending implements mssp.Inbox.
func (e *Engine) Pending(ctx context.Context, deviceID string) (list []mssp.DeviceRequest, err error) {
	defer event.RescueTo(&err, e.cfg.Logger, "inbox")
	transactions, receipts, err := e.cfg.Store.DevicePending(ctx, deviceID, e.now())
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
		list = append(list, deviceRequest(t))
	}
	for _, r := range receipts {
		list = append(list, displayRequest(r))
	}
	return list, nil
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
