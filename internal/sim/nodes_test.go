package sim

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"fmt"
	mrand "math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/scp80"
	"github.com/signum-mssp/signum/internal/smpp"
)

// pair is two nodes on one store, with their own sessions: each message of a card comes to
// any of them.
type pair struct {
	w   *world
	rng *mrand.Rand

	mu    sync.Mutex
	nodes [2]*pairNode
	n     int // nodes so far
	rows  map[string]mssp.SIMRequest
	parts map[string]mssp.MessagePart
	puts  int
	deaf  bool // notices get lost
}

// pairNode is one of them, from its start to its end.
type pairNode struct {
	p    *pair
	id   string
	slot int
	ch   *Channel
}

func (n *pairNode) Peers() int { return 1 }
func (n *pairNode) ID() string { return n.id }
func (n *pairNode) Slot() int  { return n.slot }

func (n *pairNode) Publish(topic, data string) {
	n.p.mu.Lock()
	other, deaf := n.p.nodes[1-n.slot], n.p.deaf
	n.p.mu.Unlock()
	if topic == Topic && !deaf {
		go other.ch.Hear(n.id, data)
	}
}

// pair makes a world that of two nodes.
func (w *world) pair(seed uint64) *pair {
	p := &pair{w: w, rng: seeded(seed), rows: map[string]mssp.SIMRequest{}, parts: map[string]mssp.MessagePart{}}
	w.ch.Close()
	p.start(0)
	p.start(1)
	w.net.mu.Lock()
	w.net.deliver = p.deliver
	w.net.mu.Unlock()
	return p
}

func (p *pair) start(slot int) {
	p.n++
	n := &pairNode{p: p, id: fmt.Sprintf("n-%d", p.n), slot: slot}
	cfg := p.w.cfg
	cfg.Peers, cfg.Parts, cfg.Outbox = n, p, p
	ch, err := New(cfg)
	if err != nil {
		p.w.t.Fatal(err)
	}
	ch.Connect(p.w.engine, p.w.engine)
	n.ch = ch
	p.mu.Lock()
	p.nodes[slot] = n
	p.mu.Unlock()
}

// any returns one of the nodes.
func (p *pair) any() *pairNode {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.nodes[p.rng.IntN(2)]
}

func (p *pair) deliver(d *smpp.DeliverSM) smpp.Status {
	return p.any().ch.Deliver(ctx, "", d, new(event.Event))
}

func (p *pair) close() {
	for _, n := range p.nodes {
		n.ch.Close()
	}
}

// ask hands a request to a node, which owns it, as the engine would until its store works.
func (p *pair) ask(r mssp.DeviceRequest, n *pairNode) {
	r.Owner = n.id
	e := p.w.engine
	e.mu.Lock()
	e.pending[r.DeviceID] = append(e.pending[r.DeviceID], r)
	e.mu.Unlock()
	for range 10 {
		if n.ch.Send(context.Background(), r) == nil {
			return
		}
		time.Sleep(time.Second)
	}
}

// crash ends a node: killed, it leaves nothing, and the other one goes on when it has found out;
// stopped, it leaves what it knows, and the other one goes on at once. Another node takes
// its place.
func (p *pair) crash(killed bool) { p.crashOf(p.any(), killed) }

func (p *pair) crashOf(dead *pairNode, killed bool) {
	if killed {
		dead.ch.mu.Lock()
		dead.ch.cfg.Outbox = nil
		dead.ch.mu.Unlock()
	}
	dead.ch.Close()
	p.start(dead.slot)
	if killed {
		time.Sleep(12 * time.Second)
	}
	heir := p.any()
	e := p.w.engine
	e.mu.Lock()
	var adopted []mssp.DeviceRequest
	for _, list := range e.pending {
		for i := range list {
			if list[i].Owner == dead.id {
				list[i].Owner = heir.id
				adopted = append(adopted, list[i])
			}
		}
	}
	e.mu.Unlock()
	for _, r := range adopted {
		r.Resumed = true
		_ = heir.ch.Send(context.Background(), r) // the store may fail
	}
}

