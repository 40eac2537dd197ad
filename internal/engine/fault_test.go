package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/engine/phonetest"
	"github.com/signum-mssp/signum/internal/mssp"
)

// fault is what a store does instead of its work.
type fault string

const (
	failing   fault = "failing"   // at once
	hanging   fault = "hanging"   // until the time for the call is over
	uncertain fault = "uncertain" // does its work, but cannot tell
	lostWrite fault = "lost"      // does not do its work, and cannot tell
)

var faults = []fault{failing, hanging, uncertain, lostWrite}

// storeLimit is the time that the store gives a call that has no limit of its own.
const storeLimit = 5 * time.Millisecond

var errFault = errors.New("the store failed")

// faultyStore does not do what it is asked for at one call, or from that call on.
type faultyStore struct {
	mssp.Store
	mu    sync.Mutex
	fault fault
	at    int    // the call at which the fault comes; 0: none
	stays bool   // until it is healed
	only  string // name of the call that is hit; empty: any
	calls int
	name  string // of the call that it hit
}

// hit lets the fault come at calls of that name only.
func (s *faultyStore) hit(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.only = name
}

// next is called for each call, with its name.
func (s *faultyStore) next(name string) (fault, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.only != "" && s.only != name {
		return "", false
	}
	s.calls++
	if s.at == 0 || s.calls < s.at || s.calls > s.at && !s.stays {
		return "", false
	}
	if s.name == "" {
		s.name = name
	}
	return s.fault, true
}

func (s *faultyStore) set(f fault, at int, stays bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault, s.at, s.stays, s.calls, s.name = f, at, stays, 0, ""
}

// heal ends the fault, and returns which call it hit; empty: none.
func (s *faultyStore) heal() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = 0
	return s.name
}

func (s *faultyStore) hang(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(storeLimit):
	}
}

// read is a call that changes nothing.
func read[T any](s *faultyStore, ctx context.Context, name string, f func() (T, error)) (v T, err error) {
	fault, hit := s.next(name)
	if !hit {
		return f()
	}
	if fault == hanging {
		s.hang(ctx)
	}
	return v, errFault
}

// write is a call that changes something.
func write[T any](s *faultyStore, ctx context.Context, name string, f func() (T, error)) (v T, err error) {
	fault, hit := s.next(name)
	if !hit {
		return f()
	}
	switch fault {
	case failing:
		return v, errFault
	case hanging:
		s.hang(ctx)
	case uncertain:
		if _, err := f(); err != nil {
			return v, err
		}
	}
	return v, fmt.Errorf("%w: %w", errFault, mssp.ErrUncertain)
}

type none struct{}

func (s *faultyStore) Party(ctx context.Context, id string) (*mssp.Party, error) {
	return read(s, ctx, "Party", func() (*mssp.Party, error) { return s.Store.Party(ctx, id) })
}

func (s *faultyStore) Subscriber(ctx context.Context, msisdn string) (*mssp.Subscriber, error) {
	return read(s, ctx, "Subscriber", func() (*mssp.Subscriber, error) { return s.Store.Subscriber(ctx, msisdn) })
}

func (s *faultyStore) Transaction(ctx context.Context, id string) (*mssp.Transaction, error) {
	return read(s, ctx, "Transaction", func() (*mssp.Transaction, error) { return s.Store.Transaction(ctx, id) })
}

func (s *faultyStore) InsertTransaction(ctx context.Context, t *mssp.Transaction) error {
	_, err := write(s, ctx, "InsertTransaction", func() (none, error) { return none{}, s.Store.InsertTransaction(ctx, t) })
	return err
}

func (s *faultyStore) FinishTransaction(ctx context.Context, id string, o mssp.Outcome, by *mssp.AnsweredBy, at time.Time) (bool, error) {
	return write(s, ctx, "FinishTransaction", func() (bool, error) { return s.Store.FinishTransaction(ctx, id, o, by, at) })
}

func (s *faultyStore) InsertReceipt(ctx context.Context, r *mssp.Receipt) error {
	_, err := write(s, ctx, "InsertReceipt", func() (none, error) { return none{}, s.Store.InsertReceipt(ctx, r) })
	return err
}

