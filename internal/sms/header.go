package sms

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
)

// Information element identifiers (TS 23.040, clause 9.2.3.24; TS 31.115).
const (
	IEIConcat8  = 0x00 // part of a long message, reference of 8 bits
	IEIConcat16 = 0x08 // the same, 16 bits
	IEICommand  = 0x70 // command packet to a SIM, or a message from its applet
	IEIResponse = 0x71 // response packet from a SIM
)

// Element is an information element of a user data header.
type Element struct {
	ID   byte
	Data []byte
}

// Header is a user data header (TS 23.040, clause 9.2.3.24).
type Header []Element

// ParseUserData splits user data with a header (UDHI) into the header and the rest,
// which begins right after it; in the default alphabet, fill bits precede the text
// (see Deliver.Unpacked). Both share the memory of ud.
func ParseUserData(ud []byte) (Header, []byte, error) {
	in := cryptobyte.String(ud)
	var header cryptobyte.String
	if !in.ReadUint8LengthPrefixed(&header) {
		return nil, nil, fmt.Errorf("%w: the user data header is truncated", ErrMalformed)
	}
	var h Header
	for !header.Empty() {
		var e Element
		var data cryptobyte.String
		if !header.ReadUint8(&e.ID) || !header.ReadUint8LengthPrefixed(&data) {
			return nil, nil, fmt.Errorf("%w: an information element is truncated", ErrMalformed)
		}
		e.Data = data
		h = append(h, e)
	}
	return h, in, nil
}

// Append appends the header with its length. The length of a header with more than
// 255 octets comes out wrong, but no message has room for such a header.
func (h Header) Append(b []byte) []byte {
	start := len(b)
	b = append(b, 0)
	for _, e := range h {
		b = append(append(b, e.ID, byte(len(e.Data))), e.Data...)
	}
	b[start] = byte(len(b) - start - 1)
	return b
}

// Find returns the data of the element; of the last one if there are several
// (clause 9.2.3.24).
func (h Header) Find(id byte) ([]byte, bool) {
	for i := len(h) - 1; i >= 0; i-- {
		if h[i].ID == id {
			return h[i].Data, true
		}
	}
	return nil, false
}

// Concat says which part of a long message this is.
type Concat struct {
	Ref        uint16
	Wide       bool // the reference has 16 bits
	Total, Seq byte // parts, and which one, from 1
}

// Element returns the information element.
func (c Concat) Element() Element {
	if c.Wide {
		return Element{IEIConcat16, append(binary.BigEndian.AppendUint16(nil, c.Ref), c.Total, c.Seq)}
	}
	return Element{IEIConcat8, []byte{byte(c.Ref), c.Total, c.Seq}}
}

// Concat returns false if the message is not a part of a long one. If there are
// several such elements, the last one counts. Impossible numbers are ErrMalformed.
func (h Header) Concat() (Concat, bool, error) {
	for i := len(h) - 1; i >= 0; i-- {
		var c Concat
		switch e := h[i]; {
		case e.ID == IEIConcat8 && len(e.Data) == 3:
			c = Concat{Ref: uint16(e.Data[0]), Total: e.Data[1], Seq: e.Data[2]}
		case e.ID == IEIConcat16 && len(e.Data) == 4:
			c = Concat{Ref: binary.BigEndian.Uint16(e.Data), Wide: true, Total: e.Data[2], Seq: e.Data[3]}
		case e.ID == IEIConcat8 || e.ID == IEIConcat16:
			return Concat{}, false, fmt.Errorf("%w: concatenation in %d octets", ErrMalformed, len(e.Data))
		default:
			continue
		}
		if c.Seq == 0 || c.Seq > c.Total {
			return Concat{}, false, fmt.Errorf("%w: part %d of %d", ErrMalformed, c.Seq, c.Total)
		}
		return c, true, nil
	}
	return Concat{}, false, nil
}
