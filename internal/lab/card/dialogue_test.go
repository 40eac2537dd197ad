package card_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/lab/card"
	"github.com/signum-mssp/signum/internal/scp80"
)

// While the user is asked, the card refuses another request for the time being. It keeps
// only the parts, so that the network can repeat the last one, whichever part that is.
func TestBusy(t *testing.T) {
	for name, text := range map[string]string{"one part": "b", "three parts": strings.Repeat("b", 239)} {
		for last := range 3 {
			if name == "one part" && last > 0 {
				break
			}
			t.Run(name, func(t *testing.T) {
				p := newPhone(t)
				p.hold = true
				p.send(signRequest(1, "a"))
				second := signRequest(2, text)
				parts := p.seal(marshal(t, second))
				if name != "one part" {
					parts[last], parts[2] = parts[2], parts[last]
				}
				n := len(parts) - 1
				for _, ud := range parts[:n] {
					if sw := p.transmit(envelope(t, service, ud)); sw != 0x9000 {
						t.Fatalf("%04x", sw)
					}
				}
				for range 3 {
					if sw := p.transmit(envelope(t, service, parts[n])); sw != 0x9300 {
						t.Fatalf("%04x", sw)
					}
				}
				if p.counterKept() != 1 {
					t.Errorf("counter %d", p.counterKept())
				}
				p.resume(ok, pin("4711"))
				if r := p.only(); r.ID != id(1) || r.Result != applet.OK {
					t.Fatalf("%+v", r)
				}
				p.do = []press{ok, pin("4711")}
				if sw := p.deliver(parts[n]); sw>>8 != 0x91 {
					t.Fatalf("%04x", sw)
				}
				if r := p.only(); r.ID != id(2) || r.Result != applet.OK || p.counterKept() != 2 {
					t.Errorf("%+v", r)
				}
			})
		}
	}
}

// A repetition while the user is asked is acknowledged and has no other effect.
func TestRepeatedWhileAsked(t *testing.T) {
	p := newPhone(t)
	p.hold = true
	r := signRequest(1, "a")
	p.send(r)
	for range 3 {
		if sw := p.deliver(p.seal(marshal(t, r))...); sw != 0x9000 { // the phone has a command
			t.Fatalf("%04x", sw)
		}
	}
	p.resume(ok, pin("4711"))
	p.only()
	if len(p.prompts) != 2 || len(p.pors) != 4 || p.counterKept() != 4 {
		t.Errorf("%d prompts, %d PoRs", len(p.prompts), len(p.pors))
	}
	for i, r := range p.pors {
		if r.Status != scp80.OK || r.Counter != uint64(i+1) {
			t.Errorf("%+v", r)
		}
	}
}

// A later repetition gets the same answer with a new counter, also after a power cut and
// during another dialogue. The card knows only the last sixteen.
func TestRepeatedAfterwards(t *testing.T) {
	p := newPhone(t)
	p.do = []press{ok, pin("4711")}
	first := signRequest(1, "a")
	p.send(first)
	want := p.only()
	same := func() {
		t.Helper()
		p.send(first)
		got := p.only()
		if !bytes.Equal(got.Signature, want.Signature) || got.Result != want.Result || len(p.prompts) != 2 {
			t.Errorf("%+v after %d prompts", got, len(p.prompts))
		}
	}
	same()
	p.insert()
	same()
	for n := 2; n <= 16; n++ {
		p.send(simple(applet.Status, n))
		p.only()
	}
	same()
	p.send(simple(applet.Status, 1)) // another operation of the transaction is another request
	if r := p.only(); r.Op != applet.Status {
		t.Errorf("%+v", r)
	}
	p.do = []press{ended}
	p.send(first) // forgotten
	if r := p.only(); r.Result != applet.UserCancel {
		t.Errorf("%+v", r)
	}
	p.hold = true
	p.send(signRequest(17, "b"))
	p.deliver(p.seal(marshal(t, first))...)
	p.resume(ended)
	if len(p.replies) != 2 || p.replies[0].ID != id(1) || p.replies[1].ID != id(17) {
		t.Errorf("%d replies", len(p.replies))
	}
}

