package scp80

import "fmt"

// Kind tells a proof of receipt from a message that the card originates. It is the
// information element identifier in the header of the SMS (TS 31.115, clauses 4 and
// 5). The checksum of a response covers it.
type Kind byte

const (
	KindCommand  Kind = 0x70 // a message that the applet sends, in the layout of a response
	KindResponse Kind = 0x71 // a proof of receipt
)

// Response is a response packet (TS 102 225, clause 5.2).
type Response struct {
	TAR     TAR
	Counter uint64 // CNTR; in a proof of receipt, that of the command
	Status  Status
	Data    []byte
}

// Seal builds the packet, from its length RPL on, with the security that p asks of
// responses: integrity by SPI2 bits 3-4, encryption by bit 5, the algorithms of the
// command. The checksum also covers the user data header `02 kind 00`. The errors
// are those of Command.Seal.
func (r *Response) Seal(p Params, k Keys, kind Kind) ([]byte, error) {
	s, err := responseSecurity(p, k, kind)
	if err != nil {
		return nil, err
	}
	return r.seal(s)
}

// Unsecured builds a response packet without any security. With it, a receiver
// reports an error to a sender whose keys it cannot use.
func (r *Response) Unsecured() ([]byte, error) { return r.seal(new(security)) }

func (r *Response) seal(s *security) ([]byte, error) {
	if r.Counter > MaxCounter {
		return nil, CounterBlocked
	}
	var fixed [13]byte
	copy(fixed[3:], r.TAR[:])
	putCounter(fixed[6:], r.Counter)
	fixed[12] = byte(r.Status)
	return s.seal(responseLayout, fixed[:], r.Data)
}

// OpenResponse checks and decrypts a response packet. It must be secured exactly as
// p asks, the parameters of the command that it answers. The errors are those of
// OpenCommand and are about the packet; Response.Status is what the card says. The
// caller must compare TAR and counter.
func OpenResponse(packet []byte, p Params, k Keys, kind Kind) (*Response, error) {
	if err := checkLengths(packet, responseLayout); err != nil {
		return nil, err
	}
	s, err := responseSecurity(p, k, kind)
	if err != nil {
		return nil, err
	}
	return openResponse(packet, s)
}

// OpenUnsecured decodes a response packet without security. Anybody can have made
// it: one that says OK is refused with SecurityError, and one that reports an error
// is at most a hint.
func OpenUnsecured(packet []byte) (*Response, error) {
	if err := checkLengths(packet, responseLayout); err != nil {
		return nil, err
	}
	r, err := openResponse(packet, new(security))
	if err != nil {
		return nil, err
	}
	if r.Status == OK {
		return nil, fmt.Errorf("%w: an unsecured response says OK", SecurityError)
	}
	return r, nil
}

func openResponse(packet []byte, s *security) (*Response, error) {
	plain, data, err := s.open(responseLayout, packet)
	if err != nil {
		return nil, err
	}
	return &Response{TAR: TAR(plain[3:6]), Counter: counter(plain[6:]), Status: Status(plain[12]), Data: data}, nil
}

func responseSecurity(p Params, k Keys, kind Kind) (*security, error) {
	s, err := newSecurity(p, k, p.PoRIntegrity(), p.PoRCiphered())
	if err == nil {
		s.prefix = []byte{0x02, byte(kind), 0x00}
	}
	return s, err
}
