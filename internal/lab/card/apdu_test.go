package card_test

import (
	"bytes"
	"testing"

	"github.com/signum-mssp/signum/internal/lab/card"
	"github.com/signum-mssp/signum/internal/sms"
)

func TestStatusWords(t *testing.T) {
	deliver := func(d sms.Deliver) []byte {
		d.From, d.Time = service, epoch
		b, err := d.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	download := func(devices []byte, tpdu []byte) []byte {
		return apdu(0xc2, tlv(0xd1, append(tlv(0x82, devices...), tlv(0x8b, tpdu...)...)...)...)
	}
	toCard := []byte{0x83, 0x81}
	tests := map[string]struct {
		apdu []byte
		want uint16
	}{
		"nothing":               {nil, 0x6700},
		"three octets":          {[]byte{0x80, 0xc2, 0}, 0x6700},
		"class":                 {[]byte{0xa0, 0xa4, 0, 0, 2, 0x3f, 0}, 0x6e00},
		"instruction":           {[]byte{0x80, 0x99, 0, 0}, 0x6d00},
		"ISO instruction":       {[]byte{0x00, 0xc2, 0, 0}, 0x6d00},
		"P1":                    {[]byte{0x80, 0xc2, 1, 0, 1, 0xd1}, 0x6a86},
		"Lc too long":           {[]byte{0x80, 0xc2, 0, 0, 9, 1, 2}, 0x6700},
		"Lc too short":          {[]byte{0x80, 0xc2, 0, 0, 1, 1, 2, 3}, 0x6700},
		"Lc zero":               {[]byte{0x80, 0xc2, 0, 0, 0, 1}, 0x6700},
		"empty profile":         {[]byte{0x80, 0x10, 0, 0}, 0x6700},
		"status":                {[]byte{0x80, 0xf2, 0, 0x0c}, 0x9000},
		"fetch nothing":         {[]byte{0x80, 0x12, 0, 0, 0}, 0x6985},
		"fetch with data":       {apdu(0x12, 1), 0x6700},
		"response to nothing":   {respond(prompt{}, 0, nil), 0x6985},
		"response without TLV":  {apdu(0x14, 1), 0x6a80},
		"response, no result":   {apdu(0x14, tlv(0x81, 1, 0x21, 0x81)...), 0x6a80},
		"envelope, empty":       {[]byte{0x80, 0xc2, 0, 0}, 0x6a80},
		"envelope, menu":        {apdu(0xc2, tlv(0xd3, 1)...), 0x6a80},
		"envelope, cut":         {apdu(0xc2, 0xd1, 5, 1), 0x6a80},
		"envelope, more":        {apdu(0xc2, 0xd1, 0, 1), 0x6a80},
		"envelope, no SMS":      {apdu(0xc2, tlv(0xd1, tlv(0x82, toCard...)...)...), 0x6a80},
		"envelope, tag 00":      {apdu(0xc2, tlv(0xd1, 0, 0)...), 0x6a80},
		"envelope, length":      {apdu(0xc2, tlv(0xd1, 0x82, 0x83, 1, 1)...), 0x6a80},
		"other way":             {download([]byte{0x81, 0x83}, nil), 0x6a80},
		"no TPDU":               {download(toCard, []byte{0}), 0x6a80},
		"no header":             {download(toCard, deliver(sms.Deliver{PID: 0x7f, DCS: 0xf6, UD: []byte("hello")})), 0x6a80},
		"no command":            {download(toCard, deliver(sms.Deliver{UDHI: true, PID: 0x7f, DCS: 0xf6, UD: []byte{2, 0x71, 0, 1, 2, 3}})), 0x6a80},
		"no packet":             {download(toCard, deliver(sms.Deliver{UDHI: true, PID: 0x7f, DCS: 0xf6, UD: []byte{2, 0x70, 0, 1, 2, 3}})), 0x6a80},
		"too many parts":        {download(toCard, deliver(sms.Deliver{UDHI: true, PID: 0x7f, DCS: 0xf6, UD: []byte{5, 0, 3, 1, 200, 1, 9}})), 0x6a80},
		"select MF":             {[]byte{0x00, 0xa4, 0, 0x0c, 2, 0x3f, 0x00}, 0x9000},
		"select IMSI":           {[]byte{0x00, 0xa4, 0, 0x0c, 2, 0x6f, 0x07}, 0x6a82},
		"select by name":        {[]byte{0x00, 0xa4, 4, 0x0c, 2, 0x6f, 0x07}, 0x6a86},
		"read without a file":   {[]byte{0x00, 0xb0, 0, 0, 10}, 0x6985},
		"objects of three tags": {apdu(0xc2, tlv(0xd1, append([]byte{0x7f, 0x20, 0x21, 1, 9}, 0x7f)...)...), 0x6a80},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			p := newPhone(t)
			if sw := p.transmit(tc.apdu); sw != tc.want {
				t.Errorf("%04x, want %04x", sw, tc.want)
			}
		})
	}
}

