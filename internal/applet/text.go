package applet

import (
	"strings"
	"unicode/utf16"

	"github.com/signum-mssp/signum/internal/sms"
)

// The codings of a text (3GPP TS 23.038) that the SIM Toolkit accepts.
const (
	GSM7 = 0x00 // packed septets of the default alphabet and its extension
	UCS2 = 0x08 // UTF-16, big endian
)

// maxCount is the greatest count, in septets or UTF-16 code units: it has one octet.
const maxCount = 255

// MaxParty is the greatest count of the name of a party. Together with a few words of
// the card, a name fits one DISPLAY TEXT in either coding.
const MaxParty = 60

// Text is a text as a card shows it.
type Text struct {
	DCS   byte // GSM7 or UCS2
	Count byte // septets or UTF-16 code units; packed octets alone are ambiguous
	Data  []byte
}

// EncodeText encodes a text in packed septets, or in UCS2 if a character is not in
// the GSM alphabet. The error wraps ErrMalformed: the text is empty, too long, or
// not UTF-8.
func EncodeText(s string) (Text, error) {
	if septets, ok := sms.EncodeGSM7(s); ok && s != "" && len(septets) <= maxCount {
		return Text{DCS: GSM7, Count: byte(len(septets)), Data: sms.PackGSM7(septets)}, nil
	}
	data, ok := sms.EncodeUCS2(s)
	if !ok || len(data) == 0 || len(data)/2 > maxCount {
		return Text{}, malformed("a text of %d octets that a card cannot show", len(s))
	}
	return Text{DCS: UCS2, Count: byte(len(data) / 2), Data: data}, nil
}

// EncodeParty encodes the name of a party. ok is false if a card would refuse it: it is
// empty or too long, or has more than one line.
func EncodeParty(name string) (t Text, ok bool) {
	t, err := EncodeText(name)
	if err != nil || t.Count > MaxParty || !OneLine(name) {
		return Text{}, false
	}
	return t, true
}

// OneLine reports whether a text has no character that breaks or moves a line. A name on
// several lines could look like a name and a text.
func OneLine(s string) bool { return !strings.ContainsAny(s, "\t\n\r\f") }

// append adds the text to a payload, unless it is empty.
func (t Text) append(b []byte, tag byte) []byte {
	if len(t.Data) == 0 {
		return b
	}
	return appendTLV(b, tag, []byte{t.DCS, t.Count}, t.Data)
}

// textOf reads the value of a text. Without a value the text is empty.
func textOf(v []byte) (Text, error) {
	switch {
	case v == nil:
		return Text{}, nil
	case len(v) < 3:
		return Text{}, malformed("text")
	}
	return Text{DCS: v[0], Count: v[1], Data: v[2:]}, nil
}

// Decode returns the text. The error wraps ErrMalformed: the count does not match,
// or the data is not text in this coding.
func (t Text) Decode() (string, error) {
	var s string
	var err error
	switch t.DCS {
	case GSM7:
		if len(t.Data) != (int(t.Count)*7+7)/8 {
			return "", malformed("%d septets in %d octets", t.Count, len(t.Data))
		}
		s, err = sms.DecodeGSM7(sms.UnpackGSM7(t.Data, int(t.Count)))
	case UCS2:
		if len(t.Data) != 2*int(t.Count) {
			return "", malformed("%d characters in %d octets", t.Count, len(t.Data))
		}
		s, err = sms.DecodeUCS2(t.Data)
		if err == nil && !paired(s, int(t.Count)) {
			err = malformed("an unpaired surrogate")
		}
	default:
		return "", malformed("data coding %02x", t.DCS)
	}
	if err != nil {
		return "", malformed("%v", err)
	}
	return s, nil
}

// paired reports whether the text has as many UTF-16 code units as were sent and no
// unpaired surrogate.
func paired(s string, units int) bool {
	n := 0
	for _, r := range s {
		if r == '\uFFFD' {
			return false
		}
		n += utf16.RuneLen(r)
	}
	return n == units
}
