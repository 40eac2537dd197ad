package signum

import "strings"

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

// MaskMSISDN is the form of a number that may reach a log: +4179****164.
func MaskMSISDN(n string) string {
	const head, tail = 5, 3
	if len(n) < head+tail+1 {
		return strings.Repeat("*", len(n))
	}
	return n[:head] + "****" + n[len(n)-tail:]
}