func (p *pair) PutSIMRequest(_ context.Context, r *mssp.SIMRequest) error {
	if p.w.store.broken() {
		return errStore
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.puts++
	if old, ok := p.rows[r.TransID]; !ok || old.Op != r.Op || old.Step < r.Step || old.Step == r.Step && !r.Unknown {
		p.rows[r.TransID] = *r
	}
	return nil
}

func (p *pair) SIMRequest(_ context.Context, transID string) (*mssp.SIMRequest, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r, ok := p.rows[transID]
	if !ok {
		return nil, mssp.ErrNotFound
	}
	return &r, nil
}

func (p *pair) DeleteSIMRequest(_ context.Context, transID string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.rows, transID)
	return nil
}

func partName(q *mssp.MessagePart) string { return fmt.Sprint(q.MSISDN, " ", q.Ref, " ", q.Total, " ") }

func (p *pair) PutPart(_ context.Context, q *mssp.MessagePart, _ int) error {
	if p.w.store.broken() {
		return errStore
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	q = &mssp.MessagePart{MSISDN: q.MSISDN, Ref: q.Ref, Total: q.Total, Seq: q.Seq, Body: bytes.Clone(q.Body)}
	p.parts[partName(q)+fmt.Sprint(q.Seq)] = *q
	return nil
}

func (p *pair) OtherParts(_ context.Context, q *mssp.MessagePart, _ time.Duration) (list []mssp.MessagePart, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, o := range p.parts {
		if strings.HasPrefix(name, partName(q)) && o.Seq != q.Seq {
			list = append(list, o)
		}
	}
	slices.SortFunc(list, func(a, b mssp.MessagePart) int { return cmp.Compare(a.Seq, b.Seq) })
	return list, nil
}

func (p *pair) DeleteParts(_ context.Context, q *mssp.MessagePart) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for name := range p.parts {
		if strings.HasPrefix(name, partName(q)) {
			delete(p.parts, name)
		}
	}
	return nil
}

func (s *fakeStore) broken() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fail != nil
}

// Messages of a card come to any node, in one part or several: nothing is repeated, and
// nothing is written for a request whose first packet does its work.
func TestRepliesAtAnyNode(t *testing.T) {
	for _, key := range []crypto.Signer{ecKey, rsaKey} {
		for _, op := range []mssp.DeviceOp{mssp.OpSign, mssp.OpActivate, mssp.OpDisplay} {
			run(t, func(w *world) {
				p := w.pair(7)
				defer p.close()
				const all = 20
				for i := range all {
					p.ask(w.request(w.card(key), op, fmt.Sprintf("_%d", i), text), p.any())
				}
				pass(time.Minute)
				if n := len(w.engine.answers()); n != all {
					t.Errorf("%T, operation %d: %d of %d answers", key, op, n, all)
				}
				want := all
				if op == mssp.OpActivate {
					want *= 2
				}
				if n := w.net.count(); n != want {
					t.Errorf("%T, operation %d: %d packets, want %d", key, op, n, want)
				}
				if op != mssp.OpActivate && p.puts > 0 || len(p.rows) > 0 || len(p.parts) > 0 {
					t.Errorf("%T, operation %d: %d rows were written, %d stay", key, op, p.puts, len(p.rows))
				}
			})
		}
	}
}

