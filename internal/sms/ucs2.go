package sms

import (
	"encoding/binary"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// EncodeUCS2 encodes a text in UTF-16, big endian, without a byte order mark, which
// is how phones understand UCS-2. It returns false if the text is not UTF-8.
func EncodeUCS2(text string) ([]byte, bool) {
	if !utf8.ValidString(text) {
		return nil, false
	}
	return appendUnits(make([]byte, 0, 2*len(text)), utf16.Encode([]rune(text))), true
}

func appendUnits(b []byte, units []uint16) []byte {
	for _, u := range units {
		b = binary.BigEndian.AppendUint16(b, u)
	}
	return b
}

// DecodeUCS2 decodes UTF-16, big endian. An odd number of octets and an unpaired
// surrogate are ErrMalformed.
func DecodeUCS2(b []byte) (string, error) {
	if len(b)%2 != 0 {
		return "", fmt.Errorf("%w: an odd number of octets in UCS-2", ErrMalformed)
	}
	var text []byte
	for len(b) > 0 {
		r := rune(binary.BigEndian.Uint16(b))
		b = b[2:]
		if utf16.IsSurrogate(r) {
			if len(b) == 0 {
				return "", fmt.Errorf("%w: an unpaired surrogate", ErrMalformed)
			}
			if r = utf16.DecodeRune(r, rune(binary.BigEndian.Uint16(b))); r == utf8.RuneError {
				return "", fmt.Errorf("%w: an unpaired surrogate", ErrMalformed)
			}
			b = b[2:]
		}
		text = utf8.AppendRune(text, r)
	}
	return string(text), nil
}
