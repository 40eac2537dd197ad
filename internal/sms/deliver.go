package sms

import (
	"encoding"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
)

var (
	_ encoding.BinaryMarshaler = (*Deliver)(nil)
	_ encoding.BinaryMarshaler = (*Submit)(nil)
	_ encoding.BinaryMarshaler = (*Report)(nil)
)

// Message types: the two low bits of a TPDU. Their meaning depends on the
// direction.
const (
	mtiMask    = 0x03
	mtiDeliver = 0x00 // to the phone
	mtiSubmit  = 0x01 // from the phone
	mtiReport  = 0x00 // from the phone: SMS-DELIVER-REPORT
)

// Bits of the first octet of an SMS-DELIVER (TS 23.040, clause 9.2.2.1).
const (
	bitNoMoreMessages = 0x04
	bitStatusReport   = 0x20
	bitUDHI           = 0x40
	bitReplyPath      = 0x80
)

// Deliver is an SMS-DELIVER (TS 23.040, clause 9.2.2.1): a message to a phone.
type Deliver struct {
	MoreMessages bool // more messages are waiting
	ReplyPath    bool
	UDHI         bool // the user data begins with a header
	StatusReport bool // the sender gets a status report
	From         Address
	PID, DCS     byte
	// Time is when the service centre received the message: whole seconds, years
	// 2000 to 2099, in a zone of whole quarters of an hour. Zero: unknown.
	Time time.Time
	// UD is the user data including the header, at most MaxUserData octets. In the
	// default alphabet it is packed.
	UD []byte
	// Septets is the length of UD in the default alphabet, including the septets
	// that the header takes up; 0 in other codings.
	Septets int
}

// MarshalBinary encodes the TPDU.
func (d *Deliver) MarshalBinary() ([]byte, error) {
	first := byte(mtiDeliver) | flag(!d.MoreMessages, bitNoMoreMessages) | flag(d.StatusReport, bitStatusReport) |
		flag(d.UDHI, bitUDHI) | flag(d.ReplyPath, bitReplyPath)
	b, err := d.From.append([]byte{first})
	if err != nil {
		return nil, err
	}
	if b, err = appendTimestamp(append(b, d.PID, d.DCS), d.Time); err != nil {
		return nil, err
	}
	return appendUserData(b, d.DCS, d.UD, d.Septets, MaxUserData)
}

// ParseDeliver decodes a TPDU from the service centre.
func ParseDeliver(tpdu []byte) (*Deliver, error) {
	in := cryptobyte.String(tpdu)
	d := new(Deliver)
	var first byte
	if !in.ReadUint8(&first) || first&mtiMask != mtiDeliver {
		return nil, fmt.Errorf("%w: not an SMS-DELIVER", ErrMalformed)
	}
	d.MoreMessages = first&bitNoMoreMessages == 0
	d.StatusReport = first&bitStatusReport != 0
	d.UDHI = first&bitUDHI != 0
	d.ReplyPath = first&bitReplyPath != 0
	if err := readAddress(&in, &d.From); err != nil {
		return nil, err
	}
	if !in.ReadUint8(&d.PID) || !in.ReadUint8(&d.DCS) || !readTimestamp(&in, &d.Time) {
		return nil, fmt.Errorf("%w: a truncated SMS-DELIVER", ErrMalformed)
	}
	var err error
	d.UD, d.Septets, err = readUserData(&in, d.DCS, MaxUserData)
	if err != nil {
		return nil, err
	}
	return d, nil
}

// Unpacked returns the user data; in the default alphabet, with one septet in each
// octet after the header. In this form the parts of a text can be reassembled
// (Reassembler.Add, if UDHI is set) and decoded (DecodeText).
func (d *Deliver) Unpacked() ([]byte, error) { return unpacked(d.DCS, d.UDHI, d.UD, d.Septets) }

func flag(set bool, bit byte) byte {
	if set {
		return bit
	}
	return 0
}
