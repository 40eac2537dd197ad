package mssp

import (
	"github.com/signum-mssp/signum"
)

// SubscriberState is the state of a mobile user's account.
type SubscriberState string

// States of an account.
const (
	SubscriberActive   SubscriberState = "ACTIVE"
	SubscriberInactive SubscriberState = "INACTIVE" // suspended: 403
)

// Subscriber is a mobile user.
type Subscriber struct {
	MSISDN  string // E.164 with leading +
	Serial  string // account: MIDCHE and 10 characters [A-Z0-9]; in every certificate of the user
	State   SubscriberState
	Devices []Device

	RecoveryCodeCreated bool
}

// Device is one means to sign: a SIM or an App.
type Device struct {
	ID          string // unique over all subscribers
	Method      signum.Method
	State       signum.DeviceState
	KeyType     signum.KeyType
	Certificate *Certificate   // the current one; nil before issuance
	PINBlocked  bool           // as the device said last: 402
	Network     signum.Network // of a SIM; the zero value is unknown
}
