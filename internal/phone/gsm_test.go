package phone

import (
	"testing"
	"unicode/utf16"

	"github.com/signum-mssp/signum"
)

// The table of the domain, which only measures, is another one.
func TestAlphabet(t *testing.T) {
	if len(gsmAlphabet) != 128 || len(gsmExtension) != 10 {
		t.Fatalf("%d and %d characters", len(gsmAlphabet), len(gsmExtension))
	}
	seen := make(map[rune]bool)
	for c, r := range gsmAlphabet {
		if n, ok := signum.GSMLength(string(r)); c != escape && (!ok || n != 1) || seen[r] {
			t.Errorf("0x%02x: %q", c, r)
		}
		seen[r] = true
	}
	for c, r := range gsmExtension {
		if n, ok := signum.GSMLength(string(r)); !ok || n != 2 || seen[r] {
			t.Errorf("0x1b%02x: %q", c, r)
		}
		seen[r] = true
	}
	for _, r := range "ABCXYZabcxyz0189 !\"#%&'()*+,-./:;<=>?\n\r" {
		if gsmAlphabet[r] != r {
			t.Errorf("%q is %q", r, gsmAlphabet[r])
		}
	}
}

func TestDecodeAlpha(t *testing.T) {
	tests := []struct {
		in, want string // empty: an error
	}{
		{"abc", "abc"},
		{"\x00\x02\x1b\x65\x7e", "@$€ü"},
		{"a@b_c", "a¡b§c"}, // as a card shows ASCII
		{"\x80\x00a\x00\n", "a\n"},
		{"\x80\xd8\x3d\xde\x00", "😀"},
		{"", ""},
		{"\x80", ""},
		{"\x80\x00", ""},
		{"\x80\x00a\x00", ""},
		{"\x80\xd8\x3d", ""},
		{"\x80\x20\x2e", ""}, // turns the line
		{"\x80\x00\x07", ""},
		{"a\x1b", ""},
		{"a\x1ba", ""},
		{"a\x81", ""},
		{"Zürich", ""}, // UTF-8
	}
	for _, tc := range tests {
		got, err := decodeAlpha([]byte(tc.in))
		if got != tc.want || (err == nil) != (tc.want != "") {
			t.Errorf("%q: %q, %v; want %q", tc.in, got, err, tc.want)
		}
	}
}

func FuzzDecodeAlpha(f *testing.F) {
	f.Add([]byte("\x80\x00a"))
	f.Add([]byte("a\x1b\x65"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decodeAlpha(b)
		if err != nil {
			return
		}
		if b[0] == ucs2Tag {
			if n := len(utf16.Encode([]rune(s))); 2*n != len(b)-1 {
				t.Fatalf("%x: %q", b, s)
			}
		} else if n, ok := signum.GSMLength(s); !ok || n != len(b) {
			t.Fatalf("%x: %q", b, s)
		}
	})
}
