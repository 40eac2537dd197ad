package mssp

import (
	"context"
	"errors"
	"time"
)

// AppDevice is what the service keeps of an App beside its Device: how it
// authenticates and how its key is unlocked.
type AppDevice struct {
	DeviceID string
	MSISDN   string // E.164 with leading +
	AuthKey  []byte // SubjectPublicKeyInfo (P-256) of the key that signs its calls
	// VerifierHash is the SHA-256 of what the App derives from its passcode; the
	// passcode itself never leaves the phone.
	VerifierHash []byte
	// Share is the service's half of what unlocks the signing key on the phone.
	Share     []byte
	TriesLeft int // wrong passcodes that are still taken
	Name      string
	Version   string
	Platform  string
	Push      *PushSubscription
	Passkeys  []Passkey
	Enrolled  time.Time
	LastSeen  time.Time
}

// MaxPasscodeTries is how many wrong passcodes in a row block an App.
const MaxPasscodeTries = 3

// PushSubscription is where an App is woken up (W3C Push API).
type PushSubscription struct {
	Endpoint string `json:"endpoint"` // https
	P256DH   []byte `json:"p256dh"`
	Auth     []byte `json:"auth"`
}

// Passkey is a WebAuthn credential that unlocks the signing key instead of the
// passcode.
type Passkey struct {
	ID        []byte `json:"id"`
	PublicKey []byte `json:"key"` // SubjectPublicKeyInfo, P-256
	SignCount uint32 `json:"count"`
}

// Invite lets an App be enrolled: a one-time activation code for a subscriber.
type Invite struct {
	CodeHash []byte // SHA-256
	MSISDN   string
	// Trusted means that the subscriber asked for it with a method that is
	// active: the account keeps its serial without a recovery code.
	Trusted bool
	Created time.Time
	Expires time.Time
}

// Enrolment is everything that changes when an App is enrolled, at once.
type Enrolment struct {
	CodeHash []byte // of the invite, which is used up
	App      *AppDevice
	Device   Device // with its certificate
	// Serial replaces the account's; empty: it stays.
	Serial string
	// RecoveryHash is the SHA-256 of a new recovery code; nil: the old one stays.
	RecoveryHash []byte
}

// ErrInvite means that an activation code is wrong, used, or past its time.
var ErrInvite = errors.New("the activation code is not valid")

// AppStore keeps Apps, invites and recovery codes.
type AppStore interface {
	// PutInvite adds an invite, and forgets those of the same subscriber.
	PutInvite(ctx context.Context, i *Invite) error
	// Invite finds one that is valid now; ErrInvite if there is none.
	Invite(ctx context.Context, codeHash []byte, now time.Time) (*Invite, error)
	// EnrolApp does all of an enrolment or nothing. ErrInvite if the invite was
	// used meanwhile.
	EnrolApp(ctx context.Context, e *Enrolment, now time.Time) error
	// App finds an App by its device ID; ErrNotFound, or *RowError if its row cannot
	// be read.
	App(ctx context.Context, deviceID string) (*AppDevice, error)
	// UpdateApp changes what may change of an App: VerifierHash, Name, Version,
	// Platform, Push, Passkeys and LastSeen; what the function does to the other
	// fields is lost. See Store for the function. ErrNotFound.
	UpdateApp(ctx context.Context, deviceID string, change func(*AppDevice) error) error
	// In what follows ErrNotFound means that there is no such App or subscriber.
	//
	// TakeTry counts a passcode as wrong before it is looked at, and says how
	// many are left after; -1 if there was none to take.
	TakeTry(ctx context.Context, deviceID string) (left int, err error)
	// ResetTries gives all back: the passcode was right.
	ResetTries(ctx context.Context, deviceID string) error
	// RemoveApp deletes the App and its device. ErrNotFound.
	RemoveApp(ctx context.Context, deviceID string) error
	// RecoveryHash is the SHA-256 of a subscriber's recovery code, nil if there is
	// none.
	RecoveryHash(ctx context.Context, msisdn string) ([]byte, error)
	// SetRecoveryHash replaces it, and with it RecoveryCodeCreated.
	SetRecoveryHash(ctx context.Context, msisdn string, hash []byte) error
	// SetSubscriberState suspends an account, or ends that.
	SetSubscriberState(ctx context.Context, msisdn string, s SubscriberState) error
}
