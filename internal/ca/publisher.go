package ca

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
)

// publisher publishes the status of the certificates that one CA issued: the
// current issuing CA, a former one, or a root.
type publisher struct {
	ca      *x509.Certificate
	key     crypto.Signer // nil if it is offline or destroyed
	last    []byte        // the CRL that is served if key is nil; may be nil
	issuing bool          // to subscribers; false: a root, which has never revoked anything
	crls    crlCache
}

// publishers returns one for each CA of the authority, the current ones first.
func publishers(a *Authority) []*publisher {
	list := []*publisher{
		{ca: a.issuing, key: a.issuingKey, issuing: true},
		{ca: a.root, key: a.rootKey, last: a.rootCRL},
	}
	add := func(p *publisher) {
		// CAs may share a root, and a renewed CA has the key of its predecessor.
		if !slices.ContainsFunc(list, func(o *publisher) bool { return keyID(o.ca) == keyID(p.ca) }) {
			list = append(list, p)
		}
	}
	for _, f := range a.former {
		add(&publisher{ca: f.Issuing, key: f.Key, last: f.CRL, issuing: true})
		add(&publisher{ca: f.Root, last: f.RootCRL})
	}
	return list
}

// publisher finds the one of a CA by key identifier; nil if the CA is not one of ours.
func (i *Issuer) publisher(id string) *publisher {
	for _, p := range i.publishers {
		if keyID(p.ca) == id {
			return p
		}
	}
	return nil
}

// CRL returns the revocation list (DER; RFC 5280, clause 5) of a CA of the
// authority, current or former: revoked certificates that have not expired. It is
// at most five minutes old and valid for a day. If the key of the CA is offline or
// destroyed, it is the last list that the CA signed.
func (i *Issuer) CRL(ctx context.Context, ca *x509.Certificate) ([]byte, error) {
	p := i.publisher(keyID(ca))
	if p == nil {
		return nil, fmt.Errorf("ca: %s is not a CA of this authority", ca.Subject)
	}
	return i.crl(ctx, p)
}

func (i *Issuer) crl(ctx context.Context, p *publisher) ([]byte, error) {
	if p.key == nil {
		if p.last == nil {
			return nil, fmt.Errorf("ca: the key of %s is not available, and there is no CRL that it signed", p.ca.Subject)
		}
		return p.last, nil
	}
	now := i.clock.Now()
	return p.crls.get(now, func(least int64) ([]byte, int64, error) {
		// The number comes first: a list with a higher one has all revocations of this one.
		number, err := i.number(ctx, least)
		if err != nil {
			return nil, 0, fmt.Errorf("ca: number of a CRL: %w", err)
		}
		revoked, err := i.revokedBy(ctx, p, now)
		if err != nil {
			return nil, 0, err
		}
		der, err := signCRL(p.ca, p.key, revoked, big.NewInt(number), now.Add(-backdate), now.Add(crlValidity))
		return der, number, err
	})
}

// revokedBy lists the certificates that the CA issued and that are revoked.
func (i *Issuer) revokedBy(ctx context.Context, p *publisher, now time.Time) ([]mssp.Certificate, error) {
	if !p.issuing {
		return nil, nil
	}
	all, err := i.store.RevokedCertificates(ctx, now)
	if err != nil {
		return nil, fmt.Errorf("ca: CRL: %w", err)
	}
	id := keyID(p.ca)
	return slices.DeleteFunc(all, func(c mssp.Certificate) bool { return issuerID(&c) != id }), nil
}

// issuerID is the key identifier of the CA that issued a certificate, as the store
// recorded it, or from the DER. It is empty if neither says.
func issuerID(c *mssp.Certificate) string {
	if c.Issuer != "" {
		return c.Issuer
	}
	_, id, err := issuerOf(c.DER)
	if err != nil {
		return ""
	}
	return hex.EncodeToString(id)
}

// keyID names a CA in addresses and in the store: its subject key identifier,
// lower-case hex.
func keyID(ca *x509.Certificate) string {
	if len(ca.SubjectKeyId) > 0 {
		return hex.EncodeToString(ca.SubjectKeyId)
	}
	return hex.EncodeToString(keyIdentifier(ca.PublicKey)) // a root need not state it
}
