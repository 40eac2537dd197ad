//go:build linux

package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
)

// service is what the load and the faults need of the service under test.
type service interface {
	configs() []client.Config // of its nodes
	connections(h2 bool) *http.Client
	prefix() string
	crowd() []kind // its users
}

// load is users who are asked for signatures, one request at a time each, until it is
// told to stop. A request that was begun is brought to its end.
type load struct {
	service service
	ledger  *ledger
	http    [2]*http.Client // HTTP/1.1 and HTTP/2
	slow    time.Duration   // factor for all times of the load
	stop    chan struct{}
	running sync.WaitGroup
	failed  atomic.Pointer[error] // of the ledger
	sent    atomic.Int64
	signed  atomic.Int64
	twice   atomic.Int64 // calls that were sent to two nodes at the same time
}

// newLoad returns a load; seed determines what it does.
func newLoad(s service, l *ledger) *load {
	return &load{service: s, ledger: l, http: [2]*http.Client{s.connections(false), s.connections(true)}, slow: 1, stop: make(chan struct{})}
}

// begin starts the users.
func (l *load) begin(ctx context.Context, seed uint64) {
	for i, k := range l.service.crowd() {
		u := &user{load: l, number: i, kind: k, rand: rand.New(rand.NewPCG(seed, uint64(i)))}
		l.running.Go(func() { u.live(ctx) })
	}
}

