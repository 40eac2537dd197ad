package scp80

import (
	"bytes"
	"crypto/aes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// key returns a key of n octets.
func key(n int, first byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = first + byte(i)
	}
	return b
}

// The examples of RFC 4493, clause 4, and of NIST SP 800-38B, D.2 and D.3.
func TestCMAC(t *testing.T) {
	const message = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
	for _, tt := range []struct {
		key    string
		length int
		mac    string
	}{
		{"2b7e151628aed2a6abf7158809cf4f3c", 0, "bb1d6929e95937287fa37d129b756746"},
		{"2b7e151628aed2a6abf7158809cf4f3c", 16, "070a16b46b4d4144f79bdd9dd04a287c"},
		{"2b7e151628aed2a6abf7158809cf4f3c", 40, "dfa66747de9ae63030ca32611497c827"},
		{"2b7e151628aed2a6abf7158809cf4f3c", 64, "51f0bebf7e3b9d92fc49741779363cfe"},
		{"8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b", 0, "d17ddf46adaacde531cac483de7a9367"},
		{"8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b", 16, "9e99a7bf31e710900662f65e617c5184"},
		{"8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b", 40, "8a1de5be2eb31aad089a82e6ee908b0e"},
		{"8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b", 64, "a1d5df0eed790f794d77589659f39a11"},
		{"603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", 0, "028962f61b7bf89efc6b551f4667d983"},
		{"603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", 16, "28a7023f452e8f82bd4bf28d8c37c35c"},
		{"603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", 40, "aaf3d8f1de5640c232f5b169b9c911e6"},
		{"603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", 64, "e1992190549f6ed5696a2c056c315410"},
	} {
		k, _ := hex.DecodeString(tt.key)
		m, _ := hex.DecodeString(message)
		block, err := aes.NewCipher(k)
		if err != nil {
			t.Fatal(err)
		}
		if mac := hex.EncodeToString(cmac(block, m[:tt.length])); mac != tt.mac {
			t.Errorf("key of %d octets, message of %d: %s", len(k), tt.length, mac)
		}
	}
}

// The examples of TS 102 225, annex B.
func TestCRC(t *testing.T) {
	in := []byte{1, 2, 3, 4, 5}
	if got := hex.EncodeToString(crc16(in)); got != "22ec" {
		t.Errorf("CRC-16: %s", got)
	}
	if got := hex.EncodeToString(crc32(in)); got != "470b99f4" {
		t.Errorf("CRC-32: %s", got)
	}
}

// suite is one choice of algorithms.
type suite struct {
	name  string
	keys  Keys
	param Params
}

// suites are all supported combinations of algorithms, in command and response.
func suites() (all []suite) {
	type alg struct {
		nibble byte
		size   int
	}
	ciphers := []alg{{algAES, 16}, {algAES, 24}, {algAES, 32}, {algTripleDES2, 16}, {algTripleDES3, 24}}
	add := func(name string, c, m alg, integrity Integrity, ciphered, short bool) {
		p := Params{KIc: 0x30 | c.nibble, KID: 0x30 | m.nibble, TAR: TAR{0xb0, 0, 0x11}, ShortCC: short}
		p.SPI[0] = byte(integrity) | byte(CounterHigher)<<3
		p.SPI[1] = byte(PoRAlways) | byte(integrity)<<2
		if ciphered {
			p.SPI[0] |= 0x04
			p.SPI[1] |= 0x10
		}
		all = append(all, suite{name, Keys{KIc: key(c.size, 0x10), KID: key(m.size, 0x70)}, p})
	}
	for _, c := range ciphers {
		for _, m := range ciphers {
			name := fmt.Sprintf("cipher %X-%d, CC %X-%d", c.nibble, 8*c.size, m.nibble, 8*m.size)
			add(name, c, m, IntegrityCC, true, false)
			if m.nibble == algAES {
				add(name+" short", c, m, IntegrityCC, true, true)
			}
		}
		for _, crc := range []byte{algCRC16, algCRC32} {
			add(fmt.Sprintf("cipher %X-%d, RC %X", c.nibble, 8*c.size, crc), c, alg{nibble: crc}, IntegrityRC, true, false)
		}
		add(fmt.Sprintf("cipher %X-%d alone", c.nibble, 8*c.size), c, alg{}, IntegrityNone, true, false)
		add(fmt.Sprintf("CC %X-%d alone", c.nibble, 8*c.size), alg{}, c, IntegrityCC, false, false)
	}
	add("CC short alone", alg{}, ciphers[0], IntegrityCC, false, true)
	add("RC alone", alg{}, alg{nibble: algCRC32}, IntegrityRC, false, false)
	add("nothing", alg{}, alg{}, IntegrityNone, false, false)
	return all
}

