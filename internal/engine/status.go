package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/fair"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/policy"
)

// Status serves MSS_StatusQuery: 504 while the transaction is outstanding, then
// its outcome for as long as Config.Retention. A transaction of another party is treated
// like one that never existed.
func (e *Engine) Status(ctx context.Context, c *mssp.Caller, r *signum.StatusRequest) (*signum.StatusResponse, error) {
	ctx, cancel := e.soon(ctx)
	defer cancel()
	p, err := e.enter(ctx, c, r.Operation(), &r.Header)
	if err != nil {
		return nil, err
	}
	defer e.leave(p)
	ctx = fair.With(ctx, p.ID)
	if err := policy.StatusFields(r, e.now(), e.cfg.Skew); err != nil {
		return nil, err
	}
	t, err := e.known(ctx, r.TransID)
	if err == nil && t.State == mssp.StateOutstanding && e.overdue(t) {
		// Overdue, but the sweep has not ended it yet.
		if err = e.expire(ctx, t); err == nil {
			t, err = e.known(ctx, r.TransID)
		}
	}
	if errors.Is(err, mssp.ErrNotFound) || err == nil && !e.readable(t, p) {
		return nil, signum.Faultf(signum.WrongParam, signum.DetailNoTransaction)
	}
	if err != nil {
		return nil, fmt.Errorf("reading transaction: %w", err)
	}
	resp := &signum.StatusResponse{Header: e.responseHeader(&r.Header), MSISDN: t.MSISDNSent, Status: signum.OutstandingTransact}
	if t.State == mssp.StateOutstanding {
		return resp, nil
	}
	if t.Outcome.Code.IsStatus() {
		res := e.result(t, t.Outcome)
		resp.Status, resp.Signature, resp.Services = res.status, res.cms, res.services
		return resp, res.err
	}
	flt := signum.AsFault(t.Outcome.Err())
	if flt.Code == signum.ExpiredTransaction {
		flt.Detail = signum.DetailTimeoutStatus
	}
	return nil, flt
}

// readable reports whether the party can ask for the transaction: it is its own, and it
// has not ended too long ago. The row may stay longer, as evidence.
func (e *Engine) readable(t *mssp.Transaction, p *mssp.Party) bool {
	return t.APID == p.ID && (t.Finished.IsZero() || !t.Finished.Before(e.now().Add(-e.cfg.Retention)))
}
