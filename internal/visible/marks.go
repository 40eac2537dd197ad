package visible

import (
	"slices"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// marks are the nonspacing and enclosing marks on the last base of a text, decomposed
// and in canonical order: two texts that look the same have the same marks.
type marks struct {
	number int
	of     [maxMarks]markOf
}

type markOf struct {
	r     rune
	class uint8 // canonical combining class, which decides the order
}

func (m *marks) clear() { m.number = 0 }

// add adds the marks of the first character of s. It returns what is wrong with them.
func (m *marks) add(s string) string {
	p := norm.NFD.PropertiesString(s)
	parts := p.Decomposition()
	if parts == nil || repeats(parts) { // a syllable of Hangul has no parts here, and no marks
		r, _ := utf8.DecodeRuneInString(s)
		return m.part(r, p.CCC())
	}
	for len(parts) > 0 {
		r, n := utf8.DecodeRune(parts)
		if what := m.part(r, norm.NFD.Properties(parts).CCC()); what != "" {
			return what
		}
		parts = parts[n:]
	}
	return ""
}

// repeats reports whether one character is the same mark twice, as some vowels of
// Gurung Khema are. Such a character stands for itself.
func repeats(parts []byte) bool {
	var last rune
	for len(parts) > 0 {
		r, n := utf8.DecodeRune(parts)
		if r == last {
			return true
		}
		last, parts = r, parts[n:]
	}
	return false
}

// part adds a character that is not decomposed further.
func (m *marks) part(r rune, class uint8) string {
	if classOf(r)&mark == 0 {
		m.clear()
		return ""
	}
	at := m.number
	for class != 0 && at > 0 && m.of[at-1].class > class {
		at--
	}
	switch {
	case at > 0 && m.of[at-1].r == r:
		return sameMark
	case m.number == maxMarks:
		return tooManyMarks
	}
	m.number++
	_ = slices.Insert(m.of[:m.number-1], at, markOf{r, class}) // within the array
	return ""
}
