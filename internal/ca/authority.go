package ca

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Config describes an authority to create.
type Config struct {
	Profile      Profile // empty: ECDSA
	RootName     string  // common name of the root; empty: "Signum Root CA"
	IssuingName  string  // common name of the issuing CA; empty: "Signum Issuing CA"
	Organization string  // empty: "Signum"
	Country      string  // ISO 3166-1 alpha-2; empty: left out
	// Test puts TEST before both common names, so that nobody mistakes what the
	// sandbox signs for a real signature.
	Test bool
	// URL is the base URL (http) of Issuer.Handler. It goes into the issuing CA's
	// certificate.
	URL string

	rsaBits int // 0: rsaBitsCA; tests use shorter keys to be fast
}

// Authority is a root and an issuing CA with their keys, and the former issuing
// CAs. It is read-only, and safe for concurrent use if its keys are.
type Authority struct {
	root, issuing       *x509.Certificate
	rootKey, issuingKey crypto.Signer // rootKey is nil while it is offline
	rootCRL             []byte        // DER; served while rootKey is nil; may be nil
	former              []Former
}

// rootCRLValidity is how long the CRL is valid that the root signs before its key
// goes offline. Within this time somebody must fetch the key and sign another.
const rootCRLValidity = 365 * 24 * time.Hour

// Create makes an authority: keys, a self-signed root, an issuing CA and the first
// CRL of the root. With the profile RSAPSS this takes seconds.
func Create(c Config, now time.Time) (*Authority, error) {
	base, err := baseURL(c.URL)
	if err != nil {
		return nil, err
	}
	rootKey, issuingKey, err := cmp.Or(c.Profile, ECDSA).generate(cmp.Or(c.rsaBits, rsaBitsCA))
	if err != nil {
		return nil, err
	}

	rootTemplate := caTemplate(c.name(c.RootName, "Signum Root CA"), rootKey, now, rootYears)
	root, err := createCA(rootTemplate, rootTemplate, rootKey, rootKey)
	if err != nil {
		return nil, fmt.Errorf("ca: root: %w", err)
	}

	t := caTemplate(c.name(c.IssuingName, "Signum Issuing CA"), issuingKey, now, issuingYears)
	t.MaxPathLenZero = true
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	// The key also signs OCSP answers, which are neither certificates nor CRLs
	// (RFC 5280, clause 4.2.1.3).
	t.KeyUsage |= x509.KeyUsageDigitalSignature
	t.Policies = []x509.OID{anyPolicy}
	t.IssuingCertificateURL, t.CRLDistributionPoints = addresses(base, root)
	issuing, err := createCA(t, root, issuingKey, rootKey)
	if err != nil {
		return nil, fmt.Errorf("ca: issuing CA: %w", err)
	}

	crl, err := signCRL(root, rootKey, nil, big.NewInt(now.UnixMicro()), now.Add(-backdate), now.Add(rootCRLValidity))
	if err != nil {
		return nil, err
	}
	return NewAuthority(root, issuing, rootKey, issuingKey, crl)
}

// NewAuthority makes an authority of existing certificates and keys, and checks
// that they belong together. Keys may be in an HSM. rootKey is nil if the root is
// offline; rootCRL is then the last CRL (DER) that it signed, or nil.
func NewAuthority(root, issuing *x509.Certificate, rootKey, issuingKey crypto.Signer, rootCRL []byte) (*Authority, error) {
	if err := root.CheckSignatureFrom(root); err != nil {
		return nil, fmt.Errorf("ca: root is not self-signed: %w", err)
	}
	if err := issuing.CheckSignatureFrom(root); err != nil {
		return nil, fmt.Errorf("ca: issuing CA is not signed by the root: %w", err)
	}
	if !issuing.IsCA || !issuing.MaxPathLenZero || !slices.Equal(issuing.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}) ||
		issuing.KeyUsage&(x509.KeyUsageCertSign|x509.KeyUsageCRLSign) != x509.KeyUsageCertSign|x509.KeyUsageCRLSign ||
		len(issuing.SubjectKeyId) == 0 {
		return nil, errors.New("ca: the issuing CA's certificate is not one for mobile signatures, which needs CA, path length 0, clientAuth, certSign, crlSign and a subject key identifier")
	}
	if !sameKey(issuingKey, issuing.PublicKey) {
		return nil, errors.New("ca: the issuing CA's key is not that of its certificate")
	}
	if rootKey != nil && !sameKey(rootKey, root.PublicKey) {
		return nil, errors.New("ca: the root's key is not that of its certificate")
	}
	if _, err := schemeOf(issuing.PublicKey); err != nil {
		return nil, err
	}
	return &Authority{root: root, issuing: issuing, rootKey: rootKey, issuingKey: issuingKey, rootCRL: rootCRL}, nil
}

