package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/cms"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/fair"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/policy"
)

var _ mssp.AnswerHandler = (*Engine)(nil)

// Answer takes the answer of a phone. A signature is verified against the
// registered key before it can become a success. An answer that comes too late
// is dropped. A panic becomes an error, as if the store had failed.
func (e *Engine) Answer(ctx context.Context, a mssp.DeviceAnswer) error {
	return e.once(ctx, "answer", func(ctx context.Context) error { return e.answer(ctx, a) })
}

func (e *Engine) answer(ctx context.Context, a mssp.DeviceAnswer) error {
	if a.Op == mssp.OpDisplay {
		return e.answerReceipt(ctx, a)
	}
	t, err := e.transaction(ctx, a.TransID)
	if err != nil {
		return fmt.Errorf("answer to transaction %s: %w", a.TransID, err)
	}
	asked, err := e.answered(ctx, t, &a)
	if errors.Is(err, mssp.ErrNotAsked) {
		return e.reject(ctx, a)
	}
	if err != nil {
		return fmt.Errorf("answer to transaction %s: %w", a.TransID, err)
	}
	ctx = fair.With(ctx, t.APID)
	return e.guarded(ctx, asked, "answer", func(ctx context.Context) error { return e.accept(ctx, asked, a) })
}

// accept takes the answer of a device that was asked. t is the transaction as this
// device was asked.
func (e *Engine) accept(ctx context.Context, t *mssp.Transaction, a mssp.DeviceAnswer) error {
	if t.State != mssp.StateOutstanding || t.Activating() != (a.Op == mssp.OpActivate) {
		e.cfg.Logger.InfoContext(ctx, "late answer dropped", "trans_id", t.ID, "outcome", int(t.Outcome.Code))
		return nil
	}
	if e.overdue(t) {
		return e.expire(ctx, t)
	}
	if a.Op == mssp.OpActivate && a.Fault == nil {
		return e.activate(ctx, t, a)
	}
	out, err := e.evaluate(ctx, t, a)
	if err != nil {
		return err
	}
	return e.decide(ctx, t, out)
}

// reject refuses an answer from a device that was not asked or must not sign.
func (e *Engine) reject(ctx context.Context, a mssp.DeviceAnswer) error {
	e.cfg.Logger.WarnContext(ctx, "answer refused", "trans_id", a.TransID, "device", a.DeviceID, "err", mssp.ErrNotAsked)
	return mssp.ErrNotAsked
}

// decide ends the transaction with the outcome of an answer, and records what
// the device reported about its PIN.
func (e *Engine) decide(ctx context.Context, t *mssp.Transaction, out mssp.Outcome) error {
	if out.Code == signum.PINBlocked {
		// Before the outcome: a party that knows the outcome may rely on the record, and
		// an operator may want to unblock the PIN at once.
		if err := e.cfg.Store.SetPINBlocked(ctx, t.DeviceID, true); err != nil {
			// Not fatal: the device will report it again.
			e.cfg.Logger.ErrorContext(ctx, "blocked PIN not recorded", "device", t.DeviceID, "err", err)
		}
		if e.othersCanAnswer(ctx, t) {
			// A lost phone in the wrong hands must not end what the owner can answer.
			e.cfg.Logger.InfoContext(ctx, "blocked device no longer asked", "trans_id", t.ID, "device", t.DeviceID)
			return nil
		}
	}
	by := &mssp.AnsweredBy{DeviceID: t.DeviceID, CertSerial: t.CertSerial, SignedAttrs: t.SignedAttrs}
	won, err := e.end(ctx, t, out, mssp.EndAnswered, by)
	if err != nil {
		return err
	}
	if !won {
		return e.explainLostRace(ctx, t)
	}
	return nil
}

// transaction returns the transaction from memory if a request waits for it on
// this node, otherwise from the store. The copy in memory shows the state at
// the insert; whether it has ended since is decided by the compare-and-set in
// finish.
func (e *Engine) transaction(ctx context.Context, id string) (*mssp.Transaction, error) {
	if w := e.waiters.get(id); w != nil && w.t != nil {
		return w.t, nil
	}
	if t := e.peers.take(id); t != nil {
		return t, nil
	}
	return e.cfg.Store.Transaction(ctx, id)
}

