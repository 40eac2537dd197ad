package ca

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/signum-mssp/signum/internal/mssp"
)

const (
	// ocspValidity is the time from signing to nextUpdate.
	ocspValidity = time.Hour
	// ocspMaxAge is how long HTTP caches may keep an answer, and with it miss a
	// revocation.
	ocspMaxAge = time.Minute
)

// ocspAlgorithm is how the key of an issuing CA signs OCSP answers. With an RSA
// key this is PKCS #1 v1.5, although certificates and CRLs are signed with PSS:
// every client must be able to verify it (RFC 6960, clause 4.3), and the library in
// use cannot sign with PSS.
func ocspAlgorithm(key crypto.PublicKey) x509.SignatureAlgorithm {
	if _, ok := key.(*rsa.PublicKey); ok {
		return x509.SHA256WithRSA
	}
	return x509.UnknownSignatureAlgorithm // the library chooses by the curve
}

// ocspAnswer is the answer to an OCSP request.
type ocspAnswer struct {
	der    []byte
	status string // as RFC 6960 names it: good, revoked, unknown, or an error
	signed bool   // false: an error, which must not be cached
	serial string // of the certificate, lower-case hex; empty in an error
}

func ocspError(status string, der []byte) ocspAnswer { return ocspAnswer{der: der, status: status} }

var ocspStatuses = map[int]string{ocsp.Good: "good", ocsp.Revoked: "revoked", ocsp.Unknown: "unknown"}

// ocsp answers one request (DER) of RFC 6960, clause 4.1: good, revoked or unknown
// for certificates of a current or former issuing CA, signed with the key of that
// CA, otherwise an unsigned error. If the request asks for several certificates,
// the first is answered; there is no nonce, so that answers can be cached (RFC 5019,
// clause 4 and RFC 9654 permit both). Beyond a limit, serials that were never issued
// get tryLater, unsigned. The error is the cause of internalError, and of tryLater if
// the store failed.
func (i *Issuer) ocsp(ctx context.Context, request []byte) (ocspAnswer, error) {
	req, err := ocsp.ParseRequest(request)
	if err != nil {
		return ocspError("malformedRequest", ocsp.MalformedRequestErrorResponse), nil
	}
	ca := i.issuerIn(req)
	if ca == nil || ca.key == nil {
		return ocspError("unauthorized", ocsp.UnauthorizedErrorResponse), nil
	}
	now := i.clock.Now()
	k := ocspKey{issuer: keyID(ca.ca), serial: req.SerialNumber.Text(16), hash: req.HashAlgorithm, status: ocsp.Good}
	c, err := i.store.Certificate(ctx, k.serial)
	switch {
	case errors.Is(err, mssp.ErrNotFound), err == nil && (c.State != mssp.CertificateGood && c.State != mssp.CertificateRevoked || issuerID(c) != k.issuer):
		k.status = ocsp.Unknown
	case err != nil:
		return ocspError("tryLater", ocsp.TryLaterErrorResponse), fmt.Errorf("ca: OCSP: certificate %s: %w", k.serial, err)
	case c.State == mssp.CertificateRevoked:
		k.status, k.revoked, k.reason = ocsp.Revoked, c.RevokedAt.Unix(), c.Reason
	}
	answer := ocspAnswer{status: ocspStatuses[k.status], signed: true, serial: k.serial}
	answer.der, err = i.answers.answer(k, now, func() ([]byte, error) {
		if k.status == ocsp.Unknown && i.unknown.Take(k.issuer, now) > 0 {
			return nil, nil
		}
		return signOCSP(ca, k, req.SerialNumber, now)
	})
	switch {
	case err != nil:
		return ocspError("internalError", ocsp.InternalErrorErrorResponse), err
	case answer.der == nil:
		return ocspError("tryLater", ocsp.TryLaterErrorResponse), nil
	}
	return answer, nil
}

func signOCSP(ca *publisher, k ocspKey, serial *big.Int, now time.Time) ([]byte, error) {
	r := ocsp.Response{
		Status:             k.status,
		SerialNumber:       serial,
		IssuerHash:         k.hash,
		ThisUpdate:         now.Add(-backdate).UTC().Truncate(time.Second),
		NextUpdate:         now.Add(ocspValidity).UTC().Truncate(time.Second),
		SignatureAlgorithm: ocspAlgorithm(ca.ca.PublicKey),
	}
	if k.status == ocsp.Revoked {
		r.RevokedAt, r.RevocationReason = time.Unix(k.revoked, 0).UTC(), k.reason
	}
	der, err := ocsp.CreateResponse(ca.ca, ca.ca, r, ca.key)
	if err != nil {
		return nil, fmt.Errorf("ca: OCSP: %w", err)
	}
	return der, nil
}

// issuerIn finds the issuing CA that a request names; nil if it is not ours.
func (i *Issuer) issuerIn(req *ocsp.Request) *publisher {
	if !req.HashAlgorithm.Available() {
		return nil
	}
	n := slices.IndexFunc(i.publishers, func(p *publisher) bool { return p.issuing && named(p.ca, req) })
	if n < 0 {
		return nil
	}
	return i.publishers[n]
}

// named reports whether a request names the CA as the issuer.
func named(ca *x509.Certificate, req *ocsp.Request) bool {
	bits, err := keyBits(ca.RawSubjectPublicKeyInfo)
	if err != nil {
		return false
	}
	sum := func(b []byte) []byte {
		h := req.HashAlgorithm.New()
		h.Write(b)
		return h.Sum(nil)
	}
	return bytes.Equal(req.IssuerNameHash, sum(ca.RawSubject)) && bytes.Equal(req.IssuerKeyHash, sum(bits))
}
