package ca

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"sync"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
)

const (
	// crlValidity is from making to nextUpdate: what a receiver that cannot
	// reach us can live on.
	crlValidity = 24 * time.Hour
	// crlRefresh is how old a CRL gets before another is made. A revocation on
	// this node replaces it at once; one on another node within this time.
	crlRefresh = 5 * time.Minute
)

// crlCache keeps one CRL. The lock is held while one is made, so that many who
// ask at once cause one.
type crlCache struct {
	mu     sync.Mutex
	der    []byte
	made   time.Time
	number int64
}

// drop makes the next caller get a new CRL.
func (c *crlCache) drop() {
	c.mu.Lock()
	c.der = nil
	c.mu.Unlock()
}

// get returns the CRL kept, or what make makes. If that fails, an old one that
// is still valid is better than none: drop has seen to it that it knows the
// revocations of this node.
func (c *crlCache) get(now time.Time, make func(number *big.Int) ([]byte, error)) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	age := now.Sub(c.made)
	if c.der != nil && age >= 0 && age < crlRefresh {
		return c.der, nil
	}
	// The time makes numbers grow over restarts, and over nodes as far as their
	// clocks agree (RFC 5280, clause 5.2.3).
	number := max(c.number+1, now.UnixMicro())
	der, err := make(big.NewInt(number))
	if err != nil {
		if c.der != nil && age >= 0 && age < crlValidity {
			return c.der, nil
		}
		return nil, err
	}
	c.der, c.made, c.number = der, now, number
	return der, nil
}

// CRL is the issuing CA's list of revoked certificates that have not expired
// (DER; RFC 5280, clause 5), at most five minutes old and valid for a day.
func (i *Issuer) CRL(ctx context.Context) ([]byte, error) {
	now := i.clock.Now()
	return i.crl.get(now, func(number *big.Int) ([]byte, error) {
		revoked, err := i.store.RevokedCertificates(ctx, now)
		if err != nil {
			return nil, fmt.Errorf("ca: CRL: %w", err)
		}
		return signCRL(i.issuing, i.issuingKey, revoked, number, now.Add(-backdate), now.Add(crlValidity))
	})
}

// RootCRL is the root's list, which is empty: nothing but the issuing CA was
// ever signed by it. If the root's key is offline, it is the last one it made.
func (i *Issuer) RootCRL() ([]byte, error) {
	if i.rootKey == nil {
		if i.Authority.rootCRL == nil {
			return nil, errors.New("ca: the root is offline and left no CRL")
		}
		return i.Authority.rootCRL, nil
	}
	now := i.clock.Now()
	return i.rootCRLs.get(now, func(number *big.Int) ([]byte, error) {
		return signCRL(i.root, i.rootKey, nil, number, now.Add(-backdate), now.Add(crlValidity))
	})
}

func signCRL(issuer *x509.Certificate, key crypto.Signer, revoked []mssp.Certificate, number *big.Int, thisUpdate, nextUpdate time.Time) ([]byte, error) {
	s, err := schemeOf(issuer.PublicKey)
	if err != nil {
		return nil, err
	}
	entries := make([]x509.RevocationListEntry, len(revoked))
	for n, c := range revoked {
		serial, ok := new(big.Int).SetString(c.Serial, 16)
		if !ok {
			return nil, fmt.Errorf("ca: CRL: serial number %q", c.Serial)
		}
		entries[n] = x509.RevocationListEntry{SerialNumber: serial, RevocationTime: c.RevokedAt.UTC(), ReasonCode: c.Reason}
	}
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		SignatureAlgorithm:        s.algorithm,
		RevokedCertificateEntries: entries,
		Number:                    number,
		ThisUpdate:                thisUpdate.UTC(),
		NextUpdate:                nextUpdate.UTC(),
	}, issuer, key)
	if err != nil {
		return nil, fmt.Errorf("ca: CRL: %w", err)
	}
	return der, nil
}
