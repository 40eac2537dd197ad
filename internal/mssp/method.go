package mssp

import (
	"slices"
	"time"

	"github.com/signum-mssp/signum"
)

// MethodSpec is what the service knows of one method of signing. Policy, engine,
// store and portal read it here instead of asking "is it a SIM?".
type MethodSpec struct {
	Method  signum.Method
	Timeout time.Duration // of a transaction whose request does not say
	Profile string        // what an answer made by the method names

	// What its devices can do.

	Approvals         bool // show a transaction approval
	Interactive       bool // be opened by a link (app2app) and offer codes to choose from
	EncryptedReceipts bool // show a receipt that is encrypted to its RSA key
	Locates           bool // tell where it is; any other is located by the network of its card
	Card              bool // is on the card of a mobile network, whose MCC and MNC are told

	// ActivatedFrom are the states from which a request of a party with auto
	// activation activates a device, preferred first. Empty: never, and a
	// registered device is as good as none.
	ActivatedFrom []signum.DeviceState

	// How it is treated.

	// Discreet: a party with no profile for the method does not learn that a
	// subscriber has it.
	Discreet bool
	// Supersedes: a newer request ends the one that is open with 401. Else the
	// newer one is refused with 406.
	Supersedes bool
	// Several: a subscriber may have more than one, and a profile query lists all.
	Several bool
	// Removable: a device that its user removes is gone, in any state. Else it is
	// switched off, which needs it to be active.
	Removable bool
}

// Methods is the one table of methods, in the order in which a profile query
// lists devices. A one-time password is no method: nothing signs, and its
// transaction names none (Transaction.OTP).
var Methods = []MethodSpec{
	{
		Method:            signum.SIM,
		Timeout:           80 * time.Second,
		Profile:           signum.ProfileSTK,
		EncryptedReceipts: true,
		Card:              true,
		ActivatedFrom:     []signum.DeviceState{signum.DeviceRegistered, signum.DeviceInactive},
	},
	{
		Method:      signum.App,
		Timeout:     40 * time.Second,
		Profile:     signum.ProfileDevice,
		Approvals:   true,
		Interactive: true,
		Locates:     true,
		Discreet:    true,
		Supersedes:  true,
		Several:     true,
		Removable:   true,
	},
}

// OTPTimeout is how long a one-time password may take to be handed over when
// the request does not say.
const OTPTimeout = 80 * time.Second

// MethodOf finds a method. One that is not in the table, and the absence of one,
// are the zero value, which can do nothing.
func MethodOf(m signum.Method) MethodSpec {
	for i := range Methods {
		if Methods[i].Method == m {
			return Methods[i]
		}
	}
	return MethodSpec{}
}

// ProfileSpec is what a signature profile asks of a device.
type ProfileSpec struct {
	URI     string
	Methods []signum.Method // that may sign, preferred first; none: a one-time password is sent
	KeyType signum.KeyType  // that the device must have; empty: any
	// Located: the device must be one that can be located, and the party must be
	// subscribed to geofencing.
	Located bool
}

// Profiles is the one table of signature profiles. AuthProfile1 is not in it:
// each party has it mapped to one of these (Party.Resolve).
var Profiles = []ProfileSpec{
	{URI: signum.ProfileAnyLoA4, Methods: []signum.Method{signum.SIM, signum.App}},
	{URI: signum.ProfileSTK, Methods: []signum.Method{signum.SIM}},
	{URI: signum.ProfileDevice, Methods: []signum.Method{signum.App}},
	{URI: signum.ProfileAnyGeo, Methods: []signum.Method{signum.SIM, signum.App}, Located: true},
	{URI: signum.ProfileAuth1ECC, Methods: []signum.Method{signum.SIM}, KeyType: signum.EC},
	{URI: signum.ProfileAuth1RSA, Methods: []signum.Method{signum.SIM}, KeyType: signum.RSA},
	{URI: signum.ProfileOTPText},
	{URI: signum.ProfileOTPFlash},
}

// ProfileOf finds a profile by its URI; nil if there is none.
func ProfileOf(uri string) *ProfileSpec {
	for i := range Profiles {
		if Profiles[i].URI == uri {
			return &Profiles[i]
		}
	}
	return nil
}

// Admits reports whether a device of the method may sign under the profile.
func (p *ProfileSpec) Admits(m signum.Method) bool { return p != nil && slices.Contains(p.Methods, m) }
