package signum

import "time"

// Network is the mobile network of a SIM.
type Network struct {
	MCC  string // three digits
	MNC  string // two or three digits
	Name string
}

// UnknownNetwork is what answers say when nothing is known.
var UnknownNetwork = Network{MCC: "000", MNC: "00", Name: "Unknown network"}

// OrUnknown is n, or UnknownNetwork for the zero value.
func (n Network) OrUnknown() Network {
	if n == (Network{}) {
		return UnknownNetwork
	}
	return n
}

// Location is where a phone was, or why that is not known. Confidences are
// those of the measurement; LocationConfidence falls by 0.01 per hour of age.
type Location struct {
	Error              GeoError  `json:"error,omitempty"` // 0: there is a location
	Country            string    `json:"country,omitempty"`
	Accuracy           int       `json:"accuracy,omitempty"` // metres; 0 for a SIM
	DeviceConfidence   float64   `json:"device,omitempty"`   // 0 to 1
	LocationConfidence float64   `json:"location,omitempty"` // 0 to 1
	Measured           time.Time `json:"measured,omitzero"`
}

// GeoError is why there is no location: the error codes of the geofencing
// service.
type GeoError int

// The codes.
const (
	GeoDisabled      GeoError = 100
	GeoNotFound      GeoError = 101
	GeoUndecided     GeoError = 102
	GeoDenied        GeoError = 103
	GeoRestricted    GeoError = 104
	GeoServicesOff   GeoError = 105
	GeoAirplaneMode  GeoError = 106
	GeoUnspecified   GeoError = 120
	GeoInternal      GeoError = 121
	GeoNotAuthorised GeoError = 122
	GeoForeignSIM    GeoError = 123
	GeoNotReturned   GeoError = 200
	GeoAppTooOld     GeoError = 201
)

// geoErrors are the messages in answers.
var geoErrors = map[GeoError]string{
	GeoDisabled:      "Geofencing feature disabled",
	GeoNotFound:      "Location could not be determined",
	GeoUndecided:     "User has not decided on the location permission yet",
	GeoDenied:        "User denied the location permission",
	GeoRestricted:    "Location services are restricted on the device",
	GeoServicesOff:   "Location services are turned off on the device",
	GeoAirplaneMode:  "Device is in airplane mode",
	GeoUnspecified:   "Location failed for an unspecified reason",
	GeoInternal:      "MSSP internal error",
	GeoNotAuthorised: "AP is not authorized to use geofencing",
	GeoForeignSIM:    "SIM card belongs to another network",
	GeoNotReturned:   "No location returned from the mobile app",
	GeoAppTooOld:     "Mobile app is outdated and does not support geofencing",
}

// GeoErrors are all codes, in order.
var GeoErrors = []GeoError{
	GeoDisabled, GeoNotFound, GeoUndecided, GeoDenied, GeoRestricted, GeoServicesOff, GeoAirplaneMode,
	GeoUnspecified, GeoInternal, GeoNotAuthorised, GeoForeignSIM, GeoNotReturned, GeoAppTooOld,
}

// String is the message for a party.
func (e GeoError) String() string { return geoErrors[e] }

// Known reports whether the code is documented.
func (e GeoError) Known() bool { return geoErrors[e] != "" }

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
