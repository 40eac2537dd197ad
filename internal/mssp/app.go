package mssp

import (
	"context"
	"errors"
	"time"
)

// AppDevice is what the service keeps of an App besides its Device: how the App
// authenticates, and how its key is unlocked.
type AppDevice struct {
	DeviceID string
	MSISDN   string // E.164 with leading +
	AuthKey  []byte // SubjectPublicKeyInfo (P-256) of the key that signs its calls
	// VerifierHash is the SHA-256 of what the App derives from its passcode; the
	// passcode itself never leaves the phone.
	VerifierHash []byte
	// Share is the service's half of what unlocks the signing key on the phone.
	Share     []byte
	TriesLeft int // how many more wrong passcodes are allowed
	Name      string
	Version   string
	Platform  string
	Push      *PushSubscription
	PushEnd   *PushEnd // of the last subscription; nil: it works as far as is known, or there was none
	Passkeys  []Passkey
	// Unlocked says for which request the App got the share last, and how its user was
	// verified; nil: for none. Only that request may be signed.
	Unlocked *UserVerification
	Enrolled time.Time
	LastSeen time.Time

	// These are read with the App and ignored when it is written.
	Active     bool // the device and its account are active
	PINBlocked bool // of the device
}

// MaySign reports whether the App may sign at all.
func (a *AppDevice) MaySign() bool { return a.Active && !a.Blocked() }

// Blocked reports whether wrong passcodes blocked the App.
func (a *AppDevice) Blocked() bool { return a.PINBlocked || a.TriesLeft <= 0 }

// MaxPasscodeTries is how many wrong passcodes in a row block an App.
const MaxPasscodeTries = 3

// PushSubscription says how to wake an App up (W3C Push API).
type PushSubscription struct {
	Endpoint string `json:"endpoint"` // https
	P256DH   []byte `json:"p256dh"`
	Auth     []byte `json:"auth"`
}

// PushEnd says why a push service takes no more messages for a subscription. It is
// kept as JSON.
type PushEnd struct {
	Reason   PushEndReason `json:"reason"`
	At       time.Time     `json:"at"`
	Endpoint []byte        `json:"endpoint"` // SHA-256
}

// PushEndReason is why a subscription ended.
type PushEndReason string

// The reasons.
const (
	PushGone    PushEndReason = "gone"    // it does not exist any more
	PushRefused PushEndReason = "refused" // it was made for another key, or the service is refused
)

// Passkey is a WebAuthn credential that unlocks the signing key instead of the
// passcode.
type Passkey struct {
	ID        []byte    `json:"id"`
	PublicKey []byte    `json:"key"`   // SubjectPublicKeyInfo, P-256
	SignCount uint32    `json:"count"` // 0: the authenticator has not counted yet
	Added     time.Time `json:"added,omitzero"`
	Used      time.Time `json:"used,omitzero"` // last
}

// VerificationKind is how the user of an App was verified.
type VerificationKind string

// The kinds.
const (
	ByPasscode VerificationKind = "passcode"
	ByPasskey  VerificationKind = "passkey"
)

// UserVerification is the evidence that the user of an App was verified for one
// request. It is kept as JSON.
type UserVerification struct {
	TransID string           `json:"trans"`
	Kind    VerificationKind `json:"kind"`
	At      time.Time        `json:"at"`
	// VerifierHash is the stored hash that the verifier matched. Of a passcode only.
	VerifierHash []byte `json:"verifier_hash,omitempty"`
	// Assertion is what the authenticator signed. Of a passkey only.
	Assertion *Assertion `json:"assertion,omitempty"`
}

// Assertion is the result of a WebAuthn authentication. Its challenge is the SHA-256
// of the signed attributes of the request.
type Assertion struct {
	Credential        []byte `json:"credential"`
	PublicKey         []byte `json:"key"` // SubjectPublicKeyInfo, P-256
	AuthenticatorData []byte `json:"authenticator_data"`
	ClientData        []byte `json:"client_data"`
	Signature         []byte `json:"signature"` // ASN.1
}

// Invite lets a subscriber enrol an App with a one-time activation code.
type Invite struct {
	CodeHash []byte // SHA-256 of the code
	MSISDN   string
	// Trusted means that the subscriber proved who they are with an active method:
	// the account keeps its serial without a recovery code.
	Trusted bool
	Created time.Time
	Expires time.Time
}

// Enrolment is everything that changes, all at once, when an App is enrolled.
type Enrolment struct {
	CodeHash []byte // of the invite, which is deleted
	App      *AppDevice
	Device   Device // with its certificate
	// Serial replaces that of the account, and all its other devices end; empty: the
	// account keeps its own.
	Serial string
	// RecoveryHash is the SHA-256 of a new recovery code; nil: the account keeps the
	// code that it has, if any.
	RecoveryHash []byte
}

// ErrAppLimit means that an account has as many Apps as it may have.
var ErrAppLimit = errors.New("the account has as many Apps as it may have")

// ErrInvite means that an activation code is wrong, used or expired.
var ErrInvite = errors.New("the activation code is not valid")

// AppStore keeps Apps, invites and recovery codes.
type AppStore interface {
	// PutInvite adds an invite. It replaces an earlier one of the same subscriber.
	PutInvite(ctx context.Context, i *Invite) error
	// Invite finds an invite that is valid now; ErrInvite.
	Invite(ctx context.Context, codeHash []byte, now time.Time) (*Invite, error)
	// EnrolApp makes all changes of an enrolment or none. ErrInvite if the invite has
	// been used meanwhile.
	EnrolApp(ctx context.Context, e *Enrolment, now time.Time) error
	// App finds an App by its device ID; ErrNotFound, or *RowError if its row cannot
	// be read.
	App(ctx context.Context, deviceID string) (*AppDevice, error)
	// UpdateApp changes VerifierHash, Name, Version, Platform, Push, PushEnd, Passkeys,
	// Unlocked and LastSeen of an App. Changes of other fields are lost. Store says what the
	// function may do. ErrNotFound.
	UpdateApp(ctx context.Context, deviceID string, change func(*AppDevice) error) error
	// TryPasscode compares a hash with VerifierHash and counts the result in the same
	// step, so that concurrent calls get no additional tries. If they are equal, the App
	// has all its tries again, and v, unless it is nil, becomes Unlocked. If not, left is
	// how many tries remain, and -1 if none was left before. ErrNotFound.
	TryPasscode(ctx context.Context, deviceID string, hash []byte, v *UserVerification) (right bool, left int, err error)
	// ResetTries gives an App all its tries back. ErrNotFound.
	ResetTries(ctx context.Context, deviceID string) error
	// RemoveApp deletes an App and its device. ErrNotFound.
	RemoveApp(ctx context.Context, deviceID string) error
	// RecoveryHash returns the SHA-256 of a subscriber's recovery code, nil if there
	// is no code. ErrNotFound.
	RecoveryHash(ctx context.Context, msisdn string) ([]byte, error)
	// SetRecoveryHash replaces the hash and sets RecoveryCodeCreated; nil deletes the
	// code. ErrNotFound.
	SetRecoveryHash(ctx context.Context, msisdn string, hash []byte) error
	// SetSubscriberState suspends an account or ends its suspension. ErrNotFound.
	SetSubscriberState(ctx context.Context, msisdn string, s SubscriberState) error
}
