package scp80

import "fmt"

// Status is a response status code (ETSI TS 102 225, clause 5.2, table 5). As an
// error it is the receiver's answer to a packet; OK is never returned as an error.
type Status byte

// The codes that this package or a receiver of its packets uses.
const (
	OK                   Status = 0x00
	IntegrityFailed      Status = 0x01 // RC, CC or DS failed
	CounterLow           Status = 0x02
	CounterHigh          Status = 0x03
	CounterBlocked       Status = 0x04
	CipherError          Status = 0x05
	SecurityError        Status = 0x06 // unidentified: an algorithm or key that does not exist
	MemoryError          Status = 0x07
	MoreTime             Status = 0x08
	TARUnknown           Status = 0x09
	InsufficientSecurity Status = 0x0a
)

var statusText = map[Status]string{
	OK:                   "OK",
	IntegrityFailed:      "the integrity check failed",
	CounterLow:           "the counter is too low",
	CounterHigh:          "the counter is too high",
	CounterBlocked:       "the counter is blocked",
	CipherError:          "ciphering error",
	SecurityError:        "security error",
	MemoryError:          "insufficient memory",
	MoreTime:             "the card needs more time",
	TARUnknown:           "the TAR is unknown",
	InsufficientSecurity: "the security level is insufficient",
}

func (s Status) String() string {
	if text, ok := statusText[s]; ok {
		return text
	}
	return fmt.Sprintf("status %02X", byte(s))
}

func (s Status) Error() string { return "scp80: " + s.String() }
