package sim_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/lab/card"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/mssp"
)

// audit compares all records after everything is over.
type audit struct {
	*crowd
	byTransID map[string]*mssp.Transaction // AP_TransID
	byUser    map[string][]*mssp.Transaction
	outcomes  map[string]int // by behaviour and code
	untold    int            // callers who got no answer because their node stopped
	lost      int            // approvals in time that nevertheless ended with 208 or 209
	approved  int
	errs      []string
}

func (a *audit) errorf(format string, args ...any) {
	a.errs = append(a.errs, fmt.Sprintf(format, args...))
}

// audit compares callers, store, phones and replies.
func (c *crowd) audit() *audit {
	a := &audit{crowd: c, byTransID: map[string]*mssp.Transaction{}, byUser: map[string][]*mssp.Transaction{}, outcomes: map[string]int{}}
	n := c.p.enter()
	defer n.leave()
	c.p.seen.mu.Lock() // nobody is there any more
	defer c.p.seen.mu.Unlock()
	ids := maps.Clone(c.p.seen.asked)
	for _, d := range c.calls {
		if d.id != "" {
			ids[d.id] = true // texts too
		}
	}
	for id := range ids {
		t, err := n.store.Transaction(context.Background(), id)
		if err != nil {
			c.t.Fatal(err)
		}
		if t.State == mssp.StateOutstanding {
			a.errorf("%s is outstanding forever", t.ID)
		}
		a.byTransID[t.APTransID] = t
		a.byUser[t.MSISDN] = append(a.byUser[t.MSISDN], t)
	}
	known := 0
	for _, d := range c.calls {
		known += a.deed(d)
	}
	if known != len(a.byTransID) {
		a.errorf("%d transactions in the store, %d calls made one", len(a.byTransID), known)
	}
	a.unwanted()
	a.passwords()
	for _, r := range c.receipts {
		a.receipt(n, r)
	}
	return a
}

// deed checks one call and returns how many transactions it made.
func (a *audit) deed(d *deed) (made int) {
	made = a.told(d.call)
	t := a.byTransID[d.transID]
	if d.second != nil {
		made += a.told(d.second)
		if s := a.byTransID[d.second.transID]; s != nil {
			if t != nil && t.Finished.After(s.Created) && s.Finished.After(t.Created) {
				a.errorf("%s and %s were outstanding on one SIM", t.ID, s.ID)
			}
			a.outcome(d, d.second, s)
		} else {
			a.refused(d, d.second)
		}
	}
	if t == nil {
		a.refused(d, d.call)
		return made
	}
	a.outcome(d, d.call, t)
	return made
}

// told compares what a caller was told with the store.
func (a *audit) told(c *call) (made int) {
	t := a.byTransID[c.transID]
	switch {
	case c.told == 0:
		a.untold++
	case t == nil:
	case c.told != t.Outcome.Code:
		a.errorf("%s: the caller was told %d, the store says %d", t.ID, c.told, t.Outcome.Code)
	case c.id != "" && c.id != t.ID:
		a.errorf("%s: the caller was told %s", t.ID, c.id)
	}
	if t == nil {
		return 0
	}
	return 1
}

// refused checks a call that made no transaction.
func (a *audit) refused(d *deed, c *call) {
	a.outcomes[fmt.Sprintf("%s: refused with %d", d.does.Do, c.told)]++
	switch {
	case c.told == 0:
	case c.told == signum.OTAError && signum.IsOTP(c.profile): // there was one, but a fault does not name it
	case c.told == signum.PINBlocked && (d.does.Do == person.WrongPIN || d.does.Do == person.Blocked):
	case c.told == signum.PBSignatureProcess && (a.busy(c) || a.pausing(c)):
	default:
		a.errorf("%s: refused with %d, asked at %s, told at %s; %s", d.does, c.told, c.asked, c.answered, a.times(c.u))
	}
}

// times lists the times of a user's transactions, for an error.
func (a *audit) times(u *user) string {
	var b strings.Builder
	for _, t := range a.byUser[u.MSISDN] {
		fmt.Fprintf(&b, "\n%s %s: from %s to %s, %d", t.ID, t.Method, t.Created, t.Finished, t.Outcome.Code)
	}
	return b.String()
}