// end lets all users finish what they are doing, and returns when they have.
func (l *load) end() error {
	close(l.stop)
	l.running.Wait()
	for _, c := range l.http {
		c.CloseIdleConnections()
	}
	if err := l.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// timeout returns the time-out of a request to such a user.
func (l *load) timeout(k kind) time.Duration { return min(l.slow*k.timeout, maxTimeout) }

// maxTimeout is the longest time that a request may name.
const maxTimeout = 300 * time.Second

func (l *load) note(e entry) {
	if err := l.ledger.end(e); err != nil {
		l.failed.CompareAndSwap(nil, &err)
	}
}

// user is one mobile user, and what a party knows of him.
type user struct {
	*load
	number int
	kind   kind
	rand   *rand.Rand
	calls  int
	done   []*sent // that were accepted
}

// sent is a call for a signature that can be repeated.
type sent struct {
	call    int
	async   bool
	transID string // AP_TransID
	at      time.Time
	mssp    string      // MSSP_TransID, if the party knows it
	code    signum.Code // the outcome; 0 if the party does not know it
	receipt bool        // one was asked for
}

func (u *user) live(ctx context.Context) {
	for {
		select {
		case <-u.stop:
			return
		case <-ctx.Done():
			return
		case <-time.After(time.Duration(u.rand.Int64N(int64(u.slow * u.kind.think)))):
		}
		switch n := u.rand.IntN(100); {
		case n < 55:
			u.sign(ctx, false)
		case n < 75:
			u.sign(ctx, true)
		case n < 85:
			u.repeat(ctx)
		default:
			u.query(ctx)
		}
	}
}

// sign asks for a signature until the party knows that it was asked for once, then for
// the outcome of an asynchronous one, and now and then for a receipt.
func (u *user) sign(ctx context.Context, async bool) {
	u.calls++
	s := &sent{async: async, transID: fmt.Sprintf("C%d.%d", u.number, u.calls), at: time.Now().Truncate(time.Millisecond)}
	do := doSign
	if async {
		do = doAsync
	}
	var err error
	s.call, err = u.ledger.begin(entry{Do: do, User: msisdn(u.number), TransID: s.transID, Instant: s.at.UnixMicro()})
	if err != nil {
		u.failed.CompareAndSwap(nil, &err)
		return
	}
	first := u.send
	if u.rand.IntN(6) == 0 && len(u.service.configs()) > 1 {
		first = u.sendTwice
	}
	answer := u.untilKnown(ctx, func() entry {
		send := first
		first = u.send
		return send(ctx, s)
	})
	switch {
	case answer.Code == signum.RequestOK:
		s.mssp = answer.MSSPID
		s.code = u.await(ctx, s)
	case isOutcome(answer.Code):
		s.mssp, s.code = answer.MSSPID, answer.Code
	default: // refused, or the party will never know
		return
	}
	u.done = append(u.done, s)
	if s.code == signum.SignatureMade {
		u.signed.Add(1)
	}
	if s.code == signum.SignatureMade && u.rand.IntN(3) == 0 {
		u.receipt(ctx, s)
	}
}

// send sends a call for a signature, the first time or again.
func (u *user) send(ctx context.Context, s *sent) entry {
	e := u.sendBy(ctx, u.client(s.at), s)
	u.note(e)
	return e
}

// sendTwice sends a call to two nodes at the same time, and returns the answer that tells most.
func (u *user) sendTwice(ctx context.Context, s *sent) entry {
	nodes := u.service.configs()
	u.rand.Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
	var answers [2]entry
	var g sync.WaitGroup
	for i := range answers {
		g.Go(func() { answers[i] = u.sendBy(ctx, u.clientOf(nodes[i], s.at), s) })
	}
	g.Wait()
	// The ledger reads them in this order: which of them came first is not known.
	slices.SortStableFunc(answers[:], func(a, b entry) int { return cmp.Compare(telling(a), telling(b)) })
	u.note(answers[0])
	if second := answers[1]; second.Code != signum.PBSignatureProcess { // the phone was still busy when this one came
		u.note(second)
	}
	u.twice.Add(1)
	return answers[0]
}

// telling orders the answers to a call that was sent twice: that it was accepted, that it may
// have been, that it was refused.
func telling(e entry) int {
	switch {
	case e.Code == signum.RequestOK || isOutcome(e.Code):
		return 0
	case e.Code == 0 || e.Code == signum.InternalError:
		return 1
	}
	return 2
}

func (u *user) sendBy(ctx context.Context, c *client.Client, s *sent) entry {
	u.sent.Add(1)
	resp, err := c.Sign(ctx, client.SignRequest{
		MSISDN: msisdn(u.number), Text: u.service.prefix() + "Log in?", Lang: "en", Profile: u.kind.profile,
		Timeout: u.timeout(u.kind), Async: s.async, APTransID: s.transID,
	})
	e := outcome(s.call, err)
	if err == nil {
		e.Code, e.MSSPID, e.CMS = resp.Status, resp.TransID, digest(resp.Signature)
	}
	return e
}

// await asks for the outcome until there is one.
func (u *user) await(ctx context.Context, s *sent) signum.Code {
	for {
		if e := u.ask(ctx, s); isOutcome(e.Code) {
			return e.Code
		} else if e.Code == signum.WrongParam || isUnknown(e) { // of the former, the check says that it is missing
			return 0
		}
		if !u.pause(ctx, 200*time.Millisecond) {
			return 0
		}
	}
}

// ask asks for the outcome of a transaction once.
func (u *user) ask(ctx context.Context, s *sent) entry {
	call, err := u.ledger.begin(entry{Do: doStatus, User: msisdn(u.number), About: s.mssp})
	if err != nil {
		u.failed.CompareAndSwap(nil, &err)
		return entry{}
	}
	u.sent.Add(1)
	e := status(ctx, u.client(time.Now()), call, s.mssp)
	u.note(e)
	return e
}

// status asks for the outcome of a transaction.
func status(ctx context.Context, c *client.Client, call int, id string) entry {
	resp, err := c.Status(ctx, id)
	e := outcome(call, err)
	e.MSSPID = id
	if err == nil {
		e.Code, e.CMS = resp.Status, digest(resp.Signature)
	}
	return e
}

// receipt asks for a receipt, and sometimes for a second one, which must be refused.
func (u *user) receipt(ctx context.Context, s *sent) {
	s.receipt = true
	if u.rand.IntN(4) > 0 {
		for range 1 + u.rand.IntN(2) {
			u.askReceipt(ctx, s, false)
		}
		return
	}
	var g sync.WaitGroup
	for range 2 { // at the same time
		v := *u
		v.rand = rand.New(rand.NewPCG(u.rand.Uint64(), 0))
		g.Go(func() { v.askReceipt(ctx, s, true) })
	}
	g.Wait()
}

func (u *user) askReceipt(ctx context.Context, s *sent, twin bool) {
	call, err := u.ledger.begin(entry{Do: doReceipt, User: msisdn(u.number), About: s.mssp, Twin: twin})
	if err != nil {
		u.failed.CompareAndSwap(nil, &err)
		return
	}
	u.untilKnown(ctx, func() entry {
		u.sent.Add(1)
		_, err := u.client(time.Now()).Receipt(ctx, client.ReceiptRequest{
			TransID: s.mssp, MSISDN: msisdn(u.number), Text: u.service.prefix() + "Done", Lang: "en", UserAck: u.rand.IntN(4) == 0,
		})
		e := outcome(call, err)
		if err == nil {
			e.Code = signum.RequestOK
		}
		u.note(e)
		return e
	})
}

// repeat sends a call again that was accepted before.
func (u *user) repeat(ctx context.Context) {
	if len(u.done) > 0 {
		s := u.done[u.rand.IntN(len(u.done))]
		u.untilKnown(ctx, func() entry { return u.send(ctx, s) })
	}
}

// query asks again for the outcome of an earlier transaction.
func (u *user) query(ctx context.Context) {
	for range min(len(u.done), 4) {
		if s := u.done[u.rand.IntN(len(u.done))]; s.mssp != "" {
			u.ask(ctx, s)
			return
		}
	}
}

// untilKnown repeats a call until its answer tells whether it was accepted. An answer
// may be lost, and 900 tells nothing.
func (u *user) untilKnown(ctx context.Context, send func() entry) entry {
	for {
		e := send()
		if e.Code != 0 && e.Code != signum.InternalError {
			return e
		}
		if !u.pause(ctx, 50*time.Millisecond+time.Duration(u.rand.Int64N(int64(300*time.Millisecond)))) {
			return e
		}
	}
}

// pause reports whether ctx has not ended meanwhile.
func (u *user) pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// client returns a client of any node whose calls have this time.
func (u *user) client(at time.Time) *client.Client {
	all := u.service.configs()
	return u.clientOf(all[u.rand.IntN(len(all))], at)
}

// clientOf returns a client of one node. Half of the users speak SOAP, and half HTTP/2.
func (u *user) clientOf(node client.Config, at time.Time) *client.Client {
	return newClient(node, u.http[u.number/2%2], u.number%2 == 1, at)
}

func newClient(cfg client.Config, h *http.Client, soap bool, at time.Time) *client.Client {
	cfg.HTTPClient, cfg.SOAP, cfg.Now = h, soap, func() time.Time { return at }
	c, err := client.New(cfg)
	if err != nil {
		panic(err) // the configuration is fixed
	}
	return c
}

// outcome begins the entry of an answer. Its code is 0 if there was none.
func outcome(call int, err error) entry {
	e := entry{Call: call}
	switch f := signum.AsFault(err); {
	case f != nil:
		e.Code, e.Detail = f.Code, f.Detail
	case err != nil:
		e.Lost = err.Error()
	}
	return e
}

// isOutcome reports whether a code is how a transaction ended; other codes say that a
// call was refused, accepted, or cannot be served.
func isOutcome(c signum.Code) bool {
	switch c {
	case signum.SignatureMade, signum.UserCancel, signum.ExpiredTransaction, signum.OTAError, signum.InvalidSignature:
		return true
	}
	return false
}

// isUnknown reports whether a transaction ended because the service itself could not hand
// it over. Another 900, which has a trace, says nothing about the transaction.
func isUnknown(e entry) bool {
	return e.Code == signum.InternalError && e.Detail == "Unknown Error"
}

func digest(cms []byte) string {
	if len(cms) == 0 {
		return ""
	}
	sum := sha256.Sum256(cms)
	return hex.EncodeToString(sum[:8])
}