// After the time of a request, the user's late consent has no effect, and the card is free.
func TestTimeout(t *testing.T) {
	t.Run("late consent", func(t *testing.T) {
		p := newPhone(t)
		p.hold = true
		p.send(signRequest(1, "a"))
		p.session(p.press(ok))
		p.clock.Advance(80 * time.Second)
		p.resume(pin("4711"))
		if r := p.only(); r.Result != applet.NoAnswer || len(r.Signature) > 0 || r.TriesLeft != 3 {
			t.Errorf("%+v", r)
		}
	})
	t.Run("next request while the text is shown", func(t *testing.T) {
		p := newPhone(t)
		p.hold = true
		p.send(signRequest(1, "a"))
		p.clock.Advance(80 * time.Second)
		if sw := p.deliver(p.seal(marshal(t, signRequest(2, "b")))...); sw != 0x9000 {
			t.Fatalf("%04x", sw)
		}
		p.resume(silent, ok, pin("4711"))
		if got := p.texts(); !slices.Equal(got, []string{"a", "b", "Enter your PIN"}) {
			t.Errorf("%q", got)
		}
		if len(p.replies) != 2 || p.replies[0].Result != applet.NoAnswer || p.replies[1].Result != applet.OK {
			t.Errorf("%d replies", len(p.replies))
		}
	})
	t.Run("never fetched", func(t *testing.T) {
		p := newPhone(t)
		p.transmit(envelope(t, service, p.seal(marshal(t, signRequest(1, "a")))[0]))
		p.clock.Advance(80 * time.Second)
		sw := p.transmit([]byte{0x80, 0xf2, 0, 0, 0})
		p.session(sw)
		if r := p.only(); r.Result != applet.NoAnswer || len(p.prompts) > 0 {
			t.Errorf("%+v", r)
		}
	})
	t.Run("poll", func(t *testing.T) {
		p := newPhone(t)
		p.hold = true
		p.send(signRequest(1, "a"))
		p.clock.Advance(80 * time.Second)
		if sw := p.transmit([]byte{0x80, 0xf2, 0, 0x0c}); sw != 0x9000 {
			t.Errorf("%04x while a command is open", sw)
		}
		p.resume(ok)
		if r := p.only(); r.Result != applet.NoAnswer {
			t.Errorf("%+v", r)
		}
	})
	t.Run("lost command", func(t *testing.T) {
		p := newPhone(t)
		p.hold = true
		p.send(signRequest(1, "a"))
		old := *p.current
		p.clock.Advance(80*time.Second + card.LostAfter)
		p.hold, p.do = false, []press{ok, pin("4711")}
		p.send(signRequest(2, "b"))
		if sw := p.transmit(respond(old, 0, nil)); sw != 0x6985 {
			t.Errorf("%04x to a response much too late", sw)
		}
		if len(p.replies) != 2 || p.replies[0].Result != applet.NoAnswer || p.replies[1].Result != applet.OK {
			t.Errorf("%d replies", len(p.replies))
		}
	})
	t.Run("own time", func(t *testing.T) {
		p := newPhone(t)
		p.hold = true
		r := signRequest(1, "a")
		r.Timeout = 65535 * time.Second
		p.send(r)
		p.clock.Advance(65534 * time.Second)
		p.resume(ok, pin("4711"))
		if r := p.only(); r.Result != applet.OK {
			t.Errorf("%+v", r)
		}
	})
}

// A power cut ends a dialogue without an answer; the request can be repeated.
func TestPowerCut(t *testing.T) {
	p := newPhone(t)
	p.hold = true
	r := signRequest(1, "a")
	p.send(r)
	p.insert()
	p.hold, p.do = false, []press{ok, pin("4711")}
	p.send(r)
	if got := p.only(); got.Result != applet.OK {
		t.Errorf("%+v", got)
	}
	before := len(p.seen)
	for n := 2; n < 40; n++ { // counters of replies are never used twice
		if n%3 == 0 {
			p.insert()
		}
		p.send(simple(applet.Status, n))
	}
	if len(p.seen) != before+38 {
		t.Errorf("%d counters", len(p.seen))
	}
}

// A message that the network refuses is sent again, in its place. If that fails too, a
// repetition of the request still gets the answer.
func TestSendFails(t *testing.T) {
	p := newPhone(t, withRSA)
	p.hold = true
	r := signRequest(1, "a")
	p.send(r)
	p.refuse = 2
	p.resume(ok, pin("4711"))
	want := p.only()
	if len(p.submits) != 1+3 {
		t.Errorf("%d messages", len(p.submits))
	}
	p.refuse = 3
	p.send(r) // its PoR is lost
	if got := p.only(); !bytes.Equal(got.Signature, want.Signature) || len(p.pors) != 1 {
		t.Errorf("%+v, %d PoRs", got, len(p.pors))
	}
	p.refuse = 6 // the PoR and the first part of the reply, which takes the rest with it
	sent := len(p.submits)
	if p.send(r); len(p.replies) != 0 || len(p.submits) != sent {
		t.Errorf("%d replies, %d messages", len(p.replies), len(p.submits)-sent)
	}
	p.send(r)
	if got := p.only(); !bytes.Equal(got.Signature, want.Signature) || len(p.prompts) != 2 {
		t.Errorf("%+v", got)
	}
}

// The card's memory does not grow if the phone fetches nothing.
func TestNothingFetched(t *testing.T) {
	p := newPhone(t)
	bad := p.params
	bad.TAR = scp80.TAR{1}
	for range 100 {
		p.transmit(envelope(t, service, p.sealWith(bad, keys, 1, nil)[0]))
	}
	busy := 0
	for n := range 100 {
		if p.transmit(envelope(t, service, p.seal(status(t, n))[0])) == 0x9300 {
			busy++
		}
	}
	p.session(p.transmit([]byte{0x80, 0xf2, 0, 0, 0}))
	if busy == 0 || len(p.submits) > 40 {
		t.Errorf("%d times busy, %d messages", busy, len(p.submits))
	}
	p.replies = nil
	p.send(simple(applet.Status, 1000))
	p.only()
}