func (s *faultyStore) FinishReceipt(ctx context.Context, id string, r signum.ReceiptResult, at time.Time) (bool, error) {
	return write(s, ctx, "FinishReceipt", func() (bool, error) { return s.Store.FinishReceipt(ctx, id, r, at) })
}

func (s *faultyStore) Receipt(ctx context.Context, id string) (*mssp.Receipt, error) {
	return read(s, ctx, "Receipt", func() (*mssp.Receipt, error) { return s.Store.Receipt(ctx, id) })
}

func (s *faultyStore) SetPINBlocked(ctx context.Context, id string, blocked bool) error {
	_, err := write(s, ctx, "SetPINBlocked", func() (none, error) { return none{}, s.Store.SetPINBlocked(ctx, id, blocked) })
	return err
}

// newFaultyWorld is a world whose engine has a store with faults.
func newFaultyWorld(t *testing.T) (*world, *faultyStore) {
	w := newWorld(t, "sqlite:"+t.TempDir()+"/db", nil)
	st := &faultyStore{Store: w.store}
	w.cfg.Store = st
	w.phones.Connect(&persistent{w.Engine, t.Context()})
	w.run()
	return w, st
}

// persistent hands an answer over until it is taken, as the channels do.
type persistent struct {
	*Engine
	test context.Context
}

func (p *persistent) Answer(ctx context.Context, a mssp.DeviceAnswer) error {
	for {
		err := p.Engine.Answer(ctx, a)
		if err == nil || errors.Is(err, mssp.ErrNotAsked) || errors.Is(err, mssp.ErrNotFound) || p.test.Err() != nil {
			return err
		}
		time.Sleep(time.Millisecond)
	}
}

// codeOf is the code of an answer; 900 for any error that is not a fault, as the party sees
// it.
func codeOf(status signum.Code, err error) signum.Code {
	if err == nil {
		return status
	}
	if f := signum.AsFault(err); f != nil {
		return f.Code
	}
	return signum.InternalError
}

// A fault of the store, at whatever call of a request it comes, is never told as one of
// the phone or of the user: the answer is the signature or 900, and so is the outcome
// that stays. Afterwards the user can sign.
func TestFaultAtEachCall(t *testing.T) {
	t.Parallel()
	w, st := newFaultyWorld(t)
	n := 0
	for _, m := range []signum.Method{signum.SIM, signum.App} {
		for _, mode := range []string{"sync", "async"} {
			for _, f := range faults {
				for at := 1; ; at++ {
					n++
					s := w.addUser(n, approves, signum.EC, m)
					var changes []change
					if mode == "async" {
						changes = append(changes, async)
					}
					r := w.request(s, changes...)
					st.set(f, at, false)
					resp, err := w.Sign(t.Context(), &mssp.Caller{Pin: testPin}, r)
					var status signum.Code
					if err == nil {
						status = resp.Status
					}
					got := codeOf(status, err)
					if got == signum.RequestOK {
						got = w.stored(resp.TransID)
					}
					hit := st.heal()
					if hit == "" {
						break
					}
					name := fmt.Sprintf("%s, %s, %s at call %d (%s)", m, mode, f, at, hit)
					if got != signum.SignatureMade && got != signum.InternalError {
						t.Errorf("%s: %d", name, got)
					}
					w.settled(name)
					if resp, err := w.ask(s); err != nil {
						t.Errorf("%s: the next request: %v", name, err)
					} else if resp.Status != signum.SignatureMade {
						t.Errorf("%s: the next request: %d", name, resp.Status)
					}
				}
			}
		}
	}
	// Those that may still be committed are kept until their time is up.
	w.clock.Advance(81 * time.Second)
	for deadline := time.Now().Add(patience); w.flights.len() != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d transactions are still kept", w.flights.len())
		}
	}
}

// stored waits until a transaction has ended, and returns its outcome as it is stored.
func (w *world) stored(id string) signum.Code {
	w.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if t, err := w.store.Transaction(w.t.Context(), id); err != nil {
			w.t.Fatal(err)
		} else if t.State != mssp.StateOutstanding {
			return t.Outcome.Code
		}
	}
	w.t.Fatalf("transaction %s is still outstanding", id)
	return 0
}

