package engine

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/engine/phonetest"
	"github.com/signum-mssp/signum/internal/mssp"
)

func TestBusySIM(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		w := newWorld(t, url, nil)
		s := w.addUser(1, silent, signum.EC, signum.SIM, signum.App)
		first := w.begin(s)
		if _, err := w.ask(s); w.code(err) != signum.PBSignatureProcess {
			t.Errorf("second on the SIM: %v", err)
		}
		app := w.begin(s, profile(signum.ProfileDevice)) // another device
		if got := w.outcome(first); got != signum.OutstandingTransact {
			t.Errorf("first: %d", got)
		}
		// An overdue transaction does not block the next one, swept or not.
		w.clock.Advance(81 * time.Second)
		w.begin(s)
		if got := w.outcome(first); got != signum.ExpiredTransaction {
			t.Errorf("first: %d", got)
		}
		if got := w.outcome(app); got != signum.ExpiredTransaction {
			t.Errorf("app, after its 40 s: %d", got)
		}
	})
}

func TestAppSupersedes(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		w := newWorld(t, url, nil)
		s := w.addUser(1, silent, signum.EC, signum.App)
		first := make(chan error, 1)
		go func() {
			_, err := w.ask(s)
			first <- err
		}()
		<-w.shown
		second := w.begin(s)
		if err := <-first; w.code(err) != signum.UserCancel {
			t.Errorf("first: %v", err)
		}
		w.awaitShown(second)
		if err := w.phones.Act(s.Devices[0].ID, second, phonetest.Approve); err != nil {
			t.Fatal(err)
		}
		if got := w.await(second); got != signum.SignatureMade {
			t.Errorf("second: %d", got)
		}
	})
}

// reasons is a channel that records why requests are over.
type reasons struct {
	mssp.Channel
	ended chan string
}

func (c reasons) Cancel(ctx context.Context, w mssp.Withdrawal) {
	c.ended <- w.TransID + " " + string(w.Reason)
	c.Channel.Cancel(ctx, w)
}

// A phone is told why its request is over.
func TestEndReasons(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		w := newWorld(t, url, nil)
		ended := make(chan string, 10)
		w.cfg.Channels[signum.App] = reasons{w.phones, ended}
		s := w.addUser(1, silent, signum.EC, signum.App)
		next := func(id string, want mssp.EndReason) {
			t.Helper()
			if got := <-ended; got != id+" "+string(want) {
				t.Errorf("%s, want %s", got, want)
			}
		}
		first := w.begin(s)
		w.awaitShown(first)
		second := w.begin(s)
		w.awaitShown(second)
		next(first, mssp.EndReplaced)
		if err := w.phones.Act(s.Devices[0].ID, second, phonetest.Cancel); err != nil {
			t.Fatal(err)
		}
		next(second, mssp.EndAnswered)
		third := w.begin(s)
		w.awaitShown(third)
		w.clock.Advance(time.Hour)
		if got := w.outcome(third); got != signum.ExpiredTransaction {
			t.Errorf("third: %d", got)
		}
		next(third, mssp.EndExpired)
	})
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		w := newWorld(t, url, nil)
		w.run()
		for i, tt := range []struct {
			method  signum.Method
			timeout string
			life    time.Duration
		}{
			{signum.SIM, "", 80 * time.Second}, {signum.App, "", 40 * time.Second}, {signum.SIM, "300", 300 * time.Second}, {signum.App, "15", 15 * time.Second},
		} {
			s := w.addUser(i, silent, signum.EC, tt.method)
			limit := func(r *signum.SignatureRequest) { r.TimeOut = tt.timeout }
			done := make(chan error, 1)
			id := w.begin(s, limit)
			w.awaitShown(id)
			w.clock.Advance(tt.life - time.Millisecond)
			if got := w.outcome(id); got != signum.OutstandingTransact {
				t.Errorf("%s %s, just before: %d", tt.method, tt.timeout, got)
			}
			w.clock.Advance(time.Millisecond)
			if got := w.await(id); got != signum.ExpiredTransaction {
				t.Errorf("%s %s: %d", tt.method, tt.timeout, got)
			}
			go func() {
				_, err := w.ask(s, limit)
				done <- err
			}()
			<-w.shown
			w.clock.Advance(tt.life)
			if flt := signum.AsFault(<-done); flt == nil || *flt != (signum.Fault{Code: 208, Detail: "Timed out waiting for an answer from user."}) {
				t.Errorf("synchronous: %v", flt)
			}
			_, err := w.Status(t.Context(), &mssp.Caller{Pin: testPin}, &signum.StatusRequest{Header: w.header(), TransID: id})
			if flt := signum.AsFault(err); flt == nil || flt.Detail != "Original request timed out." {
				t.Errorf("status: %v", err)
			}
		}
	})
}

func TestRestart(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		w := newWorld(t, url, nil)
		s1 := w.addUser(1, silent, signum.EC, signum.SIM)
		s2 := w.addUser(2, silent, signum.EC, signum.App)
		goesOn, runsOut := w.begin(s1), w.begin(s2)
		w.stop()

		w.clock.Advance(50 * time.Second) // the App's 40 s are over
		w = newWorld(t, url, w)
		w.addPhones(s1, approves)
		w.addPhones(s2, approves)
		w.run()
		if got := w.await(goesOn); got != signum.SignatureMade {
			t.Errorf("handed over again: %d", got)
		}
		if got := w.await(runsOut); got != signum.ExpiredTransaction {
			t.Errorf("overdue: %d", got)
		}
	})
}

