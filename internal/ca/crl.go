package ca

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"math/big"
	"sync"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
)

const (
	// crlValidity is the time from signing to nextUpdate: how long a relying party
	// that cannot reach the service can use a CRL.
	crlValidity = 24 * time.Hour
	// crlRefresh is the age at which a CRL is replaced. A revocation replaces it at once. If
	// another node could not tell of one, it shows within this time.
	crlRefresh = 5 * time.Minute
)

// crlCache keeps one CRL. The lock is held while a new one is signed, so that many
// simultaneous requests cause one signature.
type crlCache struct {
	mu     sync.Mutex
	der    []byte
	made   time.Time
	number int64
}

// drop discards the CRL after a revocation.
func (c *crlCache) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.der = nil
}

// get returns the cached CRL, or a new one from sign, with a number that is at least the given
// one. If sign fails, it returns
// the old one while that is valid. An old CRL contains all revocations made on this
// node, because drop discards it otherwise.
func (c *crlCache) get(now time.Time, sign func(least int64) ([]byte, int64, error)) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	age := now.Sub(c.made)
	if c.der != nil && age >= 0 && age < crlRefresh {
		return c.der, nil
	}
	// Numbers derived from the time increase across restarts (RFC 5280, clause 5.2.3).
	der, number, err := sign(max(c.number+1, now.UnixMicro()))
	if err != nil {
		if c.der != nil && age >= 0 && age < crlValidity {
			return c.der, nil
		}
		return nil, err
	}
	c.der, c.made, c.number = der, now, number
	return der, nil
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