// Every length up to a request in three SMS for the default algorithms and their 3DES
// counterparts; the lengths of a few blocks and of full SMS for all others.
func TestRoundTrip(t *testing.T) {
	full := map[string]bool{"cipher 2-128, CC 2-128": true, "cipher 5-128, CC 5-128": true}
	for _, s := range suites() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			for n := range 371 {
				if n > 33 && n < 369 && !full[s.name] {
					continue
				}
				c := &Command{Params: s.param, Counter: uint64(n) * 0x12345678, Data: key(n, 0)}
				packet, err := c.Seal(s.keys)
				if err != nil {
					t.Fatal(err)
				}
				got, err := OpenCommand(packet, s.keys)
				if err != nil {
					t.Fatalf("%d octets: %v", n, err)
				}
				if got.Params != c.Params || got.Counter != c.Counter || !bytes.Equal(got.Data, c.Data) {
					t.Fatalf("%d octets: %+v", n, got)
				}
				r := &Response{TAR: s.param.TAR, Counter: c.Counter, Status: Status(n), Data: c.Data}
				if packet, err = r.Seal(s.param, s.keys, KindCommand); err != nil {
					t.Fatal(err)
				}
				reply, err := OpenResponse(packet, s.param, s.keys, KindCommand)
				if err != nil {
					t.Fatalf("%d octets: %v", n, err)
				}
				if reply.TAR != r.TAR || reply.Counter != r.Counter || reply.Status != r.Status || !bytes.Equal(reply.Data, r.Data) {
					t.Fatalf("%d octets: %+v", n, reply)
				}
			}
		})
	}
}

// Opening a packet gives what was sealed. An authenticated packet does not open with
// another key, as another kind, or with any change.
func TestRoundTripProperty(t *testing.T) {
	all := suites()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.SampledFrom(all).Draw(t, "suite")
		p := s.param
		p.TAR = TAR(rapid.SliceOfN(rapid.Byte(), 3, 3).Draw(t, "TAR"))
		p.SPI[0] = p.SPI[0]&7 | byte(rapid.IntRange(0, 3).Draw(t, "counter mode"))<<3
		p.SPI[1] ^= rapid.SampledFrom([]byte{0, 0x20, 0x01, 0x03}).Draw(t, "PoR")
		c := &Command{Params: p, Counter: rapid.Uint64Range(0, MaxCounter).Draw(t, "counter"),
			Data: rapid.SliceOfN(rapid.Byte(), 0, 400).Draw(t, "data")}
		packet, err := c.Seal(s.keys)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ParseParams(packet); err != nil || got != p {
			t.Fatalf("ParseParams = %+v, %v", got, err)
		}
		got, err := OpenCommand(packet, s.keys)
		if err != nil {
			t.Fatal(err)
		}
		if got.Params != c.Params || got.Counter != c.Counter || !bytes.Equal(got.Data, c.Data) {
			t.Fatalf("%+v", got)
		}
		if p.Integrity() != IntegrityCC {
			return
		}
		bit := rapid.IntRange(0, 8*len(packet)-1).Draw(t, "bit")
		packet[bit/8] ^= 1 << (bit % 8)
		if _, err := OpenCommand(packet, s.keys); err == nil {
			t.Fatalf("bit %d is flipped", bit)
		}
		packet[bit/8] ^= 1 << (bit % 8)
		// Not bit 0, which is the parity in a DES key.
		other := Keys{KIc: s.keys.KIc, KID: bytes.Clone(s.keys.KID)}
		other.KID[rapid.IntRange(0, len(other.KID)-1).Draw(t, "octet")] ^= 2
		if _, err := OpenCommand(packet, other); err != IntegrityFailed {
			t.Fatalf("another KID: %v", err)
		}
	})
}

