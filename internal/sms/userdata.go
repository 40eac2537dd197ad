package sms

import (
	"bytes"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
)

// MaxUserData is the room in an SMS-DELIVER and an SMS-SUBMIT, in octets.
const MaxUserData = 140

// appendUserData writes TP-UDL and TP-UD. TP-UDL counts septets in the default
// alphabet, with those that the header takes up, and octets else.
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

// readUserData reads TP-UDL and TP-UD, which end the TPDU.
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
		return nil, 0, fmt.Errorf("%w: user data of %d octets, and there are %d", ErrMalformed, size, len(*in))
	}
	return bytes.Clone(*in), septets, nil
}

// unpacked is the user data with its header as it is, and then, in the default
// alphabet, one septet in each octet.
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

// headerSeptets is the number of septets in whose place a header of n octets
// stands; the text begins with the next one.
func headerSeptets(n int) int { return (n*8 + 6) / 7 }
