package sms

import (
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
)

// Bits of the first octet of an SMS-SUBMIT; the others are those of an
// SMS-DELIVER.
const (
	bitRejectDuplicates = 0x04
	validityMask        = 0x18
	validityRelative    = 0x10
	validityEnhanced    = 0x08
	validityAbsolute    = 0x18
)

// Submit is an SMS-SUBMIT (TS 23.040, clause 9.2.2.2): a message from a phone.
type Submit struct {
	RejectDuplicates bool
	ReplyPath        bool
	UDHI             bool // the user data begins with a header
	StatusReport     bool // requests a status report
	Reference        byte // TP-MR
	To               Address
	PID, DCS         byte
	// Validity is how long the service centre keeps trying, at most 63 weeks. It is
	// rounded up to the next step: 5 minutes up to 12 hours, then half hours, days,
	// weeks. Zero: see Expires.
	Validity time.Duration
	// Expires is the end of the validity as a point in time. If both are zero, the
	// service centre decides.
	Expires time.Time
	UD      []byte // see Deliver
	Septets int    // see Deliver
}

// MarshalBinary encodes the TPDU.
func (s *Submit) MarshalBinary() ([]byte, error) {
	first := byte(mtiSubmit) | flag(s.RejectDuplicates, bitRejectDuplicates) | flag(s.StatusReport, bitStatusReport) |
		flag(s.UDHI, bitUDHI) | flag(s.ReplyPath, bitReplyPath)
	switch {
	case s.Validity != 0:
		first |= validityRelative
	case !s.Expires.IsZero():
		first |= validityAbsolute
	}
	b, err := s.To.append([]byte{first, s.Reference})
	if err != nil {
		return nil, err
	}
	b = append(b, s.PID, s.DCS)
	switch first & validityMask {
	case validityRelative:
		v, err := relativeValidity(s.Validity)
		if err != nil {
			return nil, err
		}
		b = append(b, v)
	case validityAbsolute:
		if b, err = appendTimestamp(b, s.Expires); err != nil {
			return nil, err
		}
	}
	return appendUserData(b, s.DCS, s.UD, s.Septets, MaxUserData)
}

// ParseSubmit decodes a TPDU from a phone. An enhanced validity period is decoded
// if it is a duration.
func ParseSubmit(tpdu []byte) (*Submit, error) {
	in := cryptobyte.String(tpdu)
	s := new(Submit)
	var first byte
	if !in.ReadUint8(&first) || first&mtiMask != mtiSubmit {
		return nil, fmt.Errorf("%w: not an SMS-SUBMIT", ErrMalformed)
	}
	s.RejectDuplicates = first&bitRejectDuplicates != 0
	s.StatusReport = first&bitStatusReport != 0
	s.UDHI = first&bitUDHI != 0
	s.ReplyPath = first&bitReplyPath != 0
	if !in.ReadUint8(&s.Reference) {
		return nil, fmt.Errorf("%w: a truncated SMS-SUBMIT", ErrMalformed)
	}
	if err := readAddress(&in, &s.To); err != nil {
		return nil, err
	}
	if !in.ReadUint8(&s.PID) || !in.ReadUint8(&s.DCS) || !s.readValidity(&in, first&validityMask) {
		return nil, fmt.Errorf("%w: a truncated SMS-SUBMIT", ErrMalformed)
	}
	var err error
	s.UD, s.Septets, err = readUserData(&in, s.DCS, MaxUserData)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Unpacked returns the user data as Deliver.Unpacked does.
func (s *Submit) Unpacked() ([]byte, error) { return unpacked(s.DCS, s.UDHI, s.UD, s.Septets) }

func (s *Submit) readValidity(in *cryptobyte.String, format byte) bool {
	switch format {
	case validityRelative:
		var v byte
		ok := in.ReadUint8(&v)
		s.Validity = relativeDuration(v)
		return ok
	case validityAbsolute:
		return readTimestamp(in, &s.Expires)
	case validityEnhanced:
		var b []byte
		if !in.ReadBytes(&b, timestampSize) {
			return false
		}
		s.Validity = enhancedDuration(b)
	}
	return true
}

const (
	day  = 24 * time.Hour
	week = 7 * day
)

// relativeDuration decodes a relative period (TS 23.040, clause 9.2.3.12.1).
func relativeDuration(v byte) time.Duration {
	n := time.Duration(v)
	switch {
	case v <= 143:
		return (n + 1) * 5 * time.Minute
	case v <= 167:
		return 12*time.Hour + (n-143)*30*time.Minute
	case v <= 196:
		return (n - 166) * day
	default:
		return (n - 192) * week
	}
}

// relativeValidity encodes the shortest period that is not shorter than d.
func relativeValidity(d time.Duration) (byte, error) {
	if d <= 0 || d > relativeDuration(255) {
		return 0, fmt.Errorf("sms: a validity of %v cannot be encoded", d)
	}
	v := 0
	for relativeDuration(byte(v)) < d {
		v++
	}
	return byte(v), nil
}

// enhancedDuration decodes an enhanced period (clause 9.2.3.12.3) that is relative,
// in seconds, or in hours, minutes and seconds. It returns 0 for any other.
func enhancedDuration(b []byte) time.Duration {
	switch b[0] & 0x07 {
	case 1:
		return relativeDuration(b[1])
	case 2:
		return time.Duration(b[1]) * time.Second
	case 3:
		h, m, s := digits(b[1]), digits(b[2]), digits(b[3])
		if h < 0 || m < 0 || s < 0 {
			return 0
		}
		return time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(s)*time.Second
	}
	return 0
}
