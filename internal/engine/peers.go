package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
)

// Cluster is what the engine needs of the nodes that share its store.
type Cluster interface {
	// ID is of this node. It changes when others took the node for dead.
	ID() string
	// Holds reports whether the node may act as the owner of its transactions.
	Holds() bool
	// Peers is how many other nodes live.
	Peers() int
	// Now is the time by the clock of the database.
	Now() time.Time
	// Publish tells the other nodes something, as far as they hear it.
	Publish(topic, data string)
	// Listening reports whether what others publish arrives.
	Listening() bool
}

// The topics that engines publish: see Engine.HearEnded and Engine.HearReceipt.
const (
	TopicEnded   = "ended"
	TopicReceipt = "receipt"
)

const (
	adoptEvery = 2 * time.Second // look for transactions of dead nodes
	claimBatch = 256             // transactions claimed at a time
	// orphanAge is how old a transaction without an owner is before it is adopted: the
	// program of the version before hands it over itself, and never says that it is dead.
	orphanAge  = 15 * time.Second
	ownersTurn = time.Second
	slowPoll   = 5 // times Config.Poll, while notices arrive
	maxNews    = 65_536
)

// peers is what other nodes have told.
type peers struct {
	news chan heard    // ends that others decided
	look chan struct{} // there may be transactions to adopt; capacity 1
	gap  chan struct{} // something may have been missed; capacity 1

	adopted atomic.Uint64

	mu    sync.Mutex
	asked *simplelru.LRU[string, *mssp.Transaction]
}

// maxAsked is how many transactions of other nodes are kept that a channel has just read, as
// a rule because their answer has arrived.
const maxAsked = 1024

// keep keeps a transaction for the answer that follows, which saves a read. The copy shows
// the state at this moment, like that of a request that waits. One that still changes before
// it is signed is not kept, nor one that several devices may answer.
func (p *peers) keep(t *mssp.Transaction) {
	if t.Activating() || mssp.MethodOf(t.Method).Several {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked.Add(t.ID, t)
}

// take returns a transaction that was kept, once; nil if there is none.
func (p *peers) take(id string) *mssp.Transaction {
	p.mu.Lock()
	defer p.mu.Unlock()
	t, ok := p.asked.Peek(id)
	if !ok {
		return nil
	}
	p.asked.Remove(id)
	return t
}

// Adopted returns how many transactions of dead nodes this one went on with.
func (e *Engine) Adopted() uint64 { return e.peers.adopted.Load() }

// heard is the end of a transaction, or of a receipt, at another node.
type heard struct {
	receipt bool
	method  signum.Method
	mssp.Withdrawal
}

// newPeers takes no memory for notices if there is nobody to send them.
func newPeers(alone bool) peers {
	kept := maxNews
	if alone {
		kept = 0
	}
	asked, err := simplelru.NewLRU[string, *mssp.Transaction](maxAsked, nil)
	if err != nil {
		panic(err) // the size is wrong
	}
	return peers{news: make(chan heard, kept), look: make(chan struct{}, 1), gap: make(chan struct{}, 1), asked: asked}
}

func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// alone reports whether no other node shares the store.
func (e *Engine) alone() bool { return e.cfg.Cluster == nil }

// owner is the id under which this node owns transactions; empty if it is alone.
func (e *Engine) owner() string {
	if e.alone() {
		return ""
	}
	return e.cfg.Cluster.ID()
}

// errNotHeld is what a request gets that begins while others may take this node for dead.
// Its phone must not be asked: another node may do so as well.
var errNotHeld = errors.New("this node has had no contact with the database for too long")

// holds returns errNotHeld if this node may not ask phones.
func (e *Engine) holds() error {
	if e.alone() || e.cfg.Cluster.Holds() {
		return nil
	}
	return errNotHeld
}

// storeTime is the time up to which rows are overdue that this node does not know: by the
// clock of the database, or by that of this machine but for a jump.
func (e *Engine) storeTime() time.Time {
	horizon := e.horizon() // looks at the clock, too
	if e.alone() {
		return horizon
	}
	return e.cfg.Cluster.Now().Truncate(time.Microsecond)
}

// ahead is by how much the time by which the nodes agree is ahead of this machine's.
func (e *Engine) ahead() time.Duration {
	if e.alone() {
		return 0
	}
	return e.cfg.Cluster.Now().Sub(e.cfg.Clock.Now())
}

// agreed converts a time of this machine to one by which the nodes agree, for the store.
func (e *Engine) agreed(at time.Time) time.Time { return at.Add(e.ahead()).Truncate(time.Microsecond) }

// local is the inverse of agreed.
func (e *Engine) local(at time.Time) time.Time { return at.Add(-e.ahead()) }

// foreignGrace is for how long the end of overdue transactions is left to their owners.
func (e *Engine) foreignGrace() time.Duration {
	if e.alone() || e.cfg.Cluster.Peers() == 0 {
		return 0
	}
	return ownersTurn
}

// tellEnded tells the other nodes that a transaction has ended. A party may wait there, or
// a channel may still ask for it. A SIM whose transaction began here was asked from here.
func (e *Engine) tellEnded(t *mssp.Transaction, w mssp.Withdrawal, here bool) {
	if e.alone() || e.cfg.Cluster.Peers() == 0 || here && !mssp.MethodOf(t.Method).Several {
		return
	}
	e.cfg.Cluster.Publish(TopicEnded, strings.Join([]string{w.TransID, string(t.Method), w.MSISDN, w.DeviceID, string(w.Reason), w.AnsweredBy}, " "))
}

// HearEnded hears from another node that a transaction has ended. It returns at once.
func (e *Engine) HearEnded(_, data string) {
	f := strings.Split(data, " ")
	if len(f) != 6 {
		return
	}
	e.hear(heard{method: signum.Method(f[1]), Withdrawal: mssp.Withdrawal{
		TransID: f[0], MSISDN: f[2], DeviceID: f[3], Reason: mssp.EndReason(f[4]), AnsweredBy: f[5],
	}})
}

// tellReceipt tells the other nodes that a receipt has its result.
func (e *Engine) tellReceipt(transID string) {
	if !e.alone() {
		e.cfg.Cluster.Publish(TopicReceipt, transID)
	}
}

// HearReceipt hears from another node that a receipt has its result.
func (e *Engine) HearReceipt(_, data string) {
	e.hear(heard{receipt: true, Withdrawal: mssp.Withdrawal{TransID: data}})
}

func (e *Engine) hear(h heard) {
	select {
	case e.peers.news <- h:
	default:
		e.HearGap()
	}
}

// HearGap hears that something of other nodes may have been missed.
func (e *Engine) HearGap() { nudge(e.peers.gap) }

// HearLost hears that nodes are gone: what they owned may be adopted now.
func (e *Engine) HearLost() { nudge(e.peers.look) }

// follow acts on what other nodes tell, until ctx ends.
func (e *Engine) follow(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case h := <-e.peers.news:
			news := []heard{h}
			for len(news) < sweepBatch && len(e.peers.news) > 0 {
				news = append(news, <-e.peers.news)
			}
			if err := e.once(ctx, "news of other nodes", func(ctx context.Context) error { return e.learn(ctx, news) }); err != nil && ctx.Err() == nil {
				e.cfg.Logger.WarnContext(ctx, "news of other nodes", "err", err)
				e.HearGap()
			}
		}
	}
}

