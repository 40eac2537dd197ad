package sms

import "fmt"

// The default alphabet of TS 23.038, clause 6.2.1, by septet; escape introduces
// one of the extension.
const escape = 0x1b

var alphabet = [128]rune([]rune("@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
	"¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"))

var extension = map[byte]rune{
	0x0a: '\f', 0x14: '^', 0x28: '{', 0x29: '}', 0x2f: '\\', 0x3c: '[', 0x3d: '~', 0x3e: ']', 0x40: '|', 0x65: '€',
}

// septetsOf is the alphabet the other way.
var septetsOf = func() map[rune][]byte {
	m := make(map[rune][]byte, len(alphabet)+len(extension))
	for s, r := range alphabet {
		if s != escape {
			m[r] = []byte{byte(s)}
		}
	}
	for s, r := range extension {
		m[r] = []byte{escape, s}
	}
	return m
}()

// EncodeGSM7 is the text in septets, one in each octet; false if a character is
// not in the default alphabet or its extension.
func EncodeGSM7(text string) ([]byte, bool) {
	septets := make([]byte, 0, len(text))
	for _, r := range text {
		s, ok := septetsOf[r]
		if !ok {
			return nil, false
		}
		septets = append(septets, s...)
	}
	return septets, true
}

// DecodeGSM7 reads septets, one in each octet. Where TS 23.038 lets a phone show
// something else for what it does not know (an escape before another septet or
// at the end), this is ErrMalformed: two phones would show two texts.
func DecodeGSM7(septets []byte) (string, error) {
	text := make([]rune, 0, len(septets))
	for i := 0; i < len(septets); i++ {
		s := septets[i]
		switch {
		case s >= 0x80:
			return "", fmt.Errorf("%w: septet %02X", ErrMalformed, s)
		case s != escape:
			text = append(text, alphabet[s])
			continue
		}
		i++
		if i == len(septets) {
			return "", fmt.Errorf("%w: the text ends in an escape", ErrMalformed)
		}
		r, ok := extension[septets[i]]
		if !ok {
			return "", fmt.Errorf("%w: septet %02X after an escape", ErrMalformed, septets[i])
		}
		text = append(text, r)
	}
	return string(text), nil
}

// packedSize is the number of octets that n septets take up.
func packedSize(n int) int { return (n*7 + 7) / 8 }

// PackGSM7 packs septets, eight into seven octets, spare bits zero. If seven
// bits are spare they look like one more septet, an @: who unpacks must know how
// many there are.
func PackGSM7(septets []byte) []byte {
	b := make([]byte, packedSize(len(septets)))
	packAt(b, 0, septets)
	return b
}

// packAt packs septets behind the first septets of b.
func packAt(b []byte, first int, septets []byte) {
	for i, s := range septets {
		bit := 7 * (first + i)
		v := uint16(s&0x7f) << (bit % 8)
		b[bit/8] |= byte(v)
		if v > 0xff {
			b[bit/8+1] |= byte(v >> 8)
		}
	}
}

// UnpackGSM7 unpacks n septets, or as many as there are.
func UnpackGSM7(octets []byte, n int) []byte {
	n = max(0, min(n, len(octets)*8/7))
	septets := make([]byte, n)
	for i := range septets {
		bit := 7 * i
		v := uint16(octets[bit/8])
		if bit/8+1 < len(octets) {
			v |= uint16(octets[bit/8+1]) << 8
		}
		septets[i] = byte(v>>(bit%8)) & 0x7f
	}
	return septets
}
