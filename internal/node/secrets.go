package node

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/signum-mssp/signum/internal/app"
)

// sharedSecrets is the kind of shared values that are secrets of all nodes on a database. The
// first node makes them.
const sharedSecrets = "secret of all nodes"

// secretsLast is for how long they last.
const secretsLast = 100 * 365 * 24 * time.Hour

// sharedSecret returns a secret of that name, the same at all nodes. In the database it is
// encrypted with a key from sim.master_key, which is in the configuration of all nodes; without a
// master key it is not.
func (n *Node) sharedSecret(ctx context.Context, name string, create func() ([]byte, error)) ([]byte, error) {
	box, err := n.secretBox(name)
	if err != nil {
		return nil, err
	}
	secret, err := create()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	kept, err := n.rows.KeepValue(ctx, sharedSecrets, name, box.seal(secret), n.peers.Now().Add(secretsLast))
	if err != nil {
		return nil, &UnavailableError{Err: err}
	}
	if secret, err = box.open(kept); err != nil {
		return nil, fmt.Errorf("%s in the database is not for this sim.master_key: %w", name, err)
	}
	if box.AEAD != nil && kept[0] == plainSecret { // from before there was a master key
		if err := n.rows.PutValue(ctx, sharedSecrets, name, box.seal(secret), n.peers.Now().Add(secretsLast)); err != nil {
			return nil, &UnavailableError{Err: err}
		}
	}
	return secret, nil
}

// secretBox encrypts a secret; with nothing in it, it leaves the secret as it is.
type secretBox struct{ cipher.AEAD }

// The first octet of a secret in the database.
const (
	plainSecret  = 0
	sealedSecret = 1
)

func (n *Node) secretBox(name string) (b secretBox, err error) {
	master, err := n.cfg.SIM.MasterKeyBytes()
	if err != nil || master == nil {
		return b, err
	}
	key, err := hkdf.Key(sha256.New, master, nil, "signum "+name, 32)
	if err != nil {
		return b, fmt.Errorf("%s: %w", name, err)
	}
	block, err := aes.NewCipher(key)
	if err == nil {
		b.AEAD, err = cipher.NewGCMWithRandomNonce(block)
	}
	return b, err
}

func (b secretBox) seal(secret []byte) []byte {
	if b.AEAD == nil {
		return append([]byte{plainSecret}, secret...)
	}
	return b.Seal([]byte{sealedSecret}, nil, secret, nil)
}

func (b secretBox) open(kept []byte) ([]byte, error) {
	switch {
	case len(kept) > 0 && kept[0] == plainSecret:
		return kept[1:], nil
	case len(kept) == 0 || kept[0] != sealedSecret:
		return nil, errors.New("its form is unknown")
	case b.AEAD == nil:
		return nil, errors.New("there is no sim.master_key")
	}
	return b.Open(nil, nil, kept[1:], nil)
}

func newKey() ([]byte, error) {
	key := make([]byte, 32)
	_, err := rand.Read(key)
	return key, err
}

// sharedVAPID returns the keys by which push services recognise all nodes.
func (n *Node) sharedVAPID(ctx context.Context, contact string) (v app.VAPID, err error) {
	text, err := n.sharedSecret(ctx, "VAPID keys", func() ([]byte, error) {
		made, err := app.NewVAPID("")
		if err != nil {
			return nil, err
		}
		return json.Marshal(made)
	})
	if err == nil {
		err = json.Unmarshal(text, &v)
	}
	v.Contact = contact
	return v, err
}
