package signum

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
