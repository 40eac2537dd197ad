package card_test

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/lab/card"
	"github.com/signum-mssp/signum/internal/scp80"
	"github.com/signum-mssp/signum/internal/sms"
)

// status is a request that needs no user: the card answers it at once or not at all.
func status(t rapid.TB, n int) []byte { return marshal(t, simple(applet.Status, n)) }

// The card refuses a request with any bit flipped, and its counter stays. Then it accepts the
// request itself.
func TestFlippedBits(t *testing.T) {
	p := newPhone(t)
	ud := p.seal(status(t, 1))[0]
	for i := 8 * 3; i < 8*len(ud); i++ { // the UDH only says that it is a packet
		bad := bytes.Clone(ud)
		bad[i/8] ^= 0x80 >> (i % 8)
		_, sw := p.exchange(envelope(t, service, bad)) // the PoR may be in the report now
		if sw>>8 == 0x91 {
			p.session(sw)
		}
		if len(p.replies) > 0 || p.counterKept() != 0 {
			t.Fatalf("bit %d", i)
		}
	}
	for _, r := range p.pors {
		if r.Status == scp80.OK || r.Counter != 0 {
			t.Errorf("%+v", r)
		}
	}
	p.deliver(ud)
	if r := p.only(); r.Result != applet.OK || p.counterKept() != 1 {
		t.Errorf("%+v", r)
	}
}

func TestRefusedPackets(t *testing.T) {
	level := func(spi1, spi2 byte) func(*scp80.Params, *scp80.Keys) {
		return func(p *scp80.Params, _ *scp80.Keys) { p.SPI = [2]byte{spi1, spi2} }
	}
	tests := map[string]struct {
		change func(*scp80.Params, *scp80.Keys)
		want   scp80.Status
	}{
		"TAR":         {func(p *scp80.Params, _ *scp80.Keys) { p.TAR = scp80.TAR{0xb0, 0, 0x10} }, scp80.TARUnknown},
		"KID":         {func(_ *scp80.Params, k *scp80.Keys) { k.KID = bytes.Repeat([]byte{1}, 16) }, scp80.IntegrityFailed},
		"KIc":         {func(_ *scp80.Params, k *scp80.Keys) { k.KIc = bytes.Repeat([]byte{1}, 16) }, scp80.IntegrityFailed},
		"set":         {func(p *scp80.Params, _ *scp80.Keys) { p.KIc, p.KID = 0x32, 0x32 }, scp80.SecurityError},
		"set of KID":  {func(p *scp80.Params, _ *scp80.Keys) { p.KID = 0x32 }, scp80.SecurityError},
		"3DES":        {func(p *scp80.Params, _ *scp80.Keys) { p.KIc, p.KID = 0x25, 0x25 }, scp80.SecurityError},
		"no security": {level(0x00, 0x39), scp80.InsufficientSecurity},
		"CC only":     {level(0x12, 0x39), scp80.InsufficientSecurity},
		"no CC":       {level(0x14, 0x39), scp80.InsufficientSecurity},
		"no counter":  {level(0x06, 0x39), scp80.InsufficientSecurity},
		"unchecked":   {level(0x0e, 0x39), scp80.InsufficientSecurity},
		"PoR open":    {level(0x16, 0x21), scp80.InsufficientSecurity},
		"PoR no CC":   {level(0x16, 0x31), scp80.InsufficientSecurity},
		"PoR CC only": {level(0x16, 0x29), scp80.InsufficientSecurity},
		"short CC":    {func(p *scp80.Params, _ *scp80.Keys) { p.ShortCC = true }, scp80.InsufficientSecurity},
		"errors only": {func(p *scp80.Params, k *scp80.Keys) { p.SPI[1] = 0x3a; k.KID = bytes.Repeat([]byte{1}, 16) }, scp80.IntegrityFailed},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			p := newPhone(t)
			params, k := p.params, keys
			tc.change(&params, &k)
			p.deliver(p.sealWith(params, k, 1, status(t, 1))...)
			if len(p.pors) != 1 || len(p.replies) > 0 || p.counterKept() != 0 {
				t.Fatalf("%d PoRs, %d replies, counter %d", len(p.pors), len(p.replies), p.counterKept())
			}
			if r := p.pors[0]; r.Status != tc.want || r.TAR != params.TAR || r.Counter != 0 || len(r.Data) > 0 {
				t.Errorf("%+v, want %v", r, tc.want)
			}
		})
	}
}

