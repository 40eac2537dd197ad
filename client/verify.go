package client

import (
	"bytes"
	"crypto/x509"
	"errors"
	"time"

	"github.com/signum-mssp/signum/internal/cms"
)

// Signature is what a verified CMS says.
type Signature struct {
	Text        string            // what was signed, byte for byte
	Serial      string            // serialNumber of the certificate's subject: the user's account
	SigningTime time.Time         // in UTC, as the service stated it; zero if it did not
	ValidAt     time.Time         // in UTC; when the certificates were valid: see VerifyOptions.At
	Certificate *x509.Certificate // of the signer
	// Chain is the certificate path from the signer to a root, for a check of
	// revocation.
	Chain []*x509.Certificate
	// CMS is the signature in BER, without the PEM, Base64 or S/MIME around it.
	CMS []byte
}

// Errors of Verify that more options can help against.
var (
	// ErrDetached means that the signature does not contain what was signed, and that
	// VerifyOptions.Content is not set.
	ErrDetached = cms.ErrDetached
	// ErrNoCertificate means that neither the signature nor
	// VerifyOptions.Certificates contain the signer's certificate.
	ErrNoCertificate = cms.ErrNoCertificate
)

// VerifyOptions says what VerifyWith relies on.
type VerifyOptions struct {
	// Roots are required. Those of the system are not used.
	Roots *x509.CertPool
	// Certificates may be used besides those in the CMS: intermediates, or the
	// signer's.
	Certificates []*x509.Certificate
	// At is when the certificates must be valid. Zero stands for the signing time; if
	// the service states none, as the public Mobile ID service does not, for now. If
	// such a signature is kept, keep the time at which it came, too: its certificate
	// will expire.
	At time.Time
	// Content is what was signed, for a signature that does not contain it. If the
	// signature contains it as well, both must be equal.
	Content []byte
}

// Verify checks the signature of an answer: that the text is what was signed, that
// the signer's key signed it, that the signer's certificate leads to one of the
// roots, and that it was valid at the signing time, or is valid now if the service
// states none. Intermediates are needed only if the CMS does not hold them; those
// of Signum do. The error wraps the cause, for example an
// x509.UnknownAuthorityError.
//
// The party must still check that Text is what it asked for and that Serial is the
// account by which it knows the user. What it asked for is SignRequest.Text, or
// Txn.SignedContent() for SignRequest.Txn, or signum.SignedContent for a MimeType
// of its own. Verify does not ask whether the certificate was revoked: a service
// does not sign with one that is, but may revoke it later.
func Verify(signature []byte, roots *x509.CertPool, intermediates ...*x509.Certificate) (*Signature, error) {
	return VerifyWith(signature, VerifyOptions{Roots: roots, Certificates: intermediates})
}

// VerifyWith is Verify with more options. It takes what services and other programs
// make: a CMS in BER or DER, by itself or in PEM, Base64 or S/MIME, signed with RSA
// (PKCS #1 v1.5 or PSS) or ECDSA, and SHA-256, SHA-384 or SHA-512. It refuses a
// signature with several signers, or without signed attributes, because those of
// another signature could be passed off as its text.
func VerifyWith(signature []byte, o VerifyOptions) (*Signature, error) {
	ber, content, err := open(signature)
	if err != nil {
		return nil, err
	}
	if content == nil {
		content = o.Content
	} else if o.Content != nil && !bytes.Equal(content, o.Content) {
		return nil, errors.New("the S/MIME message contains another content than the given one")
	}
	sd, err := cms.ParseBER(ber)
	if err != nil {
		return nil, err
	}
	r, err := sd.Verify(cms.VerifyOptions{
		Roots: o.Roots, Certificates: o.Certificates, Time: o.At, Now: time.Now(), Content: content,
	})
	if err != nil {
		return nil, err
	}
	return &Signature{
		Text: string(r.Content), Serial: r.Serial, SigningTime: r.SigningTime, ValidAt: r.Time.UTC(),
		Certificate: r.Certificate, Chain: r.Chain, CMS: ber,
	}, nil
}
