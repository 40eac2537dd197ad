package sms

import (
	"fmt"

	"golang.org/x/crypto/cryptobyte"
)

// Failure is TP-FCS, the reason why a phone refuses a message (TS 23.040, clause
// 9.2.3.22): 0x80 to 0xff. As an error it is the answer to an SMS-DELIVER.
type Failure byte

// Causes of failure.
const (
	FailureNone           Failure = 0
	FailureMemoryFull     Failure = 0xd3
	FailureToolkitBusy    Failure = 0xd4 // the SIM is in a dialogue; the message may be sent again later
	FailureDataDownload   Failure = 0xd5 // the SIM refused it
	FailureUnspecified    Failure = 0xff
	smallestFailure       Failure = 0x80
	maxReportData                 = 159 // octets in an RP-ACK
	maxReportErrorData            = 158 // octets in an RP-ERROR
	parameterPID                  = 0x01
	parameterDCS                  = 0x02
	parameterUD                   = 0x04
	parameterExtension            = 0x80
	reservedParameterBits         = 0x78
)

func (f Failure) Error() string {
	switch f {
	case FailureMemoryFull:
		return "sms: the memory of the phone is full"
	case FailureToolkitBusy:
		return "sms: the toolkit of the SIM is busy"
	case FailureDataDownload:
		return "sms: the SIM refused the data"
	}
	return fmt.Sprintf("sms: delivery failed with cause %02X", byte(f))
}

// Report is an SMS-DELIVER-REPORT (TS 23.040, clause 9.2.2.1a): the answer of a
// phone to an SMS-DELIVER.
//
// In the network, the surrounding RP message tells an acknowledgement from an
// error. Here the octets alone are enough: the second octet is 0x80 or more in an
// error, where it is the cause, and less in an acknowledgement, where it is the
// parameter indicator.
type Report struct {
	Failure Failure // FailureNone: an acknowledgement
	UDHI    bool
	// UD is the answer of the SIM, in the coding of DCS; nil if there is none. At
	// most 159 octets, 158 with a failure.
	PID, DCS byte
	UD       []byte
	Septets  int
}

// MarshalBinary encodes the TPDU.
func (r *Report) MarshalBinary() ([]byte, error) {
	b := []byte{mtiReport | flag(r.UDHI, bitUDHI)}
	room := maxReportData
	if r.Failure != FailureNone {
		if r.Failure < smallestFailure {
			return nil, fmt.Errorf("sms: %02X is not a cause of failure", byte(r.Failure))
		}
		b = append(b, byte(r.Failure))
		room = maxReportErrorData
	}
	at := len(b)
	b = append(b, 0)
	if r.UD != nil || r.PID != 0 {
		b[at] |= parameterPID
		b = append(b, r.PID)
	}
	if r.UD != nil || r.DCS != 0 {
		b[at] |= parameterDCS
		b = append(b, r.DCS)
	}
	if r.UD == nil {
		return b, nil
	}
	b[at] |= parameterUD
	return appendUserData(b, r.DCS, r.UD, r.Septets, room)
}

// ParseReport decodes the answer of a phone.
func ParseReport(tpdu []byte) (*Report, error) {
	in := cryptobyte.String(tpdu)
	r := new(Report)
	var first, parameters byte
	if !in.ReadUint8(&first) || first&mtiMask != mtiReport || !in.ReadUint8(&parameters) {
		return nil, fmt.Errorf("%w: not an SMS-DELIVER-REPORT", ErrMalformed)
	}
	r.UDHI = first&bitUDHI != 0
	room := maxReportData
	if Failure(parameters) >= smallestFailure {
		r.Failure = Failure(parameters)
		room = maxReportErrorData
		if !in.ReadUint8(&parameters) {
			return nil, fmt.Errorf("%w: a truncated report", ErrMalformed)
		}
	}
	if parameters&(parameterExtension|reservedParameterBits) != 0 {
		return nil, fmt.Errorf("%w: a report with the parameters %02X", ErrMalformed, parameters)
	}
	if parameters&parameterPID != 0 && !in.ReadUint8(&r.PID) || parameters&parameterDCS != 0 && !in.ReadUint8(&r.DCS) {
		return nil, fmt.Errorf("%w: a truncated report", ErrMalformed)
	}
	if parameters&parameterUD != 0 {
		var err error
		if r.UD, r.Septets, err = readUserData(&in, r.DCS, room); err != nil {
			return nil, err
		}
		if r.UD == nil {
			r.UD = []byte{} // present, but empty
		}
		return r, nil
	}
	if len(in) > 0 {
		return nil, fmt.Errorf("%w: octets after a report", ErrMalformed)
	}
	return r, nil
}