// SPI 16 accepts any higher counter, SPI 1E only the next one.
func TestCounter(t *testing.T) {
	p := newPhone(t)
	next := p.params
	next.SPI[0] = 0x1e
	n := 0
	send := func(params scp80.Params, counter uint64, want scp80.Status) {
		t.Helper()
		n++
		p.replies = nil
		p.deliver(p.sealWith(params, keys, counter, status(t, n))...)
		if got := p.pors[len(p.pors)-1]; got.Status != want || got.Counter != counter || (len(p.replies) == 1) != (want == scp80.OK) {
			t.Errorf("counter %d: %+v, want %v", counter, got, want)
		}
	}
	send(p.params, 0, scp80.CounterLow)
	send(p.params, 5, scp80.OK)
	send(p.params, 5, scp80.CounterLow)
	send(p.params, 4, scp80.CounterLow)
	send(next, 7, scp80.CounterHigh)
	send(next, 6, scp80.OK)
	p.insert() // a power cut
	send(p.params, 6, scp80.CounterLow)
	send(p.params, 1<<39, scp80.OK)
	send(p.params, scp80.MaxCounter, scp80.OK)
	send(p.params, scp80.MaxCounter, scp80.CounterBlocked)
	send(p.params, 7, scp80.CounterBlocked)
	p.insert()
	send(next, 0, scp80.CounterBlocked)
}

// A replay has status 02 and no second prompt, before and after a power cut.
func TestReplay(t *testing.T) {
	p := newPhone(t)
	parts := p.seal(marshal(t, signRequest(1, "a")))
	p.do = []press{ok, pin("4711")}
	p.deliver(parts...)
	p.only()
	prompts := len(p.prompts)
	for range 2 {
		replayed, err := splitAgain(parts)
		if err != nil {
			t.Fatal(err)
		}
		p.deliver(replayed...)
		if p.lastPoR() != scp80.CounterLow || len(p.replies) > 0 || len(p.prompts) != prompts {
			t.Errorf("%v, %d replies, %d prompts", p.lastPoR(), len(p.replies), len(p.prompts))
		}
		p.insert()
	}
}

// splitAgain splits the packet with another reference; otherwise the card would ignore its
// parts as duplicates.
func splitAgain(parts [][]byte) ([][]byte, error) {
	var packet []byte
	for _, ud := range parts {
		_, rest, err := sms.ParseUserData(ud)
		if err != nil {
			return nil, err
		}
		packet = append(packet, rest...)
	}
	return sms.SplitPacket(packet, sms.IEICommand, 0xee)
}

// A request that the applet does not understand uses up its counter.
func TestMalformedPayload(t *testing.T) {
	p := newPhone(t)
	for _, data := range [][]byte{nil, {0xc0}, bytes.Repeat([]byte{0xff}, 90)} {
		p.deliver(p.seal(data)...)
		if p.lastPoR() != scp80.SecurityError || len(p.replies) > 0 || p.counterKept() != p.counter {
			t.Errorf("%v, counter %d", p.lastPoR(), p.counterKept())
		}
	}
}

// SPI2 determines whether there is a PoR, and whether it is in the delivery report.
func TestPoR(t *testing.T) {
	for spi2, want := range map[byte]string{
		0x39: "message", 0x3a: "", 0x38: "", 0x19: "report", 0x1a: "", 0x18: "",
	} {
		p := newPhone(t)
		p.params.SPI[1] = spi2
		data, sw := p.exchange(envelope(t, service, p.seal(status(t, 1))[0]))
		p.session(sw)
		p.only() // the reply comes in any case
		got := ""
		if len(p.pors) > 0 {
			got = "message"
		}
		if len(data) > 0 {
			got = "report"
			h, packet, err := sms.ParseUserData(data)
			if err != nil || len(h) != 1 || h[0].ID != sms.IEIResponse {
				t.Fatalf("%x", data)
			}
			r, err := scp80.OpenResponse(packet, p.params, keys, scp80.KindResponse)
			if err != nil || r.Status != scp80.OK || r.Counter != 1 {
				t.Errorf("%+v, %v", r, err)
			}
		}
		if got != want {
			t.Errorf("SPI2 %02x: %q, want %q", spi2, got, want)
		}
	}
}

