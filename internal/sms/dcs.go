package sms

// Alphabet is the alphabet of user data, according to its data coding scheme.
type Alphabet byte

// The alphabets of TS 23.038, clause 4.
const (
	GSM7   Alphabet = iota // the default alphabet, packed
	Octets                 // 8-bit data
	UCS2
)

// Data coding schemes that are sent.
const (
	DCSText      = 0x00
	DCSTextUCS2  = 0x08
	DCSFlash     = 0x10 // class 0: shown at once, not stored
	DCSFlashUCS2 = 0x18
	DCSCard      = 0xf6 // class 2, 8-bit data: for the SIM
)

// PIDDataDownload is the protocol identifier of SIM data download (TS 23.040,
// clause 9.2.3.9).
const PIDDataDownload = 0x7f

// AlphabetOf returns the alphabet of a data coding scheme. Compressed text counts
// as octets, reserved codings as the default alphabet (TS 23.038, clause 4).
func AlphabetOf(dcs byte) Alphabet {
	switch {
	case dcs&0x80 == 0: // general, or marked for deletion
		if dcs&0x20 != 0 {
			return Octets
		}
		switch dcs & 0x0c {
		case 0x04:
			return Octets
		case 0x08:
			return UCS2
		}
	case dcs&0xf0 == 0xe0: // message waiting
		return UCS2
	case dcs&0xf4 == 0xf4: // class of message
		return Octets
	}
	return GSM7
}
