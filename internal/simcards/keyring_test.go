package simcards

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/signum-mssp/signum/internal/mssp"
)

func testRing(t *testing.T, fill byte) *KeyRing {
	t.Helper()
	r, err := NewKeyRing(append(bytes.Repeat([]byte{fill}, MasterKeySize-1), 9))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestKeyRing(t *testing.T) {
	r := testRing(t, 1)
	for _, n := range []int{16, 24, 32} {
		key := append(bytes.Repeat([]byte{0xab}, n-1), 1)
		wrapped, err := r.Wrap("8941", KeyKIc, key)
		if err != nil {
			t.Fatal(err)
		}
		if len(wrapped) != 1+12+n+16 || wrapped[0] != keyVersion || bytes.Contains(wrapped, key) {
			t.Errorf("%d: %x", n, wrapped)
		}
		again, err := r.Wrap("8941", KeyKIc, key)
		if err != nil || bytes.Equal(again, wrapped) {
			t.Errorf("twice the same: %x, %v", again, err)
		}
		got, err := testRing(t, 1).Unwrap("8941", KeyKIc, wrapped)
		if err != nil || !bytes.Equal(got, key) {
			t.Errorf("%x, %v", got, err)
		}
		if !bytes.Equal(key, append(bytes.Repeat([]byte{0xab}, n-1), 1)) {
			t.Error("the key itself was changed")
		}
		refuse := func(what string, ring *KeyRing, iccid, name string, wrapped []byte) {
			t.Helper()
			got, err := ring.Unwrap(iccid, name, wrapped)
			if !errors.Is(err, ErrUnwrap) || got != nil {
				t.Errorf("%s: %x, %v", what, got, err)
			} else if strings.Contains(err.Error(), hex.EncodeToString(key)) {
				t.Errorf("%s: %v", what, err)
			}
		}
		refuse("another card", r, "8942", KeyKIc, wrapped)
		refuse("another name", r, "8941", KeyKID, wrapped)
		refuse("names run together", r, "8941"+KeyKIc, "", wrapped)
		refuse("another master", testRing(t, 2), "8941", KeyKIc, wrapped)
		for i := range len(wrapped) * 8 {
			bad := bytes.Clone(wrapped)
			bad[i/8] ^= 1 << (i % 8)
			refuse(fmt.Sprint("bit ", i), r, "8941", KeyKIc, bad)
		}
		for i := range wrapped {
			refuse(fmt.Sprint("cut at ", i), r, "8941", KeyKIc, wrapped[:i])
		}
		refuse("longer", r, "8941", KeyKIc, append(bytes.Clone(wrapped), 0))
	}
	if _, err := r.Wrap("8941", KeyKIc, nil); err == nil {
		t.Error("wrapped nothing")
	}
	for _, n := range []int{0, 16, 31, 33} {
		key := make([]byte, n)
		rand.Read(key)
		if _, err := NewKeyRing(key); err == nil {
			t.Errorf("a master key of %d bytes: taken", n)
		}
	}
}

// Keys that somebody forgot to set are no secret: a master key, a transport key and
// the keys of a card are refused if they repeat one byte.
func TestAttackZeroKeys(t *testing.T) {
	for _, b := range []byte{0, 1, 0xff} {
		for _, n := range []int{16, 24, 32} {
			key := bytes.Repeat([]byte{b}, n)
			if _, err := testRing(t, 1).Wrap("8941", KeyKID, key); !errors.Is(err, errConstant) {
				t.Errorf("a card key of %d times %02x: %v", n, b, err)
			}
			if _, err := openCards(strings.NewReader(cardHeader), &Config{}, key); !errors.Is(err, errConstant) {
				t.Errorf("a transport key of %d times %02x: %v", n, b, err)
			}
			f := &cardFile{}
			if _, err := f.key(hex.EncodeToString(key), mssp.CardAES); !errors.Is(err, errConstant) {
				t.Errorf("a key of %d times %02x in a file: %v", n, b, err)
			}
		}
		if _, err := NewKeyRing(bytes.Repeat([]byte{b}, MasterKeySize)); !errors.Is(err, errConstant) {
			t.Errorf("a master key of %02x: %v", b, err)
		}
	}
}

func TestKeyRingPrintsNothing(t *testing.T) {
	r := testRing(t, 0xd5)
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "ring", r, "value", *r)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "ring", r, "value", *r)
	text := log.String()
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%p"} {
		text += fmt.Sprintf(format, r) + fmt.Sprintf(format, *r) + fmt.Sprintf(format, []any{r, struct{ R *KeyRing }{r}})
	}
	for _, secret := range []string{"d5d5", "213 213", "0xd5"} {
		if strings.Contains(text, secret) {
			t.Errorf("%s in %s", secret, text)
		}
	}
}
