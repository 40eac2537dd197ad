package scp80

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrMalformed means that the octets are not a secured packet, or do not match their
// own header.
var ErrMalformed = errors.New("scp80: malformed packet")

// ErrTooLong means that the data does not fit a packet, whose length has two octets.
var ErrTooLong = errors.New("scp80: the data is too long for a packet")

// Algorithms: the low nibble of KIc and KID.
const (
	algAES        = 0x2
	algTripleDES2 = 0x5
	algTripleDES3 = 0x9

	algCRC16 = 0x1 // of KID, with IntegrityRC
	algCRC32 = 0x5
)

// Lengths of a cryptographic checksum.
const (
	fullCC  = 8
	shortCC = 4
)

// layout is how a command and a response differ. Both are
//
//	length(2) header length(1) … { CNTR(5) PCNTR(1) … CC data padding }
//
// where the part in braces may be encrypted.
type layout struct {
	start int // offset of the part in braces
	cc    int // offset of the checksum
}

var (
	commandLayout  = layout{start: 10, cc: 16}
	responseLayout = layout{start: 6, cc: 13}
)

// headerLength is the value of CHL and RHL with a checksum of n octets.
func (l layout) headerLength(n int) int { return l.cc - 3 + n }

// security is how one packet is protected.
type security struct {
	block  cipher.Block // nil: not encrypted
	check  checksum     // nil: no integrity
	n      int          // octets of the checksum
	prefix []byte       // authenticated before the packet
}

// newSecurity selects the algorithms. The error is a SecurityError if one is not
// supported or its key does not fit.
func newSecurity(p Params, k Keys, integrity Integrity, ciphered bool) (*security, error) {
	s := new(security)
	var err error
	if ciphered {
		if s.block, err = newBlock(p.KIc, k.KIc); err != nil {
			return nil, fmt.Errorf("%w: KIc: %w", SecurityError, err)
		}
	}
	switch integrity {
	case IntegrityNone:
	case IntegrityRC:
		err = s.redundancy(p.KID)
	case IntegrityCC:
		err = s.cryptographic(p, k.KID)
	default:
		err = errors.New("digital signatures are not supported")
	}
	if err != nil {
		return nil, fmt.Errorf("%w: KID: %w", SecurityError, err)
	}
	return s, nil
}

func (s *security) redundancy(kid byte) error {
	switch kid & 0x0f {
	case algCRC16:
		s.check, s.n = crc16, 2
	case algCRC32:
		s.check, s.n = crc32, 4
	default:
		return fmt.Errorf("unknown redundancy check %X", kid&0x0f)
	}
	return nil
}

func (s *security) cryptographic(p Params, key []byte) error {
	block, err := newBlock(p.KID, key)
	switch {
	case err != nil:
		return err
	case p.KID&0x0f == algAES:
		s.check = func(input []byte) []byte { return cmac(block, input) }
	case p.ShortCC:
		return errors.New("a triple DES checksum has 8 octets")
	default:
		s.check = func(input []byte) []byte { return cbcMAC(block, input) }
	}
	s.n = fullCC
	if p.ShortCC {
		s.n = shortCC
	}
	return nil
}

// newBlock is the block cipher of KIc or KID.
func newBlock(alg byte, key []byte) (cipher.Block, error) {
	switch alg & 0x0f {
	case algAES:
		if len(key) != 16 && len(key) != 24 && len(key) != 32 {
			return nil, fmt.Errorf("an AES key of %d octets", len(key))
		}
		return aes.NewCipher(key)
	case algTripleDES2:
		if len(key) != 16 {
			return nil, fmt.Errorf("two DES keys of %d octets", len(key))
		}
		return des.NewTripleDESCipher(append(key[:16:16], key[:8]...))
	case algTripleDES3:
		if len(key) != 24 {
			return nil, fmt.Errorf("three DES keys of %d octets", len(key))
		}
		return des.NewTripleDESCipher(key)
	}
	return nil, fmt.Errorf("algorithm %X is not supported", alg&0x0f)
}

// size returns the length of a packet with n octets of data, padding included, and of
// its padding.
func (s *security) size(l layout, n int) (size, pad int) {
	size = l.cc + s.n + n
	if s.block != nil {
		bs := s.block.BlockSize()
		pad = (bs - (size-l.start)%bs) % bs
	}
	return size + pad, pad
}

// seal builds a packet. fixed are its first l.cc octets; the lengths and PCNTR in
// them are filled in.
func (s *security) seal(l layout, fixed, data []byte) ([]byte, error) {
	body := l.cc + s.n
	size, pad := s.size(l, len(data))
	if len(data) > 0xffff || size-2 > 0xffff {
		return nil, ErrTooLong
	}
	out := make([]byte, size)
	copy(out, fixed)
	copy(out[body:], data)
	binary.BigEndian.PutUint16(out, uint16(len(out)-2))
	out[2] = byte(l.headerLength(s.n))
	out[l.start+5] = byte(pad)
	copy(out[l.cc:body], s.checksum(l, out))
	if s.block != nil {
		cipher.NewCBCEncrypter(s.block, make([]byte, s.block.BlockSize())).CryptBlocks(out[l.start:], out[l.start:])
	}
	return out, nil
}

// open returns the plaintext of a packet, and the data in it. The lengths must have
// been checked.
func (s *security) open(l layout, packet []byte) (plain, data []byte, err error) {
	if h := int(packet[2]); h != l.headerLength(s.n) {
		return nil, nil, fmt.Errorf("%w: header length %d with a checksum of %d octets", ErrMalformed, h, s.n)
	}
	plain = append([]byte(nil), packet...)
	if s.block != nil {
		if (len(plain)-l.start)%s.block.BlockSize() != 0 {
			return nil, nil, CipherError
		}
		cipher.NewCBCDecrypter(s.block, make([]byte, s.block.BlockSize())).CryptBlocks(plain[l.start:], plain[l.start:])
	}
	body := l.cc + s.n
	if s.check != nil && subtle.ConstantTimeCompare(plain[l.cc:body], s.checksum(l, plain)) != 1 {
		return nil, nil, IntegrityFailed
	}
	pad := int(plain[l.start+5])
	switch {
	case pad <= len(plain)-body:
		return plain, plain[body : len(plain)-pad], nil
	case s.block != nil:
		// Without an integrity check, this is how a wrong key shows.
		return nil, nil, CipherError
	}
	return nil, nil, fmt.Errorf("%w: %d octets of padding", ErrMalformed, pad)
}

// checksum is computed over the plaintext from the first length octet on, including
// the padding and without the checksum itself.
func (s *security) checksum(l layout, plain []byte) []byte {
	if s.check == nil {
		return nil
	}
	input := make([]byte, 0, len(s.prefix)+len(plain))
	input = append(input, s.prefix...)
	input = append(input, plain[:l.cc]...)
	input = append(input, plain[l.cc+s.n:]...)
	return s.check(input)[:s.n]
}
