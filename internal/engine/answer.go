package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/cms"
)

var _ signum.Answerer = (*Engine)(nil)

// ErrForeignDevice means that an answer came from a device that was not asked.
var ErrForeignDevice = errors.New("answer of a device that was not asked")

// Answer takes what a phone answered. The signature is verified against the
// registered key before it can become a success. A late answer is dropped.
func (e *Engine) Answer(ctx context.Context, a signum.DeviceAnswer) error {
	t, err := e.cfg.Store.Transaction(ctx, a.TransID)
	if err != nil {
		return fmt.Errorf("answer to transaction %s: %w", a.TransID, err)
	}
	if t.DeviceID != a.DeviceID {
		e.cfg.Logger.WarnContext(ctx, "answer refused", "trans_id", t.ID, "device", a.DeviceID, "err", ErrForeignDevice)
		return ErrForeignDevice
	}
	if t.State != signum.StateOutstanding {
		e.cfg.Logger.InfoContext(ctx, "late answer dropped", "trans_id", t.ID, "outcome", t.Outcome.Code)
		return nil
	}
	if !e.now().Before(t.Expires) {
		return e.expire(ctx, t)
	}
	out, err := e.judge(ctx, t, a)
	if err != nil {
		return err
	}
	won, err := e.finish(ctx, t, out)
	if err == nil && !won {
		e.cfg.Logger.InfoContext(ctx, "late answer dropped", "trans_id", t.ID)
	}
	return err
}

// judge makes the outcome of an answer: a CMS, 501, 503, or the phone's fault.
func (e *Engine) judge(ctx context.Context, t *signum.Transaction, a signum.DeviceAnswer) (signum.Outcome, error) {
	if a.Fault != nil {
		return signum.Failed(a.Fault), nil
	}
	c := t.Certificate
	if c == nil {
		return signum.Outcome{}, fmt.Errorf("transaction %s has no certificate", t.ID)
	}
	if c.State == signum.CertificateRevoked {
		return signum.Failed(signum.NewFault(signum.RevokedCertificate)), nil
	}
	signer, err := cms.ParseSigner(c.DER)
	if err != nil {
		return signum.Outcome{}, fmt.Errorf("certificate %s: %w", c.Serial, err)
	}
	if err := signer.Verify(t.SignedAttrs, a.Signature); err != nil {
		e.cfg.Logger.WarnContext(ctx, "signature does not verify", "trans_id", t.ID, "device", t.DeviceID, "err", err)
		return signum.Failed(signum.NewFault(signum.InvalidSignature)), nil
	}
	der, err := cms.Assemble([]byte(t.Text), t.SignedAttrs, a.Signature, signer, e.cfg.Chain)
	if err != nil {
		return signum.Outcome{}, fmt.Errorf("assembling CMS of %s: %w", t.ID, err)
	}
	return signum.Outcome{Code: signum.SignatureMade, CMS: der}, nil
}

// finish is the only way out of the outstanding state. It reports whether
// this call decided the outcome; if so, whoever waits is told, and a phone
// that was not the one to end it stops asking.
func (e *Engine) finish(ctx context.Context, t *signum.Transaction, o signum.Outcome) (bool, error) {
	won, err := e.cfg.Store.FinishTransaction(ctx, t.ID, o, e.now())
	if err != nil {
		return false, fmt.Errorf("ending transaction %s: %w", t.ID, err)
	}
	if !won {
		return false, nil
	}
	e.waiters.wake(t.ID, o)
	if o.Code != signum.SignatureMade {
		if ch := e.cfg.Channels[t.Method]; ch != nil {
			ch.Cancel(ctx, t.DeviceID, t.ID)
		}
	}
	return true, nil
}

func (e *Engine) expire(ctx context.Context, t *signum.Transaction) error {
	_, err := e.finish(ctx, t, signum.Failed(signum.Faultf(signum.ExpiredTransaction, signum.DetailTimeout)))
	return err
}