func TestReceipt(t *testing.T) {
	rsaCard := newPhone(t, withRSA)
	public := rsaCard.card.PublicKey().(*rsa.PublicKey)
	seal := func(b ...byte) []byte {
		//lint:ignore SA1019 the padding that SIMs decrypt
		sealed, err := rsa.EncryptPKCS1v15(rand.Reader, public, b)
		if err != nil {
			t.Fatal(err)
		}
		return sealed
	}
	tests := map[string]struct {
		text   string
		sealed []byte
		do     []press
		shown  string
		want   applet.Result
	}{
		"ok":              {"Thank you", nil, []press{ok}, "Thank you", applet.OK},
		"cancel":          {"Thank you", nil, []press{ended}, "Thank you", applet.UserCancel},
		"back":            {"Thank you", nil, []press{back}, "Thank you", applet.UserCancel},
		"nobody":          {"Thank you", nil, []press{silent}, "Thank you", applet.NoAnswer},
		"sealed GSM":      {"", seal([]byte("Z\x7erich \x00 \x1b\x65")...), []press{ok}, "Zürich @ €", applet.OK},
		"sealed UCS2":     {"", seal(0x80, 0x04, 0x1f, 0x04, 0x40), []press{ok}, "Пр", applet.OK},
		"sealed nothing":  {"", seal(), nil, "", applet.Refused},
		"sealed no UCS2":  {"", seal(0x80, 0x04), nil, "", applet.Refused},
		"sealed 8 bits":   {"", seal('a', 0xc3, 0xbc), nil, "", applet.Refused},
		"sealed escape":   {"", seal('a', 0x1b), nil, "", applet.Refused},
		"sealed reorders": {"", seal(0x80, 0x20, 0x2e, 0, 'a'), nil, "", applet.Refused},
		"sealed hides":    {"", seal(0x80, 0, 'a', 0x20, 0x0b, 0, 'b'), nil, "", applet.Refused},
		"sealed lines":    {"", seal([]byte("a\n\n\n\nb")...), nil, "", applet.Refused},
		"not sealed":      {"", make([]byte, 256), nil, "", applet.Refused},
	}
	n := 0
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			n++
			p := rsaCard
			p.TB, p.do, p.prompts = t, tc.do, nil
			r := simple(applet.Display, n)
			if tc.sealed == nil {
				r.Text = textOf(tc.text)
			}
			r.Sealed = tc.sealed
			p.send(r)
			if got := p.only(); got.Result != tc.want {
				t.Errorf("%v, want %v", got.Result, tc.want)
			}
			if got := strings.Join(p.texts(), ""); got != tc.shown {
				t.Errorf("%q, want %q", got, tc.shown)
			}
		})
	}
}

// A receipt needs neither key nor PIN.
func TestReceiptOfBlankCard(t *testing.T) {
	p := newPhone(t, blank)
	r := simple(applet.Display, 1)
	r.Text = textOf("Thank you")
	p.do = []press{ok}
	p.send(r)
	if got := p.only(); got.Result != applet.OK {
		t.Errorf("%+v", got)
	}
}

// failing is a Store that can fail.
type failing struct {
	card.Store
	broken bool
}

func (f *failing) SaveCard(iccid string, s *card.State) error {
	if f.broken {
		return errors.New("no room")
	}
	return f.Store.SaveCard(iccid, s)
}

// If the store fails, the card accepts no request, and a PIN counts as wrong.
func TestStoreFails(t *testing.T) {
	store := &failing{Store: card.NewMemory()}
	p := newPhone(t, func(c *card.Config) { c.Store = store })
	store.broken = true
	p.send(simple(applet.Status, 1))
	if p.lastPoR() != scp80.MemoryError || len(p.replies) > 0 {
		t.Errorf("%v, %d replies", p.lastPoR(), len(p.replies))
	}
	p.deliver(p.seal(nil)...)
	if p.lastPoR() != scp80.MemoryError {
		t.Error(p.lastPoR())
	}
	store.broken = false
	p.hold = true
	p.send(signRequest(2, "a"))
	store.broken = true
	p.resume(ok, pin("0"), pin("4711"), pin("4711"))
	if p.card.TriesLeft() != 0 {
		t.Errorf("%d tries left", p.card.TriesLeft())
	}
	if s, err := store.LoadCard(iccid); err != nil || s.TriesLeft != 3 {
		t.Errorf("the card changed the state in the store: %+v, %v", *s, err)
	}
	for _, r := range p.replies {
		if r.Result == applet.OK {
			t.Errorf("%+v", r)
		}
	}
	p.card.Unblock()
	if p.card.TriesLeft() != 3 {
		t.Error("blocked")
	}
	if _, err := card.New(card.Config{ICCID: "89410000000000", Keys: keys, Store: store}); err == nil {
		t.Error("a card that is not kept")
	}
}
