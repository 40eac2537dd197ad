package mssp

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"github.com/signum-mssp/signum"
)

// Pin is the SHA-256 of a party's end-entity TLS certificate (DER). It is the
// party's only identity on the wire; names in certificates mean nothing.
type Pin [sha256.Size]byte

// PinOf is the pin of a certificate in DER.
func PinOf(der []byte) Pin { return sha256.Sum256(der) }

// String is the pin in lower-case hex.
func (p Pin) String() string { return hex.EncodeToString(p[:]) }

// Caller is who speaks on a connection, as far as TLS tells.
type Caller struct {
	Pin     Pin    // valid if Problem is empty
	Problem string // why the connection identifies nobody; for the log only
}

// Party is an application provider (AP).
type Party struct {
	ID           string // AP_ID, a URI
	PasswordHash []byte // SHA-256 of AP_PWD; nil: AP_PWD is ignored
	DTBDPrefix   string // must start every text; may be empty
	Pins         []Pin  // several, so that a certificate can be rotated
	Profiles     []string
	AuthProfile1 string   // what AuthProfile1 stands for; empty: STK-LoA4
	Services     []string // additional services subscribed to
	DefaultLang  string   // when userLang is absent; empty: userLang is mandatory

	AutoActivation bool          // a request to an inactive SIM activates it
	TestNumbers    bool          // may use the test numbers
	Geofence       PartyGeofence // enforced when the party asks for geofencing
}

// HasPin reports whether the certificate belongs to the party.
func (p *Party) HasPin(pin Pin) bool { return slices.Contains(p.Pins, pin) }

// Resolve is the profile a request for uri means to this party: an empty one
// is AuthProfile1, which is mapped.
func (p *Party) Resolve(uri string) string {
	if uri != "" && uri != signum.ProfileAuth1 {
		return uri
	}
	if p.AuthProfile1 != "" {
		return p.AuthProfile1
	}
	return signum.ProfileSTK
}

// Authorised reports whether the party may ask for the profile as sent.
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

// Geofence is a policy: where a phone must be and how sure of it one must be.
// The zero value allows everything. It is kept with a party or sent with a
// request.
type Geofence struct {
	CountryWhitelist      []string `json:"countrywhitelist,omitempty"` // ISO 3166-1 alpha-2; empty: all
	CountryBlacklist      []string `json:"countryblacklist,omitempty"`
	MinDeviceConfidence   float64  `json:"mindeviceconfidence,omitempty"`
	MinLocationConfidence float64  `json:"minlocationconfidence,omitempty"`
	MaxTimestampMinutes   *int     `json:"maxtimestampminutes,omitempty"` // nil: any age
	MaxAccuracyMeters     *int     `json:"maxaccuracymeters,omitempty"`   // nil: any
}

// PartyGeofence is the policy that the service keeps for a party.
type PartyGeofence struct {
	Enabled bool `json:"enabled"`
	Verbose bool `json:"verbose"` // tell the party which rule was broken
	Geofence
}
