package engine

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
)

// dispatch hands the transaction to the phones of its candidates. It ends the
// transaction with 209 if none can be reached, and with 900 if the service itself
// failed. What a channel keeps and could not ask for yet goes on.
func (e *Engine) dispatch(ctx context.Context, t *mssp.Transaction, candidates []*mssp.Device) {
	if err := e.holds(); err != nil {
		// Another node owns the transaction by now, or will, and hands it over.
		e.cfg.Logger.WarnContext(ctx, "request left to other nodes", "trans_id", t.ID, "err", err)
		return
	}
	err := e.send(ctx, t, candidates)
	switch {
	case err == nil:
		e.flights.asked(t.ID)
		return
	case errors.Is(err, mssp.ErrPostponed):
		e.notSent(ctx, t.ID, t.MSISDN, err)
		return
	}
	if _, err := e.finish(ctx, t, e.notSent(ctx, t.ID, t.MSISDN, err), mssp.EndWithdrawn); err != nil {
		e.cfg.Logger.ErrorContext(ctx, "ending transaction", "trans_id", t.ID, "err", err)
	}
}

// notSent logs why a channel did not take a request, and returns the outcome that
// this means for a transaction.
func (e *Engine) notSent(ctx context.Context, transID, msisdn string, err error) mssp.Outcome {
	attrs := []any{"trans_id", transID, "msisdn", signum.MaskMSISDN(msisdn), "err", err}
	switch {
	case errors.Is(err, mssp.ErrUnreachable):
		e.cfg.Logger.WarnContext(ctx, "phone not reached", attrs...)
		return mssp.Failed(signum.NewFault(signum.OTAError))
	case errors.Is(err, mssp.ErrPostponed):
		e.cfg.Logger.WarnContext(ctx, "phone not asked yet", attrs...)
	case errors.Is(err, mssp.ErrRefused):
		e.cfg.Logger.ErrorContext(ctx, "request refused by its channel", attrs...)
	default:
		e.cfg.Logger.ErrorContext(ctx, "request not handed over", attrs...)
	}
	return mssp.Failed(signum.NewFault(signum.InternalError))
}

func (e *Engine) send(ctx context.Context, t *mssp.Transaction, candidates []*mssp.Device) error {
	switch {
	case t.OTP():
		return e.sendOTP(ctx, t)
	case !mssp.MethodOf(t.Method).Several:
		return e.sendTo(ctx, t)
	}
	var failed []error
	for _, d := range candidates {
		asked, err := askedOf(t, d)
		if err == nil {
			err = e.sendTo(ctx, asked)
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("device %s: %w", d.ID, err))
		}
	}
	if len(failed) < len(candidates) {
		for _, err := range failed {
			e.notSent(ctx, t.ID, t.MSISDN, err) // the others are asked
		}
		return nil
	}
	if i := slices.IndexFunc(failed, func(err error) bool { return errors.Is(err, mssp.ErrPostponed) }); i >= 0 {
		return failed[i] // this App may still be asked
	}
	for _, err := range failed {
		if !errors.Is(err, mssp.ErrUnreachable) {
			return err
		}
	}
	return errors.Join(failed...)
}

// sendTo hands the transaction to the phone of its device.
func (e *Engine) sendTo(ctx context.Context, t *mssp.Transaction) error {
	party := e.identity(ctx, t.APID)
	return e.handOver(ctx, func(ctx context.Context) error {
		return e.channel(t.Method).Send(ctx, e.deviceRequest(t, party))
	})
}

// errHandOver is the cause of a context that ended because a channel took longer
// than Config.HandOver.
var errHandOver = errors.New("hand-over to the channel timed out")

// handOver calls a channel under a deadline of its own: the party that asked may
// have hung up, so the request's context no longer limits it. A channel's panic
// becomes an error, so that what was asked for ends now and the subscriber is not
// busy until it expires.
func (e *Engine) handOver(ctx context.Context, send func(context.Context) error) (err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, e.cfg.HandOver, errHandOver)
	defer cancel()
	defer event.RescueTo(&err, e.cfg.Logger, "hand-over")
	err = send(ctx)
	if err != nil && errors.Is(context.Cause(ctx), errHandOver) {
		return fmt.Errorf("%w after %s: %w", errHandOver, e.cfg.HandOver, err)
	}
	return err
}

// identity returns how users recognise a party. A party whose row cannot be read, or
// that was deleted while its request was open, is known by its AP_ID.
func (e *Engine) identity(ctx context.Context, apID string) mssp.PartyIdentity {
	p, err := e.cfg.Store.Party(ctx, apID)
	if err != nil {
		e.cfg.Logger.WarnContext(ctx, "the phone shows the AP_ID, because the party cannot be read", "ap_id", apID, "err", err)
		return mssp.PartyIdentity{Name: apID}
	}
	return p.Identity()
}

// deviceRequest builds what the transaction asks of its device at this point.
func (e *Engine) deviceRequest(t *mssp.Transaction, party mssp.PartyIdentity) mssp.DeviceRequest {
	r := mssp.DeviceRequest{
		TransID: t.ID, APID: t.APID, Party: party, MSISDN: t.MSISDN, DeviceID: t.DeviceID, Method: t.Method, Lang: t.Lang,
		MimeType: t.MimeType, Text: t.Text, Created: t.Created, Expires: e.local(t.Expires), Owner: t.Owner, Resumed: t.Resumed,
	}
	if t.Activating() {
		r.Op, r.KeyType = mssp.OpActivate, t.Services.ActivateKey
		return r
	}
	r.SignedAttrs, r.CertSerial, r.KeyType = t.SignedAttrs, t.CertSerial, keyType(t)
	r.Locate = t.Services.Geofencing && t.Services.GeoError == 0
	r.App2App = t.Services.App2App
	if v := t.Services.Verification; v != nil {
		r.Choices = v.Choices
	}
	return r
}

// channel never returns nil: a method without a channel gets one that takes
// nothing.
func (e *Engine) channel(m signum.Method) mssp.Channel {
	if ch := e.cfg.Channels[m]; ch != nil {
		return ch
	}
	return noChannel{}
}

type noChannel struct{}

func (noChannel) Send(context.Context, mssp.DeviceRequest) error {
	return errors.New("no channel for the method")
}
func (noChannel) Cancel(context.Context, mssp.Withdrawal) {}

// keyType tells the bearer which algorithm the card must use.
func keyType(t *mssp.Transaction) signum.KeyType {
	if s, err := signerOf(t); err == nil {
		if _, ok := s.PublicKey().(*rsa.PublicKey); ok {
			return signum.RSA
		}
	}
	return signum.EC
}
