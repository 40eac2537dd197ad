package signum

import (
	"strings"
	"time"
)

// SubscriberState is the state of a mobile user's account.
type SubscriberState string

// States of an account.
const (
	SubscriberActive   SubscriberState = "ACTIVE"
	SubscriberInactive SubscriberState = "INACTIVE" // suspended: 403
)

// DeviceState is the state of one of a subscriber's methods, with the names
// of the profile query.
type DeviceState string

// States of a device.
const (
	DeviceActive     DeviceState = "ACTIVE"     // has a key and can sign
	DeviceInactive   DeviceState = "INACTIVE"   // switched off; as if not there
	DeviceRegistered DeviceState = "REGISTERED" // known, but without a key yet: 404
	// A party with auto activation activates an inactive or registered SIM.
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
	Method      Method
	State       DeviceState
	KeyType     KeyType
	Certificate *Certificate // the current one; nil before issuance
	PINBlocked  bool         // as the device said last: 402
	Network     Network      // of a SIM; the zero value is unknown
}

// CertificateState is the state of a certificate of the issuing CA.
type CertificateState string

// States of a certificate. A row is written as intended before the CA signs,
// so that no certificate can exist that the store does not know.
const (
	CertificateIntended CertificateState = "INTENDED"
	CertificateGood     CertificateState = "GOOD"
	CertificateRevoked  CertificateState = "REVOKED"
)

// Certificate is an issued (or intended) subscriber certificate.
type Certificate struct {
	Serial    string // X.509 serial number, lower-case hex without leading zeros
	DeviceID  string
	State     CertificateState
	DER       []byte // nil while intended
	TBS       []byte // to-be-signed bytes as linted; set on intent only, not read back with a device
	NotBefore time.Time
	NotAfter  time.Time
	RevokedAt time.Time // zero if not revoked
	Reason    int       // CRLReason of RFC 5280, clause 5.3.1
}

// MaskMSISDN is the form of a number that may reach a log: +4179****164.
func MaskMSISDN(n string) string {
	const head, tail = 5, 3
	if len(n) < head+tail+1 {
		return strings.Repeat("*", len(n))
	}
	return n[:head] + "****" + n[len(n)-tail:]
}
