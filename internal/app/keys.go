package app

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

var errKey = errors.New("not a P-256 SubjectPublicKeyInfo in DER")

// parseKey accepts a P-256 key in one encoding only (named curve, uncompressed
// point), so that equal keys have equal bytes.
func parseKey(der []byte) (*ecdsa.PublicKey, error) {
	k, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, errKey
	}
	ec, ok := k.(*ecdsa.PublicKey)
	if !ok || ec.Curve != elliptic.P256() {
		return nil, errKey
	}
	canonical, err := x509.MarshalPKIXPublicKey(ec)
	if err != nil || string(canonical) != string(der) {
		return nil, errKey
	}
	return ec, nil
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
