package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/fair"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/policy"
)

// Receipt serves MSS_Receipt: it shows a text on the phone that signed. It
// returns when the user has answered or signum.ReceiptWait has passed, or at
// once if the party does not ask for the user's answer.
func (e *Engine) Receipt(ctx context.Context, c *mssp.Caller, r *signum.ReceiptRequest) (*signum.ReceiptResponse, error) {
	soon, cancel := e.soon(ctx)
	defer cancel()
	p, err := e.enter(soon, c, r.Operation(), &r.Header)
	if err != nil {
		return nil, err
	}
	defer e.leave(p)
	soon = fair.With(soon, p.ID)
	w, err := e.beginReceipt(soon, p, r)
	cancel()
	if err != nil {
		return nil, err
	}
	if w == nil {
		return e.receiptResponse(r, &result{receipt: signum.ReceiptPending})
	}
	defer e.receipts.remove(w)
	res := e.receipts.wait(ctx, w)
	if res.err != nil {
		return nil, res.err
	}
	res.Outcome = e.receipts.lostBecause(w)
	return e.receiptResponse(r, res)
}

// beginReceipt does all that comes before the waiting. The waiter is nil if the party does
// not wait for the user's answer.
func (e *Engine) beginReceipt(ctx context.Context, p *mssp.Party, r *signum.ReceiptRequest) (*waiter, error) {
	f, err := policy.CheckReceipt(r, e.now(), e.cfg.Skew)
	if err != nil {
		return nil, err
	}
	rec, err := e.newReceipt(ctx, p, r, f)
	if err != nil {
		return nil, err
	}
	due := e.dueIn(signum.ReceiptWait)
	if err := e.cfg.Store.InsertReceipt(ctx, rec); err != nil {
		return nil, refusedReceipt(err)
	}
	// Only the request whose receipt was inserted may wait for it: another one for
	// the same transaction would take its place among those that wait.
	w := &waiter{id: rec.TransID, due: due, result: make(chan *result, 1)}
	e.receipts.add(w, nil)
	kept := false
	defer func() {
		if !kept {
			e.receipts.remove(w)
		}
	}()
	if err := e.show(ctx, p, rec); err != nil {
		return nil, err
	}
	if kept = f.Wait; !kept {
		return nil, nil
	}
	return w, nil
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
		MimeType: mime, Text: text, Created: now, Expires: e.agreed(now.Add(signum.ReceiptWait)),
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
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), signum.ReceiptWait, errStoreLate)
	defer cancel()
	err := e.handOver(ctx, func(ctx context.Context) error {
		return e.channel(r.Method).Send(ctx, e.displayRequest(r, p.ID, p.Identity()))
	})
	if err == nil || errors.Is(err, mssp.ErrPostponed) {
		return nil
	}
	out := e.notSent(ctx, r.TransID, r.MSISDN, err)
	return e.endReceipt(ctx, r.TransID, &result{receipt: signum.ReceiptLost, Outcome: out})
}

// displayRequest builds what the receipt asks of its device.
func (e *Engine) displayRequest(r *mssp.Receipt, apID string, party mssp.PartyIdentity) mssp.DeviceRequest {
	return mssp.DeviceRequest{
		Op: mssp.OpDisplay, TransID: r.TransID, APID: apID, Party: party, MSISDN: r.MSISDN, DeviceID: r.DeviceID, Method: r.Method,
		Lang: r.Lang, MimeType: r.MimeType, Text: r.Text, Created: r.Created, Expires: e.local(r.Expires),
	}
}

// endReceipt sets the result of a receipt, unless it already has one, and wakes
// the request that waits for it with the result that counts.
func (e *Engine) endReceipt(ctx context.Context, transID string, r *result) error {
	e.receipts.why(transID, r.Outcome)
	won, err := e.cfg.Store.FinishReceipt(ctx, transID, r.receipt, e.now())
	if err != nil {
		return fmt.Errorf("ending receipt of %s: %w", transID, err)
	}
	if !won {
		return e.pollReceipt(ctx, transID)
	}
	if !e.wakeReceipt(transID, r) {
		e.tellReceipt(transID)
	}
	return nil
}

