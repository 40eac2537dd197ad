package rest

import (
	"bytes"
	"strings"

	"github.com/signum-mssp/signum"
)

// JSON does not allow line breaks and tabs in a string, but clients put Base64 into
// a message as a tool has broken it into lines. There they have no meaning, and
// they are accepted. In any other text they could have one, so they are refused.
//
// The decoder reads such a body once more, with a space in the place of each
// break: unbroken makes that body, d.breaks has the places, and the decoder drops
// those that it passes in Base64. It refuses the body at the first other one.

// unbroken returns a copy of the body with a space in the place of each line break
// or tab in a string, and the offsets of these; nil if there are none.
func unbroken(body []byte) (copied []byte, breaks []int) {
	inString := false
	for i := 0; i < len(body); i++ {
		switch b := body[i]; {
		case b == '"':
			inString = !inString
		case inString && b == '\\':
			i++ // a quote after it does not end the string
		case inString && (b == '\n' || b == '\r' || b == '\t'):
			breaks = append(breaks, i)
		}
	}
	if breaks == nil {
		return nil, nil
	}
	copied = bytes.Clone(body)
	for _, i := range breaks {
		copied[i] = ' '
	}
	return copied, breaks
}

// passed drops the breaks that have been read, and returns the place of the first
// of them; -1 if there was none.
func (d *decoder) passed() int {
	first := -1
	for len(d.breaks) > 0 && d.breaks[0] < d.offset() {
		if first < 0 {
			first = d.breaks[0]
		}
		d.breaks = d.breaks[1:]
	}
	return first
}

// unbrokenSoFar refuses a break in what has been read.
func (d *decoder) unbrokenSoFar() error {
	if at := d.passed(); at >= 0 {
		return brokenAt(at)
	}
	return nil
}

func brokenAt(offset int) error {
	return signum.Faultf(signum.WrongParam, "Malformed JSON at byte %d: a line break or tab in a string must be escaped", offset)
}

// holdsBase64 reports whether Data is Base64 by what stands beside it.
func holdsBase64(d *signum.DataToBeSigned) bool {
	mime, _, _ := strings.Cut(d.MimeType, ";")
	return strings.EqualFold(d.Encoding, "base64") || strings.EqualFold(strings.TrimSpace(mime), signum.MimeRSAMessage)
}
