package client

import (
	"crypto/x509"
	"time"

	"github.com/signum-mssp/signum/internal/cms"
)

// Signature is what a verified CMS says.
type Signature struct {
	Text        string            // what was signed, byte for byte
	Serial      string            // serialNumber of the certificate's subject: the user's account
	SigningTime time.Time         // in UTC, as the service stated it; zero if it did not
	Certificate *x509.Certificate // of the signer
	// Chain is the certificate path from the signer to a root, for a check of
	// revocation.
	Chain []*x509.Certificate
}

// Verify checks the signature of an answer, a CMS in DER: that the text is what
// was signed, that the signer's key signed it, that the signer's certificate leads
// to one of the roots, and that it was valid at the signing time. Intermediates
// are needed only if the CMS does not hold them; those of Signum do. The error
// wraps the cause, for example an x509.UnknownAuthorityError.
//
// The party must still check that Text is what it asked for and that Serial is the
// account by which it knows the user. What it asked for is SignRequest.Text, or
// Txn.SignedContent() for SignRequest.Txn, or signum.SignedContent for a MimeType
// of its own. Verify does not ask whether the certificate was revoked: a service
// does not sign with one that is, but may revoke it later.
func Verify(cmsDER []byte, roots *x509.CertPool, intermediates ...*x509.Certificate) (*Signature, error) {
	sd, err := cms.Parse(cmsDER)
	if err != nil {
		return nil, err
	}
	r, err := sd.Verify(cms.VerifyOptions{Roots: roots, Intermediates: intermediates})
	if err != nil {
		return nil, err
	}
	return &Signature{
		Text: string(r.Content), Serial: r.Serial, SigningTime: r.SigningTime,
		Certificate: r.Certificate, Chain: r.Chain,
	}, nil
}
