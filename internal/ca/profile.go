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
	// RSAPSS is what the public service has, for those who must test it: root
	// and issuing CA of RSA-4096, signatures RSASSA-PSS with SHA-256 and a salt
	// of 32 bytes, on the subscribers' certificates as well.
	RSAPSS Profile = "rsa-pss"
)

// Validity of certificates. Those of the CAs are ours to choose; three years
// for subscribers is the public service's.
const (
	rootYears       = 20
	issuingYears    = 10
	subscriberYears = 3
)

// backdate is how long before its making a subscriber's certificate, a CRL or
// an OCSP answer becomes valid. A key may sign in the second it is certified;
// receivers check with clocks of their own, and a minute covers those kept by
// any time service, while it adds nothing to what a key can be misused for.
const backdate = time.Minute

// backdateCA is the same for the CAs: longer, so that the validity of the
// first subscriber's certificate lies within its issuer's.
const backdateCA = time.Hour

const rsaBitsCA = 4096

// generate makes the keys of a profile. RSA takes seconds.
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

// schemeOf is the one scheme of a key: it follows from its kind, so that a key
// is never used with two (but see ocspAlgorithm).
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
