package visible

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

const (
	maxMarks  = 4 // nonspacing and enclosing marks on one base
	maxBreaks = 3 // line breaks in a row

	zwnj      = '\u200c'
	zwj       = '\u200d'
	emojiForm = '\ufe0f' // variation selector 16
	keycap    = "\u20e3"
)

// Problem is the first character of a text that must not be there.
type Problem struct {
	What     string // what is wrong with it
	Rune     rune
	Position int // in characters (code points), from 1
}

func (p *Problem) Error() string {
	return fmt.Sprintf("%s: U+%04X at position %d", p.What, p.Rune, p.Position)
}

const (
	unseen        = "a character that no phone can show"
	tooManyMarks  = "too many marks on one character"
	sameMark      = "the same mark twice in a row"
	tooManyBreaks = "more than three line breaks in a row"
)

// Check returns a *Problem if a person could not see each character of a text.
//
// It refuses control characters other than tab, line feed, carriage return and form
// feed; formatting, default-ignorable, private, unassigned and surrogate code points;
// line and paragraph separators; the replacement characters U+FFFC and U+FFFD; invalid
// UTF-8; more than four marks on one base, and the same mark twice in a row, where a
// letter such as é counts as its canonical decomposition; more than three line breaks
// in a row, where lines that show nothing count. Joiners and the emoji variation
// selector are accepted where they change what is seen: within an RGI emoji sequence,
// and where RFC 5892, A.1 and A.2, allows them.
func Check(s string) error {
	c := checker{s: s}
	for c.at < len(s) {
		if c.ascii() {
			continue
		}
		if what := c.next(); what != "" {
			return c.problem(what)
		}
	}
	return nil
}

// Refused reports whether a character is refused wherever it stands. The joiners and
// the emoji variation selector are, although Check accepts them in some places.
func Refused(r rune) bool { return classOf(r)&refused != 0 }

// checker reads a text from left to right.
type checker struct {
	s      string
	at     int // of the character to check
	marks  marks
	breaks int // since something was visible
}

// ascii moves behind printable ASCII characters. It reports whether there were any.
func (c *checker) ascii() bool {
	i, seen := c.at, false
	for ; i < len(c.s) && c.s[i] >= ' ' && c.s[i] < 0x7f; i++ {
		seen = seen || c.s[i] != ' '
	}
	if i == c.at {
		return false
	}
	c.at = i
	c.marks.clear()
	if seen {
		c.breaks = 0
	}
	return true
}

// next checks one character, or one emoji sequence, and moves behind it. If it must
// not be there, next does not move and returns what is wrong.
func (c *checker) next() string {
	r, n := utf8.DecodeRuneInString(c.s[c.at:])
	p := classOf(r)
	switch {
	case r == '\n' || r == '\r' || r == '\f':
		return c.lineBreak(r)
	case p&refused != 0:
		if !c.excepted(r, n) {
			return unseen
		}
		c.at += n // the marks around it are on the same base
		return ""
	case p&mark != 0:
		// It does not make a line visible: a mark without a letter may show nothing.
		what := c.marks.add(c.s[c.at : c.at+n])
		if what == "" {
			c.at += n
		}
		return what
	case p&emoji != 0:
		n = max(n, emojiSequence(c.s[c.at:]))
	}
	if what := c.marks.add(c.s[c.at : c.at+n]); what != "" {
		return what
	}
	if p&blank == 0 {
		c.breaks = 0
	}
	c.at += n
	return ""
}

func (c *checker) lineBreak(r rune) string {
	n := 1
	if r == '\r' && strings.HasPrefix(c.s[c.at:], "\r\n") {
		n = 2
	}
	if c.breaks == maxBreaks {
		return tooManyBreaks
	}
	c.breaks++
	c.marks.clear()
	c.at += n
	return ""
}

// excepted reports whether a character that is otherwise refused changes what is seen.
// Emoji sequences other than keycaps have been passed as a whole.
func (c *checker) excepted(r rune, n int) bool {
	before, after := c.s[:c.at], c.s[c.at+n:]
	switch r {
	case emojiForm:
		return before != "" && strings.IndexByte("0123456789#*", before[len(before)-1]) >= 0 && strings.HasPrefix(after, keycap)
	case zwj:
		return classBefore(before)&virama != 0
	case zwnj:
		return classBefore(before)&virama != 0 || joins(before, after)
	}
	return false
}

// joins reports whether letters on both sides of a non-joiner would join without it.
func joins(before, after string) bool {
	for {
		r, n := utf8.DecodeLastRuneInString(before)
		p := classOf(r)
		if n == 0 || p&transparent == 0 {
			if n == 0 || p&joinsNext == 0 {
				return false
			}
			break
		}
		before = before[:len(before)-n]
	}
	for _, r := range after {
		if p := classOf(r); p&transparent == 0 {
			return p&joinsPrevious != 0
		}
	}
	return false
}

func (c *checker) problem(what string) *Problem {
	r, _ := utf8.DecodeRuneInString(c.s[c.at:])
	return &Problem{What: what, Rune: r, Position: utf8.RuneCountInString(c.s[:c.at]) + 1}
}
