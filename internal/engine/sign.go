package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/cms"
	"github.com/signum-mssp/signum/internal/policy"
)

// Sign serves MSS_Signature: in synchronous mode it returns with the outcome,
// else as soon as the transaction is on disk and handed to the phone.
func (e *Engine) Sign(ctx context.Context, c *signum.Caller, r *signum.SignatureRequest) (*signum.SignatureResponse, error) {
	w, err := e.submit(ctx, c, r)
	if err != nil {
		return nil, err
	}
	// The transaction has what is needed of them, and many wait.
	r.Data, r.Services = signum.DataToBeSigned{}, nil
	return e.response(r, w, e.wait(ctx, w))
}

//go:noinline
func (e *Engine) response(r *signum.SignatureRequest, w *waiter, res *result) (*signum.SignatureResponse, error) {
	switch {
	case res.err != nil:
		return nil, res.err
	case !res.Code.IsStatus():
		return nil, res.Fault()
	}
	return &signum.SignatureResponse{
		Header:    e.responseHeader(&r.Header),
		TransID:   w.id,
		MSISDN:    r.MSISDN,
		Signature: res.cms,
		Profile:   w.profile,
		Status:    res.Code,
	}, nil
}

// submit checks, inserts and dispatches. A synchronous request is registered
// as waiting before the insert, so that no outcome can be missed.
func (e *Engine) submit(ctx context.Context, c *signum.Caller, r *signum.SignatureRequest) (*waiter, error) {
	now := e.now()
	p, err := e.party(ctx, c, &r.Header)
	if err != nil {
		return nil, err
	}
	f, flt := policy.SignatureFields(p, r, now, e.cfg.Skew)
	if flt != nil {
		return nil, flt
	}
	choice, err := e.choose(ctx, p, r, f, now)
	if err != nil {
		return nil, e.refuse(ctx, p, r, f, err)
	}
	t, err := newTransaction(p, r, f, choice, now)
	if err != nil {
		return nil, err
	}
	w := newWaiter(t)
	if !t.Async {
		e.waiters.add(w)
	}
	if err := e.insert(ctx, t); err != nil {
		e.waiters.remove(w)
		return nil, err
	}
	if t.State == signum.StateOutstanding {
		// The party may hang up now; the transaction goes on.
		e.dispatch(context.WithoutCancel(ctx), t, choice.Device.KeyType)
	}
	switch {
	case t.Async:
		w.end(&result{Outcome: signum.Outcome{Code: signum.RequestOK}})
	case t.State != signum.StateOutstanding:
		w.end(&result{Outcome: t.Outcome})
	}
	return w, nil
}

func (e *Engine) choose(ctx context.Context, p *signum.Party, r *signum.SignatureRequest, f policy.Fields, now time.Time) (policy.Choice, error) {
	if flt := policy.Content(p, r); flt != nil {
		return policy.Choice{}, flt
	}
	s, err := e.cfg.Store.Subscriber(ctx, f.MSISDN)
	if err != nil && !errors.Is(err, signum.ErrNotFound) {
		return policy.Choice{}, fmt.Errorf("reading subscriber: %w", err)
	}
	if err != nil {
		s = nil
	}
	choice, flt := policy.Choose(p, s, r.Profile, now)
	if flt != nil {
		return policy.Choice{}, flt
	}
	return choice, nil
}

// refuse returns the refusal of a later check, unless the number is none or
// the call was made before: these stand earlier in the order, but only a
// refused request needs to pay for looking. Of an accepted one a subscriber
// has the number, and the insert looks at the call.
func (e *Engine) refuse(ctx context.Context, p *signum.Party, r *signum.SignatureRequest, f policy.Fields, err error) error {
	if signum.AsFault(err) == nil {
		return err
	}
	if flt := policy.LegalMSISDN(f.MSISDN); flt != nil {
		return flt
	}
	used, uerr := e.cfg.Store.TransactionUsed(ctx, p.ID, r.AP.TransID, f.Instant)
	if uerr != nil {
		return fmt.Errorf("looking for an earlier call: %w", uerr)
	}
	if used {
		return errUsed()
	}
	return err
}

func errUsed() error {
	return signum.Faultf(signum.WrongParam, "AP_TransID and Instant were used before")
}

