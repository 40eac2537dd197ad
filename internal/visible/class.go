package visible

import "unicode/utf8"

//go:generate go test -run ^TestTable$ -update .

// class is a set of properties of a code point.
type class uint16

const (
	refused       class = 1 << iota // must not be in a text, with a few exceptions
	mark                            // nonspacing or enclosing
	blank                           // shows nothing
	rightToLeft                     // a letter of a script that runs from right to left
	virama                          // joins the consonants around it
	joinsNext                       // a cursive letter that connects with the one after it
	joinsPrevious                   // a cursive letter that connects with the one before it
	transparent                     // cursive letters connect across it
	emoji                           // first in an RGI emoji sequence with a joiner or a selector

	classBits = iota
)

// classOf returns the class of a code point. The table lists where a class begins.
func classOf(r rune) class {
	lo, hi := 0, len(table)
	for lo+1 < hi {
		if mid := (lo + hi) / 2; table[mid]>>classBits <= uint32(r) {
			lo = mid
		} else {
			hi = mid
		}
	}
	return class(table[lo] & (1<<classBits - 1))
}

// classBefore returns the class of the last character of a text; 0 if there is none.
func classBefore(s string) class {
	r, n := utf8.DecodeLastRuneInString(s)
	if n == 0 {
		return 0
	}
	return classOf(r)
}
