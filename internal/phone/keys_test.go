package phone_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/phone"
)

func openKeys(t *testing.T, dir string) *phone.DirKeys {
	t.Helper()
	keys, err := phone.OpenKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// awkward identifiers: all are one file each, in the directory.
var awkward = []string{"a", "A", "../a", "..", ".", "/etc/a", "a b", "ä", "a.pem", "a.json", "%2e", "%2E", "%61", `\`, ".tmp-1", "a\x00b"}

func TestDirKeysLast(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "phones", "keys")
	for _, kt := range []signum.KeyType{signum.EC, signum.RSA} {
		spec := phone.DeviceSpec{ID: "device " + string(kt), MSISDN: msisdn, Method: signum.App, KeyType: kt}
		before, err := phone.NewDevice(spec, phone.Config{Keys: openKeys(t, dir)})
		if err != nil {
			t.Fatal(err)
		}
		before.Receive(request(before, "t1", "a"))
		for range 2 {
			_, _ = before.EnterPIN("t1", "wrong")
		}
		after, err := phone.NewDevice(spec, phone.Config{Keys: openKeys(t, dir)})
		if err != nil {
			t.Fatal(err)
		}
		if !after.PublicKey().(interface{ Equal(crypto.PublicKey) bool }).Equal(before.PublicKey()) {
			t.Error("another key")
		}
		if after.TriesLeft() != 1 {
			t.Errorf("%d tries left", after.TriesLeft())
		}
		after.Receive(request(after, "t2", "a"))
		if a, err := after.EnterPIN("t2", phone.DefaultPIN); err != nil || !verify(t, before, signedAttrs("a"), a.Signature) {
			t.Error(a, err)
		}
		if n, err := openKeys(t, dir).TriesLeft(spec.ID); n != phone.MaxTries || err != nil {
			t.Error(n, err)
		}
	}
	// The wrong kind is an error, not a new key.
	spec := phone.DeviceSpec{ID: "device EC", MSISDN: msisdn, Method: signum.App, KeyType: signum.RSA}
	if _, err := phone.NewDevice(spec, phone.Config{Keys: openKeys(t, dir)}); err == nil || !strings.Contains(err.Error(), "EC") {
		t.Errorf("%v", err)
	}
}

func TestDirKeysFiles(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "keys")
	keys := openKeys(t, dir)
	made := make(map[string]*ecdsa.PrivateKey)
	for i, id := range awkward {
		if _, err := keys.Key(id); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("%q: %v", id, err)
		}
		made[id] = newECKey(t)
		if err := keys.PutKey(id, made[id]); err != nil {
			t.Fatalf("%q: %v", id, err)
		}
		if err := keys.PutKey(id, rsaKey); !errors.Is(err, fs.ErrExist) {
			t.Fatalf("%q: replaced, %v", id, err)
		}
		if err := keys.PutTriesLeft(id, i%3); err != nil {
			t.Fatalf("%q: %v", id, err)
		}
	}
	for i, id := range awkward {
		if k, err := keys.Key(id); err != nil || !made[id].Equal(k) {
			t.Errorf("%q: %v", id, err)
		}
		if n, err := keys.TriesLeft(id); err != nil || n != i%3 {
			t.Errorf("%q: %d, %v", id, n, err)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 2*len(awkward) {
		t.Fatalf("%d files, %v", len(files), err)
	}
	names := make(map[string]bool)
	for _, f := range files {
		if n := strings.ToLower(f.Name()); names[n] {
			t.Errorf("%s differs from another in capitals only", n)
		} else {
			names[n] = true
		}
		if info, err := f.Info(); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v, %v", f.Name(), info.Mode(), err)
		}
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if outside, err := os.ReadDir(root); err != nil || len(outside) != 1 {
		t.Errorf("%v, %v", outside, err)
	}
}

func TestCorruptFiles(t *testing.T) {
	block := func(kind string, key any) []byte {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	good := block("PRIVATE KEY", newECKey(t))
	tests := []struct{ name, file, text string }{
		{"empty key", "d.pem", ""},
		{"no PEM", "d.pem", "key"},
		{"cut", "d.pem", string(good[:len(good)/2])},
		{"more after it", "d.pem", string(good) + "x"},
		{"two", "d.pem", string(good) + string(good)},
		{"other type", "d.pem", string(block("EC PRIVATE KEY", rsaKey))},
		{"no PKCS #8", "d.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte{1}}))},
		{"other curve", "d.pem", string(block("PRIVATE KEY", p384))},
		{"short RSA", "d.pem", string(block("PRIVATE KEY", short))},
		{"empty PIN", "d.json", ""},
		{"PIN no JSON", "d.json", "{"},
		{"PIN without counter", "d.json", "{}"},
		{"PIN counter negative", "d.json", `{"tries_left":-1}`},
		{"PIN counter too large", "d.json", `{"tries_left":4}`},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, tc.file)
			if err := os.WriteFile(path, []byte(tc.text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := phone.NewDevice(phone.DeviceSpec{ID: "d", MSISDN: msisdn, Method: signum.SIM}, phone.Config{Keys: openKeys(t, dir)})
			if err == nil || !strings.Contains(err.Error(), path) {
				t.Errorf("error %v, want one that names %s", err, path)
			}
			if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, []byte(tc.text)) {
				t.Errorf("the file was changed: %v", err)
			}
		})
	}
}

func TestKeysCannotBeKept(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := phone.OpenKeys(file); err == nil {
		t.Error("a file was opened as a directory")
	}
	keys := openKeys(t, filepath.Join(dir, "keys"))
	if err := os.Remove(filepath.Join(dir, "keys")); err != nil {
		t.Fatal(err)
	}
	d := phone.DeviceSpec{ID: "d", MSISDN: msisdn, Method: signum.SIM}
	if _, err := phone.NewDevice(d, phone.Config{Keys: keys}); err == nil {
		t.Error("a device whose key is not kept")
	}
}

// A device whose counter cannot be kept still blocks.
func TestCounterCannotBeKept(t *testing.T) {
	d, err := phone.NewDevice(phone.DeviceSpec{ID: "d", MSISDN: msisdn, Method: signum.SIM}, phone.Config{Keys: forgetful{phone.NewMemoryKeys()}})
	if err != nil {
		t.Fatal(err)
	}
	d.Receive(request(d, "t1", "a"))
	for range 2 {
		_, _ = d.EnterPIN("t1", "wrong")
	}
	if a, err := d.EnterPIN("t1", "wrong"); err != nil || code(a) != signum.PINBlocked {
		t.Error(a, err)
	}
}

type forgetful struct{ *phone.MemoryKeys }

func (forgetful) PutTriesLeft(string, int) error { return errors.New("no") }

func FuzzDirKeysKey(f *testing.F) {
	der, err := x509.MarshalPKCS8PrivateKey(rsaKey)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), []byte(`{"tries_left":2}`))
	dir := f.TempDir()
	other, err := phone.OpenKeys(dir)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, key, pin []byte) {
		for name, text := range map[string][]byte{"d.pem": key, "d.json": pin} {
			if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if k, err := other.Key("d"); (k == nil) == (err == nil) {
			t.Fatal(k, err)
		}
		if n, err := other.TriesLeft("d"); n < 0 || n > phone.MaxTries || err != nil && n != 0 {
			t.Fatal(n, err)
		}
	})
}
