package smsc

import (
	"strings"
	"time"

	"github.com/signum-mssp/signum/internal/smpp"
	"github.com/signum-mssp/signum/internal/sms"
)

// The data_coding values that are not data coding schemes of TS 23.038 (SMPP 3.4,
// 5.2.19). Any other value is one and is passed on.
const (
	codingASCII   = 0x01
	codingOctets  = 0x02
	codingLatin1  = 0x03
	codingOctets8 = 0x04
	dcsOctets     = 0x04
	maxSeptets    = sms.MaxUserData * 8 / 7
)

// msisdnOf returns a number with its plus sign; false if the address is not a
// number. An address without a type counts as international.
func msisdnOf(a smpp.Address) (string, bool) {
	digits := a.Addr
	if a.TON != smpp.TONInternational {
		digits = strings.TrimPrefix(digits, "00")
	}
	digits = strings.TrimPrefix(digits, "+")
	if digits == "" || a.TON > smpp.TONInternational || strings.Trim(digits, "0123456789") != "" {
		return "", false
	}
	return "+" + digits, true
}

// deliverOf returns the message that a phone gets for a submit_sm.
func deliverOf(m *smpp.SubmitSM, now time.Time) (*sms.Deliver, smpp.Status) {
	d := &sms.Deliver{
		ReplyPath: m.ESMClass&smpp.ReplyPath != 0, UDHI: m.ESMClass&smpp.UDHI != 0,
		From: sms.Address{TON: m.Source.TON, NPI: m.Source.NPI, Digits: m.Source.Addr},
		PID:  m.ProtocolID, Time: now.UTC().Truncate(time.Second),
	}
	if v, ok := smpp.FindTLV(m.TLVs, smpp.TagMoreMessages); ok && len(v) == 1 {
		d.MoreMessages = v[0] == 1
	}
	head, text := []byte(nil), m.ShortMessage
	if d.UDHI {
		_, rest, err := sms.ParseUserData(m.ShortMessage)
		if err != nil {
			return nil, smpp.StatusInvESMClass
		}
		head, text = m.ShortMessage[:len(m.ShortMessage)-len(rest)], rest
	}
	var ok bool
	if d.DCS, text, ok = recode(m.DataCoding, text); !ok {
		return nil, smpp.StatusInvMsgLen
	}
	if sms.AlphabetOf(d.DCS) == sms.GSM7 {
		d.UD, d.Septets = pack(head, text)
	} else {
		d.UD = append(head[:len(head):len(head)], text...)
	}
	if len(d.UD) > sms.MaxUserData || d.Septets > maxSeptets {
		return nil, smpp.StatusInvMsgLen
	}
	return d, smpp.StatusOK
}

// recode returns the data coding scheme for a data_coding, and the text in it:
// septets of the default alphabet, one in each octet, or unchanged octets.
func recode(coding byte, text []byte) (dcs byte, out []byte, ok bool) {
	switch coding {
	case codingASCII, codingLatin1:
		runes := make([]rune, len(text))
		for i, c := range text {
			runes[i] = rune(c)
		}
		if septets, ok := sms.EncodeGSM7(string(runes)); ok {
			return sms.DCSText, septets, true
		}
		out, ok = sms.EncodeUCS2(string(runes))
		return sms.DCSTextUCS2, out, ok
	case codingOctets, codingOctets8:
		return dcsOctets, text, true
	}
	if sms.AlphabetOf(coding) == sms.GSM7 {
		for _, c := range text {
			if c > 0x7f {
				return 0, nil, false
			}
		}
	}
	return coding, text, true
}

// pack packs septets behind a header. The header counts in whole septets, so fill
// bits follow it (TS 23.040, 9.2.3.24).
func pack(head, septets []byte) (ud []byte, n int) {
	room := (8*len(head) + 6) / 7
	all := append(make([]byte, room, room+len(septets)), septets...)
	ud = sms.PackGSM7(all)
	copy(ud, head)
	return ud, len(all)
}

// deliverSMOf returns the message that an ESME gets for a phone's SMS-SUBMIT.
func deliverSMOf(msisdn string, sub *sms.Submit) (*smpp.DeliverSM, error) {
	text, err := sub.Unpacked()
	if err != nil {
		return nil, err
	}
	d := &smpp.DeliverSM{
		Source:     smpp.Address{TON: smpp.TONInternational, NPI: smpp.NPIISDN, Addr: strings.TrimPrefix(msisdn, "+")},
		Dest:       smpp.Address{TON: sub.To.TON, NPI: sub.To.NPI, Addr: sub.To.Digits},
		ProtocolID: sub.PID, DataCoding: sub.DCS, ShortMessage: text,
	}
	if sub.UDHI {
		d.ESMClass |= smpp.UDHI
	}
	if sub.ReplyPath {
		d.ESMClass |= smpp.ReplyPath
	}
	_, err = smpp.PDU{Sequence: 1, Body: d}.Marshal()
	return d, err
}
