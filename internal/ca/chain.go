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

// ErrForeignIssuer means that a certificate was issued by no CA of the authority.
var ErrForeignIssuer = errors.New("ca: a certificate of another issuer")

// path is an issuing CA with the root above it.
type path struct{ issuing, root *x509.Certificate }

func (p path) der() [][]byte { return [][]byte{p.issuing.Raw, p.root.Raw} }

// issued reports whether a certificate with this issuer name and authority key
// identifier is of the issuing CA. Two CAs may have the same name, so the key
// identifier counts where there is one.
func (p path) issued(name, keyID []byte) bool {
	return bytes.Equal(name, p.issuing.RawSubject) && (len(keyID) == 0 || bytes.Equal(keyID, p.issuing.SubjectKeyId))
}

// Chain returns the certificates (DER) that stand after a subscriber's (DER) in
// a CMS: the CA that issued it, then the root of that CA. It looks for the
// issuer by name and key identifier among the current issuing CA and the former
// ones. The result must not be changed. The error is ErrForeignIssuer if none of
// them issued the certificate.
func (a *Authority) Chain(certificate []byte) ([][]byte, error) {
	name, keyID, err := issuerOf(certificate)
	if err != nil {
		return nil, err
	}
	if current := (path{a.issuing, a.root}); current.issued(name, keyID) {
		return current.der(), nil
	}
	for _, p := range a.former {
		if p.issued(name, keyID) {
			return p.der(), nil
		}
	}
	return nil, fmt.Errorf("%w: key identifier %x", ErrForeignIssuer, keyID)
}

// WithFormer returns an authority that also knows a former issuing CA and the
// root above it. Its certificates stay in use until they expire; Chain finds
// theirs. It signs nothing: CRL and OCSP answer for the current CA alone.
func (a *Authority) WithFormer(issuing, root *x509.Certificate) (*Authority, error) {
	if err := root.CheckSignatureFrom(root); err != nil {
		return nil, fmt.Errorf("ca: root of a former issuing CA is not self-signed: %w", err)
	}
	if err := issuing.CheckSignatureFrom(root); err != nil {
		return nil, fmt.Errorf("ca: former issuing CA is not signed by its root: %w", err)
	}
	if !issuing.IsCA || len(issuing.SubjectKeyId) == 0 {
		return nil, errors.New("ca: a former issuing CA is not a CA, or has no subject key identifier")
	}
	b := *a
	b.former = append(a.former[:len(a.former):len(a.former)], path{issuing, root})
	return &b, nil
}

// oidAuthorityKeyIdentifier is that of RFC 5280, clause 4.2.1.1, content only.
var oidAuthorityKeyIdentifier = []byte{0x55, 0x1d, 0x23}

// issuerOf reads who issued a certificate: the DER of the issuer's name, and the
// key identifier of the authority key identifier, nil if there is none. It is on
// the path of every signature and reads no more than that.
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