// busy reports whether another transaction was outstanding on the user's SIM when the
// party was told so. The end of a transaction is dated, in microseconds, before it is
// written; until then it counts as outstanding, and a group of writes may wait for a
// millisecond.
func (a *audit) busy(c *call) bool {
	for _, t := range a.byUser[c.u.MSISDN] {
		if t.Method == signum.SIM && !t.Created.After(c.answered) && !t.Finished.Add(2*time.Millisecond).Before(c.asked) {
			return true
		}
	}
	return false
}

// pausing reports whether the party had to leave the user's SIM to others: it had made
// another party wait, and its transaction had not ended more than 10 s before.
func (a *audit) pausing(c *call) bool {
	for _, t := range a.byUser[c.u.MSISDN] {
		if t.Method == signum.SIM && t.APID == parties[c.ap].id && !t.Created.After(c.answered) &&
			!t.Finished.Add(10*time.Second+2*time.Millisecond).Before(c.asked) && a.waited(t) {
			return true
		}
	}
	return false
}

// waited reports whether another party was refused during the transaction.
func (a *audit) waited(t *mssp.Transaction) bool {
	for _, d := range a.calls {
		for _, c := range []*call{d.call, d.second} {
			if c != nil && c.u.MSISDN == t.MSISDN && c.told == signum.PBSignatureProcess && parties[c.ap].id != t.APID &&
				!c.answered.Before(t.Created) && !c.asked.After(t.Finished.Add(2*time.Millisecond)) {
				return true
			}
		}
	}
	return false
}

// ends are the outcomes of a user's actions if no message is lost.
var ends = map[person.Action]signum.Code{
	person.Approve: signum.SignatureMade, person.Cancel: signum.UserCancel, person.WrongPIN: signum.PINBlocked, person.Blocked: signum.PINBlocked,
	person.Silent: signum.ExpiredTransaction, person.BadSignature: signum.InvalidSignature, person.NoKey: signum.NoKeyFound,
}

// results are the replies that lead to an outcome.
var results = map[signum.Code]applet.Result{
	signum.SignatureMade: applet.OK, signum.InvalidSignature: applet.OK, signum.UserCancel: applet.UserCancel,
	signum.PINBlocked: applet.PINBlocked, signum.NoKeyFound: applet.NoKey, signum.ExpiredTransaction: applet.NoAnswer,
}

func (a *audit) outcome(d *deed, c *call, t *mssp.Transaction) {
	code := t.Outcome.Code
	a.outcomes[fmt.Sprintf("%s: %d", what(d, t), code)]++
	if t.OTP() {
		if code != signum.RequestOK && code != signum.OTAError {
			a.errorf("%s: a one-time password ended with %d", t.ID, code)
		}
		return
	}
	id := applet.TransactionID(t.ID).String()
	want := ends[d.does.Do]
	switch {
	case d.returns:
		want = signum.SignatureMade
	case t.Services.ActivateKey != "" && d.does.Do == person.WrongPIN:
		want = signum.UserCancel
	}
	reply, replied := a.p.seen.replies[id]
	switch {
	case code == want:
	case code == signum.ExpiredTransaction || code == signum.OTAError:
		// A reply that comes just before the expiry may be too late for the store.
		if replied && reply.at.Before(t.Finished.Add(-2*time.Second)) && results[code] != reply.result {
			a.errorf("%s: %d at %s, but the reply (%s) was there at %s", t.ID, code, t.Finished, reply.result, reply.at)
		}
	default:
		a.errorf("%s: %d, the person did: %s", t.ID, code, d.does)
	}
	if code != signum.ExpiredTransaction && code != signum.OTAError && (!replied || reply.result != results[code]) && t.Services.ActivateKey == "" {
		a.errorf("%s: %d without such a reply (%v, %s)", t.ID, code, replied, reply.result)
	}
	if d.does.Do == person.Approve {
		if a.approved++; code != signum.SignatureMade {
			a.lost++
			a.t.Logf("%s (%s): %d after %s, %s, reply: %v %s\n%s", t.ID, c.u.keyType, code, t.Finished.Sub(t.Created), d.does, replied, reply.result, strings.Join(d.way, "\n"))
		}
	}
	a.prompts(d, t, id)
}

func what(d *deed, t *mssp.Transaction) string {
	switch {
	case t.OTP():
		return "text"
	case t.Services.ActivateKey != "":
		return d.does.Do.String() + " activation"
	}
	return d.does.Do.String()
}

