package app

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
)

const maxPasskeys = 8 // of a device

type unlockRequest struct {
	Verifier  octets     `json:"verifier"`
	Assertion *assertion `json:"assertion"`
	ID        string     `json:"id"`
}

type unlockAnswer struct {
	Share octets `json:"share"`
}

func (c *call) unlock() (any, error) {
	var in unlockRequest
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	c.trans = event.Clip(in.ID)
	if (in.Assertion == nil) == (len(in.Verifier) == 0) {
		return nil, malformed("There must be either a verifier or an assertion.")
	}
	var err error
	if in.Assertion != nil {
		err = c.checkAssertion(in.Assertion, in.ID)
	} else {
		err = c.checkPasscode(in.Verifier, in.ID)
	}
	if err != nil {
		return nil, err
	}
	return unlockAnswer{c.device.Share}, nil
}

// checkPasscode counts a try before it compares, so that concurrent calls get no
// additional tries. The wrong passcode that blocks the App also ends the request
// it was entered for, if any.
func (c *call) checkPasscode(verifier []byte, id string) error {
	if len(verifier) != sha256.Size {
		return malformed("verifier must have 32 bytes.")
	}
	ctx := context.WithoutCancel(c.r.Context()) // hanging up must not save the try
	left, err := c.s.cfg.Store.TakeTry(ctx, c.device.DeviceID)
	if err != nil {
		return c.orGone(err)
	}
	if left < 0 {
		return errBlocked
	}
	// Read after the try is taken, so that a concurrent change of the passcode
	// counts.
	a, err := c.s.cfg.Store.App(ctx, c.device.DeviceID)
	if err != nil {
		return c.orGone(err)
	}
	sum := sha256.Sum256(verifier)
	if subtle.ConstantTimeCompare(sum[:], a.VerifierHash) == 1 {
		return c.s.cfg.Store.ResetTries(ctx, c.device.DeviceID)
	}
	if left > 0 {
		return wrongPasscode(left)
	}
	return c.block(ctx, id)
}

func (c *call) block(ctx context.Context, id string) error {
	c.note = "passcode blocked"
	if err := c.s.cfg.Store.SetPINBlocked(ctx, c.device.DeviceID, true); err != nil {
		return err
	}
	if id == "" {
		return errBlocked
	}
	key := requestKey{id, mssp.OpSign}
	if _, err := c.s.request(ctx, c.device.DeviceID, key); err != nil {
		return errBlocked // there is no request to end
	}
	err := c.s.deliver(ctx, mssp.DeviceAnswer{
		Op: key.op, TransID: id, DeviceID: c.device.DeviceID, Fault: signum.NewFault(signum.PINBlocked),
	})
	if err != nil {
		c.s.log.ErrorContext(ctx, "request of a blocked App not ended", "trans_id", c.trans, "device", c.device.DeviceID, "err", err)
	}
	return errBlocked
}

// orGone treats a device that was removed in the meantime as unknown.
func (c *call) orGone(err error) error {
	if errors.Is(err, mssp.ErrNotFound) {
		return errUnauthorised
	}
	return err
}

// change updates the stored App. f follows the rules of mssp.AppStore.UpdateApp.
func (c *call) change(f func(*mssp.AppDevice) error) error {
	return c.orGone(c.s.cfg.Store.UpdateApp(c.r.Context(), c.device.DeviceID, f))
}

func (c *call) passcode() (any, error) {
	var in struct {
		Verifier    octets `json:"verifier"`
		NewVerifier octets `json:"new_verifier"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if len(in.NewVerifier) != sha256.Size {
		return nil, malformed("new_verifier must have 32 bytes.")
	}
	if err := c.checkPasscode(in.Verifier, ""); err != nil {
		return nil, err
	}
	return nil, c.change(func(a *mssp.AppDevice) error {
		sum := sha256.Sum256(in.NewVerifier)
		a.VerifierHash = sum[:]
		return nil
	})
}

func (c *call) passkey() (any, error) {
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
	if err := c.checkPasscode(in.Verifier, ""); err != nil {
		return nil, err
	}
	return nil, c.change(func(a *mssp.AppDevice) error {
		key := mssp.Passkey{ID: in.ID, PublicKey: in.PublicKey}
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

// checkAssertion accepts the assertion of a passkey for one request. A wrong one
// does not count as a try, because an assertion cannot be guessed.
func (c *call) checkAssertion(as *assertion, id string) error {
	if c.device.TriesLeft <= 0 {
		return errBlocked
	}
	r, err := c.s.request(c.r.Context(), c.device.DeviceID, requestKey{id, mssp.OpSign})
	if err != nil {
		return err
	}
	// Verify before the row is locked, against the passkey as stored now.
	device, err := c.s.cfg.Store.App(c.r.Context(), c.device.DeviceID)
	if err != nil {
		return c.orGone(err)
	}
	i := passkeyIndex(device, as.ID)
	if i < 0 {
		return wrongPasscode(device.TriesLeft)
	}
	count, err := as.verify(&device.Passkeys[i], c.s.site, r.SignedAttrs)
	if err != nil {
		c.note = err.Error()
		return wrongPasscode(device.TriesLeft)
	}
	return c.change(func(a *mssp.AppDevice) error { return accept(a, device.Passkeys[i], count) })
}

// accept stores the counter of an assertion that was verified against a passkey.
// It refuses if the App was blocked in the meantime, or if the passkey was
// replaced or its counter has advanced.
func accept(a *mssp.AppDevice, verified mssp.Passkey, count uint32) error {
	if a.TriesLeft <= 0 {
		return errBlocked
	}
	i := passkeyIndex(a, verified.ID)
	if i < 0 || !bytes.Equal(a.Passkeys[i].PublicKey, verified.PublicKey) || !advances(a.Passkeys[i].SignCount, count) {
		return wrongPasscode(a.TriesLeft)
	}
	a.Passkeys[i].SignCount = count
	return nil
}
