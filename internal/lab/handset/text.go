package handset

import (
	"time"

	"github.com/signum-mssp/signum/internal/sms"
)

// How long a handset keeps the parts of an incomplete text message, and how many parts of
// one sender.
const (
	textLifetime = 10 * time.Minute
	textParts    = 32
)

// Message classes. Classes 0 to 3 are those of 3GPP TS 23.038; noClass stands for a
// message without one.
const (
	noClass    = -1
	classFlash = 0
	classCard  = 2
)

// classOf returns the message class of a data coding scheme.
func classOf(dcs byte) int {
	if dcs&0x90 == 0x10 || dcs&0xf0 == 0xf0 {
		return int(dcs & 3)
	}
	return noClass
}

// decodeText decodes the text object of a proactive command: a data coding scheme and the
// text (TS 102 223, clause 8.15). An empty value means an empty text.
func decodeText(b []byte) (string, error) {
	if len(b) == 0 {
		return "", nil
	}
	switch data := b[1:]; sms.AlphabetOf(b[0]) {
	case sms.UCS2:
		return sms.DecodeUCS2(data)
	case sms.Octets:
		return sms.DecodeGSM7(data) // one septet per octet
	default:
		n := len(data) * 8 / 7
		septets := sms.UnpackGSM7(data, n)
		// Seven spare bits contain a CR, because zeros would be an @ (TS 23.038,
		// clause 6.1.2.3.1).
		if n > 0 && n%8 == 0 && septets[n-1] == '\r' {
			septets = septets[:n-1]
		}
		return sms.DecodeGSM7(septets)
	}
}

// encodeInput encodes what the user typed: in UCS2 if the card asks for it or the GSM
// alphabet lacks a character, in packed septets if the card asks for them, otherwise with
// one septet per octet.
func encodeInput(qualifier byte, input string) []byte {
	septets, ok := sms.EncodeGSM7(input)
	if qualifier&inputUCS2 != 0 || !ok {
		units, _ := sms.EncodeUCS2(input) // it is UTF-8
		return append([]byte{0x08}, units...)
	}
	if qualifier&inputPacked != 0 {
		if len(septets)%8 == 7 {
			septets = append(septets, '\r')
		}
		return append([]byte{0x00}, sms.PackGSM7(septets)...)
	}
	return append([]byte{0x04}, septets...)
}

// assemble decodes a text message. whole is false while parts are missing.
func (h *Network) assemble(msisdn string, d *sms.Deliver, now time.Time) (text string, whole bool, err error) {
	ud, err := d.Unpacked()
	if err != nil {
		return "", false, err
	}
	if d.UDHI {
		source := msisdn + "\x00" + d.From.Digits + "\x00" + string(rune(sms.AlphabetOf(d.DCS)))
		m, complete, err := h.parts.Add(now, source, ud)
		if err != nil || !complete {
			return "", false, err
		}
		ud = m.Packet
	}
	text, err = sms.DecodeText(d.DCS, ud)
	return text, err == nil, err
}
