package cms

import (
	"crypto"
	"crypto/x509"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// readPSS reads the rest of an AlgorithmIdentifier of RSASSA-PSS, its parameters
// (RFC 4055, clause 3.1), to the end. They must name one of our digest algorithms,
// the same for MGF1, and so cannot be absent: the default is SHA-1.
func readPSS(in cryptobyte.String) (hash crypto.Hash, salt int, ok bool) {
	var params, hashAlg, mgfAlg, mgf, mgfOID, saltLength, trailer cryptobyte.String
	var hasSalt, hasTrailer bool
	if !in.ReadASN1(&params, asn1.SEQUENCE) || !in.Empty() ||
		!params.ReadASN1(&hashAlg, context(0)) || !params.ReadASN1(&mgfAlg, context(1)) ||
		!params.ReadOptionalASN1(&saltLength, &hasSalt, context(2)) ||
		!params.ReadOptionalASN1(&trailer, &hasTrailer, context(3)) || !params.Empty() {
		return 0, 0, false
	}
	oid, ok := readAlgorithm(&hashAlg)
	if hash = hashOf(oid); !ok || !hashAlg.Empty() || hash == 0 {
		return 0, 0, false
	}
	if !mgfAlg.ReadASN1(&mgf, asn1.SEQUENCE) || !mgfAlg.Empty() ||
		!mgf.ReadASN1Element(&mgfOID, asn1.OBJECT_IDENTIFIER) || string(mgfOID) != string(oidMGF1) {
		return 0, 0, false
	}
	if oid, ok = readAlgorithm(&mgf); !ok || !mgf.Empty() || hashOf(oid) != hash {
		return 0, 0, false
	}
	salt = 20
	if hasSalt && (!saltLength.ReadASN1Integer(&salt) || !saltLength.Empty() || salt < 0 || salt > maxRSABits/8) {
		return 0, 0, false
	}
	one := 1
	if hasTrailer && (!trailer.ReadASN1Integer(&one) || !trailer.Empty() || one != 1) {
		return 0, 0, false
	}
	return hash, salt, true
}

// publicKey returns the key of a certificate. A key that is for RSASSA-PSS alone
// (RFC 4055, clause 1.2), which crypto/x509 does not read, comes with onlyPSS and
// the digest algorithm that it is restricted to, if any.
func publicKey(c *x509.Certificate) (key crypto.PublicKey, onlyPSS bool, hash crypto.Hash) {
	if c.PublicKey != nil {
		return c.PublicKey, false, 0
	}
	in := cryptobyte.String(c.RawSubjectPublicKeyInfo)
	var spki, alg, oid cryptobyte.String
	var der []byte
	if !in.ReadASN1(&spki, asn1.SEQUENCE) || !spki.ReadASN1(&alg, asn1.SEQUENCE) ||
		!alg.ReadASN1Element(&oid, asn1.OBJECT_IDENTIFIER) || string(oid) != string(oidPSS) ||
		!spki.ReadASN1BitStringAsBytes(&der) || !spki.Empty() {
		return nil, false, 0
	}
	if !alg.Empty() {
		var ok bool
		if hash, _, ok = readPSS(alg); !ok {
			return nil, false, 0
		}
	}
	rsaKey, err := parseRSA(der)
	if err != nil {
		return nil, false, 0
	}
	return rsaKey, true, hash
}
