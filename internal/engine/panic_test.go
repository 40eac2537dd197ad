package engine

import (
	"context"
	"errors"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/engine/phonetest"
	"github.com/signum-mssp/signum/internal/mssp"
)

// trap makes calls of a name panic, as many times as it was armed for.
type trap struct {
	mu    sync.Mutex
	armed map[string]int
}

func (p *trap) arm(call string, times int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.armed == nil {
		p.armed = make(map[string]int)
	}
	p.armed[call] = times
}

func (p *trap) spring(call string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.armed[call] > 0 {
		p.armed[call]--
		panic("a trap in " + call)
	}
}

// trapStore, trapChannel and trapChains panic in the calls for which their trap is
// armed.
type trapStore struct {
	mssp.Store
	*trap
}

func (s trapStore) InsertTransaction(ctx context.Context, t *mssp.Transaction) error {
	s.spring("before the insert")
	err := s.Store.InsertTransaction(ctx, t)
	s.spring("after the insert")
	return err
}

func (s trapStore) FinishTransaction(ctx context.Context, id string, o mssp.Outcome, by *mssp.AnsweredBy, at time.Time) (bool, error) {
	s.spring("before the end")
	won, err := s.Store.FinishTransaction(ctx, id, o, by, at)
	s.spring("after the end")
	return won, err
}

func (s trapStore) Transaction(ctx context.Context, id string) (*mssp.Transaction, error) {
	s.spring("read")
	return s.Store.Transaction(ctx, id)
}

func (s trapStore) DevicePending(ctx context.Context, deviceID string, now time.Time) ([]*mssp.Transaction, []*mssp.Receipt, error) {
	s.spring("pending")
	return s.Store.DevicePending(ctx, deviceID, now)
}

func (s trapStore) SetPINBlocked(ctx context.Context, deviceID string, blocked bool) error {
	s.spring("pin")
	return s.Store.SetPINBlocked(ctx, deviceID, blocked)
}

type trapChannel struct {
	mssp.Channel
	*trap
}

func (c trapChannel) Send(ctx context.Context, r mssp.DeviceRequest) error {
	c.spring("send")
	return c.Channel.Send(ctx, r)
}

func (c trapChannel) Cancel(ctx context.Context, w mssp.Withdrawal) {
	c.spring("cancel")
	c.Channel.Cancel(ctx, w)
}

type trapChains struct {
	mssp.Chains
	*trap
}

func (c trapChains) Chain(certificate []byte) ([][]byte, error) {
	c.spring("chain")
	return c.Chains.Chain(certificate)
}

// repeating repeats an answer that was not taken, as bearers do.
type repeating struct{ mssp.AnswerHandler }

func (r repeating) Answer(ctx context.Context, a mssp.DeviceAnswer) (err error) {
	for range 3 {
		if err = r.AnswerHandler.Answer(ctx, a); err == nil {
			break
		}
	}
	return err
}

// trapped returns a node in which a trap can be armed.
func trapped(t *testing.T, url string) (*world, *trap) {
	w, p := newWorld(t, url, nil), new(trap)
	w.cfg.Store = trapStore{w.store, p}
	w.cfg.Chains = trapChains{w.ca, p}
	for m := range w.cfg.Channels {
		w.cfg.Channels[m] = trapChannel{w.phones, p}
	}
	w.phones.Connect(repeating{w.Engine})
	return w, p
}

// A panic anywhere in the life of a request affects only this request: its party gets
// an answer, the subscriber's next request works, and no waiter stays in memory.
func TestPanic(t *testing.T) {
	t.Parallel()
	internal := func(err error) bool {
		f := signum.AsFault(err)
		return err != nil && (f == nil || f.Code == signum.InternalError) // the edge answers any other error with 900
	}
	is := func(c signum.Code) func(error) bool {
		return func(err error) bool { f := signum.AsFault(err); return f != nil && f.Code == c }
	}
	for _, tt := range []struct {
		where string
		do    phonetest.Action
		want  func(error) bool
	}{
		{"before the insert", approves, internal},
		{"after the insert", approves, internal},
		{"send", approves, internal},
		{"chain", approves, internal},
		{"pin", phonetest.WrongPIN, internal},
		{"before the end", approves, internal},
		{"after the end", approves, func(err error) bool { return err == nil }}, // it was signed
		{"cancel", phonetest.Cancel, is(signum.UserCancel)},
	} {
		t.Run(tt.where, func(t *testing.T) {
			w, trap := trapped(t, "sqlite:"+t.TempDir()+"/db")
			w.cfg.Poll = 0
			w.run()
			s := w.addUser(1, tt.do, signum.EC, signum.SIM)
			trap.arm(tt.where, 1)
			if _, err := w.ask(s); !tt.want(err) {
				t.Errorf("the request: %v", err)
			}
			if n := len(w.waiters.ids()); n != 0 {
				t.Errorf("%d requests wait on", n)
			}
			if err := w.phones.Behave(s.MSISDN, approves); err != nil {
				t.Fatal(err)
			}
			if tt.do == phonetest.WrongPIN { // the phone's PIN is blocked for good
				s = w.addUser(2, approves, signum.EC, signum.SIM)
			}
			if _, err := w.ask(s); err != nil {
				t.Errorf("the next request: %v", err)
			}
		})
	}
}

