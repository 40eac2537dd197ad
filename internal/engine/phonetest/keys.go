package phonetest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"sync"

	"github.com/signum-mssp/signum"
)

// Keys are the private keys of devices. They outlive the Phones that use them, as the keys
// of real phones outlive a restart of the service. The zero value is empty. Keys are safe
// for concurrent use.
type Keys struct {
	mu   sync.Mutex
	byID map[string]crypto.Signer
}

func (k *Keys) find(deviceID string) crypto.Signer {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.byID[deviceID]
}

// findOrMake returns the key of a device, and generates it if there is none.
func (k *Keys) findOrMake(deviceID string, t signum.KeyType) (crypto.Signer, error) {
	if key := k.find(deviceID); key != nil {
		return key, nil
	}
	key, err := generate(t)
	if err != nil {
		return nil, fmt.Errorf("key of device %q: %w", deviceID, err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.byID == nil {
		k.byID = make(map[string]crypto.Signer)
	}
	k.byID[deviceID] = key
	return key, nil
}

func generate(t signum.KeyType) (crypto.Signer, error) {
	switch t {
	case signum.EC:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case signum.RSA:
		return rsa.GenerateKey(rand.Reader, 2048)
	}
	return nil, fmt.Errorf("unknown key type %q", t)
}

func keyType(key crypto.Signer) signum.KeyType {
	if _, ok := key.Public().(*rsa.PublicKey); ok {
		return signum.RSA
	}
	return signum.EC
}
