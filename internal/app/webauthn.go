package app

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/go-json-experiment/json"

	"github.com/signum-mssp/signum/internal/mssp"
)

const maxCredentialID = 1023 // WebAuthn Level 2, clause 6.5.1

// assertion is the result of navigator.credentials.get.
type assertion struct {
	ID                octets `json:"id"`
	AuthenticatorData octets `json:"authenticator_data"`
	ClientData        octets `json:"client_data"`
	Signature         octets `json:"signature"` // ASN.1, the form of WebAuthn
}

func passkeyIndex(a *mssp.AppDevice, id []byte) int {
	return slices.IndexFunc(a.Passkeys, func(k mssp.Passkey) bool { return bytes.Equal(k.ID, id) })
}

// clientData is CollectedClientData (WebAuthn Level 2, clause 5.8.1).
type clientData struct {
	Type        string `json:"type"`
	Challenge   string `json:"challenge"`
	Origin      string `json:"origin"`
	CrossOrigin bool   `json:"crossOrigin"`
}

// authenticatorData is the fixed part of what an authenticator signs (clause
// 6.1). Extensions may follow it.
type authenticatorData struct {
	rpIDHash [sha256.Size]byte
	flags    byte
	count    uint32
}

const (
	userPresent  = 1 << 0
	userVerified = 1 << 2
)

func parseAuthenticatorData(b []byte) (d authenticatorData, err error) {
	const head = sha256.Size + 1 + 4
	if len(b) < head {
		return d, errors.New("authenticator data is too short")
	}
	copy(d.rpIDHash[:], b)
	d.flags = b[sha256.Size]
	d.count = binary.BigEndian.Uint32(b[sha256.Size+1:])
	return d, nil
}

func parseClientData(b []byte) (d clientData, err error) {
	err = json.Unmarshal(b, &d)
	return d, err
}

// verify checks an assertion (WebAuthn Level 2, clause 7.2) whose challenge is the
// hash of attrs, and returns the new counter. The errors are for the log.
func (as *assertion) verify(k *mssp.Passkey, at site, attrs []byte) (count uint32, err error) {
	client, err := parseClientData(as.ClientData)
	if err != nil {
		return 0, errors.New("client data is not JSON")
	}
	challenge := sha256.Sum256(attrs)
	rp := sha256.Sum256([]byte(at.host))
	auth, err := parseAuthenticatorData(as.AuthenticatorData)
	switch {
	case err != nil:
		return 0, err
	case client.Type != "webauthn.get":
		return 0, errors.New("the assertion has another type")
	case subtle.ConstantTimeCompare([]byte(client.Challenge), []byte(b64u(challenge[:]))) != 1:
		return 0, errors.New("the assertion has another challenge")
	case client.Origin != at.origin || client.CrossOrigin:
		return 0, errors.New("the assertion was made on another site")
	case auth.rpIDHash != rp:
		return 0, errors.New("the assertion is for another relying party")
	case auth.flags&userPresent == 0 || auth.flags&userVerified == 0:
		return 0, errors.New("the user was not verified")
	case !advances(k.SignCount, auth.count):
		return 0, errors.New("the counter of the authenticator did not advance: it may have been cloned")
	}
	key, err := parseKey(k.PublicKey)
	if err != nil {
		return 0, err
	}
	client32 := sha256.Sum256(as.ClientData)
	sum := sha256.Sum256(slices.Concat([]byte(as.AuthenticatorData), client32[:]))
	if !ecdsa.VerifyASN1(key, sum[:], as.Signature) {
		return 0, errors.New("the signature of the assertion is wrong")
	}
	return auth.count, nil
}

// advances reports whether a counter may follow the stored one (clause 7.2, step 21).
// 0 means that the authenticator does not count, or no longer does: passkeys that
// are synchronised between devices have no counter. Refusing 0 after a count would
// stop no attacker, because a copied key can report any count.
func advances(kept, count uint32) bool { return count == 0 || count > kept }
