package visible

import (
	"embed"
	"strings"
	"unicode/utf8"
)

// Scripts are the same rules for pages: visible.js, and the table that it imports.
//
//go:embed visible.js visible-table.js
var Scripts embed.FS

// Run is a part of a text.
type Run struct {
	Text        string
	RightToLeft bool
}

var lineFeeds = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\f", "\n")

// Runs splits a text into runs of right-to-left letters and what is between them. A
// page lays the text out from left to right and isolates each run, so that digits and
// signs stay in the order in which they are signed. Marks, joiners, and spaces between
// two letters belong to a run. All line breaks become line feeds.
func Runs(s string) []Run {
	s = lineFeeds.Replace(s)
	var runs []Run
	from := 0
	for at := 0; at < len(s); {
		r, n := utf8.DecodeRuneInString(s[at:])
		if classOf(r)&rightToLeft == 0 {
			at += n
			continue
		}
		if from < at {
			runs = append(runs, Run{Text: s[from:at]})
		}
		from = at + runLength(s[at:])
		runs = append(runs, Run{Text: s[at:from], RightToLeft: true})
		at = from
	}
	if from < len(s) {
		runs = append(runs, Run{Text: s[from:]})
	}
	return runs
}

// runLength returns the length of the run at the beginning of a text.
func runLength(s string) int {
	end, spaces := 0, false
	for i, r := range s {
		switch p := classOf(r); {
		case p&rightToLeft != 0:
			spaces = false
		case r == ' ' || r == '\u00a0':
			spaces = true
			continue
		case spaces || p&mark == 0 && r != zwj && r != zwnj:
			return end
		}
		end = i + utf8.RuneLen(r)
	}
	return end
}
