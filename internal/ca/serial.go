package ca

import (
	"crypto/rand"
	"strings"
)

// An account serial consists of serialPrefix and serialRandom characters of
// serialAlphabet.
const (
	serialPrefix   = "MIDCHE"
	serialRandom   = 10
	serialAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
)

// NewSerial returns a random account serial: MIDCHE and 10 characters [A-Z0-9]. It
// identifies a mobile user in all their certificates; the serial number of a
// certificate is something else. All 36^10 values are equally likely.
func NewSerial() string {
	const fair = 256 - 256%len(serialAlphabet) // higher bytes would make some characters more likely
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
