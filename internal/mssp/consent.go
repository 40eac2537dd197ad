package mssp

import (
	"context"
	"slices"
	"time"
)

// ConsentKind is the change of an account that a consent allows.
type ConsentKind string

// The changes that need a consent.
const (
	// ConsentAddApp allows one more App, for which the account keeps its serial.
	ConsentAddApp ConsentKind = "add_app"
	// ConsentRecovery allows a new recovery code.
	ConsentRecovery ConsentKind = "recovery_code"
	// ConsentRemove allows the end of the device that is the subject.
	ConsentRemove ConsentKind = "remove_device"
	// ConsentActivate allows the activation of the SIM that is the subject, whether it
	// is new or has ended. The account keeps its serial.
	ConsentActivate ConsentKind = "activate_sim"
)

// ConsentKinds are all of them.
var ConsentKinds = []ConsentKind{ConsentAddApp, ConsentRecovery, ConsentRemove, ConsentActivate}

// AboutDevice reports whether a consent of this kind has a device as its subject.
// Other kinds have no subject.
func (k ConsentKind) AboutDevice() bool { return k == ConsentRemove || k == ConsentActivate }

// Known reports whether this is one of ConsentKinds.
func (k ConsentKind) Known() bool { return slices.Contains(ConsentKinds, k) }

// ConsentFor is how long a consent is valid.
const ConsentFor = 24 * time.Hour

// Consent allows one change of an account, once. The owner gives it with a signature
// whose text names the change, or with the recovery code; the operator gives it too.
type Consent struct {
	MSISDN  string
	Kind    ConsentKind
	Subject string // the ID of the device that changes, see AboutDevice
	// DeviceID and TransID are the device that signed and its transaction. Both are
	// empty if the consent was given by recovery code or by the operator. A consent
	// counts only as long as its device is active and its certificate is good.
	DeviceID string
	TransID  string
	Given    time.Time
	Expires  time.Time
}

// ConsentStore keeps consents.
type ConsentStore interface {
	// PutConsent adds a consent. It replaces an earlier one of the same account, kind
	// and subject.
	PutConsent(ctx context.Context, c *Consent) error
	// Consent finds a consent that counts now; ErrNotFound. It stays.
	Consent(ctx context.Context, msisdn string, k ConsentKind, subject string, now time.Time) (*Consent, error)
	// TakeConsent uses up a consent that counts now: of several callers, one gets it.
	// ErrNotFound.
	TakeConsent(ctx context.Context, msisdn string, k ConsentKind, subject string, now time.Time) (*Consent, error)
	// VoidChanges ends all changes of an account that are allowed but not made: its
	// invite and its consents.
	VoidChanges(ctx context.Context, msisdn string) error
}
