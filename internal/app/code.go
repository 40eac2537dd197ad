package app

import (
	"crypto/rand"
	"crypto/sha256"
	"strings"
	"unicode"
)

// alphabet leaves out letters that are easily confused: I, L, O, U.
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

const (
	activationLen, activationGroup = 10, 4 // 50 bits
	recoveryLen, recoveryGroup     = 25, 5 // 125 bits
)

// newCode returns a random code, in groups for readability.
func newCode(length, group int) string {
	b := make([]byte, length)
	_, _ = rand.Read(b) // never fails
	var s strings.Builder
	for i, c := range b {
		if i > 0 && i%group == 0 {
			s.WriteByte('-')
		}
		s.WriteByte(alphabet[c%byte(len(alphabet))]) // 256 is a multiple of 32
	}
	return s.String()
}

// hashCode returns the SHA-256 of a code in canonical form: however a person
// wrote it, without separators and with confusable letters replaced.
func hashCode(written string, length int) ([]byte, bool) {
	if len(written) > 4*length {
		return nil, false
	}
	b := make([]byte, 0, length)
	for _, r := range strings.ToUpper(written) {
		switch {
		case unicode.IsSpace(r) || unicode.Is(unicode.Pd, r):
			continue
		case r == 'O':
			r = '0'
		case r == 'I' || r == 'L':
			r = '1'
		}
		if r > unicode.MaxASCII || strings.IndexByte(alphabet, byte(r)) < 0 {
			return nil, false
		}
		b = append(b, byte(r))
	}
	if len(b) != length {
		return nil, false
	}
	sum := sha256.Sum256(b)
	return sum[:], true
}