// The PoR of an unauthenticated packet can be in the report as well.
func TestUnsecuredReport(t *testing.T) {
	p := newPhone(t)
	params := p.params
	params.SPI[1], params.TAR = 0x19, scp80.TAR{1, 2, 3}
	data, sw := p.exchange(envelope(t, service, p.sealWith(params, keys, 1, nil)[0]))
	if sw != 0x9000 {
		t.Errorf("%04x", sw)
	}
	r, err := scp80.OpenUnsecured(data[3:])
	if err != nil || r.Status != scp80.TARUnknown || r.TAR != params.TAR {
		t.Errorf("%+v, %v", r, err)
	}
}

// 98 octets fit one message, 242 two, 370 three.
func TestRequestRoom(t *testing.T) {
	for size, parts := range map[int]int{98: 1, 99: 2, 242: 2, 243: 3, 370: 3, 371: 4} {
		p := newPhone(t)
		data := status(t, 1)
		if pad := size - len(data); pad < 0x82 { // an object that the applet ignores
			data = append(data, tlv(0xcf, make([]byte, pad-2)...)...)
		} else {
			data = append(data, tlv(0xcf, make([]byte, pad-3)...)...)
			if pad > 0xff+3 {
				data = append(status(t, 1), append([]byte{0xcf, 0x82, byte((pad - 4) >> 8), byte(pad - 4)}, make([]byte, pad-4)...)...)
			}
		}
		got := p.seal(data)
		if len(data) != size || len(got) != parts {
			t.Fatalf("%d octets in %d parts, want %d", len(data), len(got), parts)
		}
		p.deliver(got...)
		if r := p.only(); r.Result != applet.OK {
			t.Errorf("%d octets: %v", size, r.Result)
		}
	}
}

func permutations(n int) (out [][]int) {
	if n == 0 {
		return [][]int{nil}
	}
	for _, p := range permutations(n - 1) {
		for i := range n {
			out = append(out, slices.Insert(slices.Clone(p), i, n-1))
		}
	}
	return out
}

// Parts arrive in any order, and twice.
func TestPartsInAllOrders(t *testing.T) {
	p := newPhone(t)
	for n, order := range permutations(3) {
		r := signRequest(n, "Привет "+string(bytes.Repeat([]byte("x"), 110)))
		parts := p.seal(marshal(t, r))
		if len(parts) != 3 {
			t.Fatalf("%d parts", len(parts))
		}
		p.do = []press{ok, pin("4711")}
		for _, i := range order {
			p.deliver(parts[i])
			p.deliver(parts[i])
		}
		if got := p.only(); got.Result != applet.OK || got.ID != r.ID {
			t.Errorf("%v: %v", order, got.Result)
		}
	}
}

// The card waits for a lost part for partsLifetime. The same reference from another sender is
// another message.
func TestLostPart(t *testing.T) {
	p := newPhone(t)
	long := func(n int) [][]byte {
		return p.seal(marshal(t, signRequest(n, string(bytes.Repeat([]byte("x"), 200)))))
	}
	parts := long(1)
	p.deliver(parts[0])
	p.clock.Advance(card.PartsLifetime)
	if p.deliver(parts[1:]...); len(p.prompts)+len(p.pors) > 0 {
		t.Fatal("a message of two times")
	}
	parts = long(2)
	p.deliver(parts[1:]...)
	other := service
	other.Digits = "41790001001"
	if sw := p.transmit(envelope(t, other, parts[0])); sw != 0x9000 {
		t.Fatalf("%04x: parts of two senders made a message", sw)
	}
	p.clock.Advance(card.PartsLifetime - time.Second)
	p.do = []press{ok, pin("4711")}
	p.deliver(parts[0])
	if r := p.only(); r.Result != applet.OK {
		t.Errorf("%v", r.Result)
	}
}

