package signum

// GeoError is an error code of the geofencing service: it says why there is no
// location.
type GeoError int

// The error codes of the geofencing service; [GeoError.String] returns the
// message of each.
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

// geoErrors holds the messages in answers.
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

// GeoErrors lists all error codes in ascending order. Do not change it.
var GeoErrors = []GeoError{
	GeoDisabled, GeoNotFound, GeoUndecided, GeoDenied, GeoRestricted, GeoServicesOff, GeoAirplaneMode,
	GeoUnspecified, GeoInternal, GeoNotAuthorised, GeoForeignSIM, GeoNotReturned, GeoAppTooOld,
}

// String returns the ErrorMessage of an answer, empty for an unknown code.
func (e GeoError) String() string { return geoErrors[e] }

// Known reports whether the code is documented.
func (e GeoError) Known() bool { return geoErrors[e] != "" }
