package mssp

import (
	"slices"
	"time"

	"github.com/signum-mssp/signum"
)

// MethodSpec is what the service knows about one method of signing. Policy,
// engine, store and portal look here instead of asking "is it a SIM?".
type MethodSpec struct {
	Method  signum.Method
	Timeout time.Duration // of a transaction whose request names none
	Profile string        // what an answer made by the method names

	// What its devices can do.

	Approvals         bool // show a transaction approval
	Interactive       bool // open a request by a link (app2app) and offer codes to choose from
	EncryptedReceipts bool // show a receipt that is encrypted to their RSA key
	Locates           bool // tell where they are; any other device is located by the network of its card
	Card              bool // are the card of a mobile network, whose MCC and MNC answers tell

	// Activated: a request of a party with auto activation activates a registered
	// device. Otherwise a registered one counts as absent.
	Activated bool

	// How it is treated.

	// Discreet: a party with no profile for the method does not learn that a
	// subscriber has it.
	Discreet bool
	// Supersedes: a newer request of the same party ends an open one with 401.
	// Otherwise the newer one is refused with 406.
	Supersedes bool
	// Several: a subscriber may have more than one device of the method, and a
	// profile query lists all of them.
	Several bool
	// Removable: a user can remove a device in any state, and it is gone.
	// Otherwise removing it only switches it off, so it must be active.
	Removable bool
}

// Methods is the one table of methods, in the order in which a profile query
// lists devices. A one-time password is not a method: nothing signs, and its
// transaction has no method (Transaction.OTP).
var Methods = []MethodSpec{
	{
		Method:            signum.SIM,
		Timeout:           80 * time.Second,
		Profile:           signum.ProfileSTK,
		EncryptedReceipts: true,
		Card:              true,
		Activated:         true,
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

// OTPTimeout is how long the hand-over of a one-time password may take if the
// request names no time.
const OTPTimeout = 80 * time.Second

// MethodOf finds the row of a method. For a method that is not in the table,
// and for no method at all, it returns the zero value, which can do nothing.
func MethodOf(m signum.Method) MethodSpec {
	for i := range Methods {
		if Methods[i].Method == m {
			return Methods[i]
		}
	}
	return MethodSpec{}
}

// ProfileSpec is what a signature profile demands of a device.
type ProfileSpec struct {
	URI     string
	Methods []signum.Method // that may sign, preferred first; none: a one-time password is sent
	KeyType signum.KeyType  // that the device must have; empty: any
	// Located: it must be possible to locate the device, and the party must be
	// subscribed to geofencing.
	Located bool
}

// Profiles is the one table of signature profiles. It does not contain
// AuthProfile1, which each party has mapped to one of these (Party.Resolve).
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
