package mssp

import (
	"slices"
	"time"

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
	// Ended says why a device has ended, which makes it inactive until Store.ReopenDevice. It
	// is empty for any other device, also for a SIM that is inactive because its card is
	// blocked.
	Ended   DeviceEnd
	EndedAt time.Time // zero unless Ended is set, and for devices of older versions
}

// DeviceEnd says why a device has ended.
type DeviceEnd string

// Why a device ends.
const (
	EndedByUser     DeviceEnd = "user"     // the user switched it off
	EndedByOperator DeviceEnd = "operator" // so did the operator
	// The account got a new serial number, and the certificate of the device names the
	// old one.
	EndedByEnrolment  DeviceEnd = "enrolment"  // of an App
	EndedByActivation DeviceEnd = "activation" // of a SIM
)

// Known reports whether a device can end for this reason.
func (r DeviceEnd) Known() bool {
	return slices.Contains([]DeviceEnd{EndedByUser, EndedByOperator, EndedByEnrolment, EndedByActivation}, r)
}

// Activation is everything that changes, all at once, when a device is activated.
type Activation struct {
	DeviceID   string
	KeyType    signum.KeyType
	CertSerial string // of its certificate
	// Serial replaces that of the account, and all other devices of the account end:
	// their certificates name the old one. Empty: the account keeps its own, which uses
	// up the consent to it (ConsentActivate) if a certificate has ever named the serial.
	Serial string
	At     time.Time
}
