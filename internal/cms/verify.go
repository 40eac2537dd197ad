package cms

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rsa"
	_ "crypto/sha256" // the digests of hashOf
	_ "crypto/sha512"
	"crypto/subtle"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Errors of Verify, besides ErrSignature and the errors of crypto/x509 about the
// chain.
var (
	// ErrDigest means that the content is not the one that was signed.
	ErrDigest = errors.New("cms: the content is not what was signed")
	// ErrSigner means that the signer's certificate is missing, or does not fit the
	// signature.
	ErrSigner = errors.New("cms: signer's certificate")
	// ErrNoCertificate is an ErrSigner: neither the CMS nor VerifyOptions contain the
	// signer's certificate.
	ErrNoCertificate = fmt.Errorf("%w: not in the CMS", ErrSigner)
	// ErrDetached means that the signature does not contain what was signed, and
	// VerifyOptions.Content is not set.
	ErrDetached = errors.New("cms: the signature does not contain what was signed")
)

// VerifyOptions says what to trust.
type VerifyOptions struct {
	// Roots are required. Those of the system are not used.
	Roots *x509.CertPool
	// Certificates may be used besides those of the CMS: intermediates, or the
	// signer's.
	Certificates []*x509.Certificate
	// Time is when the chain must be valid. Zero stands for the signing time, which
	// the signer states: trust it only as far as revocation and the receiver's own
	// clock confirm it.
	Time time.Time
	// Now stands in if Time is zero and the signer states no time.
	Now time.Time
	// Content is what was signed, for a signature that does not contain it. If the
	// signature contains it as well, both must be equal.
	Content []byte
}

// Result is the content of a verified signature.
type Result struct {
	Content     []byte            // the text, byte for byte
	Certificate *x509.Certificate // of the signer
	Serial      string            // serialNumber of its subject: the account
	SigningTime time.Time         // in UTC; zero if the signature has none
	Time        time.Time         // when the chain was valid
	Chain       []*x509.Certificate
}

// purposes are the extended key usages of certificates that sign: client
// authentication, for which those of mobile signatures are issued, and the
// protection of e-mail, for which those of other signatures are.
var purposes = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageEmailProtection}

// Verify checks the digest of the content, the signature over the signed
// attributes, that the signer's certificate is the one that the attributes name
// (if they name one, RFC 5035), and its chain to a root, whose purpose must be client
// authentication or the protection of e-mail. Verify does not check revocation;
// Result.Chain, the signer first, is what such a check needs.
//
// The error is ErrDigest, ErrDetached or ErrSignature, wraps ErrSigner, or comes from
// x509.Certificate.Verify.
func (sd *SignedData) Verify(o VerifyOptions) (*Result, error) {
	s := &sd.signer
	if o.Roots == nil {
		return nil, errors.New("cms: no roots to verify against")
	}
	content, err := sd.contentOf(o.Content)
	if err != nil {
		return nil, err
	}
	if !s.signs(content) {
		return nil, ErrDigest
	}
	leaf, others, err := sd.parseCertificates(o.Certificates)
	if err != nil {
		return nil, err
	}
	if err := s.verifySignature(leaf); err != nil {
		return nil, err
	}

	at := o.Time
	for _, t := range []time.Time{s.attrs.signingTime, o.Now} {
		if at.IsZero() {
			at = t
		}
	}
	if at.IsZero() { // x509 would use the present time
		return nil, errors.New("cms: no signing time, and no time to verify at")
	}
	pool := x509.NewCertPool()
	for _, c := range others {
		pool.AddCert(c)
	}
	chains, err := leaf.Verify(x509.VerifyOptions{
		Roots:         o.Roots,
		Intermediates: pool,
		CurrentTime:   at,
		KeyUsages:     purposes,
	})
	if err != nil {
		return nil, fmt.Errorf("cms: chain: %w", err)
	}
	return &Result{
		Content:     content,
		Certificate: leaf,
		Serial:      leaf.Subject.SerialNumber,
		SigningTime: s.attrs.signingTime,
		Time:        at,
		Chain:       chains[0],
	}, nil
}

