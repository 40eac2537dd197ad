package sandbox

import (
	"context"
	"errors"
	"testing"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/control"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/lab/scenario"
)

// One cancel ends what is open on a phone, and the number can be asked
// again at once.
func TestCancelPhone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, m := range []signum.Method{signum.SIM, signum.App} {
		msisdn := f.addUser(person.Silent, m)
		waiting := f.open(msisdn)
		f.cancelled(msisdn, control.CancelledSignature)
		if err := <-waiting; !errors.Is(err, &signum.Fault{Code: 401}) {
			t.Errorf("%s: the party got %v", m, err)
		}
		for _, wire := range wires {
			got, err := f.clients[wire].Do(t.Context(), f.request(msisdn, async))
			if err != nil {
				t.Fatalf("%s, %s: the number is busy: %v", m, wire, err)
			}
			f.cancelled(msisdn, control.CancelledSignature)
			if err := f.outcome(t, wire, got.(*signum.SignatureResponse).TransID); !errors.Is(err, &signum.Fault{Code: 401}) {
				t.Errorf("%s, %s: the outcome is %v", m, wire, err)
			}
		}
		if ended, err := f.Cancel(t.Context(), msisdn); err != nil || ended == nil || len(ended) != 0 {
			t.Errorf("%s: nothing is open: %v, %v", m, ended, err)
		}
		if err := f.Behave(msisdn, person.Behaviour{}); err != nil {
			t.Fatal(err)
		}
		if sign, _ := f.codes("rest", msisdn); sign != 0 {
			t.Errorf("%s: the next request: %d", m, sign)
		}
	}
}

// cancelled cancels, and checks that one thing has ended.
func (f *fixture) cancelled(msisdn, operation string) {
	f.t.Helper()
	ended, err := f.Cancel(f.t.Context(), msisdn)
	if err != nil || len(ended) != 1 || ended[0].MSISDN != msisdn || ended[0].APID != APID || ended[0].TransID == "" || ended[0].Operation != operation {
		f.t.Errorf("%s: ended %+v, %v", msisdn, ended, err)
	}
}

// A party that hangs up leaves its request on the phone. So does a run of the sandbox that
// ends. Cancel ends both.
func TestCancelAbandoned(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	msisdn := f.addUser(person.Silent, signum.SIM)
	ctx, hangUp := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() {
		_, err := f.clients["rest"].Do(ctx, f.request(msisdn))
		gone <- err
	}()
	f.whenOpen(msisdn)
	hangUp()
	<-gone
	if sign, _ := f.codes("soap", msisdn); sign != 406 {
		t.Errorf("with an open request: %d", sign)
	}
	f.cancelled(msisdn, control.CancelledSignature)
	if err := f.Behave(msisdn, person.Behaviour{}); err != nil {
		t.Fatal(err)
	}
	if sign, _ := f.codes("soap", msisdn); sign != 0 {
		t.Errorf("afterwards: %d", sign)
	}
}

// whenOpen waits until the number has an open request.
func (f *fixture) whenOpen(msisdn string) {
	f.t.Helper()
	for f.t.Context().Err() == nil {
		if open, err := f.Store.SubscriberPending(f.t.Context(), msisdn); err != nil || len(open) > 0 {
			return
		}
	}
}

func TestCancelNextRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const msisdn = "+41791000001"
	silent := map[string]person.Behaviour{msisdn: {Do: person.Silent}}
	box, stop := runUntil(t, Config{Dir: dir, Behaviours: silent})
	asked := make(chan error, 1)
	go func() { asked <- call(t, box, msisdn, signum.ProfileSTK) }()
	(&fixture{Sandbox: box, t: t}).whenOpen(msisdn)
	stop()
	<-asked
	box = run(t, Config{Dir: dir})
	if err := call(t, box, msisdn, signum.ProfileSTK); !errors.Is(err, &signum.Fault{Code: 406}) && err != nil {
		t.Errorf("before: %v", err)
	}
	if _, err := box.Cancel(t.Context(), msisdn); err != nil {
		t.Error(err)
	}
	if err := call(t, box, msisdn, signum.ProfileSTK); err != nil {
		t.Errorf("after: %v", err)
	}
}

// Cancel ends activations and receipts, too.
func TestCancelOthers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	u := f.put(scenario.User{Methods: simOnly, State: scenario.Registered, Behaviour: "silent"})
	waiting := f.open(u.MSISDN)
	f.cancelled(u.MSISDN, control.CancelledActivation)
	if err := <-waiting; !errors.Is(err, &signum.Fault{Code: 401}) {
		t.Errorf("activation: %v", err)
	}
	for _, m := range []signum.Method{signum.SIM, signum.App} {
		msisdn := f.addUser(person.Approve, m)
		got, err := f.clients["rest"].Do(t.Context(), f.request(msisdn))
		if err != nil {
			t.Fatal(err)
		}
		id := got.(*signum.SignatureResponse).TransID
		if err := f.Behave(msisdn, person.Behaviour{Do: person.Silent}); err != nil {
			t.Fatal(err)
		}
		answer := make(chan *signum.ReceiptResponse, 1)
		go func() {
			got, err := f.clients["soap"].Do(t.Context(), f.receiptRequest(msisdn, id))
			if err != nil {
				t.Error(err)
				answer <- nil
				return
			}
			answer <- got.(*signum.ReceiptResponse)
		}()
		f.whenShown(msisdn, m, id, func(string) {})
		f.cancelled(msisdn, control.CancelledReceipt)
		if r := <-answer; r == nil || r.Extension == nil || r.Extension.UserResponse != `{"status":"CANCEL"}` {
			t.Errorf("%s: receipt %+v", m, r)
		}
	}
	for number, want := range map[string]string{"+41799999999": "no such user", "079": "not the number"} {
		if _, err := f.Cancel(t.Context(), number); err == nil {
			t.Errorf("%s: accepted, want %s", number, want)
		}
	}
}
