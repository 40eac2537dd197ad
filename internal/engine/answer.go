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
	t, err := e.transaction(ctx, a.TransID)
	if err != nil {
		return fmt.Errorf("answer to transaction %s: %w", a.TransID, err)
	}
	if t.DeviceID != a.DeviceID {
		e.cfg.Logger.WarnContext(ctx, "answer refused", "trans_id", t.ID, "device", a.DeviceID, "err", ErrForeignDevice)
		return ErrForeignDevice
	}
	if t.State != signum.StateOutstanding {
		e.cfg.Logger.InfoContext(ctx, "late answer dropped", "trans_id", t.ID, "outcome", int(t.Outcome.Code))
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
	if err != nil || won {
		return err
	}
	return e.lost(ctx, t)
}

// transaction is the one that a request waits for on this node, else the
// stored one. The former is as it was inserted: the compare-and-set of finish
// knows better whether it has ended.
func (e *Engine) transaction(ctx context.Context, id string) (*signum.Transaction, error) {
	if w := e.waiters.get(id); w != nil && w.t != nil {
		return w.t, nil
	}
	return e.cfg.Store.Transaction(ctx, id)
}

// judge makes the outcome of an answer: a signature, 503, or the phone's fault.
func (e *Engine) judge(ctx context.Context, t *signum.Transaction, a signum.DeviceAnswer) (signum.Outcome, error) {
	if a.Fault != nil {
		return signum.Failed(a.Fault), nil
	}
	signer, err := signerOf(t)
	if err != nil {
		return signum.Outcome{}, err
	}
	if err := signer.Verify(t.SignedAttrs, a.Signature); err != nil {
		e.cfg.Logger.WarnContext(ctx, "signature does not verify", "trans_id", t.ID, "device", t.DeviceID, "err", err)
		return signum.Failed(signum.NewFault(signum.InvalidSignature)), nil
	}
	return signum.Outcome{Code: signum.SignatureMade, Signature: a.Signature}, nil
}

// lost finds out why an answer did not become the outcome: there was one
// before it, or the certificate has been revoked since the request.
func (e *Engine) lost(ctx context.Context, t *signum.Transaction) error {
	t, err := e.cfg.Store.Transaction(ctx, t.ID)
	if err != nil {
		return err
	}
	if t.State == signum.StateOutstanding && t.Certificate != nil && t.Certificate.State == signum.CertificateRevoked {
		_, err := e.finish(ctx, t, signum.Failed(signum.NewFault(signum.RevokedCertificate)))
		return err
	}
	e.cfg.Logger.InfoContext(ctx, "late answer dropped", "trans_id", t.ID, "outcome", int(t.Outcome.Code))
	return nil
}

func signerOf(t *signum.Transaction) (*cms.Signer, error) {
	if t.Certificate == nil {
		return nil, fmt.Errorf("transaction %s has no certificate", t.ID)
	}
	s, err := cms.ParseSigner(t.Certificate.DER)
	if err != nil {
		return nil, fmt.Errorf("certificate %s: %w", t.CertSerial, err)
	}
	return s, nil
}

// cms is the answer's signature: made of what is kept whenever it is asked
// for, nil unless the outcome is a success.
func (e *Engine) cms(t *signum.Transaction, o signum.Outcome) ([]byte, error) {
	if o.Code != signum.SignatureMade {
		return nil, nil
	}
	signer, err := signerOf(t)
	if err != nil {
		return nil, err
	}
	der, err := cms.Assemble([]byte(t.Text), t.SignedAttrs, o.Signature, signer, e.cfg.Chain)
	if err != nil {
		return nil, fmt.Errorf("assembling the CMS of %s: %w", t.ID, err)
	}
	return der, nil
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
	e.wake(t, o)
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
