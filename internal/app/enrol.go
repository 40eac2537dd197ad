package app

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/clientaddr"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/visible"
)

type beginRequest struct {
	Code string `json:"code"`
}

type beginAnswer struct {
	Enrolment string `json:"enrolment"`
	Challenge octets `json:"challenge"`
	Share     octets `json:"share"`
	MSISDN    string `json:"msisdn"`
	Service   string `json:"service"`
	Recovery  string `json:"recovery"`
}

func (c *call) begin() (any, error) {
	if wait := c.s.byBegin.Take(clientaddr.Key(c.r), c.start); wait > 0 {
		return nil, slow(wait)
	}
	var in beginRequest
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	hash, ok := hashCode(in.Code, activationLen)
	if !ok {
		return nil, errCode
	}
	inv, acc, err := c.invited(hash)
	if err != nil {
		return nil, err
	}
	if acc.full && inv.Trusted {
		return nil, errFull
	}
	e := c.s.enrols.begin(inv, c.start)
	if err := c.s.shareEnrolment(c.r.Context(), e); err != nil {
		return nil, err
	}
	recovery := "none"
	if acc.used && !inv.Trusted {
		recovery = "wanted"
	}
	return beginAnswer{e.id, e.challenge, e.share, signum.MaskMSISDN(e.msisdn), c.s.cfg.Service, recovery}, nil
}

// account is what an enrolment needs to know about a subscriber's account.
type account struct {
	serial   string
	recovery []byte // SHA-256 of its recovery code; nil if it has none
	used     bool   // parties may know its serial number
	full     bool   // it has as many Apps as it may have
}

// invited returns the invite and its account. Whatever is wrong with either, the
// caller learns only that the code is not valid.
func (c *call) invited(hash []byte) (*mssp.Invite, *account, error) {
	ctx := c.r.Context()
	inv, err := c.s.cfg.Store.Invite(ctx, hash, c.s.now())
	if errors.Is(err, mssp.ErrInvite) {
		return nil, nil, errCode
	} else if err != nil {
		return nil, nil, err
	}
	c.msisdn = inv.MSISDN
	sub, err := c.s.cfg.Store.Subscriber(ctx, inv.MSISDN)
	switch {
	case errors.Is(err, mssp.ErrNotFound):
		return nil, nil, errCode
	case err != nil:
		return nil, nil, err
	case sub.State != mssp.SubscriberActive:
		return nil, nil, errCode
	}
	a := &account{serial: sub.Serial, full: c.s.Full(sub)}
	if a.recovery, err = c.s.cfg.Store.RecoveryHash(ctx, inv.MSISDN); err != nil {
		return nil, nil, err
	}
	known, err := c.s.cfg.Store.SerialKnown(ctx, inv.MSISDN)
	if err != nil {
		return nil, nil, err
	}
	a.used = known || a.recovery != nil || sub.RecoveryCodeCreated
	return inv, a, nil
}

type enrolRequest struct {
	Enrolment    string  `json:"enrolment"`
	AuthKey      octets  `json:"auth_key"`
	AuthProof    octets  `json:"auth_proof"`
	SignKey      octets  `json:"sign_key"`
	SignProof    octets  `json:"sign_proof"`
	Verifier     octets  `json:"verifier"`
	Name         string  `json:"name"`
	Version      string  `json:"version"`
	Platform     string  `json:"platform"`
	RecoveryCode *string `json:"recovery_code"`

	authKey, signKey *ecdsa.PublicKey
}

type enrolled struct {
	Device       string   `json:"device"`
	MSISDN       string   `json:"msisdn"`
	Serial       string   `json:"serial"`
	Certificates []octets `json:"certificates"`
	RecoveryCode string   `json:"recovery_code,omitempty"`
}

func (r *enrolRequest) check() (err error) {
	if r.authKey, err = parseKey(r.AuthKey); err != nil {
		return malformed("auth_key must be a P-256 public key.")
	}
	if r.signKey, err = parseKey(r.SignKey); err != nil {
		return malformed("sign_key must be a P-256 public key.")
	}
	if len(r.Verifier) != sha256.Size {
		return malformed("verifier must have 32 bytes.")
	}
	if !plain(r.Name, 64) || !plain(r.Version, 64) || !plain(r.Platform, 64) {
		return malformed("name, version and platform may have at most 64 characters and no control characters.")
	}
	return nil
}

// plain reports whether a text is short and can be shown in a list: it has one line, in
// which each character is visible.
func plain(s string, most int) bool {
	return utf8.RuneCountInString(s) <= most && visible.Check(s) == nil && !strings.ContainsFunc(s, unicode.IsControl)
}