// Root is the certificate that relying parties trust.
func (a *Authority) Root() *x509.Certificate { return a.root }

// Issuing is the certificate of the CA that issues the subscribers' certificates.
func (a *Authority) Issuing() *x509.Certificate { return a.issuing }

// addresses are where the certificate and the CRL of a CA are, as the certificates that it
// issues state.
func addresses(base string, ca *x509.Certificate) (certificate, crl []string) {
	return []string{base + certificatePath(ca)}, []string{base + crlPath(ca)}
}

func (c Config) name(given, fallback string) pkix.Name {
	cn := cmp.Or(given, fallback)
	if c.Test {
		cn = "TEST " + cn
	}
	n := pkix.Name{CommonName: cn, Organization: []string{cmp.Or(c.Organization, "Signum")}}
	if c.Country != "" {
		n.Country = []string{c.Country}
	}
	return n
}

func caTemplate(name pkix.Name, key crypto.Signer, now time.Time, years int) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber:          newSerialNumber(),
		Subject:               name,
		NotBefore:             now.Add(-backdateCA),
		NotAfter:              now.AddDate(years, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		SubjectKeyId:          keyIdentifier(key.Public()),
	}
}

func createCA(t, parent *x509.Certificate, key, signer crypto.Signer) (*x509.Certificate, error) {
	s, err := schemeOf(signer.Public())
	if err != nil {
		return nil, err
	}
	t.SignatureAlgorithm = s.algorithm
	der, err := x509.CreateCertificate(rand.Reader, t, parent, key.Public(), signer)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// newSerialNumber is a random certificate serial number of 16 octets: positive,
// unpredictable (126 random bits), and within the 20 octets of RFC 5280,
// clause 4.1.2.2.
func newSerialNumber() *big.Int {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[0] = b[0]&0x3f | 0x40
	return new(big.Int).SetBytes(b[:])
}

// keyIdentifier is the leftmost 160 bits of the SHA-256 of the key (RFC 7093,
// clause 2, method 1). It is nil if the kind of key is unknown.
func keyIdentifier(key crypto.PublicKey) []byte {
	spki, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil
	}
	bits, err := keyBits(spki)
	if err != nil {
		return nil
	}
	h := sha256.Sum256(bits)
	return h[:20]
}

// keyBits is the content of the BIT STRING in a SubjectPublicKeyInfo.
func keyBits(spki []byte) ([]byte, error) {
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if rest, err := asn1.Unmarshal(spki, &info); err != nil || len(rest) > 0 {
		return nil, errors.New("ca: malformed public key")
	}
	return info.Key.RightAlign(), nil
}

// sameKey compares keys by their encoding, because the public key of an HSM's
// signer may have a type of its own.
func sameKey(signer crypto.Signer, key crypto.PublicKey) bool {
	if signer == nil {
		return false
	}
	a, err := x509.MarshalPKIXPublicKey(signer.Public())
	b, err2 := x509.MarshalPKIXPublicKey(key)
	return err == nil && err2 == nil && bytes.Equal(a, b)
}

// baseURL checks the base of the URLs in certificates. It must be http, because a
// client may need these URLs before it can check the certificate of an https
// server (RFC 5280, clause 8).
func baseURL(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return "", fmt.Errorf("ca: base URL %q is not http://host[:port][/path]", s)
	}
	return strings.TrimSuffix(s, "/"), nil
}
