package scp80

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
)

// MaxCounter is the highest value of a counter, which has 5 octets. A counter that
// has reached it is blocked.
const MaxCounter = 1<<40 - 1

// Integrity says how a packet is protected against changes.
type Integrity byte

// The coding of SPI1 bits 1-2 and SPI2 bits 3-4.
const (
	IntegrityNone Integrity = 0
	IntegrityRC   Integrity = 1 // a CRC: protects against accidents only
	IntegrityCC   Integrity = 2 // a cryptographic checksum
	IntegrityDS   Integrity = 3 // a digital signature: not supported
)

// PoR says when the card answers a command with a proof of receipt.
type PoR byte

// The coding of SPI2 bits 1-2.
const (
	PoRNone    PoR = 0
	PoRAlways  PoR = 1
	PoROnError PoR = 2
)

// CounterMode says how the receiver checks a counter.
type CounterMode byte

// The coding of SPI1 bits 4-5.
const (
	CounterNone      CounterMode = 0
	CounterUnchecked CounterMode = 1
	CounterHigher    CounterMode = 2
	CounterNext      CounterMode = 3 // exactly one higher
)

// TAR is a toolkit application reference: the address of an applet.
type TAR [3]byte

func (t TAR) String() string { return strings.ToUpper(hex.EncodeToString(t[:])) }

// Keys is a key set: KIc encrypts, KID authenticates. An AES key has 16, 24 or 32
// octets, a triple DES key 16 or 24.
type Keys struct{ KIc, KID []byte }

// String hides the keys.
func (Keys) String() string { return "(keys)" }

// GoString hides the keys.
func (Keys) GoString() string { return "scp80.Keys{}" }

// Params are the security parameters in the header of a command (TS 102 225, clause
// 5.1.1). In KIc and KID, the high nibble is the key set and the low nibble the
// algorithm: 2 is AES, 5 and 9 are triple DES with two and three keys. If SPI asks
// for a redundancy check, 1 and 5 in KID are CRC-16 and CRC-32.
type Params struct {
	SPI      [2]byte
	KIc, KID byte
	TAR      TAR
	// ShortCC: an AES checksum has 4 octets instead of 8, in the command and its
	// response. The header length shows this, not the SPI.
	ShortCC bool
}

// KeySet is the number of the key set, 0 to 15: that of KIc, or that of KID if the
// command is not encrypted.
func (p Params) KeySet() byte {
	if p.Ciphered() {
		return p.KIc >> 4
	}
	return p.KID >> 4
}

// Integrity is the protection of the command.
func (p Params) Integrity() Integrity { return Integrity(p.SPI[0] & 3) }

// Ciphered reports whether the command is encrypted.
func (p Params) Ciphered() bool { return p.SPI[0]&0x04 != 0 }

// CounterMode is the check of the command's counter.
func (p Params) CounterMode() CounterMode { return CounterMode(p.SPI[0] >> 3 & 3) }

// PoR is when the command asks for a proof of receipt.
func (p Params) PoR() PoR { return PoR(p.SPI[1] & 3) }

// PoRIntegrity is the protection of the response.
func (p Params) PoRIntegrity() Integrity { return Integrity(p.SPI[1] >> 2 & 3) }

// PoRCiphered reports whether the response is encrypted.
func (p Params) PoRCiphered() bool { return p.SPI[1]&0x10 != 0 }

// PoRBySubmit reports whether the response is an SMS of its own (SMS-SUBMIT) rather
// than part of the delivery report.
func (p Params) PoRBySubmit() bool { return p.SPI[1]&0x20 != 0 }

// Meets reports whether the security of the command is at least the minimum security
// level, which is coded like the first octet of an SPI (ETSI TS 102 226, clause
// 8.2.1.3.2.4.1).
func (p Params) Meets(level byte) bool {
	least := Params{SPI: [2]byte{level}}
	return p.Integrity() >= least.Integrity() &&
		(p.Ciphered() || !least.Ciphered()) &&
		p.CounterMode() >= least.CounterMode()
}

// CheckCounter checks the counter of a command: got is that of the command, stored
// the highest one accepted so far. After OK the receiver stores got. A counter is
// blocked at MaxCounter, unless it is not checked.
func (p Params) CheckCounter(stored, got uint64) Status {
	mode := p.CounterMode()
	switch {
	case mode == CounterNone || mode == CounterUnchecked:
		return OK
	case stored >= MaxCounter || got > MaxCounter:
		return CounterBlocked
	case got <= stored:
		return CounterLow
	case mode == CounterNext && got != stored+1:
		return CounterHigh
	}
	return OK
}

// ParseParams decodes the header of a command packet, which needs no keys. It checks
// the lengths: that of the packet must match, and the header must lie within it.
func ParseParams(packet []byte) (Params, error) {
	if err := checkLengths(packet, commandLayout); err != nil {
		return Params{}, err
	}
	p := Params{
		SPI: [2]byte(packet[3:5]),
		KIc: packet[5],
		KID: packet[6],
		TAR: TAR(packet[7:10]),
	}
	p.ShortCC = p.Integrity() == IntegrityCC && int(packet[2]) == commandLayout.headerLength(shortCC)
	return p, nil
}

// checkLengths checks the length of the packet, and that its header has the
// fixed fields and lies within the packet.
func checkLengths(packet []byte, l layout) error {
	if len(packet) < l.cc {
		return fmt.Errorf("%w: %d octets", ErrMalformed, len(packet))
	}
	if n := int(binary.BigEndian.Uint16(packet)); n != len(packet)-2 {
		return fmt.Errorf("%w: length %d, but %d octets follow", ErrMalformed, n, len(packet)-2)
	}
	if h := int(packet[2]); h < l.headerLength(0) || h > len(packet)-3 {
		return fmt.Errorf("%w: header length %d", ErrMalformed, h)
	}
	return nil
}
