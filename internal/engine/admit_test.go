package engine

import (
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/admission"
	"github.com/signum-mssp/signum/internal/engine/phonetest"
	"github.com/signum-mssp/signum/internal/mssp"
)

// While a queue is too long for it, a new request is refused before anything is stored.
// What has begun goes on: answers, status queries and receipts.
func TestBusy(t *testing.T) {
	for _, way := range []string{"", string(signum.SIM)} {
		w := newWorld(t, "sqlite:"+t.TempDir()+"/signum.db", nil)
		var age time.Duration
		w.cfg.Gate = admission.New(admission.Config{Queues: []admission.Queue{
			{Name: "full", Way: way, AgeOf: func(string) time.Duration { return age }, Age: func() time.Duration { return age }},
		}})
		w.run()
		s := w.addUser(1, phonetest.Silent, signum.EC, signum.SIM)
		id := w.begin(s)
		w.awaitShown(id)

		age = 40 * time.Second
		other := w.addUser(2, phonetest.Approve, signum.EC, signum.SIM)
		_, err := w.ask(other, async)
		f := signum.AsFault(err)
		if f == nil || f.Code != signum.InternalError || f.Detail != "The service is busy" || f.RetryAfter <= 0 {
			t.Fatalf("way %q: a new request: %v", way, err)
		}
		if list, err := w.cfg.Store.OutstandingTransactions(t.Context(), w.now(), "", 10); err != nil || len(list) != 1 {
			t.Errorf("way %q: %d transactions are stored, %v", way, len(list), err)
		}
		if n := w.cfg.Gate.Refused()[admission.ReasonQueues]; n != 1 {
			t.Errorf("way %q: %d refusals are counted", way, n)
		}
		status := &signum.StatusRequest{Header: w.header(), TransID: id}
		if r, err := w.Status(t.Context(), &mssp.Caller{Pin: testPin}, status); err != nil || r.Status != signum.OutstandingTransact {
			t.Errorf("way %q: the status: %v", way, err)
		}
		cancelled := mssp.DeviceAnswer{Op: mssp.OpSign, TransID: id, DeviceID: s.Devices[0].ID, Fault: signum.NewFault(signum.UserCancel)}
		if err := w.Answer(t.Context(), cancelled); err != nil {
			t.Errorf("way %q: the answer: %v", way, err)
		}
		age = 0
		w.begin(other)
	}
}
