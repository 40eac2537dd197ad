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

// Receipt serves MSS_Receipt: it shows a text on the phone that signed. It
// returns when the user has answered or signum.ReceiptWait has passed, or at
// once if the party does not ask for the user's answer.
func (e *Engine) Receipt(ctx context.Context, c *mssp.Caller, r *signum.ReceiptRequest) (*signum.ReceiptResponse, error) {
	p, err := e.enter(ctx, c, r.Operation(), &r.Header)
	if err != nil {
		return nil, err
	}
	defer e.leave(p)
	ctx = fair.With(ctx, p.ID)
	f, err := policy.CheckReceipt(r, e.now(), e.cfg.Skew)
	if err != nil {
		return nil, err
	}
	rec, err := e.newReceipt(ctx, p, r, f)
	if err != nil {
		return nil, err
	}
	if err := e.cfg.Store.InsertReceipt(ctx, rec); err != nil {
		return nil, refusedReceipt(err)
	}
	// Only the request whose receipt was inserted may wait for it: another one for
	// the same transaction would take its place among those that wait.
	w := &waiter{id: rec.TransID, expires: rec.Expires, result: make(chan *result, 1)}
	e.receipts.add(w, nil)
	defer e.receipts.remove(w)
	if err := e.show(context.WithoutCancel(ctx), p, rec); err != nil {
		return nil, err
	}
	if !f.Wait {
		return e.receiptResponse(r, signum.ReceiptPending)
	}
	res := e.receipts.wait(ctx, w)
	if res.err != nil {
		return nil, res.err
	}
	return e.receiptResponse(r, res.receipt)
}

// newReceipt checks the text, then the transaction, then the subscriber.
func (e *Engine) newReceipt(ctx context.Context, p *mssp.Party, r *signum.ReceiptRequest, f policy.ReceiptFields) (*mssp.Receipt, error) {
	if err := policy.TestFault(p, f.MSISDN); err != nil {
		return nil, err
	}
	mime, text, err := policy.ReceiptMessage(p, &r.Message)
	if err != nil {
		return nil, err
	}
	t, err := e.cfg.Store.Transaction(ctx, r.TransID)
	if errors.Is(err, mssp.ErrNotFound) || err == nil && !e.readable(t, p) {
		return nil, signum.Faultf(signum.WrongParam, signum.DetailNoTransaction)
	}
	if err != nil {
		return nil, fmt.Errorf("reading transaction: %w", err)
	}
	switch {
	case t.MSISDN != f.MSISDN:
		return nil, signum.Faultf(signum.WrongParam, "MSISDN is not that of the transaction")
	case t.State == mssp.StateReceipted:
		return nil, refusedReceipt(mssp.ErrReceipted)
	case !t.State.Signed():
		return nil, refusedReceipt(mssp.ErrNotSigned)
	}
	s, err := e.subscriber(ctx, p, t.MSISDN)
	if err != nil {
		return nil, err
	}
	now := e.now()
	d, err := policy.ReceiptDevice(s, t.DeviceID, mime, now)
	if err != nil {
		return nil, err
	}
	rec := &mssp.Receipt{
		TransID: t.ID, DeviceID: d.ID, Method: d.Method, MSISDN: t.MSISDN, Lang: f.Lang,
		MimeType: mime, Text: text, Created: now, Expires: now.Add(signum.ReceiptWait),
	}
	if rec.Lang == "" {
		rec.Lang = t.Lang
	}
	return rec, nil
}

// refusedReceipt turns a refusal by the store into the fault that the party
// gets.
func refusedReceipt(err error) error {
	switch {
	case errors.Is(err, mssp.ErrReceipted):
		return signum.Faultf(signum.WrongParam, signum.DetailReceiptSent)
	case errors.Is(err, mssp.ErrNotSigned):
		return signum.Faultf(signum.WrongParam, "The transaction has no signature")
	case errors.Is(err, mssp.ErrNotFound):
		return signum.Faultf(signum.WrongParam, signum.DetailNoTransaction)
	}
	return fmt.Errorf("inserting receipt: %w", err)
}

