package ca

import (
	"cmp"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/limit"
	"github.com/signum-mssp/signum/internal/mssp"
)

// DefaultPolicy is the certificate policy if none is configured. It is in 2.999,
// the arc for examples; an operator configures a policy of their own.
const DefaultPolicy = "2.999.1"

// Options of an Issuer.
type Options struct {
	URL    string // base URL (http) of Handler; goes into every certificate
	Policy string // OID of the certificate policy, dotted; empty: DefaultPolicy
	// Lifetime is that of subscribers' certificates; 0: three years. They never outlive the
	// issuing CA.
	Lifetime time.Duration
	Clock    mssp.Clock      // nil: mssp.SystemClock
	Log      *slog.Logger    // for what Handler cannot tell its clients; nil: discarded
	Events   *event.Recorder // takes the one event of each request to Handler; nil: one that writes to Log
	// Revoked is called after a revocation, so that other nodes make new CRLs, too: see
	// Issuer.RevokedElsewhere. May be nil.
	Revoked func()
	// Number returns a number for a CRL that is higher than all before, and at least that. Of
	// several nodes, they must share it. Nil: that is the least one, by the clock.
	Number func(ctx context.Context, least int64) (int64, error)
}

// Issuer issues and revokes subscribers' certificates and publishes their status.
// It is safe for concurrent use; several nodes may share a store.
type Issuer struct {
	*Authority
	store  mssp.CertificateStore
	clock  mssp.Clock
	life   time.Duration // of a certificate; 0: subscriberYears
	log    *slog.Logger
	events *event.Recorder
	url    string // without a trailing slash
	policy x509.OID
	scheme scheme

	throwaway  func() (crypto.Signer, error)
	publishers []*publisher
	answers    *ocspCache
	unknown    *limit.Limiter // of OCSP answers about serials that were never issued, by CA
	revoked    func()         // may be nil
	number     func(ctx context.Context, least int64) (int64, error)
}

// New returns an issuer that works with the authority's keys.
func New(a *Authority, store mssp.CertificateStore, o Options) (*Issuer, error) {
	base, err := baseURL(o.URL)
	if err != nil {
		return nil, err
	}
	policy, err := x509.ParseOID(cmp.Or(o.Policy, DefaultPolicy))
	if err != nil {
		return nil, fmt.Errorf("ca: certificate policy %q: %w", o.Policy, err)
	}
	s, err := schemeOf(a.issuing.PublicKey)
	if err != nil {
		return nil, err
	}
	i := &Issuer{
		Authority:  a,
		store:      store,
		clock:      o.Clock,
		life:       o.Lifetime,
		log:        o.Log,
		events:     o.Events,
		url:        base,
		policy:     policy,
		scheme:     s,
		throwaway:  throwawayKey(a.issuing.PublicKey),
		publishers: publishers(a),
		answers:    newOCSPCache(maxOCSPAnswers),
		revoked:    o.Revoked,
		number:     o.Number,
		unknown:    limit.New(unknownOCSP, len(publishers(a))),
	}
	if i.clock == nil {
		i.clock = mssp.SystemClock{}
	}
	if i.number == nil {
		i.number = func(_ context.Context, least int64) (int64, error) { return least, nil }
	}
	if i.log == nil {
		i.log = slog.New(slog.DiscardHandler)
	}
	if i.events == nil {
		i.events = event.New(i.clock, i.log)
	}
	return i, nil
}

// throwawayKey returns a source of keys of the same kind as key, which sign the
// draft that is linted. Generating an RSA key takes long, so one is reused; it is
// never stored, and its size does not show in the draft.
func throwawayKey(key crypto.PublicKey) func() (crypto.Signer, error) {
	if k, ok := key.(*ecdsa.PublicKey); ok {
		return func() (crypto.Signer, error) { return ecdsa.GenerateKey(k.Curve, rand.Reader) }
	}
	return sync.OnceValues(func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 2048) })
}

