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
	"sync"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/signum-mssp/signum/internal/mssp"
)

const (
	// ocspValidity is from making to nextUpdate.
	ocspValidity = time.Hour
	// ocspRefresh is how long a signed answer is given again, and how long HTTP
	// caches may keep it.
	ocspRefresh = time.Minute
	// maxOCSPAnswers are kept.
	maxOCSPAnswers = 4096
)

// ocspAlgorithm is how the issuing CA's key signs OCSP answers. With an RSA key
// this is PKCS #1 v1.5, although certificates and CRLs are signed with PSS: it
// is what every client must be able to verify (RFC 6960, clause 4.3), and the
// library in use cannot make the other.
func ocspAlgorithm(key crypto.PublicKey) x509.SignatureAlgorithm {
	if _, ok := key.(*rsa.PublicKey); ok {
		return x509.SHA256WithRSA
	}
	return x509.UnknownSignatureAlgorithm // by the curve
}

// ocspKey is everything an answer depends on but the time. As the status is
// part of it, a revocation, on whichever node, is seen at once.
type ocspKey struct {
	serial  string
	hash    crypto.Hash
	status  int
	revoked int64
	reason  int
}

type ocspAnswer struct {
	der  []byte
	made time.Time
}

// ocspCache keeps signed answers, so that asking costs a look-up and not a
// signature.
type ocspCache struct {
	mu      sync.Mutex
	answers map[ocspKey]ocspAnswer
}

func (c *ocspCache) get(k ocspKey, now time.Time) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	a, ok := c.answers[k]
	if age := now.Sub(a.made); !ok || age < 0 || age >= ocspRefresh {
		return nil
	}
	return a.der
}

func (c *ocspCache) put(k ocspKey, a ocspAnswer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.answers == nil || len(c.answers) >= maxOCSPAnswers {
		c.answers = make(map[ocspKey]ocspAnswer)
	}
	c.answers[k] = a
}

// OCSP answers one request (DER) of RFC 6960, clause 4.1: good, revoked or
// unknown for certificates of the issuing CA, an unsigned error otherwise. Of
// several certificates asked for, the first is answered; there is no nonce, so
// that answers can be kept (RFC 5019, clause 4 permits both). The answer is
// never nil; ok is false if it is an error, which nobody should keep.
func (i *Issuer) OCSP(ctx context.Context, request []byte) (der []byte, ok bool) {
	req, err := ocsp.ParseRequest(request)
	if err != nil {
		return ocsp.MalformedRequestErrorResponse, false
	}
	if !i.isIssuerOf(req) {
		return ocsp.UnauthorizedErrorResponse, false
	}
	now := i.clock.Now()
	k := ocspKey{serial: req.SerialNumber.Text(16), hash: req.HashAlgorithm, status: ocsp.Good}
	c, err := i.store.Certificate(ctx, k.serial)
	switch {
	case errors.Is(err, mssp.ErrNotFound), err == nil && c.State == mssp.CertificateIntended:
		k.status = ocsp.Unknown
	case err != nil:
		i.log.ErrorContext(ctx, "ocsp: look up certificate", "serial", k.serial, "err", err)
		return ocsp.TryLaterErrorResponse, false
	case c.State == mssp.CertificateRevoked:
		k.status, k.revoked, k.reason = ocsp.Revoked, c.RevokedAt.Unix(), c.Reason
	}
	if der := i.ocsp.get(k, now); der != nil {
		return der, true
	}
	der, err = i.signOCSP(k, req.SerialNumber, now)
	if err != nil {
		i.log.ErrorContext(ctx, "ocsp: sign", "serial", k.serial, "err", err)
		return ocsp.InternalErrorErrorResponse, false
	}
	if k.status != ocsp.Unknown { // anybody can make up numbers
		i.ocsp.put(k, ocspAnswer{der, now})
	}
	return der, true
}

func (i *Issuer) signOCSP(k ocspKey, serial *big.Int, now time.Time) ([]byte, error) {
	r := ocsp.Response{
		Status:             k.status,
		SerialNumber:       serial,
		IssuerHash:         k.hash,
		ThisUpdate:         now.Add(-backdate).UTC().Truncate(time.Second),
		NextUpdate:         now.Add(ocspValidity).UTC().Truncate(time.Second),
		SignatureAlgorithm: ocspAlgorithm(i.issuing.PublicKey),
	}
	if k.status == ocsp.Revoked {
		r.RevokedAt, r.RevocationReason = time.Unix(k.revoked, 0).UTC(), k.reason
	}
	der, err := ocsp.CreateResponse(i.issuing, i.issuing, r, i.issuingKey)
	if err != nil {
		return nil, fmt.Errorf("ca: OCSP: %w", err)
	}
	return der, nil
}

// isIssuerOf reports whether the request is about a certificate of our issuing
// CA.
func (i *Issuer) isIssuerOf(req *ocsp.Request) bool {
	if !req.HashAlgorithm.Available() {
		return false
	}
	bits, err := keyBits(i.issuing.RawSubjectPublicKeyInfo)
	if err != nil {
		return false
	}
	sum := func(b []byte) []byte {
		h := req.HashAlgorithm.New()
		h.Write(b)
		return h.Sum(nil)
	}
	return bytes.Equal(req.IssuerNameHash, sum(i.issuing.RawSubject)) && bytes.Equal(req.IssuerKeyHash, sum(bits))
}
