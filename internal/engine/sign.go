package engine

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/cms"
	"github.com/signum-mssp/signum/internal/fair"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/policy"
)

// Sign serves MSS_Signature. In synchronous mode it returns with the outcome,
// otherwise as soon as the transaction is on disk and handed over to the phone.
func (e *Engine) Sign(ctx context.Context, c *mssp.Caller, r *signum.SignatureRequest) (*signum.SignatureResponse, error) {
	soon, cancel := e.soon(ctx)
	defer cancel()
	p, err := e.enter(soon, c, r.Operation(), &r.Header)
	if err != nil {
		return nil, err
	}
	defer e.leave(p)
	soon = fair.With(soon, p.ID)
	w, err := e.submit(soon, p, r)
	cancel() // no timer for those that wait
	if err != nil {
		return nil, err
	}
	// Many requests wait here, and the transaction holds what is needed of these:
	// let them be collected.
	r.Data, r.Displayed, r.Services = signum.DataToBeSigned{}, "", nil
	return e.response(r, w, e.waiters.wait(ctx, w))
}

//go:noinline
func (e *Engine) response(r *signum.SignatureRequest, w *waiter, res *result) (*signum.SignatureResponse, error) {
	switch {
	case res.err != nil:
		return nil, res.err
	case !res.Code.IsStatus():
		return nil, res.Err()
	}
	return &signum.SignatureResponse{
		Header:    e.responseHeader(&r.Header),
		TransID:   w.id,
		MSISDN:    r.MSISDN,
		Signature: res.cms,
		Profile:   w.profile,
		Status:    res.status,
		Services:  res.services,
	}, nil
}

// submit checks the request, inserts the transaction and dispatches it. A
// synchronous request is registered as waiting before the insert, so that it
// cannot miss the outcome.
func (e *Engine) submit(ctx context.Context, p *mssp.Party, r *signum.SignatureRequest) (*waiter, error) {
	start := e.cfg.Clock.Now()
	now := start.Truncate(time.Microsecond)
	f, err := policy.SignatureFields(p, r, now, policy.Times{Skew: e.cfg.Skew, MinTimeout: e.cfg.MinTimeout})
	if err != nil {
		return nil, err
	}
	ctx, cancel := e.inItsTime(ctx, f.Timeout)
	defer cancel()
	if err := e.holds(); err != nil {
		return nil, err
	}
	handedOver, err := e.letIn(ctx, p, f.Timeout)
	if err != nil {
		return nil, err
	}
	defer handedOver()
	o, err := e.newOrder(ctx, p, r, f, now)
	if err != nil {
		return nil, e.refuse(ctx, p, r, f, err)
	}
	t := o.Transaction
	t.Owner = e.owner()
	if err := e.inTime(t); err != nil {
		return nil, err
	}
	w := newWaiter(t, start.Add(t.Expires.Sub(now)))
	t.Expires = e.agreed(t.Expires)
	if t.State == mssp.StateOutstanding {
		if err := e.takePlace(ctx, t, w.due); err != nil {
			return nil, err
		}
	}
	if !t.Async {
		e.waiters.add(w, t)
	}
	if t.OTP() {
		e.sendingTexts.Store(t.ID, nil) // before recovery can find it
		defer e.sendingTexts.Delete(t.ID)
		handedOver() // the text is sent before start returns, which may take seconds
	}
	if err := e.guarded(ctx, t, "request", func(ctx context.Context) error { return e.start(ctx, o) }); err != nil {
		e.waiters.remove(w)
		switch {
		case errors.Is(err, mssp.ErrUncertain):
			e.flights.doubt(t.ID)
		case asPanic(err) == nil: // else it has ended, or will
			e.flights.over(t.ID)
		}
		return nil, err
	}
	switch {
	case t.Async:
		w.end(accepted(t, o.authURI))
	case t.State != mssp.StateOutstanding:
		w.end(&result{Outcome: t.Outcome, status: t.Outcome.Code})
	}
	return w, nil
}

// order is a transaction on its way to the phones.
type order struct {
	*mssp.Transaction
	candidates []*mssp.Device // that are asked; none for a one-time password
	own        bool           // of the service itself, see mssp.Party.Own
	authURI    string         // of app2app
}

// start inserts the transaction and hands it over to the phones.
func (e *Engine) start(ctx context.Context, o order) error {
	if err := e.insert(ctx, o); err != nil {
		return err
	}
	if o.State == mssp.StateOutstanding {
		// From here on the transaction continues even if the party hangs up.
		ctx, cancel := e.untilDue(ctx, o.ID)
		defer cancel()
		e.dispatch(ctx, o.Transaction, o.candidates)
	}
	return nil
}

