package simcards

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"log/slog"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/scp80"
)

// The keys of a card that a KeyRing wraps, by name.
const (
	KeyKIc = "KIc" // to cipher
	KeyKID = "KID" // for the cryptographic checksum
)

// MasterKeySize is the length of a master key in bytes.
const MasterKeySize = 32

// keyVersion is the first byte of what is wrapped; it names the master key. A
// second key gets a version of its own, so that both can be unwrapped while the
// rows are wrapped anew.
const keyVersion = 1

// ErrUnwrap means that a wrapped key was not wrapped by this ring for this card
// and name, or was changed since.
var ErrUnwrap = errors.New("the wrapped key is damaged, another card's, or of another master key")

// KeyRing wraps the keys of cards for the store, with AES-256-GCM. The ICCID and
// the name of the key are authenticated with it: who can write to the store can
// neither give a card the keys of another nor exchange its two. A KeyRing is safe
// for concurrent use and never prints what it holds.
type KeyRing struct{ aead cipher.AEAD }

// NewKeyRing makes a ring of one master key, MasterKeySize bytes long.
func NewKeyRing(master []byte) (*KeyRing, error) {
	if len(master) != MasterKeySize {
		return nil, fmt.Errorf("simcards: the master key has %d bytes, not %d", len(master), MasterKeySize)
	}
	block, err := aes.NewCipher(master)
	if err != nil {
		return nil, err
	}
	// The nonces are random: 96 bits are enough for the few keys of all cards.
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	return &KeyRing{aead}, nil
}

// Wrap returns the key as the store may have it: version, nonce, ciphertext. It
// differs each time.
func (r *KeyRing) Wrap(iccid, name string, key []byte) ([]byte, error) {
	if len(key) == 0 {
		return nil, fmt.Errorf("simcards: %s of card %s is empty", name, iccid)
	}
	return r.aead.Seal([]byte{keyVersion}, nil, key, wrapContext(iccid, name)), nil
}

// Unwrap returns the key. The error is ErrUnwrap, and says of which card.
func (r *KeyRing) Unwrap(iccid, name string, wrapped []byte) ([]byte, error) {
	if len(wrapped) > 0 && wrapped[0] == keyVersion {
		if key, err := r.aead.Open(nil, nil, wrapped[1:], wrapContext(iccid, name)); err == nil {
			return key, nil
		}
	}
	return nil, fmt.Errorf("simcards: %s of card %s: %w", name, iccid, ErrUnwrap)
}

// Keys are those of a card, in the clear: they are not to be kept.
func (r *KeyRing) Keys(c *mssp.Card) (k scp80.Keys, err error) {
	if k.KIc, err = r.Unwrap(c.ICCID, KeyKIc, c.KIc); err != nil {
		return k, err
	}
	k.KID, err = r.Unwrap(c.ICCID, KeyKID, c.KID)
	return k, err
}

// SetKeys gives a card its keys, wrapped; the ICCID must be set.
func (r *KeyRing) SetKeys(c *mssp.Card, k scp80.Keys) (err error) {
	if c.KIc, err = r.Wrap(c.ICCID, KeyKIc, k.KIc); err != nil {
		return err
	}
	c.KID, err = r.Wrap(c.ICCID, KeyKID, k.KID)
	return err
}

// wrapContext is what is authenticated with a key. An ICCID is digits and a name
// one of two, so that no two pairs make the same.
func wrapContext(iccid, name string) []byte {
	return fmt.Appendf(nil, "signum sim key %d\x00%s\x00%s", keyVersion, iccid, name)
}

// Format implements fmt.Formatter: a ring has no text, whatever the verb.
func (KeyRing) Format(s fmt.State, _ rune) { fmt.Fprint(s, "simcards.KeyRing") }

// LogValue implements slog.LogValuer.
func (KeyRing) LogValue() slog.Value { return slog.StringValue("simcards.KeyRing") }
