package sim

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/scp80"
	"github.com/signum-mssp/signum/internal/smpp"
	"github.com/signum-mssp/signum/internal/sms"
)

// counters are those of the packets that were sent to a card, in order.
func (n *fakeNet) counters(f *fakeCard) (all []uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	parts := sms.NewReassembler(time.Hour, 1000)
	for _, m := range n.sent {
		msg, ok, err := parts.Add(time.Now(), m.Source.Addr, m.ShortMessage)
		if err != nil || !ok || "+"+m.Dest.Addr != f.msisdn {
			continue
		}
		if cmd, err := scp80.OpenCommand(msg.Packet, f.keys); err == nil {
			all = append(all, cmd.Counter)
		}
	}
	return all
}

// After a restore of the database the cards have seen higher counters. One request
// finds a card that is far ahead, at once.
func TestCardAhead(t *testing.T) {
	for _, tt := range []struct {
		ahead uint64
		sent  int
	}{
		{0, 1}, {1, 2}, {30, 2}, {256, 2}, {257, 3}, {30_000, 8}, {1_000_000, 13},
	} {
		t.Run(fmt.Sprint(tt.ahead), func(t *testing.T) {
			run(t, func(w *world) {
				f := w.card(ecKey)
				f.counter += tt.ahead
				r := w.request(f, mssp.OpSign, "_1", text)
				w.ask(r)
				pass(lifetime)
				if a := w.one(); a.Fault != nil {
					t.Fatal(a.Fault)
				}
				if took := w.engine.at[0].Sub(r.Created).Truncate(time.Millisecond); took != f.think {
					t.Errorf("took %s", took)
				}
				if got := w.net.counters(f); len(got) != tt.sent || !slices.IsSorted(got) {
					t.Errorf("sent %d", got)
				}
				w.empty()
			})
		})
	}
}

// An activation has two steps, and a long message several parts.
func TestCardAheadActivation(t *testing.T) {
	run(t, func(w *world) {
		f := w.card(rsaKey)
		f.counter += 30_000
		w.ask(w.request(f, mssp.OpActivate, "_1", ""))
		pass(lifetime)
		if a := w.one(); a.Fault != nil || f.asked() != 2 {
			t.Error(a.Fault, f.asked())
		}
	})
}

// A counter moves by Daily a day at most. Then each request fails at once and does
// not make its user wait; on the next day, the search goes on from there.
func TestCardTooFarAhead(t *testing.T) {
	run(t, func(w *world) {
		f := w.card(ecKey)
		f.counter += 2 * defaultDaily
		first := f.counter
		ask := func(id string) signum.Code {
			r := w.request(f, mssp.OpSign, id, text)
			w.ask(r)
			pass(time.Second + f.think)
			all := w.engine.answers()
			if a := all[len(all)-1]; a.TransID != id {
				t.Fatalf("%s is not answered", id)
			} else if a.Fault != nil {
				return a.Fault.Code
			}
			return signum.SignatureMade
		}
		for i := range 3 {
			if code := ask(fmt.Sprint("_", i)); code != signum.OTAError {
				t.Errorf("%d: %d", i, code)
			}
		}
		got := w.net.counters(f)
		if n := got[len(got)-1]; n > first-defaultDaily+100 {
			t.Errorf("moved to %d", n)
		}
		if s := w.ch.Stats(); s.Advanced != 13 || s.Behind == 0 {
			t.Errorf("%d moves, %d refused", s.Advanced, s.Behind)
		}
		pass(24 * time.Hour)
		if code := ask("_next"); code != signum.SignatureMade {
			t.Errorf("the next day: %d", code)
		}
		w.empty()
	})
}

// Anybody can send an unsecured proof: it moves no counter by more than the next
// packet does.
func TestUnsecuredMovesNothing(t *testing.T) {
	run(t, func(w *world) {
		f := w.card(ecKey)
		f.counter, f.bare = f.counter+1000, true
		w.ask(w.request(f, mssp.OpSign, "_1", text))
		pass(lifetime)
		w.code(signum.OTAError)
		got := w.net.counters(f)
		if len(got) != 8 || got[7] != got[0]+7 {
			t.Errorf("sent %d", got)
		}
	})
}

// A counter never wraps: near its end it is not moved.
func TestAdvanceAtTheEnd(t *testing.T) {
	run(t, func(w *world) {
		f := w.card(ecKey)
		f.counter = mssp.MaxCardCounter - 1
		w.store.change(f.msisdn, func(c *mssp.Card) { c.Counter = mssp.MaxCardCounter - 20 })
		w.ask(w.request(f, mssp.OpSign, "_1", text))
		pass(lifetime)
		w.code(signum.OTAError)
		got := w.net.counters(f)
		if len(got) != 8 || got[7] != mssp.MaxCardCounter-12 {
			t.Errorf("sent %d", got)
		}
	})
}