func TestOtherNode(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		a := newWorld(t, url, nil)
		s := a.addUser(1, silent, signum.EC, signum.SIM)
		b := newWorld(t, url, a)
		b.addPhones(s, approves)
		a.run()
		done := make(chan *signum.SignatureResponse, 1)
		go func() {
			resp, err := a.ask(s)
			if err != nil {
				t.Error(err)
			}
			done <- resp
		}()
		<-a.shown
		b.run() // recovery hands the transaction to b's phone, which approves
		if resp := <-done; resp != nil {
			a.verify(resp.Signature)
		}
	})
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		w := newWorld(t, url, nil)
		ctx := t.Context()
		s := w.addUser(1, silent, signum.EC, signum.SIM)
		id := w.begin(s)
		cancel := mssp.DeviceAnswer{TransID: id, DeviceID: s.Devices[0].ID, Fault: signum.NewFault(signum.UserCancel)}

		other := cancel
		other.DeviceID = "9-SIM"
		if err := w.Answer(ctx, other); !errors.Is(err, mssp.ErrNotAsked) {
			t.Errorf("answer of another device: %v", err)
		}
		if err := w.Answer(ctx, mssp.DeviceAnswer{TransID: "none"}); !errors.Is(err, mssp.ErrNotFound) {
			t.Errorf("answer to nothing: %v", err)
		}
		if got := w.outcome(id); got != signum.OutstandingTransact {
			t.Errorf("after foreign answers: %d", got)
		}
		if err := w.Answer(ctx, cancel); err != nil {
			t.Error(err)
		}
		late := cancel
		late.Fault = signum.NewFault(signum.PINBlocked)
		if err := w.Answer(ctx, late); err != nil {
			t.Errorf("late answer: %v", err)
		}
		if got := w.outcome(id); got != signum.UserCancel {
			t.Errorf("the first answer decides: %d", got)
		}

		// An answer after the expiry is late, even if no sweep has run.
		id = w.begin(s)
		w.clock.Advance(80 * time.Second)
		if err := w.Answer(ctx, mssp.DeviceAnswer{TransID: id, DeviceID: s.Devices[0].ID, Fault: signum.NewFault(signum.UserCancel)}); err != nil {
			t.Error(err)
		}
		if got := w.outcome(id); got != signum.ExpiredTransaction {
			t.Errorf("overdue: %d", got)
		}
	})
}

func TestRevoked(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		w := newWorld(t, url, nil)
		s := w.addUser(1, silent, signum.EC, signum.SIM)
		id := w.begin(s)
		w.awaitShown(id)
		if err := w.ca.Revoke(t.Context(), s.Devices[0].Certificate.Serial, 1); err != nil {
			t.Fatal(err)
		}
		if err := w.phones.Act(s.Devices[0].ID, id, phonetest.Approve); err != nil {
			t.Fatal(err)
		}
		if got := w.await(id); got != signum.RevokedCertificate {
			t.Errorf("revoked while asked: %d", got)
		}
		resp, err := w.ask(s)
		if err != nil || resp.Status != signum.RevokedCertificate || resp.Signature != nil || resp.TransID == "" {
			t.Errorf("revoked before: %+v, %v", resp, err)
		}
		if got := w.outcome(w.begin(s)); got != signum.RevokedCertificate {
			t.Errorf("asynchronous: %d", got)
		}
		if n := len(w.shown); n != 0 {
			t.Errorf("%d more texts were shown", n)
		}
	})
}

func TestHangUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite:"+t.TempDir()+"/db", nil)
	s := w.addUser(1, silent, signum.EC, signum.SIM)
	ctx, hangUp := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := w.Sign(ctx, &mssp.Caller{Pin: testPin}, w.request(s))
		done <- err
	}()
	id := <-w.shown
	hangUp()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := w.phones.Act(s.Devices[0].ID, id, phonetest.Approve); err != nil {
		t.Fatal(err)
	}
	if got := w.await(id); got != signum.SignatureMade {
		t.Errorf("the transaction goes on: %d", got)
	}
	if n := len(w.waiters.ids()); n != 0 {
		t.Errorf("%d waiters left", n)
	}
}

func TestRetention(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite:"+t.TempDir()+"/db", nil)
	s := w.addUser(1, approves, signum.EC, signum.SIM)
	id := w.begin(s)
	w.await(id)
	w.clock.Advance(time.Hour - time.Second)
	if got := w.outcome(id); got != signum.SignatureMade {
		t.Errorf("before the hour: %d", got)
	}
	w.clock.Advance(2 * time.Second)
	if got := w.outcome(id); got != signum.WrongParam {
		t.Errorf("after the hour: %d", got)
	}
	if _, err := w.store.Transaction(t.Context(), id); err != nil {
		t.Errorf("the evidence: %v", err)
	}
	c := Config{Store: w.store, Chains: w.ca, Channels: w.cfg.Channels}
	if _, err := New(c); err != nil {
		t.Fatal(err)
	}
	c.Retention = time.Minute
	if _, err := New(c); err == nil {
		t.Error("a retention that lets calls be replayed was accepted")
	}
	c.Retention, c.Texts = 0, w.phones
	if _, err := New(c); err == nil {
		t.Error("an engine that sends texts has no name to put into them")
	}
}