func TestCheckCounter(t *testing.T) {
	for _, tt := range []struct {
		mode        CounterMode
		stored, got uint64
		want        Status
	}{
		{CounterNone, 9, 0, OK},
		{CounterUnchecked, 9, 0, OK},
		{CounterUnchecked, MaxCounter, 0, OK},
		{CounterHigher, 0, 0, CounterLow},
		{CounterHigher, 0, 1, OK},
		{CounterHigher, 9, 8, CounterLow},
		{CounterHigher, 9, 9, CounterLow},
		{CounterHigher, 9, 10, OK},
		{CounterHigher, 9, MaxCounter, OK},
		{CounterHigher, MaxCounter - 1, MaxCounter, OK},
		{CounterHigher, MaxCounter, 0, CounterBlocked},
		{CounterHigher, MaxCounter, MaxCounter, CounterBlocked},
		{CounterHigher, MaxCounter, MaxCounter + 1, CounterBlocked},
		{CounterHigher, 9, MaxCounter + 1, CounterBlocked},
		{CounterNext, 9, 9, CounterLow},
		{CounterNext, 9, 10, OK},
		{CounterNext, 9, 11, CounterHigh},
		{CounterNext, MaxCounter, 0, CounterBlocked},
	} {
		p := Params{SPI: [2]byte{byte(tt.mode) << 3}}
		if got := p.CheckCounter(tt.stored, tt.got); got != tt.want {
			t.Errorf("mode %d, %d after %d: %v, want %v", tt.mode, tt.got, tt.stored, got, tt.want)
		}
	}
}

func TestParams(t *testing.T) {
	p := Params{SPI: [2]byte{0x16, 0x39}, KIc: 0x52, KID: 0x62}
	if p.Integrity() != IntegrityCC || !p.Ciphered() || p.CounterMode() != CounterHigher || p.KeySet() != 5 {
		t.Errorf("command: %v %t %v %d", p.Integrity(), p.Ciphered(), p.CounterMode(), p.KeySet())
	}
	if p.PoR() != PoRAlways || p.PoRIntegrity() != IntegrityCC || !p.PoRCiphered() || !p.PoRBySubmit() {
		t.Errorf("response: %v %v %t %t", p.PoR(), p.PoRIntegrity(), p.PoRCiphered(), p.PoRBySubmit())
	}
	if q := (Params{SPI: [2]byte{0x12, 0x21}, KIc: 0x52, KID: 0x62}); q.KeySet() != 6 || q.PoRCiphered() || q.Ciphered() {
		t.Errorf("key set %d", q.KeySet())
	}
	for _, tt := range []struct {
		spi, level byte
		meets      bool
	}{
		{0x16, 0x16, true}, {0x1e, 0x16, true}, {0x16, 0x00, true}, {0x16, 0x12, true},
		{0x12, 0x16, false}, {0x06, 0x16, false}, {0x0e, 0x16, false}, {0x14, 0x16, false}, {0x15, 0x16, false}, {0x00, 0x16, false},
		{0x16, 0x1e, false}, {0x00, 0x00, true},
	} {
		if got := (Params{SPI: [2]byte{tt.spi}}).Meets(tt.level); got != tt.meets {
			t.Errorf("SPI %02X meets %02X: %t", tt.spi, tt.level, got)
		}
	}
	if s := (TAR{0xb0, 0, 0x11}).String(); s != "B00011" {
		t.Error(s)
	}
}

