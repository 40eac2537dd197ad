package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"time"
)

// Profile is the choice of algorithms of an authority.
type Profile string

// The profiles.
const (
	// ECDSA is the default: a root of P-384 and an issuing CA of P-256.
	ECDSA Profile = "ecdsa"
	// RSAPSS is the profile of the public service, for parties that must test it:
	// root and issuing CA with RSA-4096. All certificates, those of subscribers
	// included, are signed with RSASSA-PSS, SHA-256 and a salt of 32 bytes.
	RSAPSS Profile = "rsa-pss"
)

// Validity of certificates. Subscribers' certificates are valid for three years, as
// at the public service; the values for CAs are free to choose.
const (
	rootYears       = 20
	issuingYears    = 10
	subscriberYears = 3
)

// backdate is how long before its signing time a subscriber's certificate, a CRL or
// an OCSP answer becomes valid. A key may sign in the second in which it is
// certified, and relying parties have clocks of their own. A minute covers every
// clock that is synchronised, and does not make misuse of a key easier.
const backdate = time.Minute

// backdateCA is the same for CA certificates. It is longer, so that the validity of
// the first subscriber's certificate is within that of its issuer.
const backdateCA = time.Hour

const rsaBitsCA = 4096

// generate makes the keys of a profile. With RSA this takes seconds.
func (p Profile) generate(rsaBits int) (root, issuing crypto.Signer, err error) {
	switch p {
	case ECDSA:
		if root, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader); err == nil {
			issuing, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		}
	case RSAPSS:
		if root, err = rsa.GenerateKey(rand.Reader, rsaBits); err == nil {
			issuing, err = rsa.GenerateKey(rand.Reader, rsaBits)
		}
	default:
		err = fmt.Errorf("ca: profile %q is neither %q nor %q", p, ECDSA, RSAPSS)
	}
	return root, issuing, err
}

// scheme is how a CA's key signs certificates and CRLs.
type scheme struct {
	algorithm x509.SignatureAlgorithm
	opts      crypto.SignerOpts
}

// schemeOf returns the scheme of a key. It depends only on the kind of key, so that
// no key is used with two schemes (for the exception see ocspAlgorithm).
func schemeOf(key crypto.PublicKey) (scheme, error) {
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256():
			return scheme{x509.ECDSAWithSHA256, crypto.SHA256}, nil
		case elliptic.P384():
			return scheme{x509.ECDSAWithSHA384, crypto.SHA384}, nil
		}
	case *rsa.PublicKey:
		return scheme{x509.SHA256WithRSAPSS, &rsa.PSSOptions{
			SaltLength: rsa.PSSSaltLengthEqualsHash,
			Hash:       crypto.SHA256,
		}}, nil
	}
	return scheme{}, fmt.Errorf("ca: a CA key is P-256, P-384 or RSA, not %T", key)
}
