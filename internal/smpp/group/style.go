package group

import (
	"time"

	"github.com/signum-mssp/signum/internal/smpp"
)

// Style is how an SMSC wants its messages. The zero value changes nothing.
type Style struct {
	ServiceType string
	Source      smpp.Address // of requests to cards, to which they answer; empty: that of the service
	TextSource  smpp.Address // of text messages; empty: that of the service
	// DestTON and DestNPI are the type of number and numbering plan of phones; nil:
	// international, ISDN.
	DestTON, DestNPI *byte
	MaxValidity      time.Duration // of a message; 0: as long as it is useful
	NoReceipts       bool          // do not ask for delivery receipts
	Mode             *byte         // of requests to cards, of esm_class; nil: smpp.ModeTransaction
	Alphabet         Alphabet      // of texts
}

// Alphabet is what data_coding 0 means to an SMSC.
type Alphabet uint8

// The alphabets. A text that has another character is sent in UCS-2.
const (
	GSM    Alphabet = iota // TS 23.038, one septet in each octet
	Latin1                 // ISO 8859-1
	UCS2                   // no text is sent with data_coding 0
)

// Dest returns the address of a phone, digits without a plus sign.
func (s *Style) Dest(digits string) smpp.Address {
	a := smpp.Address{TON: smpp.TONInternational, NPI: smpp.NPIISDN, Addr: digits}
	if s.DestTON != nil {
		a.TON = *s.DestTON
	}
	if s.DestNPI != nil {
		a.NPI = *s.DestNPI
	}
	return a
}

// RequestMode is the mode of requests to cards.
func (s *Style) RequestMode() byte {
	if s.Mode != nil {
		return *s.Mode
	}
	return smpp.ModeTransaction
}

// Validity returns how long the SMSC may try: useful, or less.
func (s *Style) Validity(useful time.Duration) time.Duration {
	if s.MaxValidity > 0 {
		return min(useful, s.MaxValidity)
	}
	return useful
}
