package sms

import (
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
)

// A time stamp (TS 23.040, clause 9.2.3.11) has year, month, day, hour, minute and
// second of local time, two digits each, and the zone in quarters of an hour.
const (
	timestampSize = 7
	quarter       = 15 * time.Minute
	maxQuarters   = 79
)

// appendTimestamp encodes the time in its own zone, or in UTC if the offset of the
// zone is not a multiple of a quarter of an hour. The zero time becomes seven
// zeros, which are not a valid time stamp.
func appendTimestamp(b []byte, t time.Time) ([]byte, error) {
	if t.IsZero() {
		return append(b, make([]byte, timestampSize)...), nil
	}
	_, offset := t.Zone()
	quarters := offset / int(quarter/time.Second)
	if offset%int(quarter/time.Second) != 0 || quarters > maxQuarters || quarters < -maxQuarters {
		t, quarters = t.UTC(), 0
	}
	if t.Year() < 2000 || t.Year() > 2099 {
		return nil, fmt.Errorf("sms: a time stamp cannot hold the year %d", t.Year())
	}
	for _, n := range []int{t.Year() - 2000, int(t.Month()), t.Day(), t.Hour(), t.Minute(), t.Second()} {
		b = append(b, semiOctets(n))
	}
	if quarters < 0 {
		return append(b, semiOctets(-quarters)|0x08), nil
	}
	return append(b, semiOctets(quarters)), nil
}

// readTimestamp decodes a time stamp. An invalid one becomes the zero time: the
// message is usable without it.
func readTimestamp(in *cryptobyte.String, t *time.Time) bool {
	var b []byte
	if !in.ReadBytes(&b, timestampSize) {
		return false
	}
	*t = time.Time{}
	var n [6]int
	for i := range n {
		if n[i] = digits(b[i]); n[i] < 0 {
			return true
		}
	}
	quarters := digits(b[6] &^ 0x08)
	if quarters < 0 {
		return true
	}
	if b[6]&0x08 != 0 {
		quarters = -quarters
	}
	zone := time.UTC
	if quarters != 0 {
		zone = time.FixedZone("", quarters*int(quarter/time.Second))
	}
	got := time.Date(2000+n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], 0, zone)
	// time.Date normalises the 31st of June or the 25th hour to another time.
	if got.Year() == 2000+n[0] && int(got.Month()) == n[1] && got.Day() == n[2] &&
		got.Hour() == n[3] && got.Minute() == n[4] && got.Second() == n[5] {
		*t = got
	}
	return true
}

// semiOctets encodes a number of two digits, the tens in the low half.
func semiOctets(n int) byte { return byte(n%10<<4 | n/10) }

// digits decodes semi-octets; -1 if they are not digits.
func digits(b byte) int {
	tens, ones := int(b&0x0f), int(b>>4)
	if tens > 9 || ones > 9 {
		return -1
	}
	return 10*tens + ones
}
