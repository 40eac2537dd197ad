package policy

import (
	"encoding/base64"
	"strings"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// ReceiptMessage checks the text of a receipt in the same way as that of a
// signature: type (101), prefix (107) unless the party's receipts need none, length (103). An encrypted text cannot
// be checked, so a party needs the right to send one (101). The message is returned
// in the form that the phone gets.
func ReceiptMessage(p *mssp.Party, m *signum.DataToBeSigned) (mime, message string, err error) {
	switch mime = mimeType(m.MimeType); mime {
	case signum.MimeText:
		prefix := p.DTBDPrefix
		if p.UnprefixedReceipts {
			prefix = ""
		}
		return mime, m.Data, text(m, prefix)
	case signum.MimeRSAMessage:
		if !p.EncryptedReceipts {
			return mime, "", wrong("Encrypted receipts are not allowed for this AP")
		}
		if m.Encoding != "" && !strings.EqualFold(m.Encoding, "BASE64") {
			return mime, "", wrong("Encoding of an encrypted receipt is not BASE64")
		}
		message = strings.Join(strings.Fields(m.Data), "")
		if _, err := base64.StdEncoding.DecodeString(message); err != nil || message == "" {
			return mime, "", wrong("The encrypted receipt is not Base64")
		}
		return mime, message, nil
	}
	return mime, "", wrong("MimeType of the receipt is not supported")
}

// ReceiptDevice finds the device that signed, if it can still show something.
// It refuses with 105, 403, 404, 402 or 422 as for a signature, and with 101 if
// the receipt is encrypted and the device is not a SIM with an RSA key.
func ReceiptDevice(s *mssp.Subscriber, deviceID, mime string, now time.Time) (*mssp.Device, error) {
	if s == nil {
		return nil, noAccount()
	}
	if s.State != mssp.SubscriberActive {
		return nil, suspended()
	}
	var d *mssp.Device
	for i := range s.Devices {
		if s.Devices[i].ID == deviceID {
			d = &s.Devices[i]
		}
	}
	if d == nil || d.State != signum.DeviceActive {
		return nil, mssp.Noted(signum.NewFault(signum.NoKeyFound), "device %s, which signed, is not active: %s", deviceID, states(s))
	}
	if d.PINBlocked {
		return nil, blocked(d)
	}
	if _, err := certified(d, now); err != nil {
		return nil, err
	}
	if mime == signum.MimeRSAMessage && (!mssp.MethodOf(d.Method).EncryptedReceipts || d.KeyType != signum.RSA) {
		return nil, wrong("An encrypted receipt needs a SIM with an RSA key")
	}
	return d, nil
}
