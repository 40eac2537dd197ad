package ca

import (
	"crypto"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/sync/singleflight"

	"github.com/signum-mssp/signum/internal/limit"
)

const (
	// ocspReuse is how long a signed answer is used again. At its end the answer is
	// valid for as long again.
	ocspReuse = ocspValidity / 2
	// maxOCSPAnswers bounds the cache, to some 30 MB. Answers about serials that were
	// never issued fill half of it at most: unknownOCSP signs fewer in ocspReuse.
	maxOCSPAnswers = 1 << 16
)

// unknownOCSP is how often the key of a CA signs that it does not know a serial.
// Anybody can invent serials, and the key must also issue and revoke.
var unknownOCSP = limit.Rate{Burst: 20, Every: time.Second / 20}

// ocspKey is everything an answer depends on, except the time. It includes the
// status, so a revocation on any node shows at once.
type ocspKey struct {
	issuer  string
	serial  string
	hash    crypto.Hash
	status  int
	revoked int64
	reason  int
}

type signedOCSP struct {
	der    []byte
	signed time.Time
}

// ocspCache keeps signed answers, so that a repeated request costs a look-up instead
// of a signature, and requests that arrive together cost one.
type ocspCache struct {
	mu      sync.Mutex
	answers *simplelru.LRU[ocspKey, signedOCSP]
	signing singleflight.Group
}

func newOCSPCache(most int) *ocspCache {
	answers, err := simplelru.NewLRU[ocspKey, signedOCSP](most, nil)
	if err != nil {
		panic("ca: " + err.Error()) // the size is not positive
	}
	return &ocspCache{answers: answers}
}

func (c *ocspCache) get(k ocspKey, now time.Time) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	a, ok := c.answers.Get(k)
	if age := now.Sub(a.signed); !ok || age < 0 || age >= ocspReuse {
		return nil
	}
	return a.der
}

// answer returns the answer that is kept, or one from sign, which may return nil for
// none.
func (c *ocspCache) answer(k ocspKey, now time.Time, sign func() ([]byte, error)) ([]byte, error) {
	if der := c.get(k, now); der != nil {
		return der, nil
	}
	der, err, _ := c.signing.Do(fmt.Sprint(k), func() (any, error) {
		if der := c.get(k, now); der != nil {
			return der, nil // another call signed it meanwhile
		}
		der, err := sign()
		if err == nil && der != nil {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.answers.Add(k, signedOCSP{der, now})
		}
		return der, err
	})
	if err != nil {
		return nil, err
	}
	return der.([]byte), nil
}
