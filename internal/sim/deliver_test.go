package sim

import (
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/scp80"
	"github.com/signum-mssp/signum/internal/smpp"
)

// from is the deliver_sm for a message from a phone.
func from(f *fakeCard, ud []byte) *smpp.DeliverSM {
	return &smpp.DeliverSM{
		Source: smpp.Address{TON: 1, NPI: 1, Addr: f.msisdn[1:]}, Dest: service, ESMClass: smpp.UDHI, ShortMessage: ud,
	}
}

func single(iei byte, packet []byte) []byte { return append([]byte{2, iei, 0}, packet...) }

// taken delivers a message that must be acknowledged.
func (w *world) taken(d *smpp.DeliverSM) {
	w.t.Helper()
	if st := w.deliver(d); st != smpp.StatusOK {
		w.t.Errorf("answered with %s", st)
	}
}

// A message that does not answer a request is acknowledged, counted and dropped, and
// does not prevent the signature.
func TestGarbage(t *testing.T) {
	garbage := map[string]func(f *fakeCard) (*smpp.DeliverSM, func(Stats) uint64){
		"nothing": func(f *fakeCard) (*smpp.DeliverSM, func(Stats) uint64) {
			return from(f, nil), func(s Stats) uint64 { return s.Malformed }
		},
		"header cut short": func(f *fakeCard) (*smpp.DeliverSM, func(Stats) uint64) {
			return from(f, []byte{5, 0x70, 0}), func(s Stats) uint64 { return s.Malformed }
		},
		"a text": func(f *fakeCard) (*smpp.DeliverSM, func(Stats) uint64) {
			d := from(f, []byte("hello"))
			d.ESMClass = 0
			return d, func(s Stats) uint64 { return s.Ignored }
		},
		"another header": func(f *fakeCard) (*smpp.DeliverSM, func(Stats) uint64) {
			return from(f, []byte{6, 5, 4, 0, 1, 0, 2, 9}), func(s Stats) uint64 { return s.Ignored }
		},
		"part 3 of 2": func(f *fakeCard) (*smpp.DeliverSM, func(Stats) uint64) {
			return from(f, []byte{5, 0, 3, 1, 2, 3, 9}), func(s Stats) uint64 { return s.Malformed }
		},
		"no packet": func(f *fakeCard) (*smpp.DeliverSM, func(Stats) uint64) {
			return from(f, single(0x70, []byte("xyz"))), func(s Stats) uint64 { return s.Forged }
		},
		"no proof": func(f *fakeCard) (*smpp.DeliverSM, func(Stats) uint64) {
			return from(f, single(0x71, []byte("xyz"))), func(s Stats) uint64 { return s.Forged }
		},
		"a receipt of nothing": func(f *fakeCard) (*smpp.DeliverSM, func(Stats) uint64) {
			d := from(f, []byte("id:77 stat:UNDELIV"))
			d.ESMClass = smpp.TypeReceipt
			return d, func(s Stats) uint64 { return s.Undelivered }
		},
		"an odd receipt": func(f *fakeCard) (*smpp.DeliverSM, func(Stats) uint64) {
			d := from(f, []byte("?"))
			d.ESMClass = smpp.TypeReceipt
			return d, func(s Stats) uint64 { return s.Ignored }
		},
		"a stranger": func(f *fakeCard) (*smpp.DeliverSM, func(Stats) uint64) {
			d := from(f, single(0x70, f.packet(&applet.Reply{Op: applet.Sign})))
			d.Source.Addr = "41791112233"
			return d, func(s Stats) uint64 { return s.Unknown }
		},
		"no number": func(f *fakeCard) (*smpp.DeliverSM, func(Stats) uint64) {
			d := from(f, single(0x70, f.packet(&applet.Reply{Op: applet.Sign})))
			d.Source = smpp.Address{TON: 5, Addr: "Bank"}
			return d, func(s Stats) uint64 { return s.Unknown }
		},
		"a flipped bit": func(f *fakeCard) (*smpp.DeliverSM, func(Stats) uint64) {
			p := f.packet(&applet.Reply{Op: applet.Sign, ID: applet.TransactionID("_1"), Result: applet.UserCancel})
			p[len(p)-1] ^= 1
			return from(f, single(0x70, p)), func(s Stats) uint64 { return s.Forged }
		},
		"a proof as a reply": func(f *fakeCard) (*smpp.DeliverSM, func(Stats) uint64) {
			r := &scp80.Response{TAR: applet.TAR, Counter: 99}
			p, _ := r.Seal(f.params(), f.keys, scp80.KindResponse)
			return from(f, single(0x70, p)), func(s Stats) uint64 { return s.Forged }
		},
		"a reply as a proof": func(f *fakeCard) (*smpp.DeliverSM, func(Stats) uint64) {
			return from(f, single(0x71, f.packet(&applet.Reply{Op: applet.Sign}))), func(s Stats) uint64 { return s.Forged }
		},
		"another applet": func(f *fakeCard) (*smpp.DeliverSM, func(Stats) uint64) {
			r := &scp80.Response{TAR: scp80.TAR{1, 2, 3}, Counter: 99}
			p, _ := r.Seal(f.params(), f.keys, scp80.KindCommand)
			return from(f, single(0x70, p)), func(s Stats) uint64 { return s.Malformed }
		},
		"no payload": func(f *fakeCard) (*smpp.DeliverSM, func(Stats) uint64) {
			r := &scp80.Response{TAR: applet.TAR, Counter: 40, Data: []byte{1, 2, 3}}
			p, _ := r.Seal(f.params(), f.keys, scp80.KindCommand)
			return from(f, single(0x70, p)), func(s Stats) uint64 { return s.Malformed }
		},
		"an unsecured OK": func(f *fakeCard) (*smpp.DeliverSM, func(Stats) uint64) {
			p, _ := (&scp80.Response{TAR: applet.TAR, Counter: 2}).Unsecured()
			return from(f, single(0x71, p)), func(s Stats) uint64 { return s.Forged }
		},
		"an old proof": func(f *fakeCard) (*smpp.DeliverSM, func(Stats) uint64) {
			p, _ := (&scp80.Response{TAR: applet.TAR, Counter: 1, Status: scp80.TARUnknown}).Seal(f.params(), f.keys, scp80.KindResponse)
			return from(f, single(0x71, p)), func(s Stats) uint64 { return s.PoRUnmatched }
		},
		"of another transaction": func(f *fakeCard) (*smpp.DeliverSM, func(Stats) uint64) {
			p := f.packet(&applet.Reply{Op: applet.Sign, ID: applet.TransactionID("_0"), Result: applet.UserCancel})
			return from(f, single(0x70, p)), func(s Stats) uint64 { return s.Late }
		},
		"of another operation": func(f *fakeCard) (*smpp.DeliverSM, func(Stats) uint64) {
			p := f.packet(&applet.Reply{Op: applet.Display, ID: applet.TransactionID("_1"), Result: applet.UserCancel})
			return from(f, single(0x70, p)), func(s Stats) uint64 { return s.Late }
		},
	}
	outcome := map[string]string{ // operation and reason of the event
		"nothing":                "deliver malformed",
		"header cut short":       "deliver malformed",
		"a text":                 "deliver ignored",
		"another header":         "deliver ignored",
		"part 3 of 2":            "deliver malformed",
		"no packet":              "reply forged",
		"no proof":               "proof forged",
		"a receipt of nothing":   "receipt unmatched",
		"an odd receipt":         "receipt malformed",
		"a stranger":             "deliver unknown",
		"no number":              "deliver unknown",
		"a flipped bit":          "reply forged",
		"a proof as a reply":     "reply forged",
		"a reply as a proof":     "proof forged",
		"another applet":         "reply malformed",
		"no payload":             "reply malformed",
		"an unsecured OK":        "proof forged",
		"an old proof":           "proof unmatched",
		"of another transaction": "reply late",
		"of another operation":   "reply late",
	}
	for name, make := range garbage {
		t.Run(name, func(t *testing.T) {
			run(t, func(w *world) {
				f := w.card(ecKey)
				w.ask(w.request(f, mssp.OpSign, "_1", text))
				pass(time.Second)
				d, counted := make(f)
				w.taken(d)
				if s := w.ch.Stats(); counted(s) != 1 {
					t.Errorf("%+v", s)
				}
				e := w.event()
				if got := e.Op + " " + e.Reason; got != outcome[name] || e.Cause != nil || e.Status != 0 || e.MSISDN != numberOf(d.Source) {
					t.Errorf("event %q of %s, status %d, cause %v; want %q", got, e.MSISDN, e.Status, e.Cause, outcome[name])
				}
				pass(time.Minute)
				if a := w.one(); a.Fault != nil {
					t.Error(a.Fault)
				}
				w.empty()
			})
		})
	}
}

