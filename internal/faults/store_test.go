package faults

import (
	"strings"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// storeFault is a fault of the database: it begins, is real, and ends.
type storeFault struct {
	begin, end func()
}

// The users of bear.
const (
	answersMeanwhile = iota
	answersLater
	answersTooLate
	asksMeanwhile
	storeUsers
)

// bear lets a fault of the store happen to a node with calls in every state, and checks
// what parties, users and the operator see.
func (w *world) bear(f storeFault) {
	w.t.Helper()
	var calls []*call
	for i, timeout := range []time.Duration{answersMeanwhile: long, answersLater: long, answersTooLate: 100 * time.Second} {
		calls = append(calls, w.asked(number(i), timeout))
	}
	shown := w.shown.count(number(asksMeanwhile))

	said := len(w.log.String())
	f.begin()
	w.release(number(answersMeanwhile))
	late := w.ask(number(asksMeanwhile), time.Second)
	w.clock.Advance(101 * time.Second)
	// Both are answered before the fault ends: nothing in this process can end it.
	w.wants("whose time ends meanwhile", (<-calls[answersTooLate].answer).err, signum.InternalError, "")
	w.wants("who asks meanwhile", (<-late.answer).err, signum.InternalError, "")
	w.eventually("the node is not ready", func() bool { return strings.Contains(w.ready(), "[-] store: ") })
	w.eventually("the metric of the outage", func() bool { return w.metric("signum_store_up 0") })
	if *longer > 0 {
		<-time.After(*longer)
	}
	f.end()

	w.eventually("the node is ready", func() bool { return w.ready() == "" })
	w.wants("who answers meanwhile", (<-calls[answersMeanwhile].answer).err, signum.SignatureMade, "")
	w.release(number(answersLater))
	w.wants("who answers later", (<-calls[answersLater].answer).err, signum.SignatureMade, "")
	w.nothingLost(calls, late, shown)
	w.eventually("the metric of the end", func() bool { return w.metric("signum_store_up 1") })
	for _, line := range []string{"the store does not work", "the store works again"} {
		if n := strings.Count(w.log.String()[said:], line); n != 1 {
			w.t.Errorf("the log says %d times: %s", n, line)
		}
	}
}

// nothingLost checks the database and the phones after a fault.
func (w *world) nothingLost(calls []*call, late *call, shown int) {
	w.t.Helper()
	for i, c := range calls {
		want := signum.SignatureMade
		if i == answersTooLate {
			want = signum.ExpiredTransaction // its user was asked, and did not answer
		}
		if t := w.outcome(c.SignatureRequest); t.Outcome.Code != want {
			w.t.Errorf("call %d ended with %v, want %d", i, t.Outcome, want)
		}
		w.wants("the same call again", w.do(c.SignatureRequest).err, signum.WrongParam, "AP_TransID and Instant were used before")
	}
	// A call that the store did not take, or of which it could not tell, asks no phone.
	if t := w.transaction(late.SignatureRequest); t != nil {
		if t = w.outcome(late.SignatureRequest); t.Outcome.Code != signum.InternalError {
			w.t.Errorf("the call during the fault ended with %v", t.Outcome)
		}
	}
	if n := w.shown.count(number(asksMeanwhile)); n != shown {
		w.t.Errorf("the phone showed %d requests of a call that was answered with 900", n-shown)
	}
	w.release(number(answersTooLate))
	for i := range storeUsers {
		w.eventually("the user signs again", func() bool { return w.sign(number(i), long) == nil })
	}
	open, err := w.node.Store.OutstandingTransactions(w.t.Context(), w.clock.Now(), "", 10)
	if err != nil || len(open) > 0 {
		w.t.Errorf("outstanding: %v, %v", open, err)
	}
	for i, c := range calls {
		all, err := w.node.Store.RecentTransactions(w.t.Context(), number(i), 100)
		if err != nil {
			w.t.Error(err)
		}
		n := 0
		for _, t := range all {
			if t.APTransID == c.AP.TransID && t.State != mssp.StateOutstanding {
				n++
			}
		}
		if n != 1 {
			w.t.Errorf("call %d has %d transactions", i, n)
		}
	}
}