// settled waits until nothing is outstanding.
func (w *world) settled(name string) {
	w.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		ts, err := w.store.OutstandingTransactions(w.t.Context(), w.clock.Now(), "", 10)
		if err != nil {
			w.t.Fatal(err)
		}
		if len(ts) == 0 {
			break
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("%s: %s is still outstanding", name, ts[0].ID)
		}
		time.Sleep(time.Millisecond)
	}
}

// While the store does not answer, a request that waits is told 900 when its time is
// over; later, the store tells what became of it.
func TestHangingStoreHoldsNobody(t *testing.T) {
	t.Parallel()
	for _, f := range []fault{failing, hanging} {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			w, st := newFaultyWorld(t)
			s := w.addUser(1, silent, signum.EC, signum.SIM)
			r := w.request(s)
			again := *r
			answered := make(chan error, 1)
			go func() {
				_, err := w.Sign(context.Background(), &mssp.Caller{Pin: testPin}, r)
				answered <- err
			}()
			id := <-w.shown
			st.set(f, 1, true)
			w.clock.Advance(80 * time.Second)
			if err := <-answered; codeOf(0, err) != signum.InternalError || !errors.Is(err, errStoreLate) {
				t.Errorf("the answer: %v", err)
			}
			// Somebody who comes now is not held either.
			if _, err := w.ask(w.addUser(2, approves, signum.EC, signum.SIM)); codeOf(0, err) != signum.InternalError {
				t.Errorf("another request: %v", err)
			}
			st.heal()
			if got := w.await(id); got != signum.ExpiredTransaction {
				t.Errorf("the outcome: %d", got)
			}
			if _, err := w.Sign(t.Context(), &mssp.Caller{Pin: testPin}, &again); w.code(err) != signum.WrongParam {
				t.Errorf("the same call again: %v", err)
			}
		})
	}
}

// A signature that came in time counts, even if the store can take it only later.
func TestAnswerOutlivesFault(t *testing.T) {
	t.Parallel()
	w, st := newFaultyWorld(t)
	s := w.addUser(1, silent, signum.EC, signum.SIM)
	r := w.request(s)
	answered := make(chan error, 1)
	go func() {
		_, err := w.Sign(context.Background(), &mssp.Caller{Pin: testPin}, r)
		answered <- err
	}()
	id := <-w.shown
	st.hit("FinishTransaction")
	st.set(failing, 1, true)
	d, err := w.phones.Device(s.Devices[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	a, err := d.Act(id, phonetest.Approve)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Answer(t.Context(), a); err == nil {
		t.Error("the answer was taken, though the store fails")
	}
	w.clock.Advance(81 * time.Second)
	if err := <-answered; codeOf(0, err) != signum.InternalError {
		t.Errorf("the answer: %v", err)
	}
	st.heal()
	if got := w.await(id); got != signum.SignatureMade {
		t.Errorf("the outcome: %d\n%s", got, w.log)
	}
}

// A receipt whose node ended before its user answered is lost, and says so.
func TestReceiptOfEndedNode(t *testing.T) {
	t.Parallel()
	url := "sqlite:" + t.TempDir() + "/db"
	w := newWorld(t, url, nil)
	s := w.addUser(1, approves, signum.EC, signum.SIM)
	id := w.signed(s)
	w.awaitShown(id)
	if err := w.phones.Behave(s.MSISDN, silent); err != nil {
		t.Fatal(err)
	}
	ctx, hangUp := context.WithCancel(t.Context())
	answered := make(chan error, 1)
	go func() {
		_, err := w.Receipt(ctx, &mssp.Caller{Pin: testPin}, w.receiptRequest(s, id))
		answered <- err
	}()
	w.awaitShown(id)
	hangUp()
	if err := <-answered; err == nil {
		t.Error("the receipt was answered")
	}
	w.stop()
	next := newWorld(t, url, w)
	next.clock.Advance(signum.ReceiptWait)
	next.run()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		r, err := next.store.Receipt(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if r.Result == signum.ReceiptLost {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the receipt is still %q", r.Result)
		}
	}
}
