package engine

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/engine/phonetest"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/pgtest"
)

// fakeCluster is one of several nodes in this process. Its row is in the database, which
// knows who owns what; the test decides what the node knows of that.
type fakeCluster struct {
	w       *world
	id      string
	lost    atomic.Bool // the lease
	deaf    atomic.Bool // it hears nothing
	mu      sync.Mutex
	others  []*fakeCluster
	said    []string
	cancels []mssp.Withdrawal
}

var _ Cluster = (*fakeCluster)(nil)

func (c *fakeCluster) ID() string      { return c.id }
func (c *fakeCluster) Holds() bool     { return !c.lost.Load() }
func (c *fakeCluster) Now() time.Time  { return c.w.clock.Now() }
func (c *fakeCluster) Listening() bool { return !c.deaf.Load() }

func (c *fakeCluster) Peers() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.others)
}

func (c *fakeCluster) Publish(topic, data string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.said = append(c.said, topic+" "+data)
	for _, o := range c.others {
		switch {
		case o.deaf.Load():
		case topic == TopicEnded:
			o.w.HearEnded(c.id, data)
		case topic == TopicReceipt:
			o.w.HearReceipt(c.id, data)
		}
	}
}

func (c *fakeCluster) messages() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.said, "\n")
}

// leave ends the node as others see it.
func (c *fakeCluster) leave() {
	if err := c.w.store.Nodes().Leave(context.Background(), c.id); err != nil {
		c.w.t.Error(err)
	}
}

// spy notes what is withdrawn from a channel.
type spy struct {
	mssp.Channel
	c *fakeCluster
}

func (s spy) Cancel(ctx context.Context, w mssp.Withdrawal) {
	s.c.mu.Lock()
	s.c.cancels = append(s.c.cancels, w)
	s.c.mu.Unlock()
	s.Channel.Cancel(ctx, w)
}

func (c *fakeCluster) withdrawn(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.cancels {
		if w.TransID == id {
			return true
		}
	}
	return false
}

// clustered is newWorld as one of the nodes of a cluster.
func clustered(t *testing.T, url string, before *world, changes ...func(*Config, *world)) (*world, *fakeCluster) {
	t.Helper()
	c := &fakeCluster{id: "n-" + time.Now().Format("150405.000000000")}
	w := newWorld(t, url, before, append([]func(*Config, *world){func(cfg *Config, w *world) {
		c.w, cfg.Cluster, cfg.Poll = w, c, time.Hour // only notices wake
		for m, ch := range cfg.Channels {
			cfg.Channels[m] = spy{ch, c}
		}
	}}, changes...)...)
	if _, err := w.store.Nodes().Join(t.Context(), mssp.ClusterNode{ID: c.id, Name: c.id}, false); err != nil {
		t.Fatal(err)
	}
	return w, c
}

