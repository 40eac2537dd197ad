package sms

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/cryptobyte"
)

// ErrMalformed means that octets cannot be decoded.
var ErrMalformed = errors.New("sms: malformed")

// Types of number and numbering plans (TS 23.040, clause 9.1.2.5).
const (
	TONUnknown       = 0
	TONInternational = 1
	TONAlphanumeric  = 5

	NPIUnknown = 0
	NPIISDN    = 1 // E.164
)

// maxAddress is the greatest length of an address in semi-octets.
const maxAddress = 20

// Address is an originating or destination address (TS 23.040, clause 9.1.2.5).
// Digits has up to 20 characters out of 0-9 * # a b c. If TON is TONAlphanumeric,
// it is a name of up to 11 septets in the GSM alphabet.
type Address struct {
	TON, NPI byte // 0 to 7, 0 to 15
	Digits   string
}

// International returns the address of a number with country code, with or without
// a plus sign.
func International(msisdn string) Address {
	return Address{TON: TONInternational, NPI: NPIISDN, Digits: strings.TrimPrefix(msisdn, "+")}
}

// addressDigits are the digits by semi-octet; filler pads the last octet.
const addressDigits = "0123456789*#abc"

const filler = 0x0f

func (a Address) append(b []byte) ([]byte, error) {
	if a.TON > 7 || a.NPI > 15 {
		return nil, fmt.Errorf("sms: there is no type of number %d with numbering plan %d", a.TON, a.NPI)
	}
	toa := 0x80 | a.TON<<4 | a.NPI
	if a.TON == TONAlphanumeric {
		septets, ok := EncodeGSM7(a.Digits)
		n := (len(septets)*7 + 3) / 4
		if !ok || n > maxAddress {
			return nil, errors.New("sms: the name is too long for an address or not in the GSM alphabet")
		}
		return append(append(b, byte(n), toa), PackGSM7(septets)...), nil
	}
	if len(a.Digits) > maxAddress {
		return nil, fmt.Errorf("sms: an address of %d digits", len(a.Digits))
	}
	b = append(b, byte(len(a.Digits)), toa)
	for i := 0; i < len(a.Digits); i += 2 {
		low, high := strings.IndexByte(addressDigits, a.Digits[i]), filler
		if i+1 < len(a.Digits) {
			high = strings.IndexByte(addressDigits, a.Digits[i+1])
		}
		if low < 0 || high < 0 {
			return nil, errors.New("sms: an address with a character that is not a digit")
		}
		b = append(b, byte(high<<4|low))
	}
	return b, nil
}

func readAddress(in *cryptobyte.String, a *Address) error {
	var n, toa byte
	var value []byte
	switch {
	case !in.ReadUint8(&n) || !in.ReadUint8(&toa) || !in.ReadBytes(&value, (int(n)+1)/2):
		return fmt.Errorf("%w: the address is cut short", ErrMalformed)
	case n > maxAddress || toa&0x80 == 0:
		return fmt.Errorf("%w: an address of type %02X and length %d", ErrMalformed, toa, n)
	}
	*a = Address{TON: toa >> 4 & 7, NPI: toa & 0x0f}
	if a.TON == TONAlphanumeric {
		name, err := DecodeGSM7(UnpackGSM7(value, int(n)*4/7))
		a.Digits = name
		return err
	}
	digits := make([]byte, n)
	for i := range digits {
		d := value[i/2] >> (4 * (i % 2)) & 0x0f
		if d == filler {
			return fmt.Errorf("%w: an address with a gap", ErrMalformed)
		}
		digits[i] = addressDigits[d]
	}
	a.Digits = string(digits)
	return nil
}

// AddressField encodes the address as in a TPDU: length in semi-octets, type,
// digits. An address of the SIM Toolkit (TS 102 223, clause 8.1) is the same
// without the length.
func (a Address) AddressField() ([]byte, error) { return a.append(nil) }