func (c *call) enrol() (any, error) {
	var in enrolRequest
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	e, err := c.s.findEnrolment(c.r.Context(), in.Enrolment, c.start)
	if err != nil {
		return nil, err
	}
	if e == nil {
		return nil, errCode
	}
	c.msisdn = e.msisdn
	message := e.message(in.AuthKey, in.SignKey)
	// With one key for both, the proof of a call could pass for a signature.
	if in.AuthKey.equal(in.SignKey) || !verifyRaw(in.authKey, message, in.AuthProof) || !verifyRaw(in.signKey, message, in.SignProof) {
		return nil, errNotProved
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	keys := shortHash(string(in.AuthKey), string(in.SignKey))
	repeated := func() (any, error) {
		if e.keys != keys {
			return nil, errCode
		}
		return e.done, nil
	}
	if e.done != nil {
		return repeated()
	}
	done, err := c.carryOut(e, &in)
	if err == errCode { // the invite is used up, maybe by this enrolment
		if err := c.s.doneMeanwhile(c.r.Context(), e); err != nil {
			return nil, err
		}
		if e.done != nil {
			return repeated()
		}
	}
	if err != nil {
		return nil, err
	}
	e.keys, e.done = keys, done
	c.s.enrols.finished(e, c.s.now())
	if err := c.s.shareEnrolment(context.WithoutCancel(c.r.Context()), e); err != nil {
		c.s.log.Warn("an enrolment cannot be repeated at another node", "device", done.Device, "err", err)
	}
	c.note = "enrolled " + done.Device
	return done, nil
}

func (o octets) equal(p octets) bool { return subtle.ConstantTimeCompare(o, p) == 1 }

func (c *call) carryOut(e *pendingEnrolment, in *enrolRequest) (*enrolled, error) {
	ctx := c.r.Context()
	inv, acc, err := c.invited(e.invite.hash)
	if err != nil {
		return nil, err
	}
	keep, err := c.keepsSerial(e, inv, acc, in.RecoveryCode)
	if err != nil {
		return nil, err
	}
	if keep && acc.full { // an account that is reset keeps no other App
		return nil, errFull
	}
	change := &mssp.Enrolment{CodeHash: inv.CodeHash}
	out := &enrolled{Device: e.deviceID, MSISDN: e.msisdn, Serial: acc.serial}
	if !keep {
		out.Serial = c.s.cfg.NewSerial()
		change.Serial = out.Serial
	}
	if acc.recovery == nil || !keep { // a reset account does not have the old code
		out.RecoveryCode, change.RecoveryHash = newRecovery()
	}
	cert, err := c.s.cfg.CA.Issue(ctx, out.Serial, e.deviceID, in.signKey)
	if err != nil {
		return nil, err
	}
	kept := false
	defer func() { // covers panics too
		if !kept {
			c.undo(cert)
		}
	}()
	chain, err := c.s.cfg.CA.Chain(cert.DER)
	if err != nil {
		return nil, err
	}
	now := c.s.now()
	verifier := sha256.Sum256(in.Verifier)
	change.App = &mssp.AppDevice{
		DeviceID: e.deviceID, MSISDN: e.msisdn, AuthKey: in.AuthKey, VerifierHash: verifier[:], Share: e.share,
		TriesLeft: mssp.MaxPasscodeTries, Name: in.Name, Version: in.Version, Platform: in.Platform,
		Enrolled: now, LastSeen: now,
	}
	change.Device = mssp.Device{ID: e.deviceID, Method: signum.App, State: signum.DeviceActive, KeyType: signum.EC, Certificate: cert}
	switch err := c.s.cfg.Store.EnrolApp(ctx, change, now); {
	case errors.Is(err, mssp.ErrInvite):
		return nil, errCode
	case err != nil:
		return nil, err
	}
	kept = true
	c.notify(mssp.NoticeAppAdded, e.msisdn, e.deviceID, in.Name, acc.used && keep && !inv.Trusted)
	if change.Serial != "" {
		c.revokeEnded(e.msisdn)
	}
	for _, der := range append([][]byte{cert.DER}, chain...) {
		out.Certificates = append(out.Certificates, der)
	}
	return out, nil
}

// revokeEnded revokes the certificates of the devices that ended with the old serial
// number of the account. The enrolment stands even if this fails.
func (c *call) revokeEnded(msisdn string) {
	defer event.Rescue(c.s.log, "App enrolment")
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.r.Context()), storeTimeout)
	defer cancel()
	sub, err := c.s.cfg.Store.Subscriber(ctx, msisdn)
	if err == nil {
		err = mssp.RevokeEnded(ctx, c.s.cfg.CA, sub.Devices)
	}
	if _, in, unconnected := c.s.engine(); err == nil && unconnected == nil {
		err = in.Recheck(ctx, msisdn)
	}
	if err != nil {
		c.s.log.ErrorContext(ctx, "certificates with the old serial number not revoked", "err", err)
	}
}

// undo revokes a certificate that was issued but given to no device.
func (c *call) undo(cert *mssp.Certificate) {
	const cessation = 5
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.r.Context()), storeTimeout)
	defer cancel()
	if err := c.s.cfg.CA.Revoke(ctx, cert.Serial, cessation); err != nil {
		c.s.log.ErrorContext(ctx, "unused certificate not revoked", "serial", cert.Serial, "err", err)
	}
}

// keepsSerial decides whether the account keeps its serial number, so that its
// parties recognise the user of the new App.
func (c *call) keepsSerial(e *pendingEnrolment, inv *mssp.Invite, acc *account, code *string) (bool, error) {
	if inv.Trusted || !acc.used {
		return true, nil
	}
	if code == nil || *code == "" {
		return false, nil
	}
	if !c.s.enrols.takeTry(e.invite) {
		return false, errRecovery
	}
	left, err := c.s.takeSharedTry(c.r.Context(), e.invite, c.s.now())
	if err != nil {
		return false, err
	}
	if !left {
		return false, errRecovery
	}
	hash, ok := hashCode(*code, recoveryLen)
	if !ok || subtle.ConstantTimeCompare(hash, acc.recovery) != 1 {
		return false, errRecovery
	}
	return true, nil
}
