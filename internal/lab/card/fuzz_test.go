package card_test

import (
	"testing"

	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/scp80"
)

// FuzzTransmit gives the card arbitrary APDUs, each after its length, and a good request
// wherever the length is zero. The card must answer each APDU, must not move its counter
// without an authentic request, and must work in the end.
func FuzzTransmit(f *testing.F) {
	add := func(apdus ...[]byte) {
		var b []byte
		for _, a := range apdus {
			b = append(append(b, byte(len(a))), a...)
		}
		f.Add(b)
	}
	p := newPhone(f)
	forged := scp80.Keys{KIc: keys.KIc, KID: keys.KIc} // otherwise the corpus would contain a good request
	sealed := envelope(f, service, p.sealWith(p.params, forged, 1, marshal(f, signRequest(1, "a")))[0])
	fetch := []byte{0x80, 0x12, 0, 0, 0}
	sent := respond(prompt{number: 1, kind: 0x13}, 0, nil)
	add(sealed, fetch, sent)
	add(nil, fetch, sent, fetch, respond(prompt{number: 2, kind: 0x21}, 0, nil), fetch,
		respond(prompt{number: 3, kind: 0x23}, 0, []byte("\x044711")), fetch, sent)
	add(nil, fetch, sent, fetch, respond(prompt{number: 2, kind: 0x21}, 0x11, nil))
	add(nil, fetch, respond(prompt{number: 1, kind: 0x13}, 0x21, nil), fetch)
	add([]byte{0x00, 0xa4, 0, 4, 2, 0x2f, 0xe2}, []byte{0x00, 0xb0, 0, 0, 10}, apdu(0x10, 1, 2, 3))
	add(apdu(0xc2, tlv(0xd1, 0x82, 2, 0x83, 0x81)...), []byte{0x80, 0xf2, 0, 0})

	f.Fuzz(func(t *testing.T, data []byte) {
		p := newPhone(t)
		good := uint64(0)
		for n := 0; len(data) > 0 && n < 50; n++ {
			size := min(int(data[0]), len(data)-1)
			in := data[1 : 1+size]
			data = data[1+size:]
			if size == 0 {
				in = envelope(t, service, p.seal(marshal(t, signRequest(n, "a")))[0])
			}
			_, sw := p.exchange(in)
			if size == 0 && sw != 0x9300 {
				good = p.counter
			}
		}
		if got := p.counterKept(); got != good {
			t.Fatalf("counter %d, want %d", got, good)
		}
		p.insert()
		p.replies, p.do = nil, []press{ok, pin("4711")}
		p.send(signRequest(1000, "b"))
		if r := p.only(); r.Result != applet.OK && r.Result != applet.PINBlocked {
			t.Fatalf("%+v", r)
		}
	})
}

// FuzzPayload gives the card authentic requests with arbitrary content.
func FuzzPayload(f *testing.F) {
	for op := applet.Sign; op <= applet.Display; op++ {
		r := signRequest(1, "Zürich €")
		r.Op, r.Challenge = op, "t1"
		f.Add(marshal(f, r))
	}
	f.Add(marshal(f, from(signRequest(1, "a"), "Bank")))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > applet.MaxPayload {
			return
		}
		p := newPhone(t)
		p.hold = true
		p.deliver(p.seal(data)...)
		for n := 0; p.current != nil && n < 10; n++ {
			p.session(p.press(pin("4711")))
		}
		if p.current != nil || p.counterKept() != 1 || len(p.replies) > 1 {
			t.Errorf("%d replies, counter %d", len(p.replies), p.counterKept())
		}
	})
}
