package visible

import "unicode/utf8"

// In the list of sequences, skin tones are replaced with these: the first with toneA,
// another one with toneB. The sequences with every tone exist then.
const (
	toneA = 'a'
	toneB = 'b'

	maxSequence = 10 // characters
)

// emojiSequence returns the length, in bytes, of the longest RGI emoji sequence with a
// joiner or selector at the beginning of a text; 0 if there is none.
func emojiSequence(s string) int {
	var key [4 * maxSequence]byte // of the characters so far, with placeholders
	var first rune                // tone
	joined := true                // with the character before
	n, length := 0, 0
	for i, r := range s {
		switch {
		case isTone(r) && i > 0:
			if first == 0 {
				first = r
			}
			key[n] = toneA
			if r != first {
				key[n] = toneB
			}
			n++
		case joined || r == zwj || r == emojiForm:
			n += utf8.EncodeRune(key[n:], r)
		default:
			return length
		}
		joined = r == zwj
		if sequences[string(key[:n])] {
			length = i + utf8.RuneLen(r)
		}
		if n+utf8.UTFMax > len(key) {
			break
		}
	}
	return length
}

func isTone(r rune) bool { return r >= '\U0001f3fb' && r <= '\U0001f3ff' }
