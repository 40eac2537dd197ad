package simcards

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"log/slog"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/scp80"
)

// The names of the keys of a card that a KeyRing wraps.
const (
	KeyKIc = "KIc" // for encryption
	KeyKID = "KID" // for the cryptographic checksum
)

// MasterKeySize is the length of a master key in bytes.
const MasterKeySize = 32

// keyVersion is the first byte of a wrapped key and identifies the master key. A
// second master key gets another version, so that both can be unwrapped while the
// rows are rewrapped.
const keyVersion = 1

// ErrUnwrap means that a wrapped key was not wrapped by this ring for this card and
// name, or was changed since.
var ErrUnwrap = errors.New("the wrapped key is damaged, belongs to another card, or was wrapped under another master key")

// KeyRing wraps the keys of cards for the store, with AES-256-GCM. The ICCID and the
// name of the key are authenticated with it, so that somebody who can write to the
// store can neither give a card the keys of another nor exchange its two keys. A
// KeyRing is safe for concurrent use and never prints what it holds.
type KeyRing struct{ aead cipher.AEAD }

// NewKeyRing returns a ring with one master key, MasterKeySize bytes long.
func NewKeyRing(master []byte) (*KeyRing, error) {
	if len(master) != MasterKeySize {
		return nil, fmt.Errorf("simcards: the master key has %d bytes, not %d", len(master), MasterKeySize)
	}
	if constant(master) {
		return nil, fmt.Errorf("simcards: the master key is %w", errConstant)
	}
	block, err := aes.NewCipher(master)
	if err != nil {
		return nil, err
	}
	// Random nonces of 96 bits are enough for the keys of all cards.
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	return &KeyRing{aead}, nil
}

// errConstant refuses keys of one repeated byte, such as zeros: somebody forgot to
// set them.
var errConstant = errors.New("one byte, repeated: not a secret key")

func constant(key []byte) bool { return bytes.Count(key, key[:1]) == len(key) }

// Wrap returns the key in the form for the store: version, nonce, ciphertext. The
// result differs each time. An empty key and one of a repeated byte are refused.
func (r *KeyRing) Wrap(iccid, name string, key []byte) ([]byte, error) {
	if len(key) == 0 {
		return nil, fmt.Errorf("simcards: %s of card %s is empty", name, iccid)
	}
	if constant(key) {
		return nil, fmt.Errorf("simcards: %s of card %s is %w", name, iccid, errConstant)
	}
	return r.aead.Seal([]byte{keyVersion}, nil, key, wrapContext(iccid, name)), nil
}

// Unwrap returns the key. The error wraps ErrUnwrap and names the card.
func (r *KeyRing) Unwrap(iccid, name string, wrapped []byte) ([]byte, error) {
	if len(wrapped) > 0 && wrapped[0] == keyVersion {
		if key, err := r.aead.Open(nil, nil, wrapped[1:], wrapContext(iccid, name)); err == nil {
			return key, nil
		}
	}
	return nil, fmt.Errorf("simcards: %s of card %s: %w", name, iccid, ErrUnwrap)
}

// Keys returns the keys of a card in the clear. They must not be kept.
func (r *KeyRing) Keys(c *mssp.Card) (k scp80.Keys, err error) {
	if k.KIc, err = r.Unwrap(c.ICCID, KeyKIc, c.KIc); err != nil {
		return k, err
	}
	k.KID, err = r.Unwrap(c.ICCID, KeyKID, c.KID)
	return k, err
}

// SetKeys sets the wrapped keys of a card, whose ICCID must be set.
func (r *KeyRing) SetKeys(c *mssp.Card, k scp80.Keys) (err error) {
	if c.KIc, err = r.Wrap(c.ICCID, KeyKIc, k.KIc); err != nil {
		return err
	}
	c.KID, err = r.Wrap(c.ICCID, KeyKID, k.KID)
	return err
}

// wrapContext is authenticated with a key. It is unambiguous, because an ICCID has
// only digits.
func wrapContext(iccid, name string) []byte {
	return fmt.Appendf(nil, "signum sim key %d\x00%s\x00%s", keyVersion, iccid, name)
}

// Format implements fmt.Formatter: no verb prints what is in a ring.
func (KeyRing) Format(s fmt.State, _ rune) { fmt.Fprint(s, "simcards.KeyRing") }

// LogValue implements slog.LogValuer.
func (KeyRing) LogValue() slog.Value { return slog.StringValue("simcards.KeyRing") }
