package phone

import (
	"crypto"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
)

const pemType = "PRIVATE KEY" // PKCS #8

// DirKeys is a KeyStore in a directory: for each device a PEM file with its
// key (PKCS #8) and, once a wrong PIN was entered, a JSON file with its counter.
// Files are readable by the owner only and appear whole or not at all. A file
// that cannot be read is an error that names it; it is never replaced.
//
// One process at a time may use a directory.
type DirKeys struct {
	dir string
	mu  sync.Mutex // one writer, so that PutKey cannot replace
}

var _ KeyStore = (*DirKeys)(nil)

// OpenKeys opens the directory, and makes it if it does not exist.
func OpenKeys(dir string) (*DirKeys, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("keys of phones: %w", err)
	}
	return &DirKeys{dir: dir}, nil
}

// path escapes the identifier, which may contain anything, to one file name.
// Capitals are escaped too: some file systems do not tell them apart, and two
// devices would then share a key.
func (k *DirKeys) path(deviceID, ext string) string {
	var name strings.Builder
	for _, c := range []byte(deviceID) {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '+' || c == '-' || c == '_' {
			name.WriteByte(c)
		} else {
			fmt.Fprintf(&name, "%%%02x", c)
		}
	}
	return filepath.Join(k.dir, name.String()+ext)
}

// Key implements KeyStore.
func (k *DirKeys) Key(deviceID string) (crypto.Signer, error) {
	path := k.path(deviceID, ".pem")
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("key of device %q: %w", deviceID, err)
	}
	key, err := parseKey(text)
	if err != nil {
		return nil, fmt.Errorf("key of device %q: %s is corrupt: %w", deviceID, path, err)
	}
	return key, nil
}

func parseKey(text []byte) (crypto.Signer, error) {
	block, rest := pem.Decode(text)
	switch {
	case block == nil:
		return nil, errors.New("no PEM block")
	case block.Type != pemType:
		return nil, fmt.Errorf("a PEM block of type %q, %q is wanted", block.Type, pemType)
	case len(rest) > 0:
		return nil, fmt.Errorf("%d bytes after the PEM block", len(rest))
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a key of type %T cannot sign", key)
	}
	if _, err := keyType(signer); err != nil {
		return nil, err
	}
	return signer, nil
}

// PutKey implements KeyStore.
func (k *DirKeys) PutKey(deviceID string, key crypto.Signer) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("key of device %q: %w", deviceID, err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	path := k.path(deviceID, ".pem")
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			err = fs.ErrExist
		}
		return fmt.Errorf("key of device %q: %s: %w", deviceID, path, err)
	}
	if err := writeFile(path, pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der})); err != nil {
		return fmt.Errorf("key of device %q: %w", deviceID, err)
	}
	return nil
}

// pinFile is the state of a PIN. The PIN itself is not kept.
type pinFile struct {
	TriesLeft *int `json:"tries_left"`
}

// TriesLeft implements KeyStore.
func (k *DirKeys) TriesLeft(deviceID string) (int, error) {
	path := k.path(deviceID, ".json")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return MaxTries, nil
	}
	if err != nil {
		return 0, fmt.Errorf("PIN of device %q: %w", deviceID, err)
	}
	var f pinFile
	if err := json.Unmarshal(text, &f); err != nil {
		return 0, fmt.Errorf("PIN of device %q: %s is corrupt: %w", deviceID, path, err)
	}
	if f.TriesLeft == nil || *f.TriesLeft < 0 || *f.TriesLeft > MaxTries {
		return 0, fmt.Errorf("PIN of device %q: %s is corrupt: tries_left must be 0 to %d", deviceID, path, MaxTries)
	}
	return *f.TriesLeft, nil
}

// PutTriesLeft implements KeyStore.
func (k *DirKeys) PutTriesLeft(deviceID string, n int) error {
	text, err := json.Marshal(pinFile{TriesLeft: &n})
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := writeFile(k.path(deviceID, ".json"), append(text, '\n')); err != nil {
		return fmt.Errorf("PIN of device %q: %w", deviceID, err)
	}
	return nil
}

// writeFile replaces a file as a whole: after a crash there is the old one or
// the new one.
func writeFile(path string, data []byte) (err error) {
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, ".tmp-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = tmp.Close() // closed already or of no use
			_ = os.Remove(tmp.Name())
		}
	}()
	if _, err = tmp.Write(data); err != nil {
		return err
	}
	if err = tmp.Sync(); err != nil {
		return err
	}
	if err = tmp.Close(); err != nil {
		return err
	}
	if err = os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes a rename durable. Windows has no such call for a directory.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if cerr := d.Close(); err == nil {
		err = cerr
	}
	return err
}