// Calls by bearers return a panic as an error, which bearers can handle.
func TestPanicTowardsBearers(t *testing.T) {
	t.Parallel()
	w, trap := trapped(t, "sqlite:"+t.TempDir()+"/db")
	s := w.addUser(1, silent, signum.EC, signum.SIM)
	device, id := s.Devices[0].ID, w.begin(s)
	for _, tt := range []struct {
		where string
		call  func() error
	}{
		{"pending", func() error { _, err := w.Pending(t.Context(), device); return err }},
		{"read", func() error { _, err := w.Signature(t.Context(), device, id); return err }},
		{"read", func() error {
			return w.Answer(t.Context(), mssp.DeviceAnswer{TransID: id, DeviceID: device, Fault: signum.NewFault(signum.UserCancel)})
		}},
	} {
		trap.arm(tt.where, 1)
		if err := tt.call(); asPanic(err) == nil {
			t.Errorf("%s: %v, want the panic as an error", tt.where, err)
		}
		if err := tt.call(); err != nil && !errors.Is(err, mssp.ErrNotFound) {
			t.Errorf("%s, afterwards: %v", tt.where, err)
		}
	}
}

// If one transaction makes recovery or a sweep panic, the others are still served.
func TestPanicInLoops(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		before := newWorld(t, url, nil)
		w, trap := trapped(t, url)
		w.clock, w.cfg.Clock = before.clock, before.clock
		var ids []string
		for n := range 4 {
			s := before.addUser(n, silent, signum.EC, signum.SIM)
			w.addPhones(s, silent)
			ids = append(ids, before.begin(s))
		}
		// By the store, because a status query would end what is overdue.
		ends := func(want map[signum.Code]int) {
			t.Helper()
			got := make(map[signum.Code]int)
			for _, id := range ids {
				tx, err := w.store.Transaction(t.Context(), id)
				if err != nil {
					t.Fatal(err)
				}
				got[tx.Outcome.Code]++
			}
			if !maps.Equal(got, want) {
				t.Errorf("ended as %v, want %v", got, want)
			}
		}
		trap.arm("send", 1)
		if err := w.recover(t.Context()); err != nil {
			t.Fatal(err)
		}
		ends(map[signum.Code]int{signum.InternalError: 1, 0: 3})
		trap.arm("before the end", 1)
		w.clock.Advance(10 * time.Minute)
		if err := w.sweep(t.Context()); asPanic(err) == nil {
			t.Errorf("the sweep does not tell of the panic: %v", err)
		}
		ends(map[signum.Code]int{signum.InternalError: 1, signum.ExpiredTransaction: 2, 0: 1})
		if err := w.sweep(t.Context()); err != nil {
			t.Error(err)
		}
		ends(map[signum.Code]int{signum.InternalError: 1, signum.ExpiredTransaction: 3})
	})
}

// lostCommit is a store that commits the end of a transaction and then loses the
// connection, so that it returns an error.
type lostCommit struct {
	mssp.Store
	lost atomic.Bool
}

func (s *lostCommit) FinishTransaction(ctx context.Context, id string, o mssp.Outcome, by *mssp.AnsweredBy, at time.Time) (bool, error) {
	won, err := s.Store.FinishTransaction(ctx, id, o, by, at)
	if s.lost.CompareAndSwap(false, true) {
		return false, errors.New("commit: connection lost")
	}
	return won, err
}

// If a transaction has ended but the store returned an error, the waiting request gets
// the outcome that is in the store.
func TestLostCommit(t *testing.T) {
	t.Parallel()
	for _, again := range []bool{false, true} { // whether the phone repeats its answer
		w := newWorld(t, "sqlite:"+t.TempDir()+"/db", nil)
		w.cfg.Store, w.cfg.Poll = &lostCommit{Store: w.store}, 0
		w.run()
		s := w.addUser(1, silent, signum.EC, signum.SIM)
		type answer struct {
			resp *signum.SignatureResponse
			err  error
		}
		got := make(chan answer, 1)
		go func() {
			resp, err := w.ask(s)
			got <- answer{resp, err}
		}()
		d, err := w.phones.Device(s.Devices[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		a, err := d.Act(<-w.shown, phonetest.Approve)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Answer(t.Context(), a); err == nil {
			t.Error("the answer was taken although the store failed")
		}
		if again {
			if err := w.Answer(t.Context(), a); err != nil {
				t.Error(err)
			}
		} else {
			w.clock.Advance(10 * time.Minute)
		}
		if g := <-got; g.err != nil || g.resp.Status != signum.SignatureMade || len(g.resp.Signature) == 0 {
			t.Errorf("repeated %v: %+v, %v", again, g.resp, g.err)
		}
	}
}

// turnstile makes two receipts of one transaction meet at the store, and inserts them
// in the order in which they came.
type turnstile struct {
	mssp.Store
	arrived       atomic.Int32
	second, first chan struct{}
}

func (s *turnstile) InsertReceipt(ctx context.Context, r *mssp.Receipt) error {
	if s.arrived.Add(1) == 1 {
		<-s.second
		defer close(s.first)
	} else {
		close(s.second)
		<-s.first
	}
	return s.Store.InsertReceipt(ctx, r)
}

// Of two receipts for one transaction that arrive together, one is refused and
// the other learns what the user did.
func TestTwoReceiptsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite:"+t.TempDir()+"/db", nil)
	w.cfg.Store = &turnstile{Store: w.store, second: make(chan struct{}), first: make(chan struct{})}
	w.cfg.Poll = 0
	w.run()
	s := w.addUser(1, approves, signum.EC, signum.SIM)
	id := w.signed(s)
	got := make(chan error, 2)
	for range 2 {
		r := w.receiptRequest(s, id)
		go func() {
			_, err := w.receipt(r)
			got <- err
		}()
	}
	var refused, shown int
	for range 2 {
		if err := <-got; err == nil {
			shown++
		} else if w.code(err) == signum.WrongParam {
			refused++
		} else {
			t.Error(err)
		}
	}
	if refused != 1 || shown != 1 {
		t.Errorf("%d refused, %d shown", refused, shown)
	}
}
