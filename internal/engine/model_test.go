package engine

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/engine/phonetest"
	"github.com/signum-mssp/signum/internal/mssp"
)

// modelled is the expected state of one transaction.
type modelled struct {
	id       string
	ap       int
	user     int
	method   signum.Method
	expires  time.Time
	code     signum.Code // 504 while outstanding
	receipts int         // accepted ones
}

// model implements the life of transactions in memory, as the specification
// describes it. Random calls of several parties go to the engine and to the model.
type model struct {
	w       *world
	url     string
	users   []*mssp.Subscriber
	all     []*modelled
	blocked map[string]bool         // PINs, by device
	turns   map[string]modelledTurn // by device
}

var methods = []signum.Method{signum.SIM, signum.App}

// modelParties are the callers, each with its own certificate.
var modelParties = []struct {
	id  string
	pin mssp.Pin
}{{"mid://ap", testPin}, {"mid://second", mssp.Pin{2}}, {"mid://third", mssp.Pin{3}}}

// TestModel runs random sequences of requests, status queries, receipts, answers,
// steps of time, sweeps and restarts, and compares each outcome with the model.
func TestModel(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		w := newWorld(t, url, nil)
		for _, p := range modelParties {
			w.putParty(func(q *mssp.Party) { q.ID, q.Pins = p.id, []mssp.Pin{p.pin} })
		}
		run := 0
		rapid.Check(t, func(rt *rapid.T) {
			m := &model{w: w, url: url, blocked: make(map[string]bool), turns: make(map[string]modelledTurn)}
			for range 2 {
				run++
				m.users = append(m.users, w.addUser(run, silent, signum.EC, methods...))
			}
			rt.Repeat(map[string]func(*rapid.T){
				"begin":   m.begin,
				"answer":  m.answer,
				"late":    m.late,
				"receipt": m.receipt,
				"unblock": m.unblock,
				"wait":    m.wait,
				"sweep":   m.sweep,
				"restart": m.restart,
				"":        m.check,
			})
			w = m.w
		})
	})
}

// current is the outstanding transaction of a user's method, overdue or not.
func (m *model) current(user int, method signum.Method) *modelled {
	for _, x := range m.all {
		if x.user == user && x.method == method && x.code == signum.OutstandingTransact {
			return x
		}
	}
	return nil
}

// settle ends what is overdue, as any access to it does.
func (m *model) settle() {
	for _, x := range m.all {
		if x.code == signum.OutstandingTransact && !x.expires.After(m.w.clock.Now()) {
			x.code = signum.ExpiredTransaction
		}
	}
}

// as makes a header that of a party, and returns the party's caller.
func (m *model) as(ap int, h *signum.Header) *mssp.Caller {
	h.AP.ID = modelParties[ap].id
	return &mssp.Caller{Pin: modelParties[ap].pin}
}

func (m *model) device(user int, method signum.Method) string {
	for _, d := range m.users[user].Devices {
		if d.Method == method {
			return d.ID
		}
	}
	return ""
}

func (m *model) draw(rt *rapid.T) (ap, user int, method signum.Method) {
	m.settle()
	return rapid.IntRange(0, len(modelParties)-1).Draw(rt, "ap"), rapid.IntRange(0, len(m.users)-1).Draw(rt, "user"),
		rapid.SampledFrom(methods).Draw(rt, "method")
}

func fails(rt *rapid.T, err error, code signum.Code, what string) {
	if flt := signum.AsFault(err); flt == nil || flt.Code != code {
		rt.Fatalf("%s: %v, must be %d", what, err, code)
	}
}