// prompts checks that no user was asked twice.
func (a *audit) prompts(d *deed, t *mssp.Transaction, id string) {
	w := a.p.seen
	most := map[card.Step]int{card.StepParty: 1, card.StepText: 1, card.StepPIN: 1, card.StepNewPIN: 1, card.StepRepeat: 1}
	if d.does.Do == person.WrongPIN {
		most = map[card.Step]int{card.StepParty: 1, card.StepText: 1, card.StepPIN: 3, card.StepNewPIN: 3, card.StepRepeat: 3}
	}
	for step, n := range most {
		for _, op := range []mssp.DeviceOp{mssp.OpSign, mssp.OpActivate, mssp.OpDisplay} {
			if got := w.prompts[prompt{id, op, step}]; got > n {
				a.errorf("%s: %d prompts of step %d of operation %d", t.ID, got, step, op)
			}
			if got := w.shown[prompt{id: id, op: op}]; got > 1 {
				a.errorf("%s: shown %d times", t.ID, got)
			}
		}
	}
	if n := w.signed[id]; n > 1 || n == 0 && t.Outcome.Code == signum.SignatureMade {
		a.errorf("%s: %d signatures were made", t.ID, n)
	}
}

// unwanted checks that no user was asked something that no party wanted.
func (a *audit) unwanted() {
	known := map[string]bool{}
	for _, t := range a.byTransID {
		known[applet.TransactionID(t.ID).String()] = true
	}
	for p := range a.p.seen.prompts {
		if !known[p.id] {
			a.errorf("somebody was asked %+v", p)
		}
	}
}

// passwords checks that a password came at most twice: the network may double it.
func (a *audit) passwords() {
	for text, n := range a.p.seen.texts {
		d := a.texts[text]
		switch {
		case d == nil && !strings.Contains(text, "recovery code"):
			a.errorf("a text that nobody sent: %q", text)
		case d != nil && n > 2 && d.told != 0:
			a.errorf("%q came %d times", text, n)
		}
	}
}

// receipt compares what a party was told about a receipt with the store.
func (a *audit) receipt(n *node, r *receipted) {
	got, err := n.store.Receipt(context.Background(), r.of.id)
	if r.told == nil {
		if err != nil && !errors.Is(err, mssp.ErrNotFound) {
			a.errorf("%v", err)
		}
		a.outcomes["receipt: not told"]++
		return
	}
	if err != nil {
		a.errorf("receipt of %s: %v", r.of.id, err)
		return
	}
	a.outcomes[fmt.Sprintf("receipt, %s: %s", r.of.does.Do, got.Result)]++
	want := signum.ReceiptResponseExtension{}
	switch got.Result {
	case signum.ReceiptAccepted, signum.ReceiptCancelled, signum.ReceiptTimedOut:
		want.UserAck, want.UserResponse = true, `{"status":"`+string(got.Result)+`"}`
	}
	if got.Result == signum.ReceiptCancelled {
		want.FaultMessage = "User Cancelled the request"
	}
	if *r.told != want {
		a.errorf("receipt of %s: told %+v, the store says %q", r.of.id, *r.told, got.Result)
	}
	if got.Result != signum.ReceiptAccepted && got.Result != signum.ReceiptLost {
		a.errorf("receipt of %s: %q, the person presses OK", r.of.id, got.Result)
	}
}

// report fails the test if something is wrong, and logs a summary.
func (a *audit) report() {
	a.t.Helper()
	for _, key := range slices.Sorted(maps.Keys(a.outcomes)) {
		a.t.Logf("%6d %s", a.outcomes[key], key)
	}
	a.t.Logf("seed %d: %d calls, %d transactions, %d callers were told nothing; %d of %d who approved were not heard",
		a.seed, len(a.calls), len(a.byTransID), a.untold, a.lost, a.approved)
	for i, e := range a.errs {
		if i == 20 {
			a.t.Errorf("and %d more", len(a.errs)-i)
			break
		}
		a.t.Errorf("seed %d: %s", a.seed, e)
	}
}

// trace returns the exchanges of a call, as far as this node has them.
func (p *path) trace(c *call) (way []string) {
	n := p.enter()
	defer n.leave()
	for _, e := range n.channel.Trace(c.u.MSISDN) {
		if e.Time.After(c.asked) {
			b, _ := json.Marshal(e)
			way = append(way, string(b))
		}
	}
	return way
}
