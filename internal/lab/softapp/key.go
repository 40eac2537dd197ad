package softapp

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
)

// PBKDF2Rounds makes a guess at a passcode cost some 100 ms, for an attacker who
// has the storage of the device.
const PBKDF2Rounds = 310_000

const (
	saltSize  = 16
	keySize   = 32 // of the device secret, the share, P, the KEK and the verifier
	nonceSize = 12 // of GCM

	wrapInfo      = "signum signing key"
	verifierLabel = "signum verifier"
	enrolLabel    = "signum enrolment\x00"
)

var b64u = base64.RawURLEncoding

// octets is encoded as Base64url without padding.
type octets []byte

// MarshalText implements encoding.TextMarshaler.
func (o octets) MarshalText() ([]byte, error) { return b64u.AppendEncode(nil, o), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (o *octets) UnmarshalText(text []byte) (err error) {
	*o, err = b64u.Strict().AppendDecode(nil, text)
	return err
}

// stretch derives P from a passcode.
func stretch(passcode string, salt []byte, rounds int) ([]byte, error) {
	return pbkdf2.Key(sha256.New, passcode, salt, rounds, keySize)
}

// verifier is all that the service learns about a passcode.
func verifier(secret, p []byte) []byte {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(verifierLabel))
	h.Write(p)
	return h.Sum(nil)
}

// wrapping is AES-256-GCM under the KEK, which is derived from P and the share.
func wrapping(p, share []byte) (cipher.AEAD, error) {
	ikm := append(append(make([]byte, 0, len(p)+len(share)), p...), share...)
	defer clear(ikm)
	kek, err := hkdf.Key(sha256.New, ikm, nil, wrapInfo, keySize)
	if err != nil {
		return nil, err
	}
	defer clear(kek)
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// wrap encrypts the signing key for storage: the nonce, then the ciphertext.
func wrap(key *ecdsa.PrivateKey, p, share []byte) ([]byte, error) {
	gcm, err := wrapping(p, share)
	if err != nil {
		return nil, err
	}
	plain, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	nonce := random(nonceSize)
	return gcm.Seal(nonce, nonce, plain, nil), nil
}

func unwrap(wrapped, p, share []byte) (*ecdsa.PrivateKey, error) {
	gcm, err := wrapping(p, share)
	if err != nil {
		return nil, err
	}
	if len(wrapped) < nonceSize {
		return nil, errors.New("the wrapped key is too short")
	}
	plain, err := gcm.Open(nil, wrapped[:nonceSize], wrapped[nonceSize:], nil)
	if err != nil {
		return nil, errors.New("the wrapped key does not open: the share is not that of the enrolment, or the storage is corrupt")
	}
	defer clear(plain)
	return parseECKey(plain)
}

func parseECKey(pkcs8 []byte) (*ecdsa.PrivateKey, error) {
	key, err := x509.ParsePKCS8PrivateKey(pkcs8)
	if err != nil {
		return nil, err
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok || ec.Curve != elliptic.P256() {
		return nil, errors.New("not a P-256 key")
	}
	return ec, nil
}

// signRaw makes an ES256 signature: r and s of 32 bytes each.
func signRaw(key *ecdsa.PrivateKey, message []byte) (octets, error) {
	sum := sha256.Sum256(message)
	der, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
	if err != nil {
		return nil, err
	}
	return rawSignature(der)
}

// rawSignature converts a P-256 signature from ASN.1 to the form of ES256.
func rawSignature(der []byte) (octets, error) {
	var s struct{ R, S *big.Int }
	rest, err := asn1.Unmarshal(der, &s)
	if err != nil {
		return nil, fmt.Errorf("ECDSA signature: %w", err)
	}
	if len(rest) > 0 || s.R.Sign() < 0 || s.S.Sign() < 0 || s.R.BitLen() > 256 || s.S.BitLen() > 256 {
		return nil, errors.New("not a P-256 ECDSA signature")
	}
	raw := make([]byte, 64)
	s.R.FillBytes(raw[:32])
	s.S.FillBytes(raw[32:])
	return raw, nil
}

// enrolmentProof is the message that both keys of an App sign.
func enrolmentProof(challenge, authKey, signKey []byte) []byte {
	return append(append(append([]byte(enrolLabel), challenge...), authKey...), signKey...)
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}