// One card cannot answer for another.
func TestForeignCard(t *testing.T) {
	run(t, func(w *world) {
		f, g := w.card(ecKey), w.card(ecKey)
		w.ask(w.request(f, mssp.OpSign, "_1", text))
		pass(time.Second)
		reply := &applet.Reply{Op: applet.Sign, ID: applet.TransactionID("_1"), Result: applet.UserCancel}
		w.taken(from(g, single(0x70, g.packet(reply)))) // its own message, the transaction of another card
		w.taken(from(f, single(0x70, g.packet(reply)))) // with the number of another card
		if s := w.ch.Stats(); s.Late != 1 || s.Forged != 1 {
			t.Errorf("%+v", s)
		}
		pass(time.Minute)
		if a := w.one(); a.Fault != nil {
			t.Error(a.Fault)
		}
	})
}

// Many forged, unsecured proofs of receipt neither prevent the signature nor make the
// service send without limit.
func TestForgedProofs(t *testing.T) {
	for _, st := range []scp80.Status{scp80.IntegrityFailed, scp80.CounterLow, scp80.TARUnknown, scp80.InsufficientSecurity} {
		run(t, func(w *world) {
			f := w.card(ecKey)
			f.think = 30 * time.Second
			r := w.request(f, mssp.OpSign, "_1", text)
			w.ask(r)
			for range 100 {
				pass(100 * time.Millisecond)
				p, err := (&scp80.Response{TAR: applet.TAR, Status: st}).Unsecured()
				if err != nil {
					t.Fatal(err)
				}
				w.taken(from(f, single(0x71, p)))
			}
			pass(lifetime)
			if a := w.one(); a.Fault != nil || !verify(f.key.Public(), r.SignedAttrs, a.Signature) {
				t.Errorf("%s: %+v, %v", st, a, a.Fault)
			}
			if n := w.net.count(); n > 8 || f.asked() != 1 {
				t.Errorf("%s: %d sent, asked %d times", st, n, f.asked())
			}
			w.empty()
		})
	}
}

