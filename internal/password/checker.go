package password

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"sync"
	"time"

	"github.com/alexedwards/argon2id"
	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/signum-mssp/signum/internal/limit"
)

// How a Checker remembers and limits.
const (
	remembered = 5 * time.Minute
	verdicts   = 16_384 // of all parties; the oldest are evicted
)

// tries is how many different passwords of a party are computed. A right one counts
// as well, but only when it is not remembered.
var tries = limit.PerMinute(6, 10)

// Errors of Check.
var (
	ErrWrong   = errors.New("wrong password")
	ErrTooMany = errors.New("too many wrong passwords")
)

// Checker checks passwords. It is safe for concurrent use.
type Checker struct {
	key     [32]byte
	compute func(password, hash string) (bool, error) // for tests

	mu    sync.Mutex // guards known
	known *simplelru.LRU[mac, verdict]
	tries *limit.Limiter

	computing sync.Mutex // one at a time: each takes 19 MiB
}

type mac [sha256.Size]byte

type verdict struct {
	ok    bool
	until time.Time
}

// NewChecker returns a Checker with a key of its own.
func NewChecker() *Checker {
	lru, err := simplelru.NewLRU[mac, verdict](verdicts, nil)
	if err != nil { // the size is a positive constant
		panic(err)
	}
	c := &Checker{compute: argon2id.ComparePasswordAndHash, known: lru, tries: limit.New(tries, limit.DefaultKeys)}
	rand.Read(c.key[:])
	return c
}

// Check compares a password with the hash of the party with this AP_ID. It returns
// nil, ErrWrong, ErrTooMany if the party has used up its tries, or another error if
// the hash is unusable.
func (c *Checker) Check(id, hash, password string, now time.Time) error {
	m := c.mac(id, hash, password)
	if v, ok := c.recall(m, now); ok {
		return v.err()
	}
	c.computing.Lock()
	defer c.computing.Unlock()
	if v, ok := c.recall(m, now); ok { // computed meanwhile
		return v.err()
	}
	if err := Valid(hash); err != nil {
		return err
	}
	if wait := c.tries.Take(id, now); wait > 0 {
		return ErrTooMany
	}
	ok, err := c.compute(password, hash)
	if err != nil {
		return err
	}
	v := verdict{ok, now.Add(remembered)}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known.Add(m, v)
	return v.err()
}

func (c *Checker) recall(m mac, now time.Time) (verdict, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, ok := c.known.Get(m)
	return v, ok && now.Before(v.until)
}

// mac covers all inputs. None of the first two contains a zero byte.
func (c *Checker) mac(id, hash, password string) (m mac) {
	h := hmac.New(sha256.New, c.key[:])
	for _, s := range []string{id, hash, password} {
		h.Write([]byte(s))
		h.Write([]byte{0})
	}
	h.Sum(m[:0])
	return m
}

func (v verdict) err() error {
	if v.ok {
		return nil
	}
	return ErrWrong
}