// The parts of many senders do not fill the card.
func TestManySenders(t *testing.T) {
	p := newPhone(t)
	part := p.seal(marshal(t, signRequest(1, string(bytes.Repeat([]byte("x"), 200)))))[0]
	from := service
	for i := range 1000 {
		from.Digits = string([]byte{'4', '1', '0' + byte(i/100), '0' + byte(i/10%10), '0' + byte(i%10)})
		if sw := p.transmit(envelope(t, from, part)); sw != 0x9000 {
			t.Fatalf("%04x", sw)
		}
	}
	p.do = []press{ok, pin("4711")}
	p.send(signRequest(2, string(bytes.Repeat([]byte("x"), 200))))
	if r := p.only(); r.Result != applet.OK {
		t.Errorf("%v", r.Result)
	}
}

// Cards with other keys: triple DES, AES of 256 bits, another key set and TAR.
func TestOtherKeys(t *testing.T) {
	key := func(n int, seed byte) []byte {
		sum := sha256.Sum256([]byte{seed})
		return sum[:n]
	}
	for name, tc := range map[string]struct {
		algorithm string
		octets    int
		set, want byte
	}{
		"3DES two": {"3DES", 16, 3, 0x35}, "3DES three": {"3DES", 24, 3, 0x39}, "AES-256": {"AES", 32, 15, 0xf2},
	} {
		t.Run(name, func(t *testing.T) {
			k := scp80.Keys{KIc: key(tc.octets, 1), KID: key(tc.octets, 2)}
			c, err := card.New(card.Config{ICCID: iccid, Keys: k, KeySet: tc.set, Algorithm: tc.algorithm, TAR: scp80.TAR{7, 8, 9}})
			if err != nil {
				t.Fatal(err)
			}
			params := scp80.Params{SPI: [2]byte{0x16, 0x19}, KIc: tc.want, KID: tc.want, TAR: scp80.TAR{7, 8, 9}}
			packet, err := (&scp80.Command{Params: params, Counter: 1, Data: status(t, 1)}).Seal(k)
			if err != nil {
				t.Fatal(err)
			}
			parts, err := sms.SplitPacket(packet, sms.IEICommand, 1)
			if err != nil {
				t.Fatal(err)
			}
			var answer []byte
			for _, ud := range parts {
				answer = c.Transmit(envelope(t, service, ud))
			}
			r, err := scp80.OpenResponse(answer[3:len(answer)-2], params, k, scp80.KindResponse)
			if err != nil || r.Status != scp80.OK {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
}

func TestConfig(t *testing.T) {
	good := card.Config{ICCID: iccid, Keys: keys}
	for name, change := range map[string]func(*card.Config){
		"no ICCID":   func(c *card.Config) { c.ICCID = "" },
		"letters":    func(c *card.Config) { c.ICCID = "89410000000000000x7" },
		"path":       func(c *card.Config) { c.ICCID = "../../../../etc" },
		"no keys":    func(c *card.Config) { c.Keys = scp80.Keys{} },
		"short key":  func(c *card.Config) { c.Keys.KID = c.Keys.KID[:15] },
		"3DES of 32": func(c *card.Config) { c.Algorithm = "3DES"; c.Keys.KIc = make([]byte, 32) },
		"algorithm":  func(c *card.Config) { c.Algorithm = "DES" },
		"key set":    func(c *card.Config) { c.KeySet = 16 },
		"PIN":        func(c *card.Config) { c.PIN = "123" },
		"key type":   func(c *card.Config) { c.KeyType = "DSA" },
		"other type": func(c *card.Config) {
			c.Store, c.KeyType = card.NewMemory(), signum.EC
			_ = c.Store.SaveCard(iccid, &card.State{PIN: "1234", TriesLeft: 3, Key: rsaKey()})
		},
	} {
		c := good
		change(&c)
		if _, err := card.New(c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := card.New(good); err != nil {
		t.Error(err)
	}
}
