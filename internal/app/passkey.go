package app

import (
	"bytes"
	"slices"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
)

const maxPasskeys = 8 // of a device

// registerPasskey adds a passkey, or replaces the one with the same credential ID.
func (c *call) registerPasskey() (any, error) {
	var in struct {
		ID        octets `json:"id"`
		PublicKey octets `json:"public_key"`
		Verifier  octets `json:"verifier"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if len(in.ID) == 0 || len(in.ID) > maxCredentialID {
		return nil, malformed("id must be a credential ID of 1 to %d bytes.", maxCredentialID)
	}
	if _, err := parseKey(in.PublicKey); err != nil {
		return nil, malformed("public_key must be a P-256 public key.")
	}
	if err := c.maySign(); err != nil {
		return nil, err
	}
	if err := c.passcodeRight(in.Verifier); err != nil {
		return nil, err
	}
	key := mssp.Passkey{ID: in.ID, PublicKey: in.PublicKey, Added: c.s.now()}
	return nil, c.change(func(a *mssp.AppDevice) error {
		if i := passkeyIndex(a, in.ID); i >= 0 {
			a.Passkeys[i] = key
		} else if len(a.Passkeys) < maxPasskeys {
			a.Passkeys = append(a.Passkeys, key)
		} else {
			return malformed("The App has %d passkeys already.", maxPasskeys)
		}
		return nil
	})
}

type wirePasskey struct {
	ID    octets `json:"id"`
	Added int64  `json:"added,omitzero"` // absent: before the service kept it
	Used  int64  `json:"used,omitzero"`
}

type passkeyList struct {
	Passkeys []wirePasskey `json:"passkeys"`
}

func (c *call) passkeys() (any, error) {
	list := make([]wirePasskey, 0, len(c.device.Passkeys))
	for _, k := range c.device.Passkeys {
		list = append(list, wirePasskey{k.ID, milliseconds(k.Added), milliseconds(k.Used)})
	}
	return passkeyList{list}, nil
}

func milliseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// removePasskey needs no passcode: it takes a way to sign away.
func (c *call) removePasskey() (any, error) {
	id, err := unb64u(c.r.URL.Query().Get("id"))
	if err != nil || len(id) == 0 {
		return nil, malformed("id must be a credential ID.")
	}
	return nil, c.change(func(a *mssp.AppDevice) error {
		i := passkeyIndex(a, id)
		if i < 0 {
			return errUnknown
		}
		a.Passkeys = slices.Delete(a.Passkeys, i, i+1)
		return nil
	})
}

// unlockWithPasskey accepts the assertion of a passkey for one request. A wrong one
// does not count as a try, because an assertion cannot be guessed.
func (c *call) unlockWithPasskey(as *assertion, r *mssp.DeviceRequest) error {
	// Verify before the row is locked, against the passkey as it was read.
	i := passkeyIndex(c.device, as.ID)
	if i < 0 {
		c.note = "the passkey is not registered"
		return errPasskey
	}
	key := c.device.Passkeys[i]
	count, err := as.verify(&key, c.s.site, r.SignedAttrs)
	if err != nil {
		c.note = err.Error()
		return errPasskey
	}
	now := c.s.now()
	v := &mssp.UserVerification{TransID: r.TransID, Kind: mssp.ByPasskey, At: now, Assertion: &mssp.Assertion{
		Credential: key.ID, PublicKey: key.PublicKey, AuthenticatorData: as.AuthenticatorData, ClientData: as.ClientData, Signature: as.Signature,
	}}
	return c.change(func(a *mssp.AppDevice) error { return accept(a, key, count, v) })
}

// accept stores what an assertion that was verified against a passkey changes. It
// refuses if the App was blocked in the meantime, or if the passkey was replaced or
// its counter has advanced.
func accept(a *mssp.AppDevice, verified mssp.Passkey, count uint32, v *mssp.UserVerification) error {
	if a.Blocked() {
		return errBlocked
	}
	i := passkeyIndex(a, verified.ID)
	if i < 0 || !bytes.Equal(a.Passkeys[i].PublicKey, verified.PublicKey) || !advances(a.Passkeys[i].SignCount, count) {
		return errPasskey
	}
	k := &a.Passkeys[i]
	k.SignCount, k.Used = max(k.SignCount, count), v.At
	a.Unlocked = v
	return nil
}