// learn acts on ends that other nodes decided: it wakes the requests that wait here, and
// withdraws what was handed over here.
func (e *Engine) learn(ctx context.Context, news []heard) error {
	var ids, receipts []string
	for _, h := range news {
		switch {
		case h.receipt:
			receipts = append(receipts, h.TransID)
			continue
		case e.waiters.get(h.TransID) != nil:
			ids = append(ids, h.TransID)
		default:
			e.flights.over(h.TransID)
		}
		if h.method != "" {
			e.withdraw(ctx, h.method, h.Withdrawal)
		}
	}
	return errors.Join(e.each(ctx, ids, e.wakeID), e.each(ctx, receipts, e.pollReceipt))
}

// watch looks for outcomes that other nodes decided and for transactions of dead nodes,
// until ctx ends: now and then, and when it is told to.
func (e *Engine) watch(ctx context.Context) {
	adopt := time.NewTicker(adoptEvery)
	defer adopt.Stop()
	for polled := time.Now(); ; {
		wait := cmp.Or(e.cfg.Poll, time.Second)
		if e.cfg.Cluster.Listening() {
			wait *= slowPoll
		}
		what, f := "poll", e.poll
		select {
		case <-ctx.Done():
			return
		case <-e.peers.gap:
		case <-time.After(time.Until(polled.Add(wait))):
		case <-adopt.C:
			what, f = "adoption", e.adopt
		case <-e.peers.look:
			what, f = "adoption", e.adopt
		}
		if what == "poll" {
			polled = time.Now()
		}
		if err := e.once(ctx, what, f); err != nil && ctx.Err() == nil {
			e.cfg.Logger.ErrorContext(ctx, what, "err", err)
		}
	}
}

// adopt makes this node the owner of the transactions of dead nodes, and goes on with
// them.
func (e *Engine) adopt(ctx context.Context) error {
	for {
		if e.holds() != nil {
			return nil
		}
		list, n, err := e.cfg.Store.ClaimTransactions(ctx, e.owner(), orphanAge, claimBatch)
		if err != nil {
			return err
		}
		e.peers.adopted.Add(uint64(len(list)))
		if n > 0 {
			e.cfg.Logger.InfoContext(ctx, "transactions of other nodes adopted", "count", n)
		}
		ids := make([]string, 0, len(list))
		byID := make(map[string]*mssp.Transaction, len(list))
		for _, t := range list {
			ids = append(ids, t.ID)
			byID[t.ID] = t
		}
		err = e.each(ctx, ids, func(ctx context.Context, id string) error {
			t := byID[id]
			defer event.Rescue(e.cfg.Logger, "adoption")
			return e.guarded(ctx, t, "adoption", func(ctx context.Context) error { return e.redispatch(ctx, t) })
		})
		if err != nil {
			return fmt.Errorf("transactions of other nodes: %w", err)
		}
		if n < claimBatch {
			return nil
		}
	}
}