// The node that goes on with a request begins where the other one was: a card that has
// accepted a packet is not asked for a while, and attempts are not counted from the start.
func TestResumed(t *testing.T) {
	run(t, func(w *world) {
		p := w.pair(1)
		defer p.close()
		f := w.card(ecKey)
		f.think = 50 * time.Second
		p.ask(w.request(f, mssp.OpSign, "_1", text), p.nodes[0])
		pass(20 * time.Second)
		sent := w.net.count()
		p.crashOf(p.nodes[0], false)
		pass(5 * time.Second)
		if n := w.net.count() - sent; n > 0 {
			t.Errorf("%d messages to a card that has accepted its packet", n)
		}
		if row, err := p.SIMRequest(ctx, "_1"); err != nil || !strings.Contains(string(row.State), `"attempts":1`) || !strings.Contains(string(row.State), `"counters":[`) {
			t.Errorf("%+v, %v", row, err)
		}
		pass(time.Minute)
		if n := len(w.engine.answers()); n != 1 || f.asked() != 1 || len(p.rows) != 0 {
			t.Errorf("%d answers, the user was asked %d times, %d rows stay", n, f.asked(), len(p.rows))
		}
	})
}

// A proof of receipt is kept for a request that was repeated, whichever node got it: when the owner
// dies, the next one knows that the user is being asked.
func TestProofIsKept(t *testing.T) {
	for _, early := range []bool{false, true} { // the proof comes before the SMSC's answer
		t.Run(fmt.Sprintf("early %v", early), func(t *testing.T) { proofIsKept(t, early) })
	}
}

func proofIsKept(t *testing.T, early bool) {
	run(t, func(w *world) {
		p := w.pair(1)
		defer p.close()
		f := w.card(ecKey)
		f.think = 50 * time.Second
		first := true
		w.net.mu.Lock()
		w.net.swallow = func(*smpp.DeliverSM) bool { // the first proof, so that the request is repeated
			defer func() { first = false }()
			return first
		}
		w.net.mu.Unlock()
		p.ask(w.request(f, mssp.OpSign, "_1", text), p.nodes[0])
		pass(10 * time.Second)
		if row, err := p.SIMRequest(ctx, "_1"); err != nil || !strings.Contains(string(row.State), fmt.Sprintf(`"flags":%d`, asked|proved|submitted)) {
			t.Errorf("%+v, %v", row, err)
		}
		if early {
			p.mu.Lock()
			row := p.rows["_1"]
			row.State, _, _ = bytes.Cut(row.State, []byte(`,"next"`))
			row.State = append(bytes.Clone(bytes.TrimSuffix(row.State, []byte("}"))), '}')
			p.rows["_1"] = row
			p.mu.Unlock()
		}
		sent := w.net.count()
		p.crashOf(p.nodes[0], true)
		pass(5 * time.Second)
		if n := w.net.count() - sent; n > 0 {
			t.Errorf("%d messages to a card that has accepted its packet", n)
		}
		pass(time.Minute)
		if n := len(w.engine.answers()); n != 1 || f.asked() != 1 || len(p.rows) != 0 {
			t.Errorf("%d answers, the user was asked %d times, %d rows stay", n, f.asked(), len(p.rows))
		}
	})
}

// Delivery receipts count at whichever node they arrive: a phone that was never reached is 209.
func TestReceiptsAtTheOtherNode(t *testing.T) {
	for name, tt := range map[string]struct {
		esm    byte
		format string
		code   signum.Code // 0: none, the engine ends it with 208
	}{
		"EXPIRED":      {4, "id:%s stat:EXPIRED", 209},
		"not declared": {0, "id:%s sub:001 dlvrd:000 stat:UNDELIV err:001", 209},
		"delivered":    {4, "id:%s stat:DELIVRD", 0},
		"of another":   {4, "id:F%s stat:UNDELIV", 0},
	} {
		for _, early := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, early %v", name, early), func(t *testing.T) {
				run(t, func(w *world) {
					s := &stored{w: w, early: early, make: func(id string, m *smpp.SubmitSM) *smpp.DeliverSM {
						return fromPhone(m, tt.esm, fmt.Sprintf(tt.format, id))
					}}
					w.cfg.Send = only(s.submit)
					p := w.pair(1)
					defer p.close()
					s.node = p.nodes[1]
					p.ask(w.request(w.card(ecKey), mssp.OpSign, "_1", text), p.nodes[0])
					pass(lifetime)
					got := w.engine.answers()
					if tt.code == 0 && len(got) > 0 || tt.code != 0 && (len(got) != 1 || got[0].Fault == nil || got[0].Fault.Code != tt.code) {
						t.Errorf("%+v", got)
					}
				})
			})
		}
	}
}