// show hands the receipt to the phone. If the channel does not take it, the receipt
// is lost.
func (e *Engine) show(ctx context.Context, p *mssp.Party, r *mssp.Receipt) error {
	err := e.handOver(ctx, func(ctx context.Context) error {
		return e.channel(r.Method).Send(ctx, displayRequest(r, p.ID, p.Identity()))
	})
	if err == nil {
		return nil
	}
	e.notSent(ctx, r.TransID, r.MSISDN, err)
	return e.endReceipt(ctx, r.TransID, signum.ReceiptLost)
}

// displayRequest builds what the receipt asks of its device.
func displayRequest(r *mssp.Receipt, apID string, party mssp.PartyIdentity) mssp.DeviceRequest {
	return mssp.DeviceRequest{
		Op: mssp.OpDisplay, TransID: r.TransID, APID: apID, Party: party, MSISDN: r.MSISDN, DeviceID: r.DeviceID, Method: r.Method,
		Lang: r.Lang, MimeType: r.MimeType, Text: r.Text, Created: r.Created, Expires: r.Expires,
	}
}

// endReceipt sets the result of a receipt, unless it already has one, and wakes
// the request that waits for it with the result that counts.
func (e *Engine) endReceipt(ctx context.Context, transID string, result signum.ReceiptResult) error {
	won, err := e.cfg.Store.FinishReceipt(ctx, transID, result, e.now())
	if err != nil {
		return fmt.Errorf("ending receipt of %s: %w", transID, err)
	}
	if !won {
		return e.pollReceipt(ctx, transID)
	}
	e.wakeReceipt(transID, result)
	return nil
}

// pollReceipt wakes the request that waits on this node if the receipt has
// ended.
func (e *Engine) pollReceipt(ctx context.Context, transID string) error {
	r, err := e.cfg.Store.Receipt(ctx, transID)
	if _, unreadable := errors.AsType[*mssp.RowError](err); unreadable || errors.Is(err, mssp.ErrNotFound) {
		e.wakeReceipt(transID, signum.ReceiptLost) // or purged with its transaction
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading receipt of %s: %w", transID, err)
	}
	if r.Result != signum.ReceiptPending {
		e.wakeReceipt(transID, r.Result)
	}
	return nil
}

func (e *Engine) wakeReceipt(transID string, r signum.ReceiptResult) {
	if w := e.receipts.get(transID); w != nil {
		w.end(&result{receipt: r})
	}
}

// answerReceipt takes the answer of a phone to a receipt.
func (e *Engine) answerReceipt(ctx context.Context, a mssp.DeviceAnswer) error {
	r, err := e.cfg.Store.Receipt(ctx, a.TransID)
	if err != nil {
		return fmt.Errorf("answer to the receipt of %s: %w", a.TransID, err)
	}
	if r.DeviceID != a.DeviceID {
		return e.reject(ctx, a)
	}
	result := a.Receipt
	if a.Fault != nil || result == signum.ReceiptPending {
		e.cfg.Logger.InfoContext(ctx, "receipt not shown", "trans_id", a.TransID, "fault", a.Fault)
		result = signum.ReceiptLost
	}
	if !e.now().Before(r.Expires) {
		result = signum.ReceiptLost
	}
	return e.endReceipt(ctx, a.TransID, result)
}

// receiptResponse tells the party the result of a receipt. Without the
// extension the only way to say that the result is unknown is 208.
func (e *Engine) receiptResponse(r *signum.ReceiptRequest, result signum.ReceiptResult) (*signum.ReceiptResponse, error) {
	resp := &signum.ReceiptResponse{Header: e.responseHeader(&r.Header), Status: signum.RequestOK}
	if r.Extension == nil {
		if result == signum.ReceiptLost {
			return nil, signum.Faultf(signum.ExpiredTransaction, signum.DetailTimeout)
		}
		return resp, nil
	}
	x := new(signum.ReceiptResponseExtension)
	switch result {
	case signum.ReceiptAccepted, signum.ReceiptCancelled, signum.ReceiptTimedOut:
		x.UserAck, x.UserResponse = true, `{"status":"`+string(result)+`"}`
	}
	if result == signum.ReceiptCancelled {
		x.FaultMessage = "User Cancelled the request"
	}
	resp.Extension = x
	return resp, nil
}