// Issue certifies the key of a device for the account with this serial. The key
// is P-256, or RSA of 2048 bits with exponent 65537; the caller has verified that
// it belongs to the device. The certificate is valid for Options.Lifetime, but never
// longer than the issuing CA.
//
// The certificate is in the store when Issue returns. If Issue fails, the store may
// contain an intended certificate that nobody ever received.
func (i *Issuer) Issue(ctx context.Context, serial, deviceID string, key crypto.PublicKey) (*mssp.Certificate, error) {
	if !ValidSerial(serial) {
		return nil, fmt.Errorf("ca: %q is not an account serial", serial)
	}
	if err := checkKey(key); err != nil {
		return nil, err
	}
	template, err := i.template(serial, key)
	if err != nil {
		return nil, err
	}
	draft, err := i.draft(template, key)
	if err != nil {
		return nil, err
	}
	if err := i.lint(draft); err != nil {
		return nil, err
	}

	c := &mssp.Certificate{
		Serial:    draft.SerialNumber.Text(16),
		DeviceID:  deviceID,
		Issuer:    keyID(i.issuing),
		State:     mssp.CertificateIntended,
		TBS:       draft.RawTBSCertificate,
		NotBefore: draft.NotBefore,
		NotAfter:  draft.NotAfter,
	}
	if err := i.store.IntendCertificate(ctx, c); err != nil {
		return nil, fmt.Errorf("ca: record the intent to issue %s: %w", c.Serial, err)
	}
	der, err := i.signDraft(draft)
	if err != nil {
		return nil, fmt.Errorf("ca: sign %s: %w", c.Serial, err)
	}
	if err := i.store.CompleteCertificate(ctx, c.Serial, der); err != nil {
		return nil, fmt.Errorf("ca: record the certificate %s: %w", c.Serial, err)
	}
	issued := *c
	issued.State, issued.DER, issued.TBS = mssp.CertificateGood, der, nil
	return &issued, nil
}

// checkKey reports why a key may not be certified: it must be of a kind in
// signum.KeyType.
func checkKey(key crypto.PublicKey) error {
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() {
			return errors.New("ca: an EC key must be on P-256")
		}
		if _, err := k.Bytes(); err != nil {
			return fmt.Errorf("ca: EC key: %w", err)
		}
		return nil
	case *rsa.PublicKey:
		if k.N == nil || k.N.Sign() <= 0 || k.N.BitLen() != 2048 || k.N.Bit(0) == 0 || k.E != 65537 {
			return errors.New("ca: an RSA key must have 2048 bits and the exponent 65537")
		}
		return nil
	}
	return fmt.Errorf("ca: a device's key is P-256 or RSA-2048, not %T", key)
}

// draft makes the certificate as it will be, but signed with a throwaway key.
func (i *Issuer) draft(template *x509.Certificate, key crypto.PublicKey) (*x509.Certificate, error) {
	throwaway, err := i.throwaway()
	if err != nil {
		return nil, fmt.Errorf("ca: throwaway key: %w", err)
	}
	parent := *i.issuing
	parent.PublicKey = throwaway.Public()
	der, err := x509.CreateCertificate(rand.Reader, template, &parent, key, throwaway)
	if err != nil {
		return nil, fmt.Errorf("ca: %w", err)
	}
	draft, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("ca: %w", err)
	}
	return draft, nil
}

// signDraft signs the to-be-signed bytes of the draft with the key of the issuing
// CA and verifies the result.
func (i *Issuer) signDraft(draft *x509.Certificate) ([]byte, error) {
	var c struct {
		TBS, Algorithm asn1.RawValue
		Signature      asn1.BitString
	}
	if _, err := asn1.Unmarshal(draft.Raw, &c); err != nil {
		return nil, err
	}
	h := i.scheme.opts.HashFunc().New()
	h.Write(draft.RawTBSCertificate)
	sig, err := i.issuingKey.Sign(rand.Reader, h.Sum(nil), i.scheme.opts)
	if err != nil {
		return nil, err
	}
	c.Signature = asn1.BitString{Bytes: sig, BitLength: 8 * len(sig)}
	der, err := asn1.Marshal(c)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	if string(cert.RawTBSCertificate) != string(draft.RawTBSCertificate) {
		return nil, errors.New("the signed bytes differ from the linted ones")
	}
	if err := cert.CheckSignatureFrom(i.issuing); err != nil {
		return nil, err
	}
	return der, nil
}

// Revoke revokes a certificate of a current or former issuing CA, now. It takes
// the serial number (lower-case hex) and a CRLReason of RFC 5280, clause 5.3.1.
// Revocation is final, so the reasons certificateHold (6) and removeFromCRL (8) are
// refused. Revoking a second time changes nothing. The error is mssp.ErrNotFound if
// there is no such certificate.
func (i *Issuer) Revoke(ctx context.Context, serial string, reason int) error {
	switch reason {
	case 0, 1, 2, 3, 4, 5, 9, 10:
	default:
		return fmt.Errorf("ca: %d is not a permitted revocation reason", reason)
	}
	if err := i.store.RevokeCertificate(ctx, serial, i.clock.Now().UTC().Truncate(time.Second), reason); err != nil {
		return fmt.Errorf("ca: revoke %s: %w", serial, err)
	}
	i.RevokedElsewhere()
	if i.revoked != nil {
		i.revoked()
	}
	return nil
}

// RevokedElsewhere makes the next CRLs new ones, because something was revoked.
func (i *Issuer) RevokedElsewhere() {
	for _, p := range i.publishers {
		p.crls.drop()
	}
}