// evaluate turns an answer into an outcome: a signature, 503, or the fault that
// the phone reported.
func (e *Engine) evaluate(ctx context.Context, t *mssp.Transaction, a mssp.DeviceAnswer) (mssp.Outcome, error) {
	switch {
	case a.Reported && a.Fault != nil && a.Fault.Code == signum.UserCancel:
		return mssp.Failed(signum.Faultf(signum.UserCancel, signum.DetailReported)), nil
	case a.Fault != nil:
		return failed(a.Fault), nil
	}
	signer, err := signerOf(t)
	if err != nil {
		return mssp.Outcome{}, err
	}
	if err := signer.Verify(t.SignedAttrs, a.Signature); err != nil {
		e.cfg.Logger.WarnContext(ctx, "signature does not verify", "trans_id", t.ID, "device", t.DeviceID, "err", err)
		return mssp.Failed(signum.NewFault(signum.InvalidSignature)), nil
	}
	if v := t.Services.Verification; v != nil && a.Choice != v.Code {
		e.cfg.Logger.InfoContext(ctx, "wrong verification code chosen", "trans_id", t.ID, "device", t.DeviceID)
		return mssp.Failed(signum.NewFault(signum.UserCancel)), nil
	}
	l := locate(&t.Services, a.Location, e.now())
	if l != nil {
		if err := policy.CheckGeofences(&t.Services, l, e.now()); err != nil {
			return failed(signum.AsFault(err)), nil
		}
	}
	return mssp.Outcome{Code: signum.SignatureMade, Signature: a.Signature, Location: l, Verified: a.Verified}, nil
}

// failed turns a refusal by a phone or by the policy into an outcome. A refusal
// with the code of a success would be a mistake, so it becomes 900.
func failed(f *signum.Fault) mssp.Outcome {
	if f == nil || f.Code.IsStatus() {
		f = signum.NewFault(signum.InternalError)
	}
	return mssp.Failed(f)
}

// explainLostRace finds out why an answer did not become the outcome: another
// outcome came first, or the device must not sign any more. In the second case the
// transaction ends only if no other device can answer it.
func (e *Engine) explainLostRace(ctx context.Context, asked *mssp.Transaction) error {
	t, err := e.cfg.Store.Transaction(ctx, asked.ID)
	if err != nil {
		return err
	}
	if t.State == mssp.StateOutstanding {
		_, err := e.candidates(ctx, t)
		if f := signum.AsFault(err); f != nil {
			_, err = e.finish(ctx, t, mssp.Failed(f), mssp.EndWithdrawn)
			return err
		}
		if err == nil {
			err = e.reject(ctx, mssp.DeviceAnswer{TransID: t.ID, DeviceID: asked.DeviceID})
		}
		return err
	}
	e.flights.over(t.ID)
	// It may be this answer's own outcome, if the store could not tell whether its
	// first attempt was committed. Then the request still waits.
	e.wake(t, t.Outcome)
	e.cfg.Logger.InfoContext(ctx, "late answer dropped", "trans_id", t.ID, "outcome", int(t.Outcome.Code))
	return nil
}

func signerOf(t *mssp.Transaction) (*cms.Signer, error) {
	if t.Certificate == nil {
		return nil, fmt.Errorf("transaction %s has no certificate", t.ID)
	}
	s, err := cms.ParseSigner(t.Certificate.DER)
	if err != nil {
		return nil, fmt.Errorf("certificate %s: %w", t.CertSerial, err)
	}
	return s, nil
}

