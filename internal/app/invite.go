package app

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// Invite makes an activation code for a subscriber and invalidates an earlier
// one. trusted means that the subscriber asked for it with an active method; the
// account then keeps its serial number without the recovery code.
// mssp.ErrNotFound if there is no such subscriber; mssp.ErrAppLimit if the account
// keeps its Apps and has as many as it may have.
func (s *Server) Invite(ctx context.Context, msisdn string, trusted bool) (code string, expires time.Time, err error) {
	sub, err := s.cfg.Store.Subscriber(ctx, msisdn)
	if err == nil && trusted && s.Full(sub) {
		err = mssp.ErrAppLimit
	}
	if err != nil {
		return "", time.Time{}, fmt.Errorf("inviting %s: %w", signum.MaskMSISDN(msisdn), err)
	}
	code = newCode(activationLen, activationGroup)
	hash, _ := hashCode(code, activationLen)
	now := s.now()
	i := &mssp.Invite{CodeHash: hash, MSISDN: msisdn, Trusted: trusted, Created: now, Expires: now.Add(enrolmentFor)}
	if err := s.cfg.Store.PutInvite(ctx, i); err != nil {
		return "", time.Time{}, fmt.Errorf("inviting %s: %w", signum.MaskMSISDN(msisdn), err)
	}
	return code, i.Expires, nil
}

// Full reports whether an account has as many Apps as it may have.
func (s *Server) Full(sub *mssp.Subscriber) bool {
	n := 0
	for _, d := range sub.Devices {
		if d.Method == signum.App && d.State == signum.DeviceActive {
			n++
		}
	}
	return n >= s.limits.Load().PerAccount
}

// SetRecovery makes a new recovery code for a subscriber and invalidates the old
// one. Only its hash is stored. mssp.ErrNotFound if there is no such subscriber.
func (s *Server) SetRecovery(ctx context.Context, msisdn string) (code string, err error) {
	code, hash := newRecovery()
	if err := s.cfg.Store.SetRecoveryHash(ctx, msisdn, hash); err != nil {
		return "", fmt.Errorf("recovery code of %s: %w", signum.MaskMSISDN(msisdn), err)
	}
	return code, nil
}

// CheckRecovery reports whether this is the recovery code of a subscriber. It does the
// same work if there is no such subscriber or no code.
func (s *Server) CheckRecovery(ctx context.Context, msisdn, code string) (bool, error) {
	want, err := s.cfg.Store.RecoveryHash(ctx, msisdn)
	if err != nil && !errors.Is(err, mssp.ErrNotFound) {
		return false, fmt.Errorf("recovery code of %s: %w", signum.MaskMSISDN(msisdn), err)
	}
	hash, ok := hashCode(code, recoveryLen)
	return ok && subtle.ConstantTimeCompare(hash, want) == 1, nil
}

func newRecovery() (code string, hash []byte) {
	code = newCode(recoveryLen, recoveryGroup)
	hash, _ = hashCode(code, recoveryLen)
	return code, hash
}