// A node that others took for dead does not repeat what another one owns.
func TestLostRequestIsNotRepeated(t *testing.T) {
	run(t, func(w *world) {
		p := w.pair(1)
		defer p.close()
		f := w.card(ecKey)
		f.silent = true
		r := w.request(f, mssp.OpSign, "_1", text)
		p.ask(r, p.nodes[0])
		pass(time.Second)
		sent := w.net.count()
		w.engine.mu.Lock()
		w.engine.pending[r.DeviceID][0].Owner = "n-9"
		w.engine.mu.Unlock()
		pass(time.Minute)
		if n := w.net.count() - sent; n > 0 || p.nodes[0].ch.Stats().Pending > 0 {
			t.Errorf("%d messages of a node that does not own the request", n)
		}
	})
}

// Of what other nodes tell, only what fits an open request has an effect.
func TestHear(t *testing.T) {
	run(t, func(w *world) {
		p := w.pair(1)
		defer p.close()
		f := w.card(ecKey)
		f.silent = true
		p.ask(w.request(f, mssp.OpActivate, "_1", ""), p.nodes[0])
		pass(time.Second)
		sent := w.net.count()
		for _, data := range []string{"", "proof", "proof +41 d x 0", "proof +41 d 1 999", "step _2 " + f.device, "step _1 other", "busy _1 " + f.device + " x", "x y z",
			"sent a +41 +42 5 %", "sent a +41 +42 x m1", "sent a +41 +42 5 m1 m2", "sent  " + f.msisdn + " +42 5 %zz",
			fmt.Sprintf("proof %s %s 999 2", f.msisdn, f.device), fmt.Sprintf("proof %s other 2 2", f.msisdn)} {
			p.nodes[0].ch.Hear("n-2", data)
		}
		pass(time.Second)
		if n := w.net.count() - sent; n > 0 {
			t.Errorf("%d messages because of notices about nothing", n)
		}
		p.nodes[0].ch.Hear("n-2", "step _1 "+f.device)
		pass(time.Second)
		if reqs := f.requests(); len(reqs) != 2 || reqs[1].Op != applet.GenKey {
			t.Errorf("%+v", reqs)
		}
	})
}

// An unsecured proof, which anybody can make, is told to nobody.
func TestUnsecuredProofStays(t *testing.T) {
	run(t, func(w *world) {
		p := w.pair(1)
		defer p.close()
		f := w.card(ecKey)
		f.silent, f.bare = true, true
		f.proofs = []scp80.Status{scp80.CounterLow}
		p.ask(w.request(f, mssp.OpSign, "_1", text), p.nodes[0])
		in := &arrival{msisdn: f.msisdn, card: &mssp.Card{DeviceID: f.device}}
		heard := 0
		p.nodes[1].ch.cfg.Peers = counting{p.nodes[1], &heard}
		p.nodes[1].ch.publishProof(in, &scp80.Response{Counter: 1}, false)
		p.nodes[1].ch.publishProof(in, &scp80.Response{Counter: 1}, true)
		if heard != 1 {
			t.Errorf("%d notices, want that of the secured proof", heard)
		}
	})
}

type counting struct {
	*pairNode
	n *int
}

func (c counting) Publish(string, string) { *c.n++ }

func FuzzHear(f *testing.F) {
	f.Add("proof +41790000001 sim-1 7 2")
	f.Add("step _1 sim-1")
	f.Add("busy _1 sim-1 3")
	f.Add("sent a %2B41790000001 %2B41 5 m1 m2")
	w := newWorld(f)
	defer w.ch.Close()
	f.Fuzz(func(_ *testing.T, data string) { w.ch.Hear("n-2", data) })
}
