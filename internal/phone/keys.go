package phone

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"github.com/signum-mssp/signum"
)

// rsaBits is the length of a new RSA key, and of every one accepted.
const rsaBits = 2048

// KeyStore is the memory of devices: what a card or app keeps when it is off.
// Implementations are safe for concurrent use.
type KeyStore interface {
	// Key returns a device's private key; the error is fs.ErrNotExist if it
	// never had one, and another if it has one that cannot be read.
	Key(deviceID string) (crypto.Signer, error)
	// PutKey keeps a device's key. It never replaces one: the error is then
	// fs.ErrExist.
	PutKey(deviceID string, key crypto.Signer) error
	// TriesLeft returns how often a wrong PIN may still be entered, MaxTries
	// if nothing was kept.
	TriesLeft(deviceID string) (int, error)
	// PutTriesLeft keeps it, 0 to MaxTries.
	PutTriesLeft(deviceID string, n int) error
}

// MemoryKeys is a KeyStore that lasts as long as the process.
type MemoryKeys struct {
	mu    sync.Mutex
	keys  map[string]crypto.Signer
	tries map[string]int // only where it is not MaxTries
}

var _ KeyStore = (*MemoryKeys)(nil)

// NewMemoryKeys returns an empty store.
func NewMemoryKeys() *MemoryKeys {
	return &MemoryKeys{keys: make(map[string]crypto.Signer), tries: make(map[string]int)}
}

// Key implements KeyStore.
func (m *MemoryKeys) Key(deviceID string) (crypto.Signer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if k, ok := m.keys[deviceID]; ok {
		return k, nil
	}
	return nil, fmt.Errorf("key of device %q: %w", deviceID, fs.ErrNotExist)
}

// PutKey implements KeyStore.
func (m *MemoryKeys) PutKey(deviceID string, key crypto.Signer) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.keys[deviceID]; ok {
		return fmt.Errorf("key of device %q: %w", deviceID, fs.ErrExist)
	}
	m.keys[deviceID] = key
	return nil
}

// TriesLeft implements KeyStore.
func (m *MemoryKeys) TriesLeft(deviceID string) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n, ok := m.tries[deviceID]; ok {
		return n, nil
	}
	return MaxTries, nil
}

// PutTriesLeft implements KeyStore.
func (m *MemoryKeys) PutTriesLeft(deviceID string, n int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n == MaxTries {
		delete(m.tries, deviceID)
	} else {
		m.tries[deviceID] = n
	}
	return nil
}

// makeOrLoad returns the device's key, a new one if it never had one.
func makeOrLoad(keys KeyStore, deviceID string, t signum.KeyType) (crypto.Signer, error) {
	key, err := keys.Key(deviceID)
	if errors.Is(err, fs.ErrNotExist) {
		if key, err = generate(t); err != nil {
			return nil, fmt.Errorf("key of device %q: %w", deviceID, err)
		}
		err = keys.PutKey(deviceID, key)
		if errors.Is(err, fs.ErrExist) { // somebody was faster: theirs is the key
			key, err = keys.Key(deviceID)
		}
	}
	if err != nil {
		return nil, err
	}
	have, err := keyType(key)
	if err != nil {
		return nil, fmt.Errorf("key of device %q: %w", deviceID, err)
	}
	if have != t {
		return nil, fmt.Errorf("key of device %q: it is %s, %s is wanted", deviceID, have, t)
	}
	return key, nil
}

func generate(t signum.KeyType) (crypto.Signer, error) {
	switch t {
	case signum.EC:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case signum.RSA:
		return rsa.GenerateKey(rand.Reader, rsaBits)
	}
	return nil, fmt.Errorf("unknown key type %q", t)
}

// keyType refuses what a subscriber's key cannot be.
func keyType(key crypto.Signer) (signum.KeyType, error) {
	switch k := key.Public().(type) {
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() {
			return "", fmt.Errorf("curve %s, P-256 is wanted", k.Curve.Params().Name)
		}
		return signum.EC, nil
	case *rsa.PublicKey:
		if k.N.BitLen() != rsaBits {
			return "", fmt.Errorf("RSA of %d bits, %d are wanted", k.N.BitLen(), rsaBits)
		}
		return signum.RSA, nil
	}
	return "", fmt.Errorf("a key of type %T", key)
}