// A replayed reply is recognised, whatever it is replayed into.
func TestReplay(t *testing.T) {
	run(t, func(w *world) {
		f := w.card(ecKey)
		var heard []*smpp.DeliverSM
		w.net.swallow = func(d *smpp.DeliverSM) bool {
			heard = append(heard, d)
			return false
		}
		f.result = func(*applet.Request) applet.Result { return applet.UserCancel }
		w.ask(w.request(f, mssp.OpSign, "_1", text))
		pass(time.Minute)
		w.code(signum.UserCancel)
		w.net.mu.Lock()
		w.net.swallow = nil
		w.net.mu.Unlock()
		f.mu.Lock()
		f.result = nil
		f.mu.Unlock()
		w.ask(w.request(f, mssp.OpSign, "_2", text))
		pass(time.Second)
		for _, d := range heard {
			w.taken(d)
		}
		if s := w.ch.Stats(); s.Replayed != 1 {
			t.Errorf("%+v", s)
		}
		pass(time.Minute)
		if all := w.engine.answers(); len(all) != 2 || all[1].Fault != nil {
			t.Errorf("%+v", all)
		}
	})
}

// Duplicates, even simultaneous ones, have one result.
func TestDuplicates(t *testing.T) {
	for _, key := range []any{ecKey, rsaKey} {
		run(t, func(w *world) {
			w.net.rng = seeded(1)
			w.net.bad = chances{duplicate: 1}
			f := w.card(signerOf(key))
			w.ask(w.request(f, mssp.OpSign, "_1", strings.Repeat("x", 239)))
			pass(time.Minute)
			if a := w.one(); a.Fault != nil || f.asked() != 1 {
				t.Errorf("%+v, asked %d times", a, f.asked())
			}
			w.empty()
		})
	}
}

