package mssp

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"slices"

	"github.com/signum-mssp/signum"
)

// Pin is the SHA-256 of a party's end-entity TLS certificate (DER). It alone
// identifies the party on the wire; names in certificates mean nothing.
type Pin [sha256.Size]byte

// PinOf returns the pin of a certificate in DER.
func PinOf(der []byte) Pin { return sha256.Sum256(der) }

// String returns the pin in lower-case hex.
func (p Pin) String() string { return hex.EncodeToString(p[:]) }

// Caller identifies the peer of a connection, as far as TLS tells.
type Caller struct {
	Pin     Pin        // valid if Problem is empty
	Problem string     // why the peer is not identified; for the log only
	Addr    netip.Addr // where it calls from; invalid if that is not known
}

// Party is an application provider (AP).
type Party struct {
	ID           string // AP_ID, a URI
	Name         string // users know it by this name; empty: they see the AP_ID. See PartyIdentity
	Logo         string // Logo.ID of its logo; empty: none
	PasswordHash string // argon2id hash of AP_PWD, see package password; empty: AP_PWD is ignored
	DTBDPrefix   string // every text must start with it; may be empty
	Pins         []Pin  // more than one while a certificate is rotated
	Profiles     []string
	AuthProfile1 string   // the profile that AuthProfile1 stands for; empty: STK-LoA4
	Services     []string // additional services that the party has subscribed to
	DefaultLang  string   // of requests without userLang; empty: userLang is mandatory

	AutoActivation bool          // a request to an inactive SIM activates it
	TestNumbers    bool          // the party may use the test numbers
	Geofence       PartyGeofence // enforced when a request asks for geofencing
	// EncryptedReceipts: the party may send receipts that only the card can read, so that
	// the service cannot check what the user is shown.
	EncryptedReceipts bool
	// UnprefixedReceipts: the texts of receipts need not start with DTBDPrefix.
	UnprefixedReceipts bool
	// SubjectNameBase64: answers to profile queries contain X509SubjectName in Base64, as
	// some clients expect it. Otherwise it is text.
	SubjectNameBase64 bool
	Limits            PartyLimits // in place of the service's
	// Own: the service itself is the party, as the portal is. It is not limited, and
	// what users cancel there is not held against other parties.
	Own bool
}

// Rate is how often something may happen: Burst times at once, then PerMinute.
type Rate struct {
	PerMinute int `json:"perminute"`
	Burst     int `json:"burst"`
}

// PartyLimits bound what one party may do. A zero value in those of a party stands
// for what the service allows every party; in those of the service it means no limit.
type PartyLimits struct {
	MaxOpen   int  `json:"maxopen,omitzero"`   // requests that are open at once
	Requests  Rate `json:"requests,omitzero"`  // signatures and receipts
	Statuses  Rate `json:"statuses,omitzero"`  // status queries
	Profiles  Rate `json:"profiles,omitzero"`  // profile queries
	Unknown   Rate `json:"unknown,omitzero"`   // requests that told something about a number without asking its phone
	PerNumber Rate `json:"pernumber,omitzero"` // signatures, of each number
	OTP       Rate `json:"otp,omitzero"`       // one-time passwords
	OTPNumber Rate `json:"otpnumber,omitzero"` // one-time passwords, to each number
	// OTPPrefixes are how the numbers begin that may get a one-time password: + and
	// digits. A plus sign alone stands for all.
	OTPPrefixes []string `json:"otpprefixes,omitempty"`
	// Networks are where the party may call from; empty: everywhere.
	Networks []netip.Prefix `json:"networks,omitempty"`
}

// Or returns the limits with those of the service in place of zero values.
func (l *PartyLimits) Or(service *PartyLimits) PartyLimits {
	out := PartyLimits{
		MaxOpen: cmp.Or(l.MaxOpen, service.MaxOpen), Requests: cmp.Or(l.Requests, service.Requests),
		Statuses: cmp.Or(l.Statuses, service.Statuses), Profiles: cmp.Or(l.Profiles, service.Profiles),
		Unknown: cmp.Or(l.Unknown, service.Unknown), PerNumber: cmp.Or(l.PerNumber, service.PerNumber),
		OTP: cmp.Or(l.OTP, service.OTP), OTPNumber: cmp.Or(l.OTPNumber, service.OTPNumber),
		OTPPrefixes: l.OTPPrefixes, Networks: l.Networks,
	}
	if len(out.OTPPrefixes) == 0 {
		out.OTPPrefixes = service.OTPPrefixes
	}
	return out
}

// Calls reports whether the party may call from an address. It may be written as
// IPv4 in IPv6.
func (l *PartyLimits) Calls(from netip.Addr) bool {
	return len(l.Networks) == 0 || slices.ContainsFunc(l.Networks, func(n netip.Prefix) bool { return n.Contains(from.Unmap()) })
}

// HasPin reports whether the certificate belongs to the party.
func (p *Party) HasPin(pin Pin) bool { return slices.Contains(p.Pins, pin) }

// Resolve returns the profile that uri stands for in a request of this party. An
// empty one stands for AuthProfile1, which each party has mapped.
func (p *Party) Resolve(uri string) string {
	if uri != "" && uri != signum.ProfileAuth1 {
		return uri
	}
	if p.AuthProfile1 != "" {
		return p.AuthProfile1
	}
	return signum.ProfileSTK
}

// Authorised reports whether the party may ask for a profile, given as sent.
func (p *Party) Authorised(uri string) bool {
	return uri == "" || uri == signum.ProfileAuth1 || slices.Contains(p.Profiles, uri)
}

// Subscribed reports whether the party may ask for the additional service.
// userLang needs no subscription.
func (p *Party) Subscribed(uri string) bool {
	return uri == signum.ServiceUserLang || slices.Contains(p.Services, uri)
}

// MayUse reports whether any profile of the party admits the method.
func (p *Party) MayUse(m signum.Method) bool {
	for _, uri := range append([]string{p.Resolve("")}, p.Profiles...) {
		if ProfileOf(uri).Admits(m) {
			return true
		}
	}
	return false
}

// Geofence is a policy that says where a phone must be, and how certain that must
// be. The zero value allows everything. A policy is kept with a party or sent with
// a request.
type Geofence struct {
	CountryWhitelist      []string `json:"countrywhitelist,omitempty"` // ISO 3166-1 alpha-2; empty: all
	CountryBlacklist      []string `json:"countryblacklist,omitempty"`
	MinDeviceConfidence   float64  `json:"mindeviceconfidence,omitempty"`
	MinLocationConfidence float64  `json:"minlocationconfidence,omitempty"`
	MaxTimestampMinutes   *int     `json:"maxtimestampminutes,omitempty"` // nil: any age
	MaxAccuracyMeters     *int     `json:"maxaccuracymeters,omitempty"`   // nil: any
}

// PartyGeofence is the policy that is kept with a party.
type PartyGeofence struct {
	Enabled bool `json:"enabled"`
	Verbose bool `json:"verbose"` // the fault says which rule was broken
	Geofence
}
