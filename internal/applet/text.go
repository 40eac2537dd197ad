package applet

import (
	"unicode/utf16"

	"github.com/signum-mssp/signum/internal/sms"
)

// The codings of a text (3GPP TS 23.038): the ones that SIM Toolkit takes.
const (
	GSM7 = 0x00 // packed septets of the default alphabet and its extension
	UCS2 = 0x08 // UTF-16, big endian
)

// maxCount is what the octet of the count holds: 255 septets or UTF-16 units.
const maxCount = 255

// Text is a text as a card shows it.
type Text struct {
	DCS   byte // GSM7 or UCS2
	Count byte // septets or UTF-16 code units: what packed octets alone do not tell
	Data  []byte
}

// EncodeText packs a text into septets, or if a character is not in their
// alphabet, writes it as UCS2. The error wraps ErrMalformed: it is empty, too
// long, or no text.
func EncodeText(s string) (Text, error) {
	if septets, ok := sms.EncodeGSM7(s); ok && s != "" && len(septets) <= maxCount {
		return Text{DCS: GSM7, Count: byte(len(septets)), Data: sms.PackGSM7(septets)}, nil
	}
	data, ok := sms.EncodeUCS2(s)
	if !ok || len(data) == 0 || len(data)/2 > maxCount {
		return Text{}, malformed("a text of %d octets that no card shows", len(s))
	}
	return Text{DCS: UCS2, Count: byte(len(data) / 2), Data: data}, nil
}

// Decode is the text. The error wraps ErrMalformed: the count is not that of the
// data, or they are no text in this coding.
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
			err = malformed("half a character")
		}
	default:
		return "", malformed("data coding %02x", t.DCS)
	}
	if err != nil {
		return "", malformed("%v", err)
	}
	return s, nil
}

// paired reports whether the text has as many UTF-16 units as were sent, none
// of which stood alone.
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