func (m *model) begin(rt *rapid.T) {
	ap, user, method := m.draw(rt)
	seconds := rapid.IntRange(15, 100).Draw(rt, "timeout")
	r := m.w.request(m.users[user], async, profile(mssp.MethodOf(method).Profile), func(r *signum.SignatureRequest) { r.TimeOut = fmt.Sprint(seconds) })
	c := m.as(ap, &r.Header)
	resp, err := m.w.Sign(context.Background(), c, r)
	before, phone := m.current(user, method), m.device(user, method)
	switch {
	case m.blocked[m.device(user, method)]:
		fails(rt, err, signum.PINBlocked, "a blocked PIN")
		return
	case m.mustPause(ap, phone):
		fails(rt, err, signum.PBSignatureProcess, "a party that made another one wait")
		return
	case before != nil && before.ap != ap:
		fails(rt, err, signum.PBSignatureProcess, "another party's request")
		m.turns[phone] = modelledTurn{before.ap, before.expires.Add(turnPause)}
		return
	case before != nil && method == signum.SIM:
		fails(rt, err, signum.PBSignatureProcess, "a second one on the SIM")
		return
	case err != nil || resp.Status != signum.RequestOK:
		rt.Fatalf("begin: %+v, %v", resp, err)
	}
	if before != nil {
		m.end(before, signum.UserCancel)
	}
	if turn, ok := m.turns[phone]; ok && turn.ap != ap {
		delete(m.turns, phone)
	}
	m.all = append(m.all, &modelled{id: resp.TransID, ap: ap, user: user, method: method, code: signum.OutstandingTransact,
		expires: m.w.clock.Now().Add(time.Duration(seconds) * time.Second)})
}

// modelledTurn is a party that made another one wait for a phone.
type modelledTurn struct {
	ap    int
	until time.Time
}

func (m *model) mustPause(ap int, phone string) bool {
	turn, ok := m.turns[phone]
	return ok && turn.ap == ap && m.w.clock.Now().Before(turn.until)
}

// end gives a transaction its code, after which its party pauses if another one waits.
func (m *model) end(x *modelled, code signum.Code) {
	x.code = code
	phone, now := m.device(x.user, x.method), m.w.clock.Now()
	if turn, ok := m.turns[phone]; ok && turn.ap == x.ap && now.Before(turn.until) {
		m.turns[phone] = modelledTurn{x.ap, now.Add(turnPause)}
	}
}

// answer lets the user approve or decline what is on a screen.
func (m *model) answer(rt *rapid.T) {
	_, user, method := m.draw(rt)
	approve := rapid.Bool().Draw(rt, "approve")
	x := m.current(user, method)
	if x == nil {
		rt.Skip("nothing on the screen")
	}
	device := m.device(user, method)
	var err error
	if approve {
		m.end(x, signum.SignatureMade)
		err = m.w.phones.Act(device, x.id, phonetest.Approve)
	} else {
		m.end(x, signum.UserCancel)
		err = m.w.phones.Act(device, x.id, phonetest.Cancel)
	}
	if err != nil {
		rt.Fatalf("%s on %s: %v", x.id, device, err)
	}
	for m.status(rt, x.ap, x.id) == signum.OutstandingTransact {
		time.Sleep(time.Millisecond) // the bearer takes its time
	}
}

// late answers any transaction, from the right device or a wrong one. The answer
// counts only if it is the first and comes from the right device.
func (m *model) late(rt *rapid.T) {
	m.settle()
	if len(m.all) == 0 {
		rt.Skip("no transaction")
	}
	x := rapid.SampledFrom(m.all).Draw(rt, "transaction")
	right := rapid.Bool().Draw(rt, "right device")
	code := rapid.SampledFrom([]signum.Code{signum.PINBlocked, signum.UserCancel, signum.RequestOK}).Draw(rt, "code")
	a := mssp.DeviceAnswer{TransID: x.id, DeviceID: m.device(x.user, x.method), Fault: signum.NewFault(code)}
	if !right {
		a.DeviceID = m.device(1-x.user, x.method)
	}
	err := m.w.Answer(context.Background(), a)
	if right != (err == nil) {
		rt.Fatalf("answer: %v", err)
	}
	if !right || x.code != signum.OutstandingTransact {
		return
	}
	if m.end(x, code); code == signum.RequestOK {
		x.code = signum.InternalError // no phone answers with this code
	}
	m.blocked[a.DeviceID] = m.blocked[a.DeviceID] || code == signum.PINBlocked
}

func (m *model) unblock(rt *rapid.T) {
	_, user, method := m.draw(rt)
	device := m.device(user, method)
	if err := m.w.store.SetPINBlocked(context.Background(), device, false); err != nil {
		rt.Fatal(err)
	}
	delete(m.blocked, device)
}