// journey is cards that are ahead, and a network that loses, repeats and delays.
type journey struct {
	Seed     uint64
	Net      chances
	Ahead    []uint64
	Requests int
	Replays  int // messages of the card that are delivered again, at random times
	Forged   int // unsecured proofs that somebody sends
}

func drawAhead(t *rapid.T) journey {
	return journey{
		Seed:     rapid.Uint64().Draw(t, "seed"),
		Net:      chances{loss: chance(t, 30, "loss"), duplicate: chance(t, 50, "duplicate"), delay: seconds(t, 3, "delay")},
		Ahead:    rapid.SliceOfN(rapid.Uint64Range(0, 1<<rapid.IntRange(0, 20).Draw(t, "bits")), 1, 5).Draw(t, "ahead"),
		Requests: rapid.IntRange(1, 5).Draw(t, "requests"),
		Replays:  rapid.IntRange(0, 50).Draw(t, "replays"),
		Forged:   rapid.IntRange(0, 20).Draw(t, "forged"),
	}
}

// Whatever the network loses, repeats, delays and forges: no counter is used twice,
// none is moved by more than the limit, and after a few requests a card signs however
// far it is ahead.
func TestAheadProperty(t *testing.T) {
	signed, requests := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		s := drawAhead(rt)
		var wrong []string
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			defer func() { w.ch.Close() }()
			var n int
			n, wrong = playAhead(w, s)
			signed, requests = signed+n, requests+s.Requests*len(s.Ahead)
		})
		if len(wrong) > 0 {
			rt.Fatalf("%q", wrong)
		}
	})
	t.Logf("%d of %d signed", signed, requests)
	if signed*10 < requests*8 {
		t.Errorf("only %d of %d signed", signed, requests)
	}
}

func playAhead(w *world, s journey) (signed int, wrong []string) {
	rng := seeded(s.Seed)
	w.net.rng, w.net.bad = seeded(s.Seed+1), s.Net
	var heard []*smpp.DeliverSM // by an adversary in the network
	choose := seeded(s.Seed + 2)
	w.net.swallow = func(d *smpp.DeliverSM) bool { heard = append(heard, d); return false }
	start := map[*fakeCard]uint64{}
	for _, ahead := range s.Ahead {
		f := w.card(ecKey)
		start[f] = f.counter
		f.counter += ahead
	}
	replay := func() {
		w.net.mu.Lock()
		deliver := w.net.deliver
		var d *smpp.DeliverSM
		if len(heard) > 0 {
			d = heard[choose.IntN(len(heard))]
		}
		w.net.mu.Unlock()
		if d != nil {
			deliver(d)
		}
	}
	for i := range s.Requests {
		for f := range start {
			f.think = time.Second
			w.retryAsk(w.request(f, mssp.OpSign, fmt.Sprintf("_%s_%d", f.msisdn, i), text))
			for range s.Forged {
				time.AfterFunc(time.Duration(1+rng.Int64N(int64(lifetime))), func() { w.forge(f, scp80.CounterLow) })
			}
		}
		for range s.Replays {
			time.AfterFunc(time.Duration(1+rng.Int64N(int64(lifetime))), replay)
		}
		pass(2 * lifetime)
	}
	for f, first := range start {
		got := w.net.counters(f)
		for i := range got[1:] {
			if got[i+1] <= got[i] {
				wrong = append(wrong, fmt.Sprintf("counter %d comes after %d", got[i+1], got[i]))
			}
		}
		if last := got[len(got)-1]; last-first > defaultDaily+uint64(len(got)) {
			wrong = append(wrong, fmt.Sprintf("moved by %d", last-first))
		}
	}
	for _, a := range w.engine.answers() {
		if a.Fault == nil {
			signed++
		}
	}
	return signed, wrong
}

// forge delivers an unsecured proof of receipt in the name of a card.
func (w *world) forge(f *fakeCard, st scp80.Status) {
	packet, err := (&scp80.Response{TAR: f.params().TAR, Status: st}).Unsecured()
	if err != nil {
		panic(err)
	}
	uds, err := sms.SplitPacket(packet, sms.IEIResponse, 1)
	if err != nil {
		panic(err)
	}
	w.deliver(&smpp.DeliverSM{Source: smpp.Address{TON: 1, NPI: 1, Addr: f.msisdn[1:]}, Dest: service, ESMClass: smpp.UDHI, ShortMessage: uds[0]})
}

