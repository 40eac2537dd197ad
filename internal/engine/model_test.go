package engine

import (
	"context"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/phone"
)

// modelled is what must be true of one transaction.
type modelled struct {
	id      string
	user    int
	method  signum.Method
	expires time.Time
	code    signum.Code // 504 while outstanding
}

// model is the life of transactions as the specification tells it, in memory.
// Random calls go to the engine and to it.
type model struct {
	w     *world
	users []*signum.Subscriber
	all   []*modelled
}

// TestModel fires random sequences of requests, answers, time and sweeps and
// compares each outcome with the model.
func TestModel(t *testing.T) {
	onStores(t, func(t *testing.T, url string) {
		w := newWorld(t, url, nil)
		run := 0
		rapid.Check(t, func(rt *rapid.T) {
			m := &model{w: w}
			for range 2 {
				run++
				m.users = append(m.users, w.addUser(run, silent, signum.EC, signum.SIM, signum.App))
			}
			rt.Repeat(map[string]func(*rapid.T){
				"begin":  m.begin,
				"answer": m.answer,
				"late":   m.late,
				"wait":   m.wait,
				"sweep":  m.sweep,
				"":       m.check,
			})
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

// settle ends what is overdue, as anybody who looks at it would.
func (m *model) settle() {
	for _, x := range m.all {
		if x.code == signum.OutstandingTransact && !x.expires.After(m.w.clock.Now()) {
			x.code = signum.ExpiredTransaction
		}
	}
}

func (m *model) begin(rt *rapid.T) {
	m.settle()
	user := rapid.IntRange(0, len(m.users)-1).Draw(rt, "user")
	method := rapid.SampledFrom([]signum.Method{signum.SIM, signum.App}).Draw(rt, "method")
	seconds := rapid.IntRange(15, 100).Draw(rt, "timeout")
	resp, err := m.w.Sign(context.Background(), &signum.Caller{Pin: testPin}, m.w.request(m.users[user], async,
		profile(signum.ProfileOf(method)), func(r *signum.SignatureRequest) { r.TimeOut = fmt.Sprint(seconds) }))
	before := m.current(user, method)
	if before != nil && method == signum.SIM {
		if flt := signum.AsFault(err); flt == nil || flt.Code != signum.PBSignatureProcess {
			rt.Fatalf("a second one on the SIM: %+v, %v", resp, err)
		}
		return
	}
	if err != nil || resp.Status != signum.RequestOK {
		rt.Fatalf("begin: %+v, %v", resp, err)
	}
	if before != nil {
		before.code = signum.UserCancel
	}
	m.all = append(m.all, &modelled{id: resp.TransID, user: user, method: method, code: signum.OutstandingTransact,
		expires: m.w.clock.Now().Add(time.Duration(seconds) * time.Second)})
}

// answer is the person: approves or declines what is on a screen.
func (m *model) answer(rt *rapid.T) {
	m.settle()
	user := rapid.IntRange(0, len(m.users)-1).Draw(rt, "user")
	method := rapid.SampledFrom([]signum.Method{signum.SIM, signum.App}).Draw(rt, "method")
	approve := rapid.Bool().Draw(rt, "approve")
	x := m.current(user, method)
	if x == nil {
		rt.Skip("nothing on the screen")
	}
	device := deviceOf(m.users[user], method)
	var err error
	if approve {
		x.code = signum.SignatureMade
		err = m.w.phones.EnterPIN(device, x.id, phone.DefaultPIN)
	} else {
		x.code = signum.UserCancel
		err = m.w.phones.Decline(device, x.id)
	}
	if err != nil {
		rt.Fatalf("%s on %s: %v", x.id, device, err)
	}
	m.w.await(x.id) // the bearer takes its time
}

// late is an answer to any transaction, by the right device or a wrong one;
// it counts only if it is the right one and the first.
func (m *model) late(rt *rapid.T) {
	m.settle()
	if len(m.all) == 0 {
		rt.Skip("no transaction")
	}
	x := rapid.SampledFrom(m.all).Draw(rt, "transaction")
	right := rapid.Bool().Draw(rt, "right device")
	a := signum.DeviceAnswer{TransID: x.id, DeviceID: deviceOf(m.users[x.user], x.method), Fault: signum.NewFault(signum.PINBlocked)}
	if !right {
		a.DeviceID = deviceOf(m.users[1-x.user], x.method)
	}
	err := m.w.Answer(context.Background(), a)
	if right != (err == nil) {
		rt.Fatalf("answer: %v", err)
	}
	if right && x.code == signum.OutstandingTransact {
		x.code = signum.PINBlocked
	}
}

func (m *model) wait(rt *rapid.T) {
	m.w.clock.move(time.Duration(rapid.IntRange(1, 60).Draw(rt, "seconds")) * time.Second)
}

func (m *model) sweep(rt *rapid.T) {
	if err := m.w.sweep(context.Background()); err != nil {
		rt.Fatal(err)
	}
}

// check asks for a transaction's outcome: it must be the model's, and what has
// ended stays as it is.
func (m *model) check(rt *rapid.T) {
	if len(m.all) == 0 {
		return
	}
	m.settle()
	x := rapid.SampledFrom(m.all).Draw(rt, "checked")
	if got := m.w.outcome(x.id); got != x.code {
		rt.Fatalf("%s is %d, must be %d", x.id, got, x.code)
	}
}

func deviceOf(s *signum.Subscriber, method signum.Method) string {
	for _, d := range s.Devices {
		if d.Method == method {
			return d.ID
		}
	}
	return ""
}
