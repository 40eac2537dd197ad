package ca

import (
	"crypto/rand"
	"strings"
)

// The account serial of a subscriber: serialPrefix and serialRandom characters
// of serialAlphabet.
const (
	serialPrefix   = "MIDCHE"
	serialRandom   = 10
	serialAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
)

// NewSerial is a random account serial: MIDCHE and 10 characters [A-Z0-9]. It
// identifies a mobile user in every certificate of theirs and has nothing to do
// with the serial number of a certificate. All 36^10 are equally likely.
func NewSerial() string {
	const fair = 256 - 256%len(serialAlphabet) // bytes from here on would favour some characters
	b := append(make([]byte, 0, len(serialPrefix)+serialRandom), serialPrefix...)
	var buf [2 * serialRandom]byte
	for {
		_, _ = rand.Read(buf[:]) // never fails
		for _, r := range buf {
			if int(r) >= fair {
				continue
			}
			b = append(b, serialAlphabet[int(r)%len(serialAlphabet)])
			if len(b) == len(serialPrefix)+serialRandom {
				return string(b)
			}
		}
	}
}

// ValidSerial reports whether s has the form of an account serial.
func ValidSerial(s string) bool {
	random, ok := strings.CutPrefix(s, serialPrefix)
	return ok && len(random) == serialRandom && strings.Trim(random, serialAlphabet) == ""
}