// If a part never comes, the reply is never complete, its memory is freed, and the
// engine ends the transaction with 208.
func TestLostPart(t *testing.T) {
	run(t, func(w *world) {
		f := w.card(rsaKey)
		w.net.swallow = func(d *smpp.DeliverSM) bool {
			c, long := isPart(d)
			return long && c.Seq == 2
		}
		w.ask(w.request(f, mssp.OpSign, "_1", text))
		pass(10 * time.Second)
		if s := w.ch.Stats(); s.Reassembling != 2 {
			t.Errorf("%+v", s)
		}
		pass(lifetime - 10*time.Second)
		if len(w.engine.answers()) != 0 {
			t.Errorf("%+v", w.engine.answers())
		}
		pass(2 * time.Minute)
		w.empty()
	})
}

// Parts may come in any order, also from two phones with the same reference.
func TestPartsInAnyOrder(t *testing.T) {
	for _, order := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		run(t, func(w *world) {
			held := map[string][]*smpp.DeliverSM{}
			w.net.swallow = func(d *smpp.DeliverSM) bool {
				_, long := isPart(d)
				if long {
					held[d.Source.Addr] = append(held[d.Source.Addr], d)
				}
				return long
			}
			f, g := w.card(rsaKey), w.card(rsaKey)
			w.ask(w.request(f, mssp.OpSign, "_1", text))
			pass(10 * time.Second)
			w.ask(w.request(g, mssp.OpSign, "_2", text))
			pass(10 * time.Second)
			for _, i := range order {
				w.taken(held[f.msisdn[1:]][i])
				w.taken(held[g.msisdn[1:]][i])
			}
			if all := w.engine.answers(); len(all) != 2 || all[0].Fault != nil || all[1].Fault != nil {
				t.Errorf("%v: %+v", order, all)
			}
			w.empty()
		})
	}
}

// A subscriber whose number changed meanwhile can still answer.
func TestRenumbered(t *testing.T) {
	run(t, func(w *world) {
		f := w.card(ecKey)
		w.ask(w.request(f, mssp.OpSign, "_1", text))
		pass(time.Second)
		w.store.mu.Lock()
		c := w.store.cards[f.msisdn]
		delete(w.store.cards, f.msisdn)
		c.MSISDN = "+41791234567"
		w.store.cards[c.MSISDN] = c
		w.store.mu.Unlock()
		f.mu.Lock()
		f.msisdn = c.MSISDN
		f.mu.Unlock()
		pass(time.Minute)
		if a := w.one(); a.Fault != nil {
			t.Error(a.Fault)
		}
		w.empty()
	})
}

func TestNumbers(t *testing.T) {
	for _, tt := range []struct {
		a    smpp.Address
		want string
	}{
		{smpp.Address{TON: 1, NPI: 1, Addr: "41791234567"}, "+41791234567"},
		{smpp.Address{TON: 1, NPI: 1, Addr: "+41791234567"}, "+41791234567"},
		{smpp.Address{Addr: "41791234567"}, "+41791234567"},
		{smpp.Address{TON: 2, Addr: "0791234567"}, "0791234567"},
		{smpp.Address{TON: 5, Addr: "Bank"}, "Bank"},
		{smpp.Address{}, ""},
	} {
		if got := numberOf(tt.a); got != tt.want {
			t.Errorf("%+v: %q", tt.a, got)
		}
	}
}

// The window of replies is the same as in the stores.
func TestSeen(t *testing.T) {
	card := &mssp.Card{ReplyCounter: 100, ReplySeen: 0b101}
	for counter, want := range map[uint64]bool{
		101: false, 1 << 39: false, 100: true, 99: true, 98: false, 97: true, 96: false, 36: false, 35: true, 0: true,
	} {
		if got := seen(card, counter); got != want {
			t.Errorf("%d: %v", counter, got)
		}
	}
	if seen(&mssp.Card{}, 1) {
		t.Error("the first")
	}
}

// A flood of forged proofs does not delay the repetition.
func TestForgedProofsDoNotDelay(t *testing.T) {
	run(t, func(w *world) {
		f := w.card(ecKey)
		f.deaf = true
		w.ask(w.request(f, mssp.OpSign, "_1", text))
		for i := range 600 {
			pass(100 * time.Millisecond)
			if i == 100 {
				f.mu.Lock()
				f.deaf = false
				f.mu.Unlock()
			}
			p, err := (&scp80.Response{TAR: applet.TAR, Status: scp80.CipherError}).Unsecured()
			if err != nil {
				t.Fatal(err)
			}
			w.taken(from(f, single(0x71, p)))
		}
		if a := w.one(); a.Fault != nil {
			t.Error(a.Fault)
		}
	})
}
