package scp80

// Command is a command packet (TS 102 225, clause 5.1).
type Command struct {
	Params
	Counter uint64 // CNTR, at most MaxCounter
	Data    []byte
}

// Seal builds the packet, from its length CPL on. Errors: CounterBlocked for a
// counter above MaxCounter, SecurityError for an unusable algorithm or key, and
// ErrTooLong; errors.As and errors.Is find them.
func (c *Command) Seal(k Keys) ([]byte, error) {
	if c.Counter > MaxCounter {
		return nil, CounterBlocked
	}
	s, err := c.security(k)
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

// Size returns the length of the packet that Seal builds for n octets of data in place of
// Data. The error is that of Seal for an unusable algorithm or key.
func (c *Command) Size(k Keys, n int) (int, error) {
	s, err := c.security(k)
	if err != nil {
		return 0, err
	}
	size, _ := s.size(commandLayout, n)
	return size, nil
}

func (c *Command) security(k Keys) (*security, error) {
	return newSecurity(c.Params, k, c.Integrity(), c.Ciphered())
}

// OpenCommand checks and decrypts a command packet. The error is ErrMalformed, or a
// Status: IntegrityFailed; CipherError, the ciphertext is not whole blocks or, without
// an integrity check, its padding makes no sense; SecurityError, an unusable
// algorithm or key. errors.Is and errors.As find them.
//
// It does not check the counter and the level of security: see the package
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