// loseReceipt ends a receipt that nobody has answered.
func (e *Engine) loseReceipt(ctx context.Context, transID string) error {
	return e.endReceipt(ctx, transID, &result{receipt: signum.ReceiptLost})
}

// receiptsEvery is how often the engine looks for receipts that nobody waits for.
const receiptsEvery = time.Second

// loseReceipts ends the receipts that are overdue and that no request on this node waits
// for: their node has ended, or could not reach the store in time.
func (e *Engine) loseReceipts(ctx context.Context) error {
	ctx, cancel := e.soon(ctx)
	defer cancel()
	for {
		ids, err := e.cfg.Store.ExpiredReceipts(ctx, e.storeTime().Add(-e.foreignGrace()), sweepBatch)
		if err != nil {
			return err
		}
		ids = slices.DeleteFunc(ids, func(id string) bool { return e.receipts.get(id) != nil })
		if err := e.each(ctx, ids, e.loseReceipt); err != nil || len(ids) < sweepBatch {
			return err
		}
	}
}

// pollReceipt wakes the request that waits on this node if the receipt has
// ended.
func (e *Engine) pollReceipt(ctx context.Context, transID string) error {
	r, err := e.cfg.Store.Receipt(ctx, transID)
	if _, unreadable := errors.AsType[*mssp.RowError](err); unreadable || errors.Is(err, mssp.ErrNotFound) {
		e.wakeReceipt(transID, &result{receipt: signum.ReceiptLost}) // or purged with its transaction
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading receipt of %s: %w", transID, err)
	}
	if r.Result != signum.ReceiptPending {
		e.wakeReceipt(transID, &result{receipt: r.Result})
	}
	return nil
}

// wakeReceipt reports whether a request on this node waits for the receipt.
func (e *Engine) wakeReceipt(transID string, r *result) bool {
	w := e.receipts.get(transID)
	if w != nil {
		w.end(r)
	}
	return w != nil
}

// why notes with the request that waits why its receipt is lost. The row does not tell
// that, and a poll may read the row first.
func (ws *waiters) why(transID string, o mssp.Outcome) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if w := ws.m[transID]; w != nil && w.lost.Code == 0 {
		w.lost = o
	}
}

// lostBecause returns what why has noted.
func (ws *waiters) lostBecause(w *waiter) mssp.Outcome {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	return w.lost
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
	end := &result{receipt: a.Receipt}
	if a.Fault != nil || a.Receipt == signum.ReceiptPending {
		e.cfg.Logger.InfoContext(ctx, "receipt not shown", "trans_id", a.TransID, "fault", a.Fault)
		end = &result{receipt: signum.ReceiptLost}
		if a.Fault != nil {
			end.Outcome = failed(a.Fault)
		}
	}
	if !e.storeTime().Before(r.Expires) {
		end.receipt = signum.ReceiptLost
	}
	return e.endReceipt(ctx, a.TransID, end)
}

// receiptResponse tells the party the result of a receipt. Without the extension the only
// way to say that the result is unknown is a fault: the one for which the phone was not
// asked, or 208.
func (e *Engine) receiptResponse(r *signum.ReceiptRequest, res *result) (*signum.ReceiptResponse, error) {
	resp := &signum.ReceiptResponse{Header: e.responseHeader(&r.Header), Status: signum.RequestOK}
	if r.Extension == nil {
		switch {
		case res.receipt == signum.ReceiptLost && (res.Code == signum.OTAError || res.Code == signum.InternalError):
			return nil, res.Err()
		case res.receipt == signum.ReceiptLost:
			return nil, signum.Faultf(signum.ExpiredTransaction, signum.DetailTimeout)
		}
		return resp, nil
	}
	x := new(signum.ReceiptResponseExtension)
	switch result := res.receipt; result {
	case signum.ReceiptAccepted, signum.ReceiptCancelled, signum.ReceiptTimedOut:
		x.UserAck, x.UserResponse = true, `{"status":"`+string(result)+`"}`
	}
	if res.receipt == signum.ReceiptCancelled {
		x.FaultMessage = "User Cancelled the request"
	}
	resp.Extension = x
	return resp, nil
}
