package scp80

import (
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	gocrc32 "hash/crc32"
)

// checksum computes a check value in full length.
type checksum func(input []byte) []byte

// cmac is CMAC (NIST SP 800-38B, RFC 4493) with a block cipher of 16 octets.
func cmac(block cipher.Block, input []byte) []byte {
	const size = 16
	// The subkeys: K1 for a full last block, K2 for a padded one.
	var k [size]byte
	block.Encrypt(k[:], k[:])
	double(&k)
	whole := max(0, (len(input)-1)/size*size) // all but the last block
	var last [size]byte
	if n := copy(last[:], input[whole:]); n < size {
		last[n] = 0x80
		double(&k)
	}
	x := make([]byte, size)
	for i := 0; i < whole; i += size {
		subtle.XORBytes(x, x, input[i:i+size])
		block.Encrypt(x, x)
	}
	subtle.XORBytes(x, x, last[:])
	subtle.XORBytes(x, x, k[:])
	block.Encrypt(x, x)
	return x
}

// double multiplies by x in GF(2^128), in constant time.
func double(k *[16]byte) {
	hi, lo := binary.BigEndian.Uint64(k[:8]), binary.BigEndian.Uint64(k[8:])
	carry := hi >> 63
	binary.BigEndian.PutUint64(k[:8], hi<<1|lo>>63)
	binary.BigEndian.PutUint64(k[8:], lo<<1^carry*0x87)
}

// cbcMAC is the CBC-MAC of TS 102 225, clause 5.1.3.2: the last block of the input,
// padded with zeros, encrypted in CBC mode. It is secure here because every input
// starts with its length.
func cbcMAC(block cipher.Block, input []byte) []byte {
	size := block.BlockSize()
	x := make([]byte, size)
	for len(input) > 0 {
		n := subtle.XORBytes(x, x, input[:min(size, len(input))])
		block.Encrypt(x, x)
		input = input[n:]
	}
	return x
}

// crc16 is the CRC of ITU-T X.25; crc32 is that of ISO/IEC 13239 with 32 bits
// (TS 102 225, clause 5.1.3.1).
func crc16(input []byte) []byte {
	crc := uint16(0xffff)
	for _, b := range input {
		crc ^= uint16(b)
		for range 8 {
			crc = crc>>1 ^ crc&1*0x8408
		}
	}
	return binary.BigEndian.AppendUint16(nil, ^crc)
}

func crc32(input []byte) []byte {
	return binary.BigEndian.AppendUint32(nil, gocrc32.ChecksumIEEE(input))
}
