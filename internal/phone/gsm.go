package phone

import (
	"errors"
	"fmt"
	"unicode"
	"unicode/utf16"
)

// The alphabet of 3GPP TS 23.038, clause 6.2.1, by septet; escape introduces
// one of the extension.
const escape = 0x1b

var gsmAlphabet = []rune("@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
	"¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà")

var gsmExtension = map[byte]rune{
	0x0a: '\f', 0x14: '^', 0x28: '{', 0x29: '}', 0x2f: '\\', 0x3c: '[', 0x3d: '~', 0x3e: ']', 0x40: '|', 0x65: '€',
}

// ucs2Tag begins a text in UCS-2.
const ucs2Tag = 0x80

// decodeAlpha reads a text as a card has it (ETSI TS 102 221, annex A): 0x80
// and UCS-2, big endian, or else one septet of the GSM default alphabet in
// each byte. Letters, digits and most marks of ASCII are the same there; what
// is not, @ $ _ ` and the brackets, comes out as a card would show it.
func decodeAlpha(b []byte) (string, error) {
	var text []rune
	var err error
	if len(b) > 0 && b[0] == ucs2Tag {
		text, err = decodeUCS2(b[1:])
	} else {
		text, err = decodeGSM(b)
	}
	switch {
	case err != nil:
		return "", err
	case len(text) == 0:
		return "", errors.New("the text is empty")
	}
	for _, r := range text {
		if undisplayable(r) {
			return "", fmt.Errorf("%U cannot be shown", r)
		}
	}
	return string(text), nil
}

func decodeUCS2(b []byte) ([]rune, error) {
	if len(b)%2 != 0 {
		return nil, errors.New("half a character of UCS-2")
	}
	units := make([]uint16, 0, len(b)/2)
	for i := 0; i < len(b); i += 2 {
		units = append(units, uint16(b[i])<<8|uint16(b[i+1]))
	}
	return utf16.Decode(units), nil
}

func decodeGSM(b []byte) ([]rune, error) {
	text := make([]rune, 0, len(b))
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c >= 0x80:
			return nil, fmt.Errorf("0x%02x is no septet", c)
		case c != escape:
			text = append(text, gsmAlphabet[c])
		default:
			if i++; i == len(b) {
				return nil, errors.New("an escape at the end")
			}
			r, ok := gsmExtension[b[i]]
			if !ok {
				return nil, fmt.Errorf("0x%02x after an escape", b[i])
			}
			text = append(text, r)
		}
	}
	return text, nil
}

// undisplayable characters are controls and the marks that reorder a line.
// The MSSP refuses them in a text that it can read; here it could not.
func undisplayable(r rune) bool {
	switch {
	case r == '\n' || r == '\r' || r == '\t' || r == '\f':
		return false
	case unicode.IsControl(r), r == unicode.ReplacementChar:
		return true
	}
	return r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}