// FETCH returns the same command until that is answered, and a TERMINAL RESPONSE must
// answer the command that was fetched.
func TestFetch(t *testing.T) {
	p := newPhone(t)
	p.params.SPI[1] = 0x18 // no PoR
	sw := p.transmit(envelope(t, service, p.seal(marshal(t, signRequest(1, "a")))[0]))
	if sw>>8 != 0x91 {
		t.Fatalf("%04x", sw)
	}
	n := byte(sw)
	if sw := p.transmit(respond(prompt{number: 1, kind: 0x21}, 0, nil)); sw != 0x6985 {
		t.Errorf("response before FETCH: %04x", sw)
	}
	if _, sw := p.exchange([]byte{0x80, 0x12, 0, 0, n + 1}); sw != 0x6c00|uint16(n) {
		t.Errorf("Le: %04x", sw)
	}
	first, _ := p.exchange([]byte{0x80, 0x12, 0, 0, n})
	again, _ := p.exchange([]byte{0x80, 0x12, 0, 0})
	if !bytes.Equal(first, again) {
		t.Errorf("%x, then %x", first, again)
	}
	q, _ := p.parse(first)
	for _, wrong := range []prompt{{number: q.number + 1, kind: q.kind}, {number: q.number, kind: 0x23}} {
		if sw := p.transmit(respond(wrong, 0, nil)); sw != 0x6a80 {
			t.Errorf("%+v: %04x", wrong, sw)
		}
	}
	if sw := p.transmit(respond(q, 0, nil)); sw>>8 != 0x91 {
		t.Errorf("%04x", sw)
	}
}

// The phone chooses the coding of the input.
func TestTyped(t *testing.T) {
	packed := sms.PackGSM7([]byte("1234567"))
	for name, typed := range map[string][]byte{
		"octets": append([]byte{0x04}, "1234567"...), "packed": append([]byte{0x00}, packed...),
		"UCS2": {0x08, 0, '1', 0, '2', 0, '3', 0, '4', 0, '5', 0, '6', 0, '7'},
	} {
		p := newPhone(t, func(c *card.Config) { c.PIN = "1234567" })
		p.hold = true
		p.send(signRequest(1, "a"))
		p.session(p.press(ok))
		q := *p.current
		p.hold = false
		p.session(p.transmit(respond(q, 0, typed)))
		if r := p.only(); r.Result != 0 {
			t.Errorf("%s: %v", name, r.Result)
		}
	}
}

func TestICCID(t *testing.T) {
	for number, want := range map[string]string{
		iccid: "981400000000000010f7", "89410000000000000017": "98140000000000000071", "8941000000000000": "9814000000000000ffff",
	} {
		p := newPhone(t, func(c *card.Config) { c.ICCID = number })
		data, sw := p.exchange([]byte{0x00, 0xa4, 0x08, 0x04, 2, 0x2f, 0xe2})
		if sw != 0x9000 || len(data) < 2 || data[0] != 0x62 || int(data[1]) != len(data)-2 {
			t.Errorf("SELECT: %x %04x", data, sw)
		}
		data, sw = p.exchange([]byte{0x00, 0xb0, 0, 0, 10})
		if sw != 0x9000 || !bytes.Equal(data, unhex(want)) {
			t.Errorf("%x %04x, want %s", data, sw, want)
		}
		if data, _ = p.exchange([]byte{0x00, 0xb0, 0, 8, 0}); !bytes.Equal(data, unhex(want)[8:]) {
			t.Errorf("%x", data)
		}
		if data, sw = p.exchange([]byte{0x00, 0xb0, 0, 0, 11}); sw != 0x6c0a || len(data) > 0 {
			t.Errorf("%04x", sw)
		}
		if _, sw = p.exchange([]byte{0x00, 0xb0, 0, 10, 0}); sw != 0x6b00 {
			t.Errorf("%04x", sw)
		}
	}
}
