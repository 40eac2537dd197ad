package simcards

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func testRing(t *testing.T, fill byte) *KeyRing {
	t.Helper()
	r, err := NewKeyRing(bytes.Repeat([]byte{fill}, MasterKeySize))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestKeyRing(t *testing.T) {
	r := testRing(t, 1)
	for _, n := range []int{1, 16, 24, 32} {
		key := bytes.Repeat([]byte{0xab}, n)
		wrapped, err := r.Wrap("8941", KeyKIc, key)
		if err != nil {
			t.Fatal(err)
		}
		if len(wrapped) != 1+12+n+16 || wrapped[0] != keyVersion || bytes.Contains(wrapped, key) && n > 1 {
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
		if !bytes.Equal(key, bytes.Repeat([]byte{0xab}, n)) {
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
		if _, err := NewKeyRing(make([]byte, n)); err == nil {
			t.Errorf("a master key of %d bytes: taken", n)
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
