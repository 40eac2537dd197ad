package card

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/sms"
	"github.com/signum-mssp/signum/internal/visible"
)

// Data codings of texts for the screen (3GPP TS 23.038). Each septet takes an octet:
// packed, an @ at the end would look like padding, but the card must sign exactly
// what it shows.
const (
	dcsOctets = 0x04 // GSM default alphabet, one septet in an octet
	dcsUCS2   = 0x08
)

const (
	// maxText is the maximum number of octets of text in one DISPLAY TEXT. Of the
	// 256 octets, the command's tag and length take 3, command details 5, devices 4,
	// and the text's tag, length and coding 4. maxTimedText leaves 4 more for the
	// duration. The longest texts (239 characters, or 119 in UCS2) fit into one
	// command without a duration.
	maxText      = maxCommand - 16
	maxTimedText = maxText - 4
)

// text is a text in the octets in which the phone shows it.
type text struct {
	dcs  byte // dcsOctets or dcsUCS2
	data []byte
}

var errIllegible = errors.New("the text cannot be shown")

// String returns the text as it appears. It returns an error if the text is empty, if
// a person could not see every character of it, or if its appearance is not certain.
func (t text) String() (string, error) {
	var s string
	var err error
	if t.dcs == dcsUCS2 {
		s, err = sms.DecodeUCS2(t.data)
	} else {
		s, err = sms.DecodeGSM7(t.data)
	}
	switch {
	case err != nil:
		return "", fmt.Errorf("%w: %w", errIllegible, err)
	case s == "" || visible.Check(s) != nil:
		return "", errIllegible
	case !bytes.Equal(t.encoded(s), t.data): // not the only encoding of s
		return "", errIllegible
	}
	return s, nil
}

func (t text) encoded(s string) []byte {
	encode := sms.EncodeGSM7
	if t.dcs == dcsUCS2 {
		encode = sms.EncodeUCS2
	}
	b, _ := encode(s)
	return b
}

// readable converts the text of a request for the screen.
func readable(in applet.Text) (t text, err error) {
	n := int(in.Count)
	switch {
	case in.DCS == applet.GSM7 && len(in.Data) == (7*n+7)/8:
		t = text{dcsOctets, sms.UnpackGSM7(in.Data, n)}
	case in.DCS == applet.UCS2 && len(in.Data) == 2*n:
		t = text{dcsUCS2, in.Data}
	default:
		return text{}, errIllegible
	}
	_, err = t.String()
	return t, err
}

// alpha reads a text in the coding of a card's files (ETSI TS 102 221, annex A): 0x80
// and UCS2, or one septet in each octet.
func alpha(b []byte) (t text, err error) {
	if len(b) > 0 && b[0] == 0x80 {
		t = text{dcsUCS2, b[1:]}
	} else {
		t = text{dcsOctets, b}
	}
	_, err = t.String()
	return t, err
}

// spell encodes one of the card's own phrases.
func spell(s string) text {
	b, _ := sms.EncodeGSM7(s) // a test makes sure that it can encode all phrases
	return text{dcsOctets, b}
}

// pages splits a text that is too long for one DISPLAY TEXT between characters.
func (t text) pages() []text {
	var out []text
	for rest := t.data; len(rest) > 0; {
		n := len(rest)
		if n > maxText {
			n = maxTimedText - maxTimedText%2
			switch {
			case t.dcs == dcsOctets && rest[n-1] == 0x1b: // an escape
				n--
			case t.dcs == dcsUCS2 && rest[n-2]&0xfc == 0xd8: // half a pair
				n -= 2
			}
		}
		out = append(out, text{t.dcs, rest[:n]})
		rest = rest[n:]
	}
	return out
}

// join returns the text of all pages.
func join(pages []text) (t text) {
	for _, p := range pages {
		t.dcs = p.dcs
		t.data = append(t.data, p.data...)
	}
	return t
}

// input returns what the user typed, from the text of a TERMINAL RESPONSE; empty if it
// cannot be digits.
func input(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	dcs, b := b[0], b[1:]
	var s string
	var err error
	switch dcs {
	case 0x00: // packed: an @ at the end is padding
		s, err = sms.DecodeGSM7(sms.UnpackGSM7(b, len(b)*8/7))
		s = strings.TrimRight(s, "@\r")
	case dcsOctets:
		s, err = sms.DecodeGSM7(b)
	case dcsUCS2:
		s, err = sms.DecodeUCS2(b)
	}
	if err != nil {
		return ""
	}
	return s
}
