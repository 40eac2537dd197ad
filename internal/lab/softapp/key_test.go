package softapp

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"math/big"
	"os"
	"testing"

	"github.com/signum-mssp/signum/internal/testkit"
)

// The vectors come from another implementation: see testdata/vectors.mjs.
func TestUnlockingVectors(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		Passcode                                          string
		Salt, Secret, Share, P, Verifier, Public, Wrapped octets
	}
	if err := json.Unmarshal(text, &vectors); err != nil || len(vectors) == 0 {
		t.Fatal(err, len(vectors))
	}
	for _, v := range vectors {
		p, err := stretch(v.Passcode, v.Salt, PBKDF2Rounds)
		if err != nil || !bytes.Equal(p, v.P) {
			t.Fatalf("%q: P %x, %v", v.Passcode, p, err)
		}
		if got := verifier(v.Secret, p); !bytes.Equal(got, v.Verifier) {
			t.Errorf("%q: verifier %x", v.Passcode, got)
		}
		key, err := unwrap(v.Wrapped, p, v.Share)
		if err != nil {
			t.Fatalf("%q: %v", v.Passcode, err)
		}
		if public, _ := x509.MarshalPKIXPublicKey(key.Public()); !bytes.Equal(public, v.Public) {
			t.Errorf("%q: another key", v.Passcode)
		}
		again, err := wrap(key, p, v.Share)
		if err != nil || bytes.Equal(again, v.Wrapped) || len(again) != len(v.Wrapped) {
			t.Errorf("%q: wrapped again: %x, %v", v.Passcode, again, err)
		}
		if back, err := unwrap(again, p, v.Share); err != nil || !back.Equal(key) {
			t.Errorf("%q: wrapped and unwrapped: %v", v.Passcode, err)
		}
		for i := range v.Wrapped {
			bad := bytes.Clone(v.Wrapped)
			bad[i] ^= 1
			if _, err := unwrap(bad, p, v.Share); err == nil {
				t.Fatalf("%q: byte %d is not protected", v.Passcode, i)
			}
		}
		for _, pair := range [][2][]byte{{v.Share, v.Share}, {p, p}, {p, nil}, {nil, v.Share}} {
			if _, err := unwrap(v.Wrapped, pair[0], pair[1]); err == nil {
				t.Errorf("%q: opened by another key", v.Passcode)
			}
		}
		if _, err := unwrap(v.Wrapped[:11], p, v.Share); err == nil {
			t.Error("opened a nonce")
		}
	}
}

func TestRawSignature(t *testing.T) {
	t.Parallel()
	key := testkit.ECKey(t)
	sum := sha256.Sum256([]byte("m"))
	for range 600 { // some have an r or s that begins with zeros
		raw, err := signRaw(key, []byte("m"))
		if err != nil || len(raw) != 64 {
			t.Fatal(raw, err)
		}
		if !ecdsa.Verify(&key.PublicKey, sum[:], new(big.Int).SetBytes(raw[:32]), new(big.Int).SetBytes(raw[32:])) {
			t.Fatalf("%x does not verify", raw)
		}
	}
	long := make([]byte, 0, 40)
	long = append(append(long, 0x30, 38, 2, 33, 1), make([]byte, 32)...)
	for _, der := range [][]byte{
		nil, {0x30, 0}, {0x30, 3, 2, 1, 1}, {0x30, 6, 2, 1, 0xff, 2, 1, 1}, {0x30, 6, 2, 1, 1, 2, 1, 0xff},
		{0x30, 6, 2, 1, 1, 2, 1, 1, 0}, append(long, 2, 1, 1),
	} {
		if raw, err := rawSignature(der); err == nil {
			t.Errorf("%x: %x", der, raw)
		}
	}
	if raw, err := rawSignature([]byte{0x30, 6, 2, 1, 1, 2, 1, 2}); err != nil || raw[31] != 1 || raw[63] != 2 {
		t.Errorf("%x, %v", raw, err)
	}
}
