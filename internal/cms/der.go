package cms

import (
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Tags of what is written here.
const (
	tagOctetString = 0x04
	tagSequence    = 0x30
	tagSet         = 0x31
	tagContext0    = 0xa0 // [0], constructed
)

// Object identifiers, with tag and length.
var (
	oidData          = []byte{6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1}
	oidSignedData    = []byte{6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2}
	oidContentType   = []byte{6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 3}
	oidMessageDigest = []byte{6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 4}
	oidSigningTime   = []byte{6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 5}
	oidSigningCertV2 = []byte{6, 11, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 16, 2, 47}

	oidSHA256 = []byte{6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1}
	oidSHA384 = []byte{6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2}
	oidSHA512 = []byte{6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3}

	oidRSA           = []byte{6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1}
	oidPSS           = []byte{6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10}
	oidMGF1          = []byte{6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 8}
	oidRSAWithSHA256 = []byte{6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11}
	oidRSAWithSHA384 = []byte{6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 12}
	oidRSAWithSHA512 = []byte{6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 13}

	oidECDSAWithSHA256 = []byte{6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2}
	oidECDSAWithSHA384 = []byte{6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3}
	oidECDSAWithSHA512 = []byte{6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4}

	oidECPublicKey = []byte{6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1}
	oidP256        = []byte{6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7}
)

// Algorithm identifiers of what is written here. Parameters: absent for SHA-256
// (RFC 5754, clause 2) and ECDSA (clause 3.3), NULL for RSA (clause 3.2).
var (
	algSHA256          = []byte{0x30, 11, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1}
	algRSA             = []byte{0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0}
	algECDSAWithSHA256 = []byte{0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2}

	integer1 = []byte{2, 1, 1}
	derNull  = []byte{5, 0}
)

// sizeOf returns the size of a TLV with a content of n bytes, n < 1<<24.
func sizeOf(n int) int {
	switch {
	case n < 0x80:
		return 2 + n
	case n < 0x100:
		return 3 + n
	case n < 0x10000:
		return 4 + n
	default:
		return 5 + n
	}
}

// appendHeader appends tag and length of a TLV with a content of n bytes.
func appendHeader(b []byte, tag byte, n int) []byte {
	switch {
	case n < 0x80:
		return append(b, tag, byte(n))
	case n < 0x100:
		return append(b, tag, 0x81, byte(n))
	case n < 0x10000:
		return append(b, tag, 0x82, byte(n>>8), byte(n))
	default:
		return append(b, tag, 0x83, byte(n>>16), byte(n>>8), byte(n))
	}
}

// context returns the tag [n], constructed.
func context(n uint8) asn1.Tag { return asn1.Tag(n).ContextSpecific().Constructed() }

// readAlgorithm reads an AlgorithmIdentifier whose parameters are absent or
// NULL, and returns its OID with tag and length.
func readAlgorithm(in *cryptobyte.String) (oid cryptobyte.String, ok bool) {
	var alg cryptobyte.String
	ok = in.ReadASN1(&alg, asn1.SEQUENCE) &&
		alg.ReadASN1Element(&oid, asn1.OBJECT_IDENTIFIER) &&
		(alg.Empty() || string(alg) == string(derNull))
	return oid, ok
}