// cms assembles the CMS of an answer from the stored parts, each time it is
// asked for. It is nil unless the outcome is a success.
func (e *Engine) cms(t *mssp.Transaction, o mssp.Outcome) ([]byte, error) {
	if o.Code != signum.SignatureMade {
		return nil, nil
	}
	signer, err := signerOf(t)
	if err != nil {
		return nil, err
	}
	content, err := signum.SignedContent(t.MimeType, t.Text)
	if err != nil {
		return nil, fmt.Errorf("content of transaction %s: %w", t.ID, err)
	}
	chain, err := e.cfg.Chains.Chain(t.Certificate.DER)
	if err != nil {
		return nil, fmt.Errorf("chain of certificate %s: %w", t.CertSerial, err)
	}
	der, err := cms.Assemble([]byte(content), t.SignedAttrs, o.Signature, signer, chain)
	if err != nil {
		return nil, fmt.Errorf("assembling the CMS of %s: %w", t.ID, err)
	}
	return der, nil
}

// finish ends a transaction without the answer of a device. It reports whether this
// call decided the outcome.
func (e *Engine) finish(ctx context.Context, t *mssp.Transaction, o mssp.Outcome, why mssp.EndReason) (bool, error) {
	return e.end(ctx, t, o, why, nil)
}

// end is the way out of the outstanding state; the only other one is replace. It
// reports whether this call decided the outcome. by is the device that answered, nil if
// none did.
func (e *Engine) end(ctx context.Context, t *mssp.Transaction, o mssp.Outcome, why mssp.EndReason, by *mssp.AnsweredBy) (bool, error) {
	at := e.now()
	won, err := e.cfg.Store.FinishTransaction(ctx, t.ID, o, by, at)
	if err != nil {
		e.flights.decide(t.ID, ending{o, why, by})
		return false, fmt.Errorf("ending transaction %s: %w", t.ID, err)
	}
	if won {
		e.ended(ctx, t, o, why, by, at)
	}
	return won, nil
}

// ended wakes the request that waits for the outcome, and withdraws the request from
// the phones, unless it was asked of one phone and this has signed.
func (e *Engine) ended(ctx context.Context, t *mssp.Transaction, o mssp.Outcome, why mssp.EndReason, by *mssp.AnsweredBy, at time.Time) {
	// What the end means for the next request comes before its party hears of it.
	if by != nil && o.Code == signum.UserCancel {
		e.cancelled(ctx, t, o.Detail == signum.DetailReported, at)
	}
	e.turns.ended(t, at)
	here := e.flights.over(t.ID)
	e.wake(t, o)
	w := mssp.Withdrawal{TransID: t.ID, MSISDN: t.MSISDN, DeviceID: t.DeviceID, Reason: why}
	if by != nil {
		w.AnsweredBy = by.DeviceID
	}
	e.tellEnded(t, w, here)
	if o.Code != signum.SignatureMade || mssp.MethodOf(t.Method).Several {
		e.withdraw(ctx, t.Method, w)
	}
}

// withdraw takes the request back from the phones. A channel that panics must not
// undo the outcome, which stands.
func (e *Engine) withdraw(ctx context.Context, m signum.Method, w mssp.Withdrawal) {
	defer event.Rescue(e.cfg.Logger, "withdrawal")
	e.channel(m).Cancel(ctx, w)
}

// expire ends a transaction whose time is up, or one whose outcome the store could not
// take before.
func (e *Engine) expire(ctx context.Context, t *mssp.Transaction) error {
	end := e.flights.ending(t.ID)
	won, err := e.end(ctx, t, end.Outcome, end.why, end.by)
	if err != nil || won {
		return err
	}
	return e.lost(ctx, t, end)
}

// lost deals with an outcome that had no effect: the transaction has ended otherwise, or
// the device that signed must not sign any more.
func (e *Engine) lost(ctx context.Context, t *mssp.Transaction, end ending) error {
	if end.Code != signum.SignatureMade {
		return e.wakeID(ctx, t.ID)
	}
	asked := *t
	asked.DeviceID = end.by.DeviceID
	e.flights.undecide(t.ID)
	if err := e.explainLostRace(ctx, &asked); !errors.Is(err, mssp.ErrNotAsked) {
		return err
	}
	return nil // another device can still answer
}
