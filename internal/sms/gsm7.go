package sms

import "fmt"

// The default alphabet of TS 23.038, clause 6.2.1, by septet; escape introduces a
// septet of the extension. Package signum knows which characters are in it, too: it
// may import nothing of the service, and this package nothing of signum. A test
// compares them.
const escape = 0x1b

var alphabet = [128]rune([]rune("@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
	"¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"))

var extension = map[byte]rune{
	0x0a: '\f', 0x14: '^', 0x28: '{', 0x29: '}', 0x2f: '\\', 0x3c: '[', 0x3d: '~', 0x3e: ']', 0x40: '|', 0x65: '€',
}

// septetsOf is the reverse of alphabet and extension.
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

// EncodeGSM7 encodes a text in septets, one in each octet. It returns false if a
// character is neither in the default alphabet nor in its extension.
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

// DecodeGSM7 decodes septets, one in each octet. An escape before an unknown septet
// or at the end is ErrMalformed: TS 23.038 leaves it to the phone what to show, so
// two phones could show different texts.
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

// PackGSM7 packs eight septets into seven octets; spare bits are zero. Seven spare
// bits look like one more septet, an @, so the number of septets must be
// transmitted too.
func PackGSM7(septets []byte) []byte {
	b := make([]byte, packedSize(len(septets)))
	packAt(b, 0, septets)
	return b
}

// packAt packs septets into b, from septet number first on.
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

// UnpackGSM7 unpacks n septets, or all if there are fewer.
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