func two(t *testing.T) (a, b *world, ca, cb *fakeCluster) {
	t.Helper()
	url := pgtest.URL(t)
	a, ca = clustered(t, url, nil)
	b, cb = clustered(t, url, a)
	ca.others, cb.others = []*fakeCluster{cb}, []*fakeCluster{ca}
	return a, b, ca, cb
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// A request waits at one node, and the phone answers at the other.
func TestWokenByAnotherNode(t *testing.T) {
	t.Parallel()
	for _, method := range []signum.Method{signum.SIM, signum.App} {
		a, b, ca, cb := two(t)
		a.run()
		b.run()
		s := a.addUser(1, phonetest.Silent, signum.EC, method)
		answer := make(chan error, 1)
		var id string
		go func() {
			resp, err := a.ask(s)
			if err == nil && resp.Status != signum.SignatureMade {
				err = errors.New(resp.Status.String())
			}
			answer <- err
		}()
		id = <-a.shown
		b.addPhones(s, phonetest.Approve)
		pending, err := b.Pending(t.Context(), s.Devices[0].ID)
		if err != nil || len(pending) != 1 || pending[0].Owner != ca.id {
			t.Fatalf("%+v, %v", pending, err)
		}
		if err := b.phones.Send(t.Context(), pending[0]); err != nil {
			t.Fatal(err)
		}
		if err := <-answer; err != nil {
			t.Errorf("%s: %v", method, err)
		}
		eventually(t, "the channel of the first node hears that the request is over", func() bool { return ca.withdrawn(id) })
		if !strings.Contains(cb.messages(), "ended "+id+" ") {
			t.Errorf("the second node said %q", cb.messages())
		}
		a.stop()
		b.stop()
	}
}

// Notices may be lost: after a gap the node looks for itself.
func TestWokenAfterGap(t *testing.T) {
	t.Parallel()
	a, b, ca, _ := two(t)
	a.run()
	b.run()
	ca.deaf.Store(true)
	s := a.addUser(1, phonetest.Silent, signum.EC, signum.SIM)
	answer := make(chan error, 1)
	go func() {
		_, err := a.ask(s)
		answer <- err
	}()
	id := <-a.shown
	tx, err := b.store.Transaction(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if won, err := b.finish(t.Context(), tx, mssp.Failed(signum.NewFault(signum.UserCancel)), mssp.EndAnswered); err != nil || !won {
		t.Fatal(won, err)
	}
	select {
	case err := <-answer:
		t.Fatalf("the request ended without a notice: %v", err)
	default:
	}
	a.HearGap()
	if err := <-answer; a.code(err) != signum.UserCancel {
		t.Error(err)
	}
}

// What ends where it began wakes nobody elsewhere, so nobody is told.
func TestOwnEndsAreNotPublished(t *testing.T) {
	t.Parallel()
	a, _, ca, _ := two(t)
	a.run()
	s := a.addUser(1, phonetest.Approve, signum.EC, signum.SIM)
	if _, err := a.ask(s); err != nil {
		t.Fatal(err)
	}
	if said := ca.messages(); said != "" {
		t.Errorf("published: %q", said)
	}
}

// A receipt waits at one node, and the phone answers at the other.
func TestReceiptAtAnotherNode(t *testing.T) {
	t.Parallel()
	a, b, _, _ := two(t)
	a.run()
	b.run()
	s := a.addUser(1, phonetest.Approve, signum.EC, signum.SIM)
	resp, err := a.ask(s)
	if err != nil {
		t.Fatal(err)
	}
	<-a.shown
	if err := a.phones.Behave(s.MSISDN, phonetest.Silent); err != nil {
		t.Fatal(err)
	}
	answer := make(chan *signum.ReceiptResponse, 1)
	go func() {
		got, err := a.receipt(a.receiptRequest(s, resp.TransID))
		if err != nil {
			t.Error(err)
		}
		answer <- got
	}()
	a.awaitShown(resp.TransID)
	err = b.Answer(t.Context(), mssp.DeviceAnswer{Op: mssp.OpDisplay, TransID: resp.TransID, DeviceID: s.Devices[0].ID, Receipt: signum.ReceiptAccepted})
	if err != nil {
		t.Fatal(err)
	}
	if got := <-answer; got == nil || got.Extension == nil || !strings.Contains(got.Extension.UserResponse, "OK") {
		t.Errorf("%+v", got)
	}
}

// A node goes on with what a dead node accepted, and with nothing of a living one.
func TestAdoption(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	dead, cd := clustered(t, url, nil, func(c *Config, _ *world) {
		c.Channels = map[signum.Method]mssp.Channel{signum.SIM: lostChannel{}, signum.App: lostChannel{}}
	})
	living, _ := clustered(t, url, dead, func(c *Config, _ *world) {
		c.Channels = map[signum.Method]mssp.Channel{signum.SIM: lostChannel{}}
	})
	b, _ := clustered(t, url, dead)
	s := dead.addUser(1, phonetest.Approve, signum.EC, signum.SIM)
	app := dead.addUser(2, phonetest.Approve, signum.EC, signum.App)
	other := living.addUser(3, phonetest.Approve, signum.EC, signum.SIM)
	for _, u := range []*mssp.Subscriber{s, app, other} {
		b.addPhones(u, phonetest.Approve)
	}
	ids := []string{dead.begin(s), dead.begin(app)}
	kept := living.begin(other)
	b.run()
	b.HearLost()
	cd.leave()
	b.HearLost()
	for _, id := range ids {
		if code := b.await(id); code != signum.SignatureMade {
			t.Errorf("%s ended with %d", id, code)
		}
	}
	if code := b.outcome(kept); code != signum.OutstandingTransact || b.Adopted() != 2 {
		t.Errorf("a transaction of a living node: %d; %d adopted", code, b.Adopted())
	}
}

// lostChannel takes requests, and no phone hears of them.
type lostChannel struct{}

func (lostChannel) Send(context.Context, mssp.DeviceRequest) error { return nil }
func (lostChannel) Cancel(context.Context, mssp.Withdrawal)        {}

// A node that starts must not send the one-time passwords that a living one is sending.
func TestStartSendsNothingOfOthers(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	texts := &slowTexts{let: make(chan struct{})}
	a, ca := clustered(t, url, nil, func(c *Config, _ *world) { c.Texts = texts })
	a.run()
	id := make(chan string, 1)
	go func() {
		resp, err := a.ask(&mssp.Subscriber{MSISDN: "+41791234567"}, profile(signum.ProfileOTPText), async)
		if err != nil {
			t.Error(err)
			id <- ""
			return
		}
		id <- resp.TransID
	}()
	eventually(t, "the text is on its way", func() bool { return texts.sent.Load() == 1 })
	b, cb := clustered(t, url, a)
	ca.others, cb.others = []*fakeCluster{cb}, []*fakeCluster{ca}
	if err := b.recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	close(texts.let)
	if code := b.await(<-id); code != signum.RequestOK || len(b.texts) > 0 || texts.sent.Load() != 1 {
		t.Errorf("outcome %d, texts %d and %d", code, texts.sent.Load(), len(b.texts))
	}
}

// A node that others may have taken for dead asks no phone, neither for a new request
// nor for one that it had inserted when it was paused.
func TestWithoutLease(t *testing.T) {
	t.Parallel()
	a, b, ca, _ := two(t)
	s := a.addUser(1, phonetest.Approve, signum.EC, signum.SIM)
	b.addPhones(s, phonetest.Approve)
	ca.lost.Store(true)
	if _, err := a.ask(s); !errors.Is(err, errNotHeld) {
		t.Errorf("a request without a lease: %v", err)
	}
	ca.lost.Store(false)
	a.cfg.Store = pausedInsert{a.store, func() { ca.lost.Store(true) }}
	id := a.begin(s)
	if len(a.shown) > 0 {
		t.Error("a paused node asks a phone")
	}
	ca.leave()
	b.run()
	b.HearLost()
	if code := b.await(id); code != signum.SignatureMade {
		t.Errorf("ended with %d", code)
	}
}

// pausedInsert lets something happen between an insert and what follows.
type pausedInsert struct {
	mssp.Store
	then func()
}

func (s pausedInsert) InsertTransaction(ctx context.Context, t *mssp.Transaction) error {
	err := s.Store.InsertTransaction(ctx, t)
	s.then()
	return err
}

// Of what is overdue, its owner has the first turn; but nothing stays outstanding when the
// owner does not take it.
func TestOverdueOfOthers(t *testing.T) {
	t.Parallel()
	a, b, _, _ := two(t)
	s := a.addUser(1, phonetest.Silent, signum.EC, signum.SIM)
	id := a.begin(s)
	tx, err := a.store.Transaction(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	look := func(after time.Duration, want mssp.State) {
		t.Helper()
		a.clock.Set(tx.Expires.Add(after))
		if err := b.sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if now, err := a.store.Transaction(t.Context(), id); err != nil || now.State != want {
			t.Errorf("%s after its time: %+v, %v; want %s", after, now, err, want)
		}
	}
	look(ownersTurn/2, mssp.StateOutstanding)
	look(ownersTurn, mssp.StateFailed)
}

func TestMalformedNews(t *testing.T) {
	t.Parallel()
	a, _, _, _ := two(t)
	for _, data := range []string{"", "x", "a b c d e f g", "h1 Fax +41 d answered -"} {
		a.HearEnded("n-2", data)
		a.HearReceipt("n-2", data)
	}
	a.run()
	eventually(t, "the news are read", func() bool { return len(a.peers.news) == 0 })
}

// Any node can say that a request has ended, and to nobody but the number that was asked.
func TestEnded(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		w := newWorld(t, url, nil)
		w.run()
		s := w.addUser(1, approves, signum.EC, signum.App)
		other := w.addUser(2, silent, signum.EC, signum.App)
		waits := w.begin(other)
		done := w.signed(s)
		ended := func(msisdn, id string, op mssp.DeviceOp) bool {
			t.Helper()
			is, err := w.Ended(t.Context(), msisdn, id, op)
			if err != nil {
				t.Error(err)
			}
			return is
		}
		if ended(s.MSISDN, done, mssp.OpDisplay) {
			t.Error("a receipt has ended that was not asked for")
		}
		if _, err := w.receipt(w.receiptRequest(s, done)); err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			msisdn, id string
			op         mssp.DeviceOp
			want       bool
		}{
			{s.MSISDN, done, mssp.OpSign, true},
			{s.MSISDN, done, mssp.OpDisplay, true},
			{other.MSISDN, done, mssp.OpSign, false},
			{other.MSISDN, done, mssp.OpDisplay, false},
			{other.MSISDN, waits, mssp.OpSign, false},
			{other.MSISDN, "unknown", mssp.OpSign, false},
		} {
			if got := ended(tt.msisdn, tt.id, tt.op); got != tt.want {
				t.Errorf("%+v: %v", tt, got)
			}
		}
	})
}