func TestSealRefuses(t *testing.T) {
	good := func() *Command {
		return &Command{Params: Params{SPI: [2]byte{0x16, 0x39}, KIc: 0x12, KID: 0x12}, Counter: 1, Data: []byte("data")}
	}
	keys := Keys{KIc: key(16, 1), KID: key(16, 2)}
	for _, tt := range []struct {
		name   string
		change func(c *Command, k *Keys)
		want   error
	}{
		{"nothing", func(*Command, *Keys) {}, nil},
		{"counter", func(c *Command, k *Keys) { c.Counter = MaxCounter + 1 }, CounterBlocked},
		{"longest", func(c *Command, k *Keys) { c.Data = make([]byte, 10+4095*16-24) }, nil},
		{"too long", func(c *Command, k *Keys) { c.Data = make([]byte, 10+4095*16-23) }, ErrTooLong},
		{"far too long", func(c *Command, k *Keys) { c.Data = make([]byte, 1<<20) }, ErrTooLong},
		{"no KIc", func(c *Command, k *Keys) { k.KIc = nil }, SecurityError},
		{"no KID", func(c *Command, k *Keys) { k.KID = nil }, SecurityError},
		{"KIc of 15", func(c *Command, k *Keys) { k.KIc = key(15, 0) }, SecurityError},
		{"KID of 8", func(c *Command, k *Keys) { k.KID = key(8, 0) }, SecurityError},
		{"DES", func(c *Command, k *Keys) { c.KIc, k.KIc = 0x11, key(8, 0) }, SecurityError},
		{"DES MAC", func(c *Command, k *Keys) { c.KID, k.KID = 0x11, key(8, 0) }, SecurityError},
		{"DES ECB", func(c *Command, k *Keys) { c.KIc, k.KIc = 0x1d, key(8, 0) }, SecurityError},
		{"two keys of 24", func(c *Command, k *Keys) { c.KIc, k.KIc = 0x15, key(24, 0) }, SecurityError},
		{"three keys of 16", func(c *Command, k *Keys) { c.KID = 0x19 }, SecurityError},
		{"unknown", func(c *Command, k *Keys) { c.KIc = 0x10 }, SecurityError},
		{"proprietary", func(c *Command, k *Keys) { c.KID = 0x1f }, SecurityError},
		{"signature", func(c *Command, k *Keys) { c.SPI[0] |= 3 }, SecurityError},
		{"redundancy by AES", func(c *Command, k *Keys) { c.SPI[0] = 0x15 }, SecurityError},
		{"3DES CC of 4", func(c *Command, k *Keys) { c.KID, c.ShortCC = 0x15, true }, SecurityError},
	} {
		c, k := good(), keys
		tt.change(c, &k)
		packet, err := c.Seal(k)
		if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) || (packet == nil) != (err != nil) {
			t.Errorf("%s: %d octets, %v", tt.name, len(packet), err)
		}
		if err != nil && strings.Contains(fmt.Sprintf("%v%x", err, err), hex.EncodeToString(keys.KID)) {
			t.Errorf("%s: the error has a key", tt.name)
		}
	}
	r := &Response{Counter: MaxCounter + 1}
	if _, err := r.Seal(good().Params, keys, KindResponse); err != CounterBlocked {
		t.Errorf("response: %v", err)
	}
	if _, err := new(Response).Seal(good().Params, Keys{}, KindResponse); !errors.Is(err, SecurityError) {
		t.Errorf("response: %v", err)
	}
}

