package sms

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/signum-mssp/signum"
)

// Well-known packings, and lengths around eight.
func TestPackGSM7(t *testing.T) {
	for _, tt := range []struct{ text, packed string }{
		{"", ""},
		{"1", "31"},
		{"hellohello", "e8329bfd4697d9ec37"},
		{"Hello, world!", "c8329bfd6681ee6f399b1c02"},
		{"1234567", "31d98c56b3dd00"},
		{"1234567@", "31d98c56b3dd00"}, // looks like seven septets and spare bits
		{"1234567\r", "31d98c56b3dd1a"},
		{"12345678", "31d98c56b3dd70"},
		{"€", "9b32"},
	} {
		septets, ok := EncodeGSM7(tt.text)
		if !ok {
			t.Fatalf("%q is not in the alphabet", tt.text)
		}
		packed := PackGSM7(septets)
		if hex.EncodeToString(packed) != tt.packed {
			t.Errorf("%q is packed as %x", tt.text, packed)
		}
		if got := UnpackGSM7(packed, len(septets)); !bytes.Equal(got, septets) {
			t.Errorf("%q is unpacked as %x", tt.text, got)
		}
	}
	for _, n := range []int{-1, 0} {
		if got := UnpackGSM7([]byte{1, 2}, n); len(got) != 0 {
			t.Errorf("%d septets: %x", n, got)
		}
	}
	if got := UnpackGSM7([]byte{0xff, 0xff}, 100); len(got) != 2 {
		t.Errorf("%d septets in two octets", len(got))
	}
}

func TestGSM7RoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		septets := rapid.SliceOfN(rapid.ByteMax(0x7f), 0, 200).Draw(t, "septets")
		packed := PackGSM7(septets)
		if len(packed) != (len(septets)*7+7)/8 || !bytes.Equal(UnpackGSM7(packed, len(septets)), septets) {
			t.Fatalf("%x", packed)
		}
		text, err := DecodeGSM7(septets)
		if err != nil {
			return
		}
		if again, ok := EncodeGSM7(text); !ok || !bytes.Equal(again, septets) {
			t.Fatalf("%q is encoded as %x", text, again)
		}
	})
}

func TestDecodeRefuses(t *testing.T) {
	for _, b := range [][]byte{{0x80}, {escape}, {0x41, escape}, {escape, escape}, {escape, 0x41}, {escape, 0x0d}} {
		if text, err := DecodeGSM7(b); err == nil {
			t.Errorf("septets %x are %q", b, text)
		}
	}
	for _, b := range [][]byte{{0}, {0, 0x41, 0}, {0xd8, 0x3d}, {0xde, 0x00}, {0xd8, 0x3d, 0, 0x41}, {0xde, 0, 0xd8, 0x3d}} {
		if text, err := DecodeUCS2(b); err == nil {
			t.Errorf("UCS-2 %x is %q", b, text)
		}
	}
	if _, err := DecodeText(DCSCard, []byte("data")); err == nil {
		t.Error("data are text")
	}
	for _, text := range []string{"Привет", "`", "\t", "ç", "😀", "\x1b", "\xff"} {
		if s, ok := EncodeGSM7(text); ok || s != nil {
			t.Errorf("%q is in the alphabet: %x", text, s)
		}
	}
	if _, ok := EncodeUCS2("a\xff"); ok {
		t.Error("what is not UTF-8 is encoded")
	}
}

func TestUCS2(t *testing.T) {
	const text = "Aé你😀"
	b, ok := EncodeUCS2(text)
	if want := "004100e94f60d83dde00"; !ok || hex.EncodeToString(b) != want {
		t.Errorf("%x", b)
	}
	if got, err := DecodeUCS2(b); err != nil || got != text {
		t.Errorf("%q, %v", got, err)
	}
}

// The domain limits texts by the alphabet in which they are sent.
func TestOneAlphabet(t *testing.T) {
	for r := rune(0); r <= utf8.MaxRune; r++ {
		septets, encodes := EncodeGSM7(string(r))
		n, counts := signum.GSMLength(string(r))
		if encodes != counts || n != len(septets) {
			t.Errorf("%U: %d septets here, %d in package signum", r, len(septets), n)
		}
	}
}

// joined sends the messages of a text and reads them, through TPDU and
// reassembly, as a phone does.
func joined(t rapid.TB, texts []Text) string {
	t.Helper()
	r := NewReassembler(1, 255)
	for i, x := range texts {
		if len(x.UD) > MaxUserData {
			t.Fatalf("part %d has %d octets", i+1, len(x.UD))
		}
		b, err := (&Deliver{From: International("41790000001"), UDHI: x.UDHI, DCS: x.DCS, UD: x.UD, Septets: x.Septets}).MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		d, err := ParseDeliver(b)
		if err != nil {
			t.Fatal(err)
		}
		ud, err := d.Unpacked()
		if err != nil {
			t.Fatal(err)
		}
		complete := true
		if d.UDHI {
			// Each part can be decoded by itself.
			if _, rest, err := ParseUserData(ud); err != nil {
				t.Fatal(err)
			} else if _, err := DecodeText(d.DCS, rest); err != nil {
				t.Fatalf("part %d: %v", i+1, err)
			}
			var m Message
			if m, complete, err = r.Add(start, "1", ud); err != nil {
				t.Fatal(err)
			}
			ud = m.Packet
		}
		if complete != (i == len(texts)-1) {
			t.Fatalf("part %d of %d: complete %t", i+1, len(texts), complete)
		}
		if complete {
			text, err := DecodeText(d.DCS, ud)
			if err != nil {
				t.Fatal(err)
			}
			return text
		}
	}
	return ""
}

