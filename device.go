package signum

import "strings"

// DeviceState is the state of a user's SIM or App, as a profile query tells it.
type DeviceState string

// The states of a device. A request of a party that has auto activation activates
// a registered SIM.
const (
	DeviceActive     DeviceState = "ACTIVE"     // has a key and can sign
	DeviceInactive   DeviceState = "INACTIVE"   // switched off; requests treat it as absent
	DeviceRegistered DeviceState = "REGISTERED" // known, but has no key yet: fault 404
)

// MaskMSISDN returns a phone number in the form that may reach a log, such as
// +41****64: enough to recognise a number that is known already, and too little to
// find one. A number that is too short for it becomes asterisks.
func MaskMSISDN(n string) string {
	const head, tail, shortest = 3, 2, 9
	if len(n) < shortest {
		return strings.Repeat("*", len(n))
	}
	return n[:head] + "****" + n[len(n)-tail:]
}
