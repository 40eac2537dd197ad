package card_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"sync"
	"time"

	"pgregory.net/rapid"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/lab/card"
	"github.com/signum-mssp/signum/internal/scp80"
	"github.com/signum-mssp/signum/internal/sms"
	"github.com/signum-mssp/signum/internal/testkit"
)

const iccid = "8941000000000000017"

var (
	keys    = scp80.Keys{KIc: unhex("200102030405060708090a0b0c0d0e0f"), KID: unhex("201102030405060708090a0b0c0d0e0f")}
	service = sms.Address{TON: 1, NPI: 1, Digits: "41790001000"}
	epoch   = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	// rsaKey is generated once, because that takes longer than everything else.
	rsaKey = sync.OnceValue(func() []byte {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		der, err := x509.MarshalPKCS8PrivateKey(k)
		if err != nil {
			panic(err)
		}
		return der
	})
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

// prompt is a command for the user.
type prompt struct {
	number, kind, qualifier byte
	dcs                     byte
	text                    string
	min, max                int
	duration                []byte
}

// press is what the user does: a result and an input.
type press struct {
	result byte
	input  string
}

var ok, ended, back, silent = press{}, press{result: 0x10}, press{result: 0x11}, press{result: 0x12}

func pin(s string) press { return press{input: s} }

// phone is a minimal terminal together with the service behind it. It has a card in its slot
// and answers each prompt with the next press of do.
type phone struct {
	rapid.TB
	card    *card.Card
	cfg     card.Config
	clock   *testkit.Clock
	params  scp80.Params
	counter uint64 // of the service
	ref     byte

	do      []press  // for the next prompts
	prompts []prompt // so far
	hold    bool     // prompts stay on the screen
	current *prompt  // on the screen
	refuse  int      // how many SEND SHORT MESSAGE fail

	submits []*sms.Submit
	joins   *sms.Reassembler
	pors    []*scp80.Response
	replies []*applet.Reply
	seen    map[uint64]bool // counters of replies
}

func newPhone(t rapid.TB, change ...func(*card.Config)) *phone {
	p := &phone{TB: t, clock: testkit.NewClock(epoch), seen: make(map[uint64]bool)}
	p.cfg = card.Config{ICCID: iccid, Keys: keys, KeySet: 2, PIN: "4711", Clock: p.clock, Store: card.NewMemory()}
	for _, f := range change {
		f(&p.cfg)
	}
	p.params = scp80.Params{SPI: [2]byte{0x16, 0x39}, KIc: 0x22, KID: 0x22, TAR: applet.TAR}
	p.insert()
	return p
}

// withRSA gives the card an RSA key that exists already.
func withRSA(c *card.Config) {
	c.KeyType = signum.RSA
	_ = c.Store.SaveCard(c.ICCID, &card.State{PIN: c.PIN, TriesLeft: card.MaxTries, Key: rsaKey()})
}

func blank(c *card.Config) { c.Blank = true }

// insert inserts the card, as after a power cut.
func (p *phone) insert() {
	p.Helper()
	var err error
	if p.card, err = card.New(p.cfg); err != nil {
		p.Fatal(err)
	}
	p.joins, p.current = sms.NewReassembler(time.Hour, 1000), nil
	if sw := p.transmit(apdu(0x10, 0x13, 0xe1, 0x05, 0x02)); sw != 0x9000 {
		p.Fatalf("TERMINAL PROFILE: %04x", sw)
	}
}

func apdu(ins byte, data ...byte) []byte {
	return append([]byte{0x80, ins, 0, 0, byte(len(data))}, data...)
}

func tlv(tag byte, value ...byte) []byte {
	b := []byte{tag}
	if len(value) > 0x7f {
		b = append(b, 0x81)
	}
	return append(append(b, byte(len(value))), value...)
}

func (p *phone) exchange(apdu []byte) ([]byte, uint16) {
	p.Helper()
	a := p.card.Transmit(apdu)
	if len(a) < 2 || len(a) > 258 {
		p.Fatalf("an answer of %d octets", len(a))
	}
	n := len(a) - 2
	return a[:n], uint16(a[n])<<8 | uint16(a[n+1])
}

// transmit sends an APDU whose answer has no data.
func (p *phone) transmit(apdu []byte) uint16 {
	p.Helper()
	data, sw := p.exchange(apdu)
	if len(data) > 0 {
		p.Fatalf("data %x", data)
	}
	return sw
}

// envelope returns the APDU of a message with this user data.
func envelope(t rapid.TB, from sms.Address, ud []byte) []byte {
	t.Helper()
	d := sms.Deliver{UDHI: true, From: from, PID: 0x7f, DCS: 0xf6, Time: epoch, UD: ud}
	tpdu, err := d.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	b := append(tlv(0x82, 0x83, 0x81), tlv(0x06, 0x91, 0x14, 0x97, 0x00, 0xf0)...)
	return apdu(0xc2, tlv(0xd1, append(b, tlv(0x8b, tpdu...)...)...)...)
}

// seal returns the user data of a request with the next counter.
func (p *phone) seal(data []byte) [][]byte {
	p.Helper()
	p.counter++
	return p.sealWith(p.params, keys, p.counter, data)
}

func (p *phone) sealWith(params scp80.Params, k scp80.Keys, counter uint64, data []byte) [][]byte {
	p.Helper()
	packet, err := (&scp80.Command{Params: params, Counter: counter, Data: data}).Seal(k)
	if err != nil {
		p.Fatal(err)
	}
	return p.split(packet)
}

func (p *phone) split(packet []byte) [][]byte {
	p.Helper()
	p.ref++
	parts, err := sms.SplitPacket(packet, sms.IEICommand, p.ref)
	if err != nil {
		p.Fatal(err)
	}
	return parts
}

// deliver gives the card user data, one after the other, and runs the card's commands after
// each. It returns the last status word before these.
func (p *phone) deliver(parts ...[]byte) (sw uint16) {
	p.Helper()
	for _, ud := range parts {
		if sw = p.transmit(envelope(p, service, ud)); sw>>8 == 0x91 {
			p.session(sw)
		}
	}
	return sw
}

// send sends a request and runs all commands that follow.
func (p *phone) send(r applet.Request) uint16 {
	p.Helper()
	return p.deliver(p.seal(marshal(p, r))...)
}

func marshal(t rapid.TB, r applet.Request) []byte {
	t.Helper()
	b, err := r.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// session fetches commands until there is none, or a prompt stays.
func (p *phone) session(sw uint16) {
	p.Helper()
	for n := 0; sw>>8 == 0x91; n++ {
		if n == 200 {
			p.Fatal("a session without end")
		}
		cmd, fsw := p.exchange([]byte{0x80, 0x12, 0, 0, byte(sw)})
		if fsw != 0x9000 || len(cmd)&0xff != int(sw&0xff) {
			p.Fatalf("FETCH: %d octets, %04x after %04x", len(cmd), fsw, sw)
		}
		q, tpdu := p.parse(cmd)
		if q.kind == 0x13 {
			sw = p.transmit(respond(q, p.sendSM(tpdu), nil))
			continue
		}
		p.prompts = append(p.prompts, q)
		p.current = &q
		if p.hold {
			return
		}
		if len(p.do) == 0 {
			p.Fatalf("unexpected prompt %+v", q)
		}
		next := p.do[0]
		p.do = p.do[1:]
		sw = p.press(next)
	}
	if sw != 0x9000 {
		p.Fatalf("the session ended with %04x", sw)
	}
}

// press answers the prompt on the screen and returns the status word.
func (p *phone) press(a press) uint16 {
	p.Helper()
	q := *p.current
	p.current = nil
	var typed []byte
	if q.kind == 0x23 && a.result == 0 {
		typed = append([]byte{0x04}, a.input...)
	}
	return p.transmit(respond(q, a.result, typed))
}

// resume answers the prompt that was held, and continues.
func (p *phone) resume(a press, then ...press) {
	p.Helper()
	p.hold, p.do = false, then
	p.session(p.press(a))
}

func respond(q prompt, result byte, typed []byte) []byte {
	b := append(tlv(0x81, q.number, q.kind, q.qualifier), tlv(0x82, 0x82, 0x81)...)
	b = append(b, tlv(0x83, result)...)
	if typed != nil {
		b = append(b, tlv(0x8d, typed...)...)
	}
	return apdu(0x14, b...)
}

// parse decodes a proactive command strictly.
func (p *phone) parse(b []byte) (q prompt, tpdu []byte) {
	p.Helper()
	tag, body, rest := p.next(b)
	if tag != 0xd0 || len(rest) > 0 {
		p.Fatalf("command %x", b)
	}
	var to byte
	for len(body) > 0 {
		var v []byte
		switch tag, v, body = p.next(body); tag {
		case 0x81:
			q.number, q.kind, q.qualifier = v[0], v[1], v[2]
		case 0x82:
			to = v[1]
		case 0x05:
			if len(v) > 0 {
				p.Errorf("the phone must show %q", v)
			}
		case 0x8b:
			tpdu = v
		case 0x8d:
			q.dcs = v[0]
			var err error
			switch v[0] {
			case 0x04:
				q.text, err = sms.DecodeGSM7(v[1:])
			case 0x08:
				q.text, err = sms.DecodeUCS2(v[1:])
			default:
				err = fmt.Errorf("coding %02x", v[0])
			}
			if err != nil {
				p.Errorf("text %x: %v", v, err)
			}
		case 0x91:
			q.min, q.max = int(v[0]), int(v[1])
		case 0x84, 0x04:
			q.duration = v
		default:
			p.Errorf("unexpected object %02x", tag)
		}
	}
	if want := map[byte]byte{0x13: 0x83, 0x21: 0x02, 0x23: 0x82}[q.kind]; to != want {
		p.Errorf("command %02x is for device %02x", q.kind, to)
	}
	if want := map[byte]byte{0x21: 0x81, 0x23: 0x04}[q.kind]; q.qualifier != want {
		p.Errorf("command %02x has qualifier %02x", q.kind, q.qualifier)
	}
	return q, tpdu
}

func (p *phone) next(b []byte) (tag byte, value, rest []byte) {
	p.Helper()
	n, head := int(b[1]), 2
	if n == 0x81 {
		n, head = int(b[2]), 3
	}
	return b[0], b[head : head+n], b[head+n:]
}
