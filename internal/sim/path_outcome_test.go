package sim_test

import (
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/card"
	"github.com/signum-mssp/signum/internal/lab/handset"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/lab/smsc"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/scp80"
)

// inBubble runs a test of the whole path in a synctest bubble.
func inBubble(t *testing.T, f func(t *testing.T, p *path), change ...func(*pathConfig)) {
	rsaKey()
	cfg := pathConfig{url: "sqlite:" + filepath.Join(t.TempDir(), "db"), pipes: true}
	for _, c := range change {
		c(&cfg)
	}
	synctest.Test(t, func(t *testing.T) {
		p := newPath(t, cfg)
		p.addParties()
		f(t, p)
		p.close()
	})
}

// TestPathOutcomes checks the outcome of a request for everything that can happen to
// it.
func TestPathOutcomes(t *testing.T) {
	inBubble(t, func(t *testing.T, p *path) {
		for i, tt := range []struct {
			name  string
			spec  userSpec
			does  person.Action
			first func(u *user)
			want  []signum.Code // of consecutive calls
			most  time.Duration // that the first may take
		}{
			{name: "approved", want: []signum.Code{500, 500}, most: time.Second},
			{name: "approved, RSA", spec: userSpec{keyType: signum.RSA}, want: []signum.Code{500, 500}, most: time.Second},
			{name: "approved, 3DES with two keys", spec: userSpec{algorithm: mssp.Card3DES}, want: []signum.Code{500, 500}, most: time.Second},
			{name: "approved, 3DES with three keys", spec: userSpec{algorithm: mssp.Card3DES, keyLength: 24}, want: []signum.Code{500, 500}, most: time.Second},
			{name: "activated, 3DES", spec: userSpec{algorithm: mssp.Card3DES, inactive: true}, want: []signum.Code{500, 500}, most: time.Second},
			{name: "approved, AES-192", spec: userSpec{keyLength: 24}, want: []signum.Code{500, 500}, most: time.Second},
			{name: "approved, AES-256", spec: userSpec{keyLength: 32}, want: []signum.Code{500, 500}, most: time.Second},
			{name: "other keys, 3DES", spec: userSpec{algorithm: mssp.Card3DES, config: func(c *card.Config) { c.Keys = cardKeys(1000, 16) }}, want: []signum.Code{209, 209}, most: 80 * time.Second},
			{name: "3DES for AES", spec: userSpec{config: func(c *card.Config) { c.Algorithm = mssp.Card3DES }}, want: []signum.Code{209, 209}, most: 80 * time.Second},
			{name: "activated", spec: userSpec{inactive: true}, want: []signum.Code{500, 500}, most: time.Second},
			{name: "cancelled", does: person.Cancel, want: []signum.Code{401, 401}, most: time.Second},
			{name: "no answer of the user", does: person.Silent, want: []signum.Code{208, 208}, most: 80 * time.Second},
			{name: "blocked by wrong PINs", does: person.WrongPIN, want: []signum.Code{402, 402}, most: time.Second},
			{name: "blocked", does: person.Blocked, want: []signum.Code{402, 402}, most: time.Second},
			{name: "no key", does: person.NoKey, want: []signum.Code{404, 404}, most: time.Second},
			{name: "bad signature", does: person.BadSignature, want: []signum.Code{503, 503}, most: time.Second},
			{name: "unreachable", does: person.Unreachable, want: []signum.Code{209, 209}, most: 15 * time.Second},
			{name: "unknown to the network", first: func(u *user) { _ = p.handsets.Remove(u.MSISDN) }, want: []signum.Code{209, 209}, most: time.Second},
			{name: "no applet", spec: userSpec{config: func(c *card.Config) { c.TAR = scp80.TAR{1, 2, 3} }}, want: []signum.Code{105, 105}, most: 80 * time.Second},
			{name: "other keys", spec: userSpec{config: func(c *card.Config) { c.Keys = cardKeys(1000, 16) }}, want: []signum.Code{209, 209}, most: 80 * time.Second},
			{name: "another key set", spec: userSpec{config: func(c *card.Config) { c.KeySet = 2 }}, want: []signum.Code{209, 209}, most: 80 * time.Second},
			{name: "the counter was set back", spec: userSpec{config: func(c *card.Config) {
				c.Store = &cardStore{card.NewMemory(), &card.State{Counter: 30000, TriesLeft: card.MaxTries}}
			}}, want: []signum.Code{500, 500}, most: time.Second},
			{name: "the counter was set back too far", spec: userSpec{config: func(c *card.Config) {
				c.Store = &cardStore{card.NewMemory(), &card.State{Counter: 1 << 30, TriesLeft: card.MaxTries}}
			}}, want: []signum.Code{209, 209}, most: time.Second},
			{name: "the counter was set back a little", spec: userSpec{config: func(c *card.Config) {
				c.Store = &cardStore{card.NewMemory(), &card.State{Counter: 3, TriesLeft: card.MaxTries}}
			}}, want: []signum.Code{500, 500}, most: 20 * time.Second},
		} {
			u := p.addUser(i+1, tt.spec)
			if err := p.handsets.Behave(u.MSISDN, person.Behaviour{Do: tt.does}); err != nil {
				t.Fatal(err)
			}
			if tt.first != nil {
				tt.first(u)
			}
			for n, want := range tt.want {
				c := &call{u: u, ap: n, async: n == 1, text: "Bank: Login?"}
				if err := p.sign(c, time.Second); err != nil {
					t.Errorf("%s: %v", tt.name, err)
				}
				if took := c.answered.Sub(c.asked); c.told != want || n == 0 && took > tt.most {
					t.Errorf("%s: %d after %s, want %d within %s", tt.name, c.told, took, want, tt.most)
				}
				time.Sleep(10 * time.Second)
			}
		}
	})
}