// contentOf returns what was signed; given is what the receiver knows of it.
func (sd *SignedData) contentOf(given []byte) ([]byte, error) {
	switch {
	case !sd.detached && (given == nil || bytes.Equal(given, sd.content)):
		return sd.content, nil
	case !sd.detached:
		return nil, ErrDigest
	case given == nil:
		return nil, ErrDetached
	}
	return given, nil
}

// signs reports whether the signed attributes have the digest of the content.
func (s *signerInfo) signs(content []byte) bool {
	h := s.hash.New()
	h.Write(content)
	return subtle.ConstantTimeCompare(h.Sum(nil), s.attrs.digest) == 1
}

// verifySignature checks the signature with the key of the certificate. The
// certificate must allow signatures, and be the one that the attributes name.
func (s *signerInfo) verifySignature(leaf *x509.Certificate) error {
	if s.attrs.certHash != nil {
		h := s.attrs.certHashAlg.New()
		h.Write(leaf.Raw)
		if !bytes.Equal(h.Sum(nil), s.attrs.certHash) {
			return fmt.Errorf("%w: not the one in signingCertificateV2", ErrSigner)
		}
	}
	const signing = x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment
	if leaf.IsCA || leaf.KeyUsage != 0 && leaf.KeyUsage&signing == 0 {
		return fmt.Errorf("%w: not for signatures", ErrSigner)
	}
	key, onlyPSS, restricted := publicKey(leaf)
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		if s.kind != kindECDSA {
			return fmt.Errorf("%w: key of another type", ErrSigner)
		}
	case *rsa.PublicKey:
		if s.kind == kindECDSA || onlyPSS && s.kind != kindPSS || restricted != 0 && restricted != s.hash {
			return fmt.Errorf("%w: key of another type", ErrSigner)
		}
		if bits := k.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return fmt.Errorf("%w: RSA key of %d bits", ErrSigner, bits)
		}
	default:
		return fmt.Errorf("%w: key of unknown type", ErrSigner)
	}
	h := s.hash.New()
	h.Write(s.attrsDER)
	return verify(key, s.kind, s.salt, s.hash, h.Sum(nil), s.signature)
}

// parseCertificates parses the certificates of the CMS and returns the signer's
// apart from all others. A certificate that nobody needs may be unreadable.
func (sd *SignedData) parseCertificates(more []*x509.Certificate) (leaf *x509.Certificate, others []*x509.Certificate, err error) {
	for _, der := range sd.certificates {
		c, e := x509.ParseCertificate(der)
		if e != nil {
			err = e
			continue
		}
		others = append(others, c)
	}
	others = append(others, more...)
	if i := slices.IndexFunc(others, sd.signer.names); i >= 0 {
		leaf = others[i]
		return leaf, slices.Delete(others, i, i+1), nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%w, or not readable: %w", ErrNoCertificate, err)
	}
	return nil, nil, ErrNoCertificate
}

// names reports whether the signer identifier names the certificate.
func (s *signerInfo) names(c *x509.Certificate) bool {
	if s.ski != nil {
		return bytes.Equal(s.ski, c.SubjectKeyId)
	}
	var serial cryptobyte.String
	der := cryptobyte.String(s.serial)
	return bytes.Equal(s.issuer, c.RawIssuer) &&
		der.ReadASN1(&serial, asn1.INTEGER) && bytes.Equal(serial, serialBytes(c))
}

// serialBytes returns the content of the DER INTEGER of a certificate's serial
// number. crypto/x509 accepts only positive ones.
func serialBytes(c *x509.Certificate) []byte {
	b := c.SerialNumber.Bytes()
	if len(b) == 0 || b[0]&0x80 != 0 {
		return append([]byte{0}, b...)
	}
	return b
}
