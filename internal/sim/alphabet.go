package sim

import (
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/smpp/group"
	"github.com/signum-mssp/signum/internal/sms"
)

// splitText cuts a text into messages. It is sent with data_coding 0 if a phone can show
// it in the alphabet of TS 23.038 and the SMSC can be given it in its own: an SMSC turns
// Latin-1 into that alphabet, and what is missing there into question marks.
func splitText(m *mssp.TextMessage, a group.Alphabet, ref byte) ([]sms.Text, error) {
	if a == group.UCS2 || a == group.Latin1 && !isLatin1(m.Text) {
		return sms.SplitUCS2(m.Text, m.Flash, ref)
	}
	return sms.SplitText(m.Text, m.Flash, ref)
}

func isLatin1(text string) bool {
	for _, r := range text {
		if r > 0xFF {
			return false
		}
	}
	return true
}

// textBody returns a text in the form of SMPP. With data_coding 0, each octet after the
// header is a septet or a character of Latin-1; the SMSC packs it.
func textBody(t *sms.Text, a group.Alphabet) ([]byte, error) {
	d := sms.Deliver{UDHI: t.UDHI, DCS: t.DCS, UD: t.UD, Septets: t.Septets}
	body, err := d.Unpacked()
	if err != nil || a != group.Latin1 || sms.AlphabetOf(t.DCS) != sms.GSM7 {
		return body, err
	}
	header := 0
	if t.UDHI {
		header = 1 + int(body[0])
	}
	text, err := sms.DecodeGSM7(body[header:])
	if err != nil {
		return nil, err
	}
	latin := body[:header:header]
	for _, r := range text {
		latin = append(latin, byte(r))
	}
	return latin, nil
}
