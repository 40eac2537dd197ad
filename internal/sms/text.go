package sms

import (
	"errors"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// Room for text in a single message and in a part with a reference of 8 bits: in
// septets of the default alphabet and in UTF-16 code units.
const (
	septetsSingle = 160
	septetsPart   = 153
	unitsSingle   = 70
	unitsPart     = 67
)

// Text is the user data of a text message, or of a part of one.
type Text struct {
	DCS     byte
	UDHI    bool
	UD      []byte
	Septets int // see Deliver
}

// SplitText returns the messages that carry a text. It is in the default alphabet
// if that has every character, else in UCS-2. It is one message if it fits (160
// septets or 70 code units), otherwise parts (153 or 67) with the reference. No
// part ends within a character. A flash text is shown at once and not stored.
func SplitText(text string, flash bool, ref byte) ([]Text, error) {
	if septets, ok := EncodeGSM7(text); ok {
		dcs := DCSText | flag(flash, DCSFlash)
		chunks := split(septets, septetsSingle, septetsPart, func(s byte) bool { return s == escape })
		return assemble(chunks, ref, func(header, chunk []byte) Text {
			first := headerSeptets(len(header))
			t := Text{DCS: dcs, Septets: first + len(chunk)}
			t.UD = make([]byte, packedSize(t.Septets))
			copy(t.UD, header)
			packAt(t.UD, first, chunk)
			return t
		})
	}
	return SplitUCS2(text, flash, ref)
}

// SplitUCS2 is SplitText with UCS-2 for every text.
func SplitUCS2(text string, flash bool, ref byte) ([]Text, error) {
	if !utf8.ValidString(text) {
		return nil, errors.New("sms: the text is not UTF-8")
	}
	dcs := DCSTextUCS2 | flag(flash, DCSFlash)
	chunks := split(utf16.Encode([]rune(text)), unitsSingle, unitsPart, func(u uint16) bool { return u>>10 == 0xd800>>10 })
	return assemble(chunks, ref, func(header []byte, chunk []uint16) Text {
		return Text{DCS: dcs, UD: appendUnits(header, chunk)}
	})
}

// assemble turns chunks into messages, with headers if there are several.
func assemble[E any](chunks [][]E, ref byte, message func(header []byte, chunk []E) Text) ([]Text, error) {
	if len(chunks) == 1 {
		return []Text{message(nil, chunks[0])}, nil
	}
	if len(chunks) > 255 {
		return nil, fmt.Errorf("sms: a text of %d parts", len(chunks))
	}
	texts := make([]Text, len(chunks))
	for i, chunk := range chunks {
		c := Concat{Ref: uint16(ref), Total: byte(len(chunks)), Seq: byte(i + 1)}
		texts[i] = message(Header{c.Element()}.Append(nil), chunk)
		texts[i].UDHI = true
	}
	return texts, nil
}

// split cuts a text into chunks of at most part elements, never after an element
// that opens a character. A text of up to single elements is one chunk.
func split[E any](all []E, single, part int, opens func(E) bool) [][]E {
	if len(all) <= single {
		return [][]E{all}
	}
	var chunks [][]E
	for len(all) > 0 {
		n := min(part, len(all))
		if n < len(all) && opens(all[n-1]) {
			n--
		}
		chunks = append(chunks, all[:n])
		all = all[n:]
	}
	return chunks
}

// DecodeText decodes a text without its header, as Deliver.Unpacked or a Reassembler
// returns it: in the default alphabet with one septet in each octet, or in UCS-2.
// Other codings are ErrMalformed.
func DecodeText(dcs byte, text []byte) (string, error) {
	switch AlphabetOf(dcs) {
	case GSM7:
		return DecodeGSM7(text)
	case UCS2:
		return DecodeUCS2(text)
	}
	return "", fmt.Errorf("%w: coding %02X is not for text", ErrMalformed, dcs)
}