// receipt asks for a receipt of any transaction, as any party. The user may or may not
// answer.
func (m *model) receipt(rt *rapid.T) {
	m.settle()
	if len(m.all) == 0 {
		rt.Skip("no transaction")
	}
	x := rapid.SampledFrom(m.all).Draw(rt, "transaction")
	ap := rapid.IntRange(0, len(modelParties)-1).Draw(rt, "ap")
	act := rapid.SampledFrom([]string{"OK", "CANCEL", ""}).Draw(rt, "act")
	r := m.w.receiptRequest(m.users[x.user], x.id)
	c := m.as(ap, &r.Header)
	device := m.device(x.user, x.method)
	busy := m.current(x.user, x.method) != nil
	// If the user cannot act, the party hangs up, and the test says why.
	ctx, hangUp := context.WithCancelCause(context.Background())
	defer hangUp(nil)
	if ap == x.ap && x.code == signum.SignatureMade && x.receipts == 0 && !m.blocked[device] && !busy {
		go func() {
			if err := m.acknowledge(device, x.id, act); err != nil {
				hangUp(err)
			}
		}()
	}
	resp, err := m.w.Receipt(ctx, c, r)
	switch {
	case ap != x.ap, x.code != signum.SignatureMade, x.receipts > 0:
		fails(rt, err, signum.WrongParam, "a receipt that must not be")
		return
	case m.blocked[device]:
		fails(rt, err, signum.PINBlocked, "a receipt on a blocked device")
		return
	}
	x.receipts++
	want := signum.ReceiptResponseExtension{UserAck: true, UserResponse: `{"status":"` + act + `"}`}
	switch {
	case busy || act == "":
		want = signum.ReceiptResponseExtension{}
	case act == "CANCEL":
		want.FaultMessage = "User Cancelled the request"
	}
	if err != nil || *resp.Extension != want {
		rt.Fatalf("receipt: %+v, %v, must be %+v", resp, err, want)
	}
}

// acknowledge waits until the receipt is on the screen, and acts.
func (m *model) acknowledge(device, id, act string) error {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(100 * time.Microsecond) {
		d, err := m.w.phones.Device(device)
		if err != nil {
			return err
		}
		if s, ok := d.Shown(); !ok || s.TransID != id {
			continue
		}
		switch act {
		case "OK":
			return m.w.phones.Act(device, id, phonetest.Approve)
		case "CANCEL":
			return m.w.phones.Act(device, id, phonetest.Cancel)
		}
		m.w.clock.Advance(signum.ReceiptWait)
		return m.w.sweep(context.Background())
	}
	return errors.New("the receipt was not shown")
}

func (m *model) wait(rt *rapid.T) {
	m.w.clock.Advance(time.Duration(rapid.IntRange(1, 60).Draw(rt, "seconds")) * time.Second)
}

func (m *model) sweep(rt *rapid.T) {
	if err := m.w.sweep(context.Background()); err != nil {
		rt.Fatal(err)
	}
}

// restart crashes the node and its bearers. Outstanding requests are handed over
// again.
func (m *model) restart(rt *rapid.T) {
	if !rapid.Bool().Draw(rt, "really") { // it is slow
		rt.Skip("not now")
	}
	m.w.stop()
	m.w = newWorld(m.w.t, m.url, m.w)
	clear(m.turns) // they are in memory
	for _, s := range m.users {
		m.w.addPhones(s, silent)
	}
	if err := m.w.recover(context.Background()); err != nil {
		rt.Fatal(err)
	}
	m.settle()
}

func (m *model) status(rt *rapid.T, ap int, id string) signum.Code {
	r := &signum.StatusRequest{Header: m.w.header(), TransID: id}
	c := m.as(ap, &r.Header)
	resp, err := m.w.Status(context.Background(), c, r)
	if err == nil {
		return resp.Status
	}
	flt := signum.AsFault(err)
	if flt == nil {
		rt.Fatalf("status of %s: %v", id, err)
	}
	return flt.Code
}

// check asks for a transaction's outcome. Its own party must get that of the model,
// and to any other party the transaction must be unknown.
func (m *model) check(rt *rapid.T) {
	if len(m.all) == 0 {
		return
	}
	m.settle()
	x := rapid.SampledFrom(m.all).Draw(rt, "checked")
	ap := rapid.IntRange(0, len(modelParties)-1).Draw(rt, "by")
	want := x.code
	if ap != x.ap {
		want = signum.WrongParam
	}
	if got := m.status(rt, ap, x.id); got != want {
		rt.Fatalf("%s is %d to %s, must be %d", x.id, got, modelParties[ap].id, want)
	}
}
