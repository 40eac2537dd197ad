package handset

import (
	"time"

	"github.com/signum-mssp/signum/internal/sms"
)

// How long the parts of a text message wait for the others, and how many a
// handset keeps of those that one sender began.
const (
	textLifetime = 10 * time.Minute
	textParts    = 32
)

// noClass is the class of a message that has none; 0 to 3 are those of 3GPP TS
// 23.038.
const (
	noClass    = -1
	classFlash = 0
	classCard  = 2
)

// classOf is the message class of a data coding scheme.
func classOf(dcs byte) int {
	if dcs&0x90 == 0x10 || dcs&0xf0 == 0xf0 {
		return int(dcs & 3)
	}
	return noClass
}

// decodeText reads the text of a proactive command: a data coding scheme and
// the text (TS 102 223, clause 8.15). An empty value is no text.
func decodeText(b []byte) (string, error) {
	if len(b) == 0 {
		return "", nil
	}
	switch data := b[1:]; sms.AlphabetOf(b[0]) {
	case sms.UCS2:
		return sms.DecodeUCS2(data)
	case sms.Octets:
		return sms.DecodeGSM7(data) // one septet in each
	default:
		n := len(data) * 8 / 7
		septets := sms.UnpackGSM7(data, n)
		// Seven bits that are left over hold a CR, or they would be an @ (TS
		// 23.038, clause 6.1.2.3.1).
		if n > 0 && n%8 == 0 && septets[n-1] == '\r' {
			septets = septets[:n-1]
		}
		return sms.DecodeGSM7(septets)
	}
}

// encodeInput is decodeText the other way, for what was keyed in: in UCS2 if
// the card wants that or nothing else has the characters, in packed septets if
// it wants those, and else with a septet in each octet.
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

// assemble reads a text message; false while parts of it are missing.
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
