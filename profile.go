package signum

// Method is how a subscriber signs. A one-time password is not signed, so it has
// no method.
type Method string

// The methods.
const (
	SIM Method = "SIM" // an applet on the SIM card, reached by SMS
	App Method = "App" // an app, reached over its own protocol
)

// Signature profiles by URI.
const (
	ProfileAuth1    = "http://mid.swisscom.ch/MID/v1/AuthProfile1" // deprecated; mapped per party
	ProfileAnyLoA4  = "http://mid.swisscom.ch/Any-LoA4"            // SIM preferred, else App
	ProfileSTK      = "http://mid.swisscom.ch/STK-LoA4"            // SIM only
	ProfileDevice   = "http://mid.swisscom.ch/Device-LoA4"         // App only
	ProfileAnyGeo   = "http://mid.swisscom.ch/Any-Geofencing-LoA4"
	ProfileAuth1ECC = "http://mid.swisscom.ch/MID/v1/AuthProfile1.ECC" // SIM with an EC key
	ProfileAuth1RSA = "http://mid.swisscom.ch/MID/v1/AuthProfile1.RSA" // SIM with an RSA key
	ProfileOTPText  = "http://mid.swisscom.ch/MID/v1/OtpProfileText"
	ProfileOTPFlash = "http://mid.swisscom.ch/MID/v1/OtpProfileFlash"
)

// SignatureProfiles are the profiles a party can be authorised for; the
// deprecated AuthProfile1 is everybody's and needs no authorisation.
var SignatureProfiles = []string{
	ProfileAnyLoA4, ProfileSTK, ProfileDevice, ProfileAnyGeo,
	ProfileAuth1ECC, ProfileAuth1RSA, ProfileOTPText, ProfileOTPFlash,
}

// IsOTP reports whether a profile sends a one-time password instead of asking
// for a signature.
func IsOTP(profile string) bool { return profile == ProfileOTPText || profile == ProfileOTPFlash }

// KeyType is the kind of a subscriber's key.
type KeyType string

// The key types.
const (
	EC  KeyType = "EC"  // P-256
	RSA KeyType = "RSA" // 2048 bits
)