func TestKeysAreHidden(t *testing.T) {
	k := Keys{KIc: []byte("kickickickickick"), KID: []byte("kidkidkidkidkidk")}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if s := fmt.Sprintf(format, k); s != k.String() && s != k.GoString() {
			t.Errorf("%s: %s", format, s)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	keys := Keys{KIc: key(16, 1), KID: key(16, 2)}
	c := &Command{Params: Params{SPI: [2]byte{0x16, 0x39}, KIc: 0x12, KID: 0x12}, Counter: 1, Data: []byte("data")}
	packet, err := c.Seal(keys)
	if err != nil {
		t.Fatal(err)
	}
	plain := c
	plain.SPI[0] = 0x10
	open, err := plain.Seal(keys)
	if err != nil {
		t.Fatal(err)
	}
	cut := func(b []byte, n int) []byte { // with a correct length
		b = bytes.Clone(b[:n])
		b[1] = byte(n - 2)
		return b
	}
	set := func(b []byte, at int, to byte) []byte { b = bytes.Clone(b); b[at] = to; return b }
	for _, tt := range []struct {
		name   string
		packet []byte
		keys   Keys
		want   error
	}{
		{"empty", nil, keys, ErrMalformed},
		{"longer than it says", append(bytes.Clone(packet), 0), keys, ErrMalformed},
		{"header too short", set(packet, 2, 12), keys, ErrMalformed},
		{"header beyond the end", set(packet, 2, 0xff), keys, ErrMalformed},
		{"header for another checksum", set(packet, 2, 13), keys, ErrMalformed},
		{"not in blocks", cut(packet, len(packet)-1), keys, CipherError},
		{"another KID", packet, Keys{KIc: keys.KIc, KID: keys.KIc}, IntegrityFailed},
		{"another KIc", packet, Keys{KIc: keys.KID, KID: keys.KID}, IntegrityFailed},
		{"no keys", packet, Keys{}, SecurityError},
		{"DES", set(packet, 5, 0x11), keys, SecurityError},
		{"integrity taken off", set(packet, 3, 0x14), keys, ErrMalformed},
		{"padding that is not there", set(open, 15, 5), keys, ErrMalformed},
	} {
		got, err := OpenCommand(tt.packet, tt.keys)
		if !errors.Is(err, tt.want) || got != nil {
			t.Errorf("%s: %+v, %v", tt.name, got, err)
		}
	}
	// Without an integrity check, a wrong key shows only in the padding, if at all.
	alone := &Command{Params: Params{SPI: [2]byte{0x04, 0}, KIc: 0x12}}
	if packet, err = alone.Seal(keys); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenCommand(packet, Keys{KIc: key(16, 9)}); err != CipherError {
		t.Errorf("another key without integrity: %v", err)
	}
}

func TestUnsecured(t *testing.T) {
	r := &Response{TAR: TAR{0xb0, 0, 0x11}, Counter: 7, Status: TARUnknown, Data: []byte{}}
	packet, err := r.Unsecured()
	if want := "000b0ab0001100000000070009"; err != nil || hex.EncodeToString(packet) != want {
		t.Fatalf("%x, %v", packet, err)
	}
	got, err := OpenUnsecured(packet)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r, got); diff != "" {
		t.Error(diff)
	}
	// It never passes for a secured response, and an unsecured OK is never accepted.
	p := Params{SPI: [2]byte{0x16, 0x39}, KIc: 0x12, KID: 0x12}
	keys := Keys{KIc: key(16, 1), KID: key(16, 2)}
	if _, err := OpenResponse(packet, p, keys, KindResponse); err == nil {
		t.Error("an unsecured response is taken for a secured one")
	}
	packet[len(packet)-1] = 0
	if _, err := OpenUnsecured(packet); !errors.Is(err, SecurityError) {
		t.Errorf("an unsecured OK: %v", err)
	}
	secured, err := r.Seal(p, keys, KindResponse)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenUnsecured(secured); !errors.Is(err, ErrMalformed) {
		t.Errorf("a secured response: %v", err)
	}
	short := p
	short.ShortCC = true
	if _, err := OpenResponse(secured, short, keys, KindResponse); !errors.Is(err, ErrMalformed) {
		t.Errorf("a checksum of another length than was asked for: %v", err)
	}
}

func TestStatus(t *testing.T) {
	for s := range 256 {
		if text := Status(s).String(); text == "" || !strings.HasSuffix(Status(s).Error(), text) {
			t.Errorf("%02X: %q", s, text)
		}
	}
	err := fmt.Errorf("wrapped: %w", CounterLow)
	if s, ok := errors.AsType[Status](err); !ok || s != CounterLow {
		t.Errorf("%v", s)
	}
}

// The room for data in SMS on which the applet's specification relies.
func TestRoom(t *testing.T) {
	p := Params{SPI: [2]byte{0x16, 0x39}, KIc: 0x12, KID: 0x12}
	keys := Keys{KIc: key(16, 1), KID: key(16, 2)}
	for i, room := range []int{137, 132 + 134, 132 + 2*134} {
		for data, fits := range map[int]bool{[]int{98, 242, 370}[i]: true, []int{99, 243, 371}[i]: false} {
			packet, err := (&Command{Params: p, Data: make([]byte, data)}).Seal(keys)
			if err != nil || (len(packet) <= room) != fits {
				t.Errorf("request of %d octets: packet of %d, room %d, %v", data, len(packet), room, err)
			}
		}
		for data, fits := range map[int]bool{[]int{113, 241, 369}[i]: true, []int{114, 242, 370}[i]: false} {
			packet, err := (&Response{Data: make([]byte, data)}).Seal(p, keys, KindCommand)
			if err != nil || (len(packet) <= room) != fits {
				t.Errorf("reply of %d octets: packet of %d, room %d, %v", data, len(packet), room, err)
			}
		}
	}
}
