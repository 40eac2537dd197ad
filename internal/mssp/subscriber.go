package mssp

import (
	"github.com/signum-mssp/signum"
)

// SubscriberState is the state of a mobile user's account.
type SubscriberState string

// The states of an account.
const (
	SubscriberActive   SubscriberState = "ACTIVE"
	SubscriberInactive SubscriberState = "INACTIVE" // suspended: 403
)

// Subscriber is a mobile user.
type Subscriber struct {
	MSISDN  string // E.164 with leading +
	Serial  string // names the account in every certificate of the user: MIDCHE and 10 characters [A-Z0-9]
	State   SubscriberState
	Devices []Device

	RecoveryCodeCreated bool
}

// Device is a SIM or an App that signs.
type Device struct {
	ID          string // unique over all subscribers
	Method      signum.Method
	State       signum.DeviceState
	KeyType     signum.KeyType
	Certificate *Certificate   // the current one; nil before one is issued
	PINBlocked  bool           // what the device reported last; requests get 402
	Network     signum.Network // of a SIM; the zero value means unknown
}