// After a restore, the window of replies is behind what the card has used, so that a
// reply from before can be delivered once more. It answers nothing: its transaction
// has ended and no other has its id.
func TestOldReplyAfterRestore(t *testing.T) {
	run(t, func(w *world) {
		f := w.card(ecKey)
		var heard []*smpp.DeliverSM
		w.net.swallow = func(d *smpp.DeliverSM) bool { heard = append(heard, d); return false }
		w.store.change(f.msisdn, func(c *mssp.Card) { c.ReplyCounter, c.ReplySeen = 1, 0 })
		backup, err := w.store.Card(ctx, f.iccid)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 100 {
			w.ask(w.request(f, mssp.OpSign, fmt.Sprint("_old", i), text))
			pass(lifetime)
		}
		old := slices.Clone(heard)
		w.store.put(backup) // the restore
		w.restart()
		for _, d := range old {
			if st := w.deliver(d); st != smpp.StatusOK {
				t.Fatalf("an old message is answered with %s", st)
			}
		}
		w.ask(w.request(f, mssp.OpSign, "_new", text))
		pass(lifetime)
		all := w.engine.answers()
		if len(all) != 101 || all[100].TransID != "_new" || all[100].Fault != nil {
			t.Errorf("%d answers, the last is %+v", len(all), all[len(all)-1])
		}
		c, err := w.store.Card(ctx, f.iccid)
		if err != nil || c.ReplyCounter != f.replies.Load() {
			t.Errorf("the window ends at %d of %d, %v", c.ReplyCounter, f.replies.Load(), err)
		}
		w.empty()
	})
}

// After a restore, packets have counters that packets before the restore had, too. Their
// proofs can be delivered once more, exactly between a packet and the proof of it: the
// card seems to have accepted what it refuses.
func TestOldProofAfterRestore(t *testing.T) {
	for _, tt := range []struct {
		name          string
		before, every bool // the true proof; each one, or the first
		old           int
	}{
		{"before the first proof", true, false, 100},
		{"before every proof", true, true, 100},
		{"before every proof, far ahead", true, true, 600},
		{"after the first proof", false, false, 100},
		{"after the first proof, far ahead", false, false, 600},
		{"after every proof, far ahead", false, true, 600},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run(t, func(w *world) {
				f := w.card(ecKey)
				backup, err := w.store.Card(ctx, f.iccid)
				if err != nil {
					t.Fatal(err)
				}
				var old []*smpp.DeliverSM
				for range tt.old { // as if that many requests had been accepted
					f.counter++
					old = append(old, f.accepted(t, f.counter))
				}
				w.store.put(backup)
				w.net.took = 10 * time.Millisecond // so that there is something between
				done := false
				w.net.swallow = func(d *smpp.DeliverSM) bool {
					if h, _, err := sms.ParseUserData(d.ShortMessage); err != nil || !isOf(h, sms.IEIResponse) || done && !tt.every {
						return false
					}
					done = true
					replay := func() {
						for _, o := range old {
							w.deliver(o)
						}
					}
					if tt.before {
						go func() { replay(); w.deliver(d) }()
						return true
					}
					time.AfterFunc(time.Millisecond, replay)
					return false
				}
				w.ask(w.request(f, mssp.OpSign, "_new", text))
				pass(lifetime)
				if a := w.one(); a.Fault != nil {
					t.Error(a.Fault)
				}
				if n := len(w.net.counters(f)); n > 5 || f.asked() != 1 {
					t.Errorf("%d packets, the user was asked %d times", n, f.asked())
				}
				w.empty()
			})
		})
	}
}

// accepted is the proof of a card that it accepted a packet.
func (f *fakeCard) accepted(t *testing.T, counter uint64) *smpp.DeliverSM {
	r := &scp80.Response{TAR: f.params().TAR, Counter: counter, Status: scp80.OK}
	packet, err := r.Seal(f.params(), f.keys, scp80.KindResponse)
	if err != nil {
		t.Fatal(err)
	}
	uds, err := sms.SplitPacket(packet, sms.IEIResponse, 1)
	if err != nil {
		t.Fatal(err)
	}
	return &smpp.DeliverSM{Source: smpp.Address{TON: 1, NPI: 1, Addr: f.msisdn[1:]}, Dest: service, ESMClass: smpp.UDHI, ShortMessage: uds[0]}
}

func isOf(h sms.Header, iei byte) bool {
	_, ok := h.Find(iei)
	return ok
}
