package cms

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// The sizes of RSA keys that are accepted, in bits.
const (
	minRSABits = 2048
	maxRSABits = 8192
)

// ErrSignature means that the signer's key did not make the signature over these
// signed attributes.
var ErrSignature = errors.New("cms: signature does not verify")

// Signer holds what a SignerInfo and its signed attributes need of a certificate.
// It is read-only and safe for concurrent use.
type Signer struct {
	certificate []byte            // DER
	issuer      []byte            // Name, DER
	serial      []byte            // INTEGER, DER
	key         crypto.PublicKey  // *ecdsa.PublicKey or *rsa.PublicKey
	hash        [sha256.Size]byte // of the certificate: ESSCertIDv2 (RFC 5035)
}

// ParseSigner reads a certificate of our own CA, with a key on P-256 or an RSA key
// of at least 2048 bits. It reads only what it needs, so that it is fast enough for
// every signature, and does not validate the certificate: it trusts the CA. The
// result keeps certDER, which must not be changed.
func ParseSigner(certDER []byte) (*Signer, error) {
	in := cryptobyte.String(certDER)
	var cert, tbs, serial, issuer, spki cryptobyte.String
	ok := in.ReadASN1(&cert, asn1.SEQUENCE) && in.Empty() &&
		cert.ReadASN1(&tbs, asn1.SEQUENCE) &&
		cert.SkipASN1(asn1.SEQUENCE) && // signatureAlgorithm
		cert.SkipASN1(asn1.BIT_STRING) && cert.Empty() &&
		tbs.SkipOptionalASN1(context(0)) && // version
		tbs.ReadASN1Element(&serial, asn1.INTEGER) &&
		tbs.SkipASN1(asn1.SEQUENCE) && // signature
		tbs.ReadASN1Element(&issuer, asn1.SEQUENCE) &&
		tbs.SkipASN1(asn1.SEQUENCE) && // validity
		tbs.SkipASN1(asn1.SEQUENCE) && // subject
		tbs.ReadASN1(&spki, asn1.SEQUENCE)
	if !ok {
		return nil, errors.New("cms: malformed certificate")
	}
	key, err := parsePublicKey(spki)
	if err != nil {
		return nil, err
	}
	return &Signer{
		certificate: certDER,
		issuer:      issuer,
		serial:      serial,
		key:         key,
		hash:        sha256.Sum256(certDER),
	}, nil
}

// parsePublicKey reads the content of a SubjectPublicKeyInfo (RFC 5280,
// clause 4.1.2.7; keys by RFC 3279, clause 2.3.1 and RFC 5480).
func parsePublicKey(spki cryptobyte.String) (crypto.PublicKey, error) {
	var alg, oid cryptobyte.String
	var key []byte
	if !spki.ReadASN1(&alg, asn1.SEQUENCE) || !alg.ReadASN1Element(&oid, asn1.OBJECT_IDENTIFIER) ||
		!spki.ReadASN1BitStringAsBytes(&key) || !spki.Empty() {
		return nil, errors.New("cms: malformed public key")
	}
	switch {
	case string(oid) == string(oidECPublicKey) && string(alg) == string(oidP256):
		return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), key)
	case string(oid) == string(oidRSA) && string(alg) == string(derNull):
		return parseRSA(key)
	}
	return nil, errors.New("cms: neither a P-256 nor an RSA public key")
}

func parseRSA(der cryptobyte.String) (*rsa.PublicKey, error) {
	key := &rsa.PublicKey{N: new(big.Int)}
	var seq cryptobyte.String
	if !der.ReadASN1(&seq, asn1.SEQUENCE) || !der.Empty() ||
		!seq.ReadASN1Integer(key.N) || !seq.ReadASN1Integer(&key.E) || !seq.Empty() {
		return nil, errors.New("cms: malformed RSA public key")
	}
	if bits := key.N.BitLen(); key.N.Sign() < 0 || bits < minRSABits || bits > maxRSABits {
		return nil, errors.New("cms: size of RSA key out of range")
	}
	return key, nil
}

// PublicKey returns the *ecdsa.PublicKey or *rsa.PublicKey.
func (s *Signer) PublicKey() crypto.PublicKey { return s.key }

// Verify checks the signature of a device over SHA-256 of the signed attributes
// from SignedAttributes: ECDSA in DER, or RSA with PKCS #1 v1.5. The error is
// ErrSignature.
func (s *Signer) Verify(attrs, sig []byte) error {
	digest := sha256.Sum256(attrs)
	kind := kindECDSA
	if _, ok := s.key.(*rsa.PublicKey); ok {
		kind = kindRSA
	}
	return verify(s.key, kind, 0, crypto.SHA256, digest[:], sig)
}

// verify checks a signature by an ECDSA or RSA key; salt is the length of the salt of
// kindPSS.
func verify(key crypto.PublicKey, kind keyKind, salt int, h crypto.Hash, digest, sig []byte) error {
	ok := false
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		ok = kind == kindECDSA && ecdsa.VerifyASN1(k, digest, sig)
	case *rsa.PublicKey:
		switch kind {
		case kindRSA:
			ok = rsa.VerifyPKCS1v15(k, h, digest, sig) == nil
		case kindPSS:
			o := rsa.PSSOptions{SaltLength: salt}
			if salt == 0 {
				o.SaltLength = rsa.PSSSaltLengthAuto
			}
			ok = rsa.VerifyPSS(k, h, digest, sig, &o) == nil
		}
	}
	if !ok {
		return ErrSignature
	}
	return nil
}
