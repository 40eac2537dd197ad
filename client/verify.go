package client

import (
	"crypto/x509"
	"time"

	"github.com/signum-mssp/signum/internal/cms"
)

// Signature is what a verified CMS says.
type Signature struct {
	Text        string            // what was signed, byte for byte
	Serial      string            // serialNumber of the subject: the user's account
	SigningTime time.Time         // UTC, as the provider stated; zero if it did not
	Certificate *x509.Certificate // the signer's
	// Chain is the certificate path to a root, the signer first, for a check of
	// revocation.
	Chain []*x509.Certificate
}

// Verify checks the signature of an answer: that the text is what was signed,
// that the signer's key signed it, and that the signer's certificate leads to
// one of the roots and was valid at the signing time. Intermediates are needed
// only if the CMS does not hold them, which it does.
//
// What remains for the party: that Text is what it asked for, that Serial is
// the account it knows the user by, and, if it must know of revocation after
// the signature, to ask for it. For SignRequest.Text, what it asked for is that
// text; for SignRequest.Txn it is Txn.SignedContent(), which is
// {"format_version":1,"content_string":"…"} with the rows and without the
// title; for a MimeType and a text of one's own, signum.SignedContent.
// The error wraps the cause, for example an x509.UnknownAuthorityError.
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
