package phone

import (
	"crypto"
	"crypto/ecdsa"
	"errors"
	"io"

	"github.com/signum-mssp/signum"
)

// vault is where the key of an App is while nobody signs with it: a passcode
// opens it, and the service, which counts those that are wrong.
type vault interface {
	// open unlocks the key for one signature of this transaction. A *PINError
	// says that the passcode was wrong; without tries left, that the App is
	// blocked.
	open(transID, passcode string) (crypto.Signer, error)
}

// sealed is a key whose private half is in the vault.
type sealed struct{ public *ecdsa.PublicKey }

func (s sealed) Public() crypto.PublicKey { return s.public }

func (s sealed) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("the key is locked")
}

// newVaultDevice makes the device of an App whose key is in a vault. It is an
// App with an EC key, whatever the spec says.
func newVaultDevice(spec DeviceSpec, c Config, seen *observer, public *ecdsa.PublicKey, v vault) (*Device, error) {
	spec.Method, spec.KeyType = signum.App, signum.EC
	if err := spec.check(); err != nil {
		return nil, err
	}
	return &Device{
		spec: spec, clock: c.Clock, log: c.Logger, seen: seen, where: new(whereabouts), vault: v,
		key: sealed{public}, keyType: signum.EC, pin: spec.PIN, tries: MaxTries,
	}, nil
}

// block is what the service said of the passcode.
func (d *Device) block() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.setTries(0)
}