func newTransaction(p *signum.Party, r *signum.SignatureRequest, f policy.Fields, choice policy.Choice, now time.Time) (*signum.Transaction, error) {
	d := choice.Device
	signer, err := cms.ParseSigner(d.Certificate.DER)
	if err != nil {
		return nil, fmt.Errorf("certificate %s of device %s: %w", d.Certificate.Serial, d.ID, err)
	}
	life := f.Timeout
	if life == 0 {
		life = policy.TimeoutOf(d.Method)
	}
	t := &signum.Transaction{
		ID:          newTransID(now),
		APID:        p.ID,
		APTransID:   r.AP.TransID,
		APInstant:   f.Instant,
		MSISDN:      f.MSISDN,
		MSISDNSent:  r.MSISDN,
		DeviceID:    d.ID,
		Method:      d.Method,
		Async:       f.Async,
		Lang:        f.Lang,
		MimeType:    signum.MimeText,
		Text:        r.Data.Data,
		SignedAttrs: cms.SignedAttributes([]byte(r.Data.Data), now, signer),
		CertSerial:  d.Certificate.Serial,
		Certificate: d.Certificate,
		State:       signum.StateOutstanding,
		Created:     now,
		Expires:     now.Add(life),
	}
	if choice.Revoked {
		t.Outcome = signum.Failed(signum.NewFault(signum.RevokedCertificate))
		t.State, t.Finished = t.Outcome.FinalState(), now
	}
	return t, nil
}

// newTransID is a short NCName: 35 bits of milliseconds, so that new rows stand
// together in the indexes of the store, and 45 random bits. Guessing one would
// not help: a transaction answers to its own party only.
func newTransID(now time.Time) string {
	const digits = "234567abcdefghijklmnopqrstuvwxyz" // in the order of their bytes
	id := [17]byte{'h'}
	ms := uint64(now.UnixMilli())
	for i := 7; i > 0; i, ms = i-1, ms>>5 {
		id[i] = digits[ms&31]
	}
	rand.Read(id[8:])
	for i := 8; i < len(id); i++ {
		id[i] = digits[id[i]&31]
	}
	return string(id[:])
}

// insert commits the transaction. A subscriber's SIM serves one at a time
// (406); on an App the newer request takes the older one's place (401).
func (e *Engine) insert(ctx context.Context, t *signum.Transaction) error {
	// Another request can slip in between the end of the older one and the
	// insert; a few rounds settle who is last.
	const rounds = 5
	for range rounds {
		err := e.cfg.Store.InsertTransaction(ctx, t)
		var busy *signum.BusyError
		switch {
		case err == nil:
			return nil
		case errors.Is(err, signum.ErrDuplicate):
			return errUsed()
		case !errors.As(err, &busy):
			return fmt.Errorf("inserting transaction: %w", err)
		}
		if err := e.makeRoom(ctx, t, busy.TransID); err != nil {
			return err
		}
	}
	return signum.NewFault(signum.PBSignatureProcess)
}

// makeRoom ends the transaction that stands in the way, if it may.
func (e *Engine) makeRoom(ctx context.Context, t *signum.Transaction, id string) error {
	old, err := e.cfg.Store.Transaction(ctx, id)
	if errors.Is(err, signum.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading transaction: %w", err)
	}
	switch {
	case !old.Expires.After(t.Created):
		return e.expire(ctx, old)
	case t.Method != signum.App:
		return signum.NewFault(signum.PBSignatureProcess)
	}
	_, err = e.finish(ctx, old, signum.Failed(signum.NewFault(signum.UserCancel)))
	return err
}

// dispatch hands the transaction to its phone. A phone that cannot be reached
// ends it with 209.
func (e *Engine) dispatch(ctx context.Context, t *signum.Transaction, k signum.KeyType) {
	ch := e.cfg.Channels[t.Method]
	err := errors.New("no channel for the method")
	if ch != nil {
		err = ch.Send(ctx, signum.DeviceRequest{
			TransID: t.ID, MSISDN: t.MSISDN, DeviceID: t.DeviceID, Method: t.Method, Lang: t.Lang,
			MimeType: t.MimeType, Text: t.Text, SignedAttrs: t.SignedAttrs, KeyType: k, Expires: t.Expires,
		})
	}
	if err == nil {
		return
	}
	e.cfg.Logger.WarnContext(ctx, "phone not reached", "trans_id", t.ID, "msisdn", signum.MaskMSISDN(t.MSISDN), "err", err)
	if _, err := e.finish(ctx, t, signum.Failed(signum.NewFault(signum.OTAError))); err != nil {
		e.cfg.Logger.ErrorContext(ctx, "ending transaction", "trans_id", t.ID, "err", err)
	}
}
