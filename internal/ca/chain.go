package ca

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/signum-mssp/signum/internal/mssp"
)

var _ mssp.Chains = (*Authority)(nil)

// ErrUnknownIssuer means that none of the authority's CAs issued a certificate.
var ErrUnknownIssuer = errors.New("ca: the certificate was issued by another authority")

// issued reports whether the CA issued a certificate with this issuer name and
// authority key identifier. Two CAs may have the same name, so the key identifier
// counts if there is one.
func issued(ca *x509.Certificate, name, keyID []byte) bool {
	return bytes.Equal(name, ca.RawSubject) && (len(keyID) == 0 || bytes.Equal(keyID, ca.SubjectKeyId))
}

// Chain returns the certificates (DER) that follow a subscriber's (DER) in a CMS:
// the CA that issued it, then the root of that CA. It looks for the issuer by name
// and key identifier among the current issuing CA and the former ones. The caller
// must not change the result. The error is ErrUnknownIssuer if none of them issued
// the certificate.
func (a *Authority) Chain(certificate []byte) ([][]byte, error) {
	name, keyID, err := issuerOf(certificate)
	if err != nil {
		return nil, err
	}
	if issued(a.issuing, name, keyID) {
		return [][]byte{a.issuing.Raw, a.root.Raw}, nil
	}
	for _, f := range a.former {
		if issued(f.Issuing, name, keyID) {
			return [][]byte{f.Issuing.Raw, f.Root.Raw}, nil
		}
	}
	return nil, fmt.Errorf("%w: key identifier %x", ErrUnknownIssuer, keyID)
}

// oidAuthorityKeyIdentifier is the content of the OID of RFC 5280, clause 4.2.1.1.
var oidAuthorityKeyIdentifier = []byte{0x55, 0x1d, 0x23}

// issuerOf reads who issued a certificate: the DER of the issuer's name, and the
// key identifier in the authority key identifier, nil if there is none. It parses
// no more than that, because every signature needs it.
func issuerOf(der []byte) (name, keyID []byte, err error) {
	in := cryptobyte.String(der)
	var cert, tbs, issuer, list cryptobyte.String
	var extended bool
	explicit := func(n uint8) asn1.Tag { return asn1.Tag(n).ContextSpecific().Constructed() }
	ok := in.ReadASN1(&cert, asn1.SEQUENCE) && cert.ReadASN1(&tbs, asn1.SEQUENCE) &&
		tbs.SkipOptionalASN1(explicit(0)) && // version
		tbs.SkipASN1(asn1.INTEGER) && tbs.SkipASN1(asn1.SEQUENCE) && // serial number, signature
		tbs.ReadASN1Element(&issuer, asn1.SEQUENCE) &&
		tbs.SkipASN1(asn1.SEQUENCE) && tbs.SkipASN1(asn1.SEQUENCE) && tbs.SkipASN1(asn1.SEQUENCE) && // validity, subject, key
		tbs.SkipOptionalASN1(asn1.Tag(1).ContextSpecific()) && tbs.SkipOptionalASN1(asn1.Tag(2).ContextSpecific()) &&
		tbs.ReadOptionalASN1(&list, &extended, explicit(3))
	if !ok || extended && !list.ReadASN1(&list, asn1.SEQUENCE) {
		return nil, nil, errors.New("ca: malformed certificate")
	}
	for !list.Empty() {
		var extension, oid, value, id cryptobyte.String
		if !list.ReadASN1(&extension, asn1.SEQUENCE) || !extension.ReadASN1(&oid, asn1.OBJECT_IDENTIFIER) ||
			!extension.SkipOptionalASN1(asn1.BOOLEAN) || !extension.ReadASN1(&value, asn1.OCTET_STRING) {
			return nil, nil, errors.New("ca: malformed extensions of a certificate")
		}
		if !bytes.Equal(oid, oidAuthorityKeyIdentifier) {
			continue
		}
		var present bool
		if !value.ReadASN1(&value, asn1.SEQUENCE) || !value.ReadOptionalASN1(&id, &present, asn1.Tag(0).ContextSpecific()) {
			return nil, nil, errors.New("ca: malformed authority key identifier")
		}
		keyID = id
	}
	return issuer, keyID, nil
}