// TestPathNoNetwork checks requests when the SMSC loses all messages, and when there
// is no SMSC. While one is outstanding, another is refused with 406.
func TestPathNoNetwork(t *testing.T) {
	inBubble(t, func(t *testing.T, p *path) {
		u := p.addUser(1, userSpec{})
		p.smsc.SetFaults(smsc.Faults{Loss: 1})
		first := &call{u: u, text: "Bank: Login?"}
		var waits sync.WaitGroup
		waits.Go(func() {
			if err := p.sign(first, 0); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(10 * time.Second)
		second := &call{u: u, ap: 1, text: "Shop: Login?"}
		if err := p.sign(second, 0); err != nil || second.told != signum.PBSignatureProcess {
			t.Errorf("a second one: %d, %v", second.told, err)
		}
		waits.Wait()
		if first.told != signum.ExpiredTransaction || time.Since(first.asked) < 80*time.Second {
			t.Errorf("no answer of the phone: %d after %s", first.told, time.Since(first.asked))
		}
		time.Sleep(10 * time.Second) // the first party made the second one wait, so it pauses
		p.smsc.Close()
		for _, c := range []*call{{u: u, text: "Bank: Login?"}, {u: u, text: "Bank: code 1", profile: signum.ProfileOTPText}} {
			if err := p.sign(c, 0); err != nil || c.told != signum.OTAError {
				t.Errorf("without SMSC, %q: %d, %v", c.text, c.told, err)
			}
		}
	})
}

// pad returns a text of a prefix and a repeated string, n units long.
func pad(prefix, repeated string, times int, end string) string {
	return prefix + strings.Repeat(repeated, times) + end
}

// TestPathTexts checks that what the user sees is what is signed.
func TestPathTexts(t *testing.T) {
	inBubble(t, func(t *testing.T, p *path) {
		users := []*user{p.addUser(1, userSpec{}), p.addUser(2, userSpec{keyType: signum.RSA})}
		for _, text := range []string{
			"Bank: Login?",
			"Bank: @",
			"Bank: 7@", // its last octet is full
			"Bank: line\nline\r\n\tno, that is UCS2",
			"Bank: CR is padding\r",
			`Bank: ^{}\[~]|€` + "\f",
			pad("Bank: ", "€", 116, "@"),
			pad("Bank: ", "x", 232, "\r"),
			pad("Bank: ", "[", 116, "ß"),
			"Bank: @£$¥èéùìòÇØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà",
			"Bank: Ç ç e\u0301 é", // differ, because nothing normalises them
			pad("Bank: ", "ж", 113, ""),
			pad("Bank: ", "😀", 56, "ж"),
			pad("Bank: ", "€", 112, "ç"),
			"Банк: 銀行 🏦 البنك",
		} {
			for _, u := range users {
				shown, c := p.byHand(u, text)
				if c.told != signum.SignatureMade { // its content was compared
					t.Errorf("%q, %s: %d", text, u.keyType, c.told)
				}
				if shown != text {
					t.Errorf("shown was %q, signed %q", shown, text)
				}
			}
		}
	})
}

// byHand reads the screen and enters the PIN.
func (p *path) byHand(u *user, text string) (shown string, c *call) {
	p.t.Helper()
	if err := p.handsets.TakeOver(u.MSISDN, true); err != nil {
		p.t.Fatal(err)
	}
	c = &call{u: u, text: text}
	var waits sync.WaitGroup
	waits.Go(func() {
		if err := p.sign(c, 0); err != nil {
			p.t.Errorf("%q: %v", text, err)
		}
	})
	for range 10 {
		time.Sleep(time.Second)
		d, err := p.handsets.Dialogue(u.MSISDN)
		if err != nil {
			p.t.Fatal(err)
		}
		input := ""
		switch d.Kind {
		case handset.Idle:
			continue
		case handset.DisplayText:
			if !d.Who {
				shown += d.Text
			}
		case handset.GetInput:
			input = u.card.KnownPIN()
		}
		if err := p.handsets.Press(u.MSISDN, d.ID, handset.KeyOK, input); err != nil {
			p.t.Error(err)
		}
	}
	waits.Wait()
	return shown, c
}

// BenchmarkPath measures signatures over loopback TCP without faults: engine, SQLite,
// SMPP, SMSC, handset, card and back, without the party's wire.
func BenchmarkPath(b *testing.B) {
	p := newPath(b, pathConfig{url: "sqlite:" + filepath.Join(b.TempDir(), "db")})
	defer p.close()
	p.addParties()
	const users = 64
	idle := make(chan *user, users)
	for n := range users {
		idle <- p.addUser(n+1, userSpec{})
	}
	before, from := cpu(), time.Now()
	b.SetParallelism(users / 2)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			u := <-idle
			c := &call{u: u, text: "Bank: Login?"}
			if err := p.sign(c, 0); err != nil || c.told != signum.SignatureMade {
				b.Errorf("%d, %v", c.told, err)
			}
			idle <- u
		}
	})
	b.StopTimer()
	b.ReportMetric(float64(b.N)/time.Since(from).Seconds(), "signatures/s")
	b.ReportMetric(float64((cpu()-before).Microseconds())/float64(b.N), "cpu-µs/op")
}

// cpu is the CPU time that this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestPathReferences checks that a card does not get two requests with the same
// reference within some time, no matter how many requests go to other cards meanwhile:
// late parts of one would be joined with parts of the other.
func TestPathReferences(t *testing.T) {
	inBubble(t, func(t *testing.T, p *path) {
		u := p.addUser(1, userSpec{})
		others := p.addUser(2, userSpec{})
		for _, n := range []int{0, 255} {
			for range n {
				if err := p.sign(&call{u: others, text: "Bank: " + texts[4]}, 0); err != nil {
					t.Fatal(err)
				}
			}
			if err := p.sign(&call{u: u, text: "Bank: " + texts[4]}, 0); err != nil {
				t.Fatal(err)
			}
		}
		refs := map[uint16]int{}
		for _, e := range p.node.channel.Trace(u.MSISDN) {
			if d := e.UserData; d != nil && e.SMPP.Command == "submit_sm" && d.Part == 1 && d.Parts > 1 {
				refs[d.Ref]++
			}
		}
		if len(refs) != 2 {
			t.Errorf("references of two requests: %v", refs)
		}
	})
}
