package app

import (
	"context"
	"crypto/sha256"
	"errors"

	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
)

type unlockRequest struct {
	Verifier  octets     `json:"verifier"`
	Assertion *assertion `json:"assertion"`
	ID        string     `json:"id"`
}

type shareAnswer struct {
	Share octets `json:"share"`
}

// unlock hands out the share for one pending request, after the user was verified.
// The request may be signed from then on.
func (c *call) unlock() (any, error) {
	var in unlockRequest
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	c.trans = event.Clip(in.ID)
	if in.ID == "" || (in.Assertion == nil) == (len(in.Verifier) == 0) {
		return nil, malformed("There must be the id of a request, and either a verifier or an assertion.")
	}
	if err := c.maySign(); err != nil {
		return nil, err
	}
	r, err := c.s.request(c.r.Context(), c.device.DeviceID, c.msisdn, requestKey{in.ID, mssp.OpSign})
	if err != nil {
		return nil, err
	}
	if in.Assertion != nil {
		err = c.unlockWithPasskey(in.Assertion, r)
	} else {
		err = c.unlockWithPasscode(in.Verifier, r)
	}
	if err != nil {
		return nil, err
	}
	return shareAnswer{c.device.Share}, nil
}

// maySign refuses an App that must not sign, whatever its user enters. The statement
// that ends a transaction checks the same again.
func (c *call) maySign() error {
	switch {
	case c.device.Blocked():
		return errBlocked
	case !c.device.Active:
		return errInactive
	}
	return nil
}

func (c *call) unlockWithPasscode(verifier []byte, r *mssp.DeviceRequest) error {
	return c.tryPasscode(verifier, &mssp.UserVerification{TransID: r.TransID, Kind: mssp.ByPasscode, At: c.s.now()})
}

// share hands out the share for work on how the key is protected: a new passcode or a
// passkey. It unlocks no request.
func (c *call) share() (any, error) {
	var in struct {
		Verifier octets `json:"verifier"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if err := c.maySign(); err != nil {
		return nil, err
	}
	if err := c.passcodeRight(in.Verifier); err != nil {
		return nil, err
	}
	return shareAnswer{c.device.Share}, nil
}

// passcodeRight checks the passcode for a call that unlocks no request.
func (c *call) passcodeRight(verifier []byte) error { return c.tryPasscode(verifier, nil) }

// tryPasscode checks the passcode. If it is right and unlock is not nil, the request is
// unlocked in the same write. The store compares with the hash as it is then, so that a
// concurrent change of the passcode counts.
func (c *call) tryPasscode(verifier []byte, unlock *mssp.UserVerification) error {
	if len(verifier) != sha256.Size {
		return malformed("verifier must have 32 bytes.")
	}
	sum := sha256.Sum256(verifier)
	if unlock != nil {
		unlock.VerifierHash = sum[:]
	}
	ctx := context.WithoutCancel(c.r.Context()) // hanging up must not save the try
	right, left, err := c.s.cfg.Store.TryPasscode(ctx, c.device.DeviceID, sum[:], unlock)
	switch {
	case err != nil:
		return c.orGone(err)
	case right:
		return nil
	case left < 0:
		return errBlocked
	case left > 0:
		return wrongPasscode(left)
	}
	return c.block(ctx)
}

// block records that the last try was wrong.
func (c *call) block(ctx context.Context) error {
	c.note = "passcode blocked"
	if err := c.s.cfg.Store.SetPINBlocked(ctx, c.device.DeviceID, true); err != nil {
		return err
	}
	c.s.endSigning(ctx, c.device)
	return errBlocked
}

// endSigning takes the requests to sign back from a device, because it will sign none of
// them, and ends those that no other device can answer. A failure is logged: a request
// that stays expires.
func (s *Server) endSigning(ctx context.Context, a *mssp.AppDevice) {
	s.takeBack(a.DeviceID)
	_, in, err := s.engine()
	if err == nil {
		err = in.Recheck(ctx, a.MSISDN)
	}
	if err != nil {
		s.log.ErrorContext(ctx, "requests not ended", "device", a.DeviceID, "err", err)
	}
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
	if err := c.passcodeRight(in.Verifier); err != nil {
		return nil, err
	}
	return nil, c.change(func(a *mssp.AppDevice) error {
		sum := sha256.Sum256(in.NewVerifier)
		a.VerifierHash = sum[:]
		return nil
	})
}
