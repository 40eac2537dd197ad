package card

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/applet"
)

const (
	// MaxTries is how many wrong PINs in a row block a card.
	MaxTries = 3
	// maxAnswers is how many answers a card remembers (docs/sim-applet.md).
	maxAnswers = 16
	// replyBlock is how many reply counters the card reserves in the store at once.
	replyBlock = 16
	rsaBits    = 2048
)

// State is what a card keeps without power.
type State struct {
	// KeySet names the keys to which the counters belong, such as "AES 1". With other
	// keys the counters start at zero.
	KeySet string `json:"key_set,omitempty"`
	// Counter is the counter of the last request that the card accepted.
	Counter uint64 `json:"counter"`
	// Replies is the highest counter that a reply may have used. After a power cut
	// the card continues above it.
	Replies   uint64 `json:"replies"`
	PIN       string `json:"pin,omitempty"` // empty: none yet
	TriesLeft int    `json:"tries_left"`
	Key       []byte `json:"key,omitempty"` // PKCS #8; nil: blank
	// Answers are the last replies, oldest first.
	Answers []Answer `json:"answers,omitempty"`
}

// Answer is the reply to a request.
type Answer struct {
	Op    applet.Op `json:"op"`
	ID    applet.ID `json:"id"`
	Reply []byte    `json:"reply"` // the applet's payload
}

// String hides the secrets.
func (*State) String() string { return "(state of a card)" }

// GoString hides the secrets.
func (*State) GoString() string { return "&card.State{}" }

// clone copies everything that is changed in place.
func (s *State) clone() *State {
	c := *s
	c.Key = slices.Clone(s.Key)
	c.Answers = slices.Clone(s.Answers)
	return &c
}

// remember adds a reply, and drops the oldest if there are too many.
func (s *State) remember(a Answer) {
	if n := len(s.Answers) - maxAnswers + 1; n > 0 {
		s.Answers = slices.Delete(s.Answers, 0, n)
	}
	s.Answers = append(s.Answers, a)
}

func (s *State) answer(op applet.Op, id applet.ID) ([]byte, bool) {
	for _, a := range s.Answers {
		if a.Op == op && a.ID == id {
			return a.Reply, true
		}
	}
	return nil, false
}

// check validates a State that comes from a store.
func (s *State) check() error {
	switch {
	case s.TriesLeft < 0 || s.TriesLeft > MaxTries:
		return fmt.Errorf("tries_left must be 0 to %d", MaxTries)
	case s.PIN != "" && !isPIN(s.PIN):
		return errors.New("the PIN is malformed")
	case len(s.Answers) > maxAnswers:
		return fmt.Errorf("more than %d answers", maxAnswers)
	}
	return nil
}

// isPIN reports whether s has the format of a card's PIN (ETSI TS 102 221).
func isPIN(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(s) >= minPIN && len(s) <= maxPIN
}

// parseKey returns the key of a state, or nil if there is none.
func parseKey(der []byte) (crypto.Signer, error) {
	if len(der) == 0 {
		return nil, nil
	}
	k, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, err
	}
	key, ok := k.(crypto.Signer)
	if !ok || algorithmOf(key) == 0 {
		return nil, fmt.Errorf("a card cannot have a key of type %T", k)
	}
	return key, nil
}

// algorithmOf returns 0 if there is no key, or a key that a card cannot have.
func algorithmOf(key crypto.Signer) applet.Algorithm {
	if key == nil {
		return 0
	}
	switch k := key.Public().(type) {
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() {
			return applet.EC
		}
	case *rsa.PublicKey:
		if k.N.BitLen() == rsaBits {
			return applet.RSA
		}
	}
	return 0
}

// generate returns a new key and its PKCS #8 form.
func (c *Card) generate(a applet.Algorithm) (key crypto.Signer, der []byte, err error) {
	switch a {
	case applet.EC:
		key, err = ecdsa.GenerateKey(elliptic.P256(), c.cfg.Rand)
	case applet.RSA:
		key, err = c.cfg.RSAKey()
	default:
		err = fmt.Errorf("unknown algorithm %d", a)
	}
	if err != nil {
		return nil, nil, err
	}
	der, err = x509.MarshalPKCS8PrivateKey(key)
	return key, der, err
}

func keyAlgorithm(t signum.KeyType) (applet.Algorithm, error) {
	switch t {
	case signum.EC:
		return applet.EC, nil
	case signum.RSA:
		return applet.RSA, nil
	}
	return 0, fmt.Errorf("unknown key type %q", t)
}
