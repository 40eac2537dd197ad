package sms

import (
	"bytes"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
)

// MaxUserData is the room for user data in an SMS-DELIVER and an SMS-SUBMIT, in
// octets.
const MaxUserData = 140

// appendUserData encodes TP-UDL and TP-UD. TP-UDL counts octets; in the default
// alphabet it counts septets, including those that the header takes up.
func appendUserData(b []byte, dcs byte, ud []byte, septets, room int) ([]byte, error) {
	if len(ud) > room {
		return nil, fmt.Errorf("sms: %d octets of user data, there is room for %d", len(ud), room)
	}
	length := len(ud)
	if AlphabetOf(dcs) == GSM7 {
		if septets < 0 || packedSize(septets) != len(ud) {
			return nil, fmt.Errorf("sms: %d octets of user data for %d septets", len(ud), septets)
		}
		length = septets
	}
	return append(append(b, byte(length)), ud...), nil
}

// readUserData decodes TP-UDL and TP-UD, which end the TPDU.
func readUserData(in *cryptobyte.String, dcs byte, room int) (ud []byte, septets int, err error) {
	var length byte
	if !in.ReadUint8(&length) {
		return nil, 0, fmt.Errorf("%w: there is no user data", ErrMalformed)
	}
	size := int(length)
	if AlphabetOf(dcs) == GSM7 {
		septets, size = size, packedSize(size)
	}
	if size != len(*in) || size > room {
		return nil, 0, fmt.Errorf("%w: %d octets of user data expected, %d found", ErrMalformed, size, len(*in))
	}
	return bytes.Clone(*in), septets, nil
}

// unpacked returns the user data; in the default alphabet, with one septet in each
// octet after the header.
func unpacked(dcs byte, udhi bool, ud []byte, septets int) ([]byte, error) {
	if AlphabetOf(dcs) != GSM7 {
		return bytes.Clone(ud), nil
	}
	if !udhi {
		return UnpackGSM7(ud, septets), nil
	}
	if _, _, err := ParseUserData(ud); err != nil {
		return nil, err
	}
	header := 1 + int(ud[0])
	all := UnpackGSM7(ud, septets)
	return append(ud[:header:header], all[min(len(all), headerSeptets(header)):]...), nil
}

// headerSeptets is the number of septets that a header of n octets takes up; the
// text begins with the next one.
func headerSeptets(n int) int { return (n*8 + 6) / 7 }
