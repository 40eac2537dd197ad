package engine

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/admission"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/policy"
)

// letIn waits until it is the turn of the party, or refuses the request because it cannot
// be done in its time. After it, unless it returns an error, handedOver must be called when
// the phone's channel has the request; further calls do nothing.
func (e *Engine) letIn(ctx context.Context, p *mssp.Party, timeout time.Duration) (handedOver func(), err error) {
	if e.cfg.Gate == nil {
		return func() {}, nil
	}
	leave, err := e.cfg.Gate.Enter(ctx, p.ID, cmp.Or(timeout, mssp.MethodOf(signum.SIM).Timeout))
	if err != nil {
		return nil, busy(err)
	}
	return sync.OnceFunc(leave), nil
}

// inTime refuses a transaction that the queues of its method hold back for too long.
func (e *Engine) inTime(t *mssp.Transaction) error {
	if e.cfg.Gate == nil || t.State != mssp.StateOutstanding {
		return nil
	}
	return busy(e.cfg.Gate.Check(t.APID, string(t.Method), t.Expires.Sub(t.Created)))
}

// busy turns a refusal by the gate into the fault that the party gets.
func busy(err error) error {
	if r, ok := errors.AsType[*admission.Refusal](err); ok {
		return policy.Busy(r.Note, r.After)
	}
	return err
}
