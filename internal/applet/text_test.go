package applet_test

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/signum-mssp/signum/internal/applet"
)

func TestText(t *testing.T) {
	for _, tt := range []struct {
		text       string
		dcs        byte
		count, len int
	}{
		{"Sandbox: Log in?", applet.GSM7, 16, 14},
		{"@@@@@@@", applet.GSM7, 7, 7}, // seven spare bits are not an eighth @
		{"@@@@@@@@", applet.GSM7, 8, 7},
		{"abcdefg\r", applet.GSM7, 8, 7},
		{"Pay 10 € [now]", applet.GSM7, 17, 15},
		{strings.Repeat("x", 239), applet.GSM7, 239, 210},
		{"Zahlung für Jürg", applet.GSM7, 16, 14},
		{"Łódź", applet.UCS2, 4, 8},
		{"naïve", applet.UCS2, 5, 10},
		{"👍", applet.UCS2, 2, 4},
		{strings.Repeat("ł", 119), applet.UCS2, 119, 238},
	} {
		got, err := applet.EncodeText(tt.text)
		if err != nil || got.DCS != tt.dcs || int(got.Count) != tt.count || len(got.Data) != tt.len {
			t.Errorf("%q: %+v, %v", tt.text, got, err)
		}
		if s, err := got.Decode(); err != nil || s != tt.text {
			t.Errorf("%q: %q, %v", tt.text, s, err)
		}
	}
	for _, s := range []string{"", strings.Repeat("ł", 256), "\xff"} {
		if got, err := applet.EncodeText(s); !errors.Is(err, applet.ErrMalformed) {
			t.Errorf("%.10q: %+v, %v", s, got, err)
		}
	}
	for name, text := range map[string]applet.Text{
		"coding": {DCS: 4, Count: 1, Data: []byte("a")}, "septets too few": {Count: 9, Data: []byte{1, 2, 3}},
		"octets too many": {Count: 1, Data: []byte{1, 2}}, "half a character": {DCS: 8, Count: 1, Data: []byte{4}},
		"half a pair": {DCS: 8, Count: 1, Data: []byte{0xd8, 0}}, "escape at the end": {Count: 1, Data: []byte{0x1b}},
	} {
		if s, err := text.Decode(); !errors.Is(err, applet.ErrMalformed) {
			t.Errorf("%s: %q, %v", name, s, err)
		}
	}
}

// Any text survives encoding and decoding, and has one encoding only.
func TestTextRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringN(1, 60, 240).Draw(t, "text")
		text, err := applet.EncodeText(s)
		if err != nil {
			if !strings.ContainsRune(s, '\uFFFD') {
				t.Fatal(err)
			}
			return
		}
		got, err := text.Decode()
		if strings.ContainsRune(s, '\uFFFD') {
			return
		}
		if err != nil || got != s {
			t.Fatalf("%q: %q, %v", s, got, err)
		}
	})
}

func TestEncodeParty(t *testing.T) {
	for name, want := range map[string]bool{
		"Bank": true, "Zürcher Käse & Söhne": true, "مصرف": true, "": false,
		strings.Repeat("ü", 60): true, strings.Repeat("ü", 61): false,
		strings.Repeat("[", 30): true, strings.Repeat("[", 31): false, // two septets each
		strings.Repeat("я", 60): true, strings.Repeat("я", 61): false,
		strings.Repeat("😀", 30): true, strings.Repeat("😀", 31): false, // two units each
		"Bank\nApproved": false, "A\tB": false, "A\rB": false, "A\fB": false, "\xff": false,
	} {
		got, ok := applet.EncodeParty(name)
		if ok != want {
			t.Errorf("%q: %v, %v", name, got, ok)
		}
		if !ok {
			continue
		}
		if s, err := got.Decode(); err != nil || s != name || got.Count > applet.MaxParty {
			t.Errorf("%q: %q, %v", name, s, err)
		}
	}
}