func TestSplitText(t *testing.T) {
	a := strings.Repeat
	for _, tt := range []struct {
		name, text string
		dcs        byte
		lengths    []int // septets or octets, headers included
	}{
		{"empty", "", 0, []int{0}},
		{"one message", a("a", 160), 0, []int{160}},
		{"two", a("a", 161), 0, []int{160, 15}},
		{"two full", a("a", 306), 0, []int{160, 160}},
		{"three", a("a", 307), 0, []int{160, 160, 8}},
		{"extension, one message", a("a", 158) + "€", 0, []int{160}},
		{"extension at the end", a("a", 159) + "€", 0, []int{160, 15}},
		{"extension at the cut", a("a", 152) + "€" + a("b", 10), 0, []int{159, 19}},
		{"extension before the cut", a("a", 151) + "€" + a("b", 10), 0, []int{160, 17}},
		{"ucs2, one message", a("ё", 70), 8, []int{140}},
		{"ucs2, two", a("ё", 71), 8, []int{140, 14}},
		{"ucs2, two full", a("ё", 134), 8, []int{140, 140}},
		{"surrogates, one message", a("😀", 35), 8, []int{140}},
		{"surrogates at the cut", a("ё", 66) + "😀" + a("ё", 10), 8, []int{138, 30}},
		{"surrogates before the cut", a("ё", 65) + "😀" + a("ё", 10), 8, []int{140, 26}},
	} {
		for _, flash := range []bool{false, true} {
			texts, err := SplitText(tt.text, flash, 0xaa)
			if err != nil || len(texts) != len(tt.lengths) {
				t.Errorf("%s: %d messages, %v", tt.name, len(texts), err)
				continue
			}
			for i, x := range texts {
				length := len(x.UD)
				if tt.dcs == 0 {
					length = x.Septets
				}
				if length != tt.lengths[i] || x.DCS != tt.dcs|flag(flash, 0x10) || x.UDHI != (len(texts) > 1) {
					t.Errorf("%s: part %d: length %d, DCS %02X, UDHI %t", tt.name, i+1, length, x.DCS, x.UDHI)
				}
			}
			if got := joined(t, texts); got != tt.text {
				t.Errorf("%s: %q", tt.name, got)
			}
		}
	}
	if _, err := SplitText("a\xff", false, 0); err == nil {
		t.Error("what is not UTF-8 is taken")
	}
	if texts, err := SplitText(a("a", 255*153), false, 0); err != nil || len(texts) != 255 {
		t.Errorf("%d parts, %v", len(texts), err)
	}
	if _, err := SplitText(a("a", 255*153+1), false, 0); err == nil {
		t.Error("256 parts are taken")
	}
}

func TestSplitTextRoundTrip(t *testing.T) {
	gsm := append([]rune(nil), alphabet[:escape]...)
	gsm = append(gsm, alphabet[escape+1:]...)
	for _, r := range extension {
		gsm = append(gsm, r)
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.SampledFrom(gsm), 0, 700, -1).Draw(t, "text")
		if rapid.Bool().Draw(t, "any") {
			text += rapid.StringN(0, 300, -1).Draw(t, "more")
		}
		texts, err := SplitText(text, rapid.Bool().Draw(t, "flash"), rapid.Byte().Draw(t, "ref"))
		if err != nil {
			t.Fatal(err)
		}
		if got := joined(t, texts); got != text {
			t.Fatalf("got %q", got)
		}
		if n := len(utf16.Encode([]rune(text))); n > 70 && texts[0].DCS == DCSTextUCS2 && len(texts) > n/66+1 {
			t.Fatalf("%d parts for %d units", len(texts), n)
		}
	})
}

func TestAlphabetOf(t *testing.T) {
	for dcs, want := range map[byte]Alphabet{
		0x00: GSM7, 0x04: Octets, 0x08: UCS2, 0x0c: GSM7, 0x10: GSM7, 0x11: GSM7, 0x15: Octets, 0x18: UCS2,
		0x20: Octets, 0x28: Octets, 0x44: Octets, 0x48: UCS2, 0x80: GSM7, 0xb8: GSM7, 0xc0: GSM7, 0xd8: GSM7,
		0xe0: UCS2, 0xef: UCS2, 0xf0: GSM7, 0xf2: GSM7, 0xf4: Octets, 0xf6: Octets,
	} {
		if got := AlphabetOf(dcs); got != want {
			t.Errorf("%02X: %d, want %d", dcs, got, want)
		}
	}
}
