package scp80

// Command is a command packet (TS 102 225, clause 5.1).
type Command struct {
	Params
	Counter uint64 // CNTR, at most MaxCounter
	Data    []byte
}

// Seal makes the packet, from its length CPL on. A counter above MaxCounter is
// CounterBlocked, an algorithm or key that cannot be used SecurityError (both to
// be found with errors.As), data that do not fit ErrTooLong.
func (c *Command) Seal(k Keys) ([]byte, error) {
	if c.Counter > MaxCounter {
		return nil, CounterBlocked
	}
	s, err := newSecurity(c.Params, k, c.Integrity(), c.Ciphered())
	if err != nil {
		return nil, err
	}
	var fixed [16]byte
	copy(fixed[3:], c.SPI[:])
	fixed[5], fixed[6] = c.KIc, c.KID
	copy(fixed[7:], c.TAR[:])
	putCounter(fixed[10:], c.Counter)
	return s.seal(commandLayout, fixed[:], c.Data)
}

// OpenCommand checks and deciphers a command packet. The error is ErrMalformed,
// or a Status: IntegrityFailed, CipherError (the ciphertext is not in blocks, or
// makes no sense where there is no integrity check), SecurityError (an algorithm
// or a key that cannot be used). Find either with errors.Is or errors.As.
//
// The counter is not judged, nor is the level of security: see the package
// documentation.
func OpenCommand(packet []byte, k Keys) (*Command, error) {
	p, err := ParseParams(packet)
	if err != nil {
		return nil, err
	}
	s, err := newSecurity(p, k, p.Integrity(), p.Ciphered())
	if err != nil {
		return nil, err
	}
	plain, data, err := s.open(commandLayout, packet)
	if err != nil {
		return nil, err
	}
	return &Command{Params: p, Counter: counter(plain[10:]), Data: data}, nil
}

func putCounter(b []byte, c uint64) {
	for i := range 5 {
		b[i] = byte(c >> (8 * (4 - i)))
	}
}

func counter(b []byte) (c uint64) {
	for _, o := range b[:5] {
		c = c<<8 | uint64(o)
	}
	return c
}
