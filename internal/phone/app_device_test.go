package phone

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"slices"
	"testing"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// openFunc is a vault.
type openFunc func(transID, passcode string) (crypto.Signer, error)

func (f openFunc) open(transID, passcode string) (crypto.Signer, error) { return f(transID, passcode) }

// While the vault is asked the device is not locked, and what it shows may go.
func TestVaultDevice(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	down := errors.New("down")
	for _, tc := range []struct {
		name  string
		gone  bool
		key   crypto.Signer
		err   error
		want  error
		tries int
		kinds []Kind // after Shown
	}{
		{name: "right", key: key, tries: 3, kinds: []Kind{PINRight, Signed}},
		{name: "right and gone", gone: true, key: key, want: ErrNotShown, tries: 3, kinds: []Kind{Withdrawn}},
		{name: "wrong and gone", gone: true, err: &PINError{TriesLeft: 1}, want: &PINError{}, tries: 1, kinds: []Kind{Withdrawn, PINWrong}},
		{name: "blocked", err: &PINError{}, tries: 0, kinds: []Kind{PINWrong}},
		{name: "blocked and gone", gone: true, err: &PINError{}, want: ErrNotShown, tries: 0, kinds: []Kind{Withdrawn, PINWrong}},
		{name: "down", err: down, want: down, tries: 3},
		{name: "a locked key", key: sealed{&key.PublicKey}, tries: 3, kinds: []Kind{PINRight, Refused}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var kinds []Kind
			var d *Device
			c := Config{}.withDefaults()
			see := &observer{f: func(e Event) { kinds = append(kinds, e.Kind) }}
			d, err := newVaultDevice(DeviceSpec{ID: "a", MSISDN: "+41791234567", PIN: "x"}, c, see, &key.PublicKey,
				openFunc(func(transID, passcode string) (crypto.Signer, error) {
					if transID != "h1" || passcode != "y" {
						t.Errorf("asked for %q with %q", transID, passcode)
					}
					if tc.gone {
						d.retire(name{"h1", mssp.OpSign}, Withdrawn)
					}
					return tc.key, tc.err
				}))
			if err != nil {
				t.Fatal(err)
			}
			got := d.Receive(mssp.DeviceRequest{TransID: "h1", MimeType: signum.MimeText, Text: "a", SignedAttrs: attrsOfA})
			if !got.Asked {
				t.Fatalf("%+v", got)
			}
			_, err = d.EnterPIN("h1", "y")
			if wrong := (*PINError)(nil); errors.As(tc.want, &wrong) && errors.As(err, &wrong) {
				err, tc.want = nil, nil
			}
			if !errors.Is(err, tc.want) || d.TriesLeft() != tc.tries {
				t.Errorf("%v, %d tries left", err, d.TriesLeft())
			}
			if len(kinds) != len(tc.kinds)+1 {
				t.Fatalf("%q", kinds)
			}
			for i, k := range tc.kinds {
				if kinds[i+1] != k {
					t.Errorf("%q", kinds)
				}
			}
			if _, shown := d.Shown(); shown != (tc.err == down) {
				t.Errorf("shown: %t", shown)
			}
		})
	}
}

// attrsOfA are the signed attributes of the text "a": contentType and
// messageDigest.
var attrsOfA = func() []byte {
	digest := sha256.Sum256([]byte("a"))
	return slices.Concat(
		[]byte{0x31, 75, 0x30, 24, 6, 9, 42, 0x86, 0x48, 0x86, 0xf7, 13, 1, 9, 3, 0x31, 11, 6, 9, 42, 0x86, 0x48, 0x86, 0xf7, 13, 1, 7, 1},
		[]byte{0x30, 47, 6, 9, 42, 0x86, 0x48, 0x86, 0xf7, 13, 1, 9, 4, 0x31, 34, 4, 32}, digest[:])
}()
