package app

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"errors"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

var errKey = errors.New("not a P-256 SubjectPublicKeyInfo in DER")

// spkiP256 is how the SubjectPublicKeyInfo of a P-256 key begins, up to the point:
// id-ecPublicKey, prime256v1, a bit string of 65 bytes.
const spkiP256 = "\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00"

// parseKey accepts a P-256 key in one encoding only (named curve, uncompressed
// point), so that equal keys have equal bytes. Each call of an App needs it, so it does
// not encode the key again to compare.
func parseKey(der []byte) (*ecdsa.PublicKey, error) {
	point, ok := bytes.CutPrefix(der, []byte(spkiP256))
	if !ok {
		return nil, errKey
	}
	k, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		return nil, errKey
	}
	return k, nil
}

var errSignature = errors.New("not an ES256 signature of 64 bytes")

// derSignature converts r and s of 32 bytes each to ASN.1, which the engine
// expects.
func derSignature(raw []byte) ([]byte, error) {
	const size = 32
	if len(raw) != 2*size {
		return nil, errSignature
	}
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, half := range [][]byte{raw[:size], raw[size:]} {
			n := new(big.Int).SetBytes(half)
			if n.Sign() == 0 || n.Cmp(elliptic.P256().Params().N) >= 0 {
				b.SetError(errSignature)
			}
			b.AddASN1BigInt(n)
		}
	})
	return b.Bytes()
}

// verifyRaw verifies an ES256 signature in the form of the protocol.
func verifyRaw(k *ecdsa.PublicKey, message, raw []byte) bool {
	der, err := derSignature(raw)
	if err != nil {
		return false
	}
	sum := sha256.Sum256(message)
	return ecdsa.VerifyASN1(k, sum[:], der)
}