// newOrder builds the transaction for a request, with what the policy decides.
func (e *Engine) newOrder(ctx context.Context, p *mssp.Party, r *signum.SignatureRequest, f policy.Fields, now time.Time) (o order, err error) {
	if err := policy.TestFault(p, f.MSISDN); err != nil {
		return o, err
	}
	content, err := policy.SignatureContent(p, r, f.Async)
	if err != nil {
		return o, err
	}
	t := draft(p, r, f, &content, now)
	o.Transaction, o.own = t, p.Own
	if signum.IsOTP(content.Profile) {
		return o, e.completeOTP(t, p, &content, f)
	}
	s, err := e.subscriber(ctx, p, f.MSISDN)
	if err != nil {
		return o, err
	}
	choice, err := policy.Choose(&policy.Ask{
		Party: p, Subscriber: s, Profile: content.Profile, Approval: content.MimeType == signum.MimeTxnApproval,
		Interactive: content.Services.Interactive(), Home: e.cfg.HomeNetwork, Now: now,
	})
	if err != nil {
		return o, e.limits.told(p, err, now)
	}
	if err := e.limits.ask(p, f.MSISDN, now); err != nil {
		return o, err
	}
	if err := assign(t, &choice, f.Timeout); err != nil {
		return o, err
	}
	if wait := e.turns.wait(t, now); wait > 0 && !p.Own {
		return o, policy.Resting("another party's turn", wait)
	}
	o.candidates = choice.Devices
	o.authURI, err = e.applyServices(t, p, s, choice.Devices[0], &content.Services)
	return o, err
}

// refuse returns err, the refusal by a later check, unless one of two earlier
// checks would have refused the request as well: is the number legal, and is
// the call a new one? Both are expensive, so they are made only for a request
// that is refused anyway. For an accepted request the subscriber lookup has
// shown that the number exists, and the insert enforces that the call is new.
func (e *Engine) refuse(ctx context.Context, p *mssp.Party, r *signum.SignatureRequest, f policy.Fields, err error) error {
	if signum.AsFault(err) == nil {
		return err
	}
	if policy.TestFault(p, f.MSISDN) == nil { // test numbers are legal for parties that may use them
		if err := policy.LegalMSISDN(f.MSISDN); err != nil {
			return err
		}
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

// draft returns a transaction with the fields that follow from the request
// alone.
func draft(p *mssp.Party, r *signum.SignatureRequest, f policy.Fields, c *policy.Content, now time.Time) *mssp.Transaction {
	return &mssp.Transaction{
		ID:         newTransID(now),
		APID:       p.ID,
		APTransID:  r.AP.TransID,
		APInstant:  f.Instant,
		MSISDN:     f.MSISDN,
		MSISDNSent: r.MSISDN,
		Async:      f.Async,
		Lang:       f.Lang,
		MimeType:   c.MimeType,
		Text:       c.Text,
		State:      mssp.StateOutstanding,
		Created:    now,
	}
}

// assign gives the transaction to the chosen device. Of several candidates it records
// the first, so that a node of the version before, which knows of one device only, asks
// that one.
func assign(t *mssp.Transaction, choice *policy.Choice, timeout time.Duration) error {
	d := choice.Devices[0]
	m := mssp.MethodOf(d.Method)
	t.DeviceID, t.Method, t.Profile = d.ID, d.Method, m.Profile
	t.Expires = t.Created.Add(cmp.Or(timeout, m.Timeout))
	if choice.Activate != "" {
		t.Services.ActivateKey = choice.Activate
		return nil
	}
	if err := prepare(t, d.Certificate, t.Created); err != nil {
		return fmt.Errorf("device %s: %w", d.ID, err)
	}
	if choice.Revoked {
		t.Outcome = mssp.Failed(signum.NewFault(signum.RevokedCertificate))
		t.State, t.Finished = t.Outcome.FinalState(), t.Created
	}
	return nil
}

// prepare fills in the signed attributes for the certificate.
func prepare(t *mssp.Transaction, c *mssp.Certificate, now time.Time) error {
	signer, err := cms.ParseSigner(c.DER)
	if err != nil {
		return fmt.Errorf("certificate %s: %w", c.Serial, err)
	}
	content, err := signum.SignedContent(t.MimeType, t.Text)
	if err != nil {
		return fmt.Errorf("content of transaction %s: %w", t.ID, err)
	}
	t.SignedAttrs = cms.SignedAttributes([]byte(content), now, signer)
	t.CertSerial, t.Certificate = c.Serial, c
	return nil
}

// newTransID returns a short NCName: 35 bits of milliseconds, so that new rows
// are close together in the indexes of the store, and 45 random bits. Guessing
// an ID would not help anyone: only the party that made a transaction can query
// it.
func newTransID(now time.Time) string {
	const digits = "234567abcdefghijklmnopqrstuvwxyz" // in byte order
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
