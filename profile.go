package signum

// Method is how a user signs.
type Method string

// The methods. A one-time password is not signed, so it has none.
const (
	SIM Method = "SIM" // an applet on the SIM card, reached by SMS
	App Method = "App" // an app, reached over its own protocol
)

// Signature profiles by URI (TS 102 204, SignatureProfile): which devices may sign.
const (
	ProfileAuth1    = "http://mid.swisscom.ch/MID/v1/AuthProfile1"     // deprecated; the service maps it for each party
	ProfileAnyLoA4  = "http://mid.swisscom.ch/Any-LoA4"                // SIM preferred, else App
	ProfileSTK      = "http://mid.swisscom.ch/STK-LoA4"                // SIM only
	ProfileDevice   = "http://mid.swisscom.ch/Device-LoA4"             // App only
	ProfileAnyGeo   = "http://mid.swisscom.ch/Any-Geofencing-LoA4"     // SIM or App, whichever can be located
	ProfileAuth1ECC = "http://mid.swisscom.ch/MID/v1/AuthProfile1.ECC" // SIM with an EC key
	ProfileAuth1RSA = "http://mid.swisscom.ch/MID/v1/AuthProfile1.RSA" // SIM with an RSA key
	ProfileOTPText  = "http://mid.swisscom.ch/MID/v1/OtpProfileText"   // sends a one-time password as a short message
	ProfileOTPFlash = "http://mid.swisscom.ch/MID/v1/OtpProfileFlash"  // the same, shown at once and not kept (class 0)
)

// SignatureProfiles lists the profiles that a party can be authorised for. Every
// party may use the deprecated AuthProfile1, so it is not among them. Do not
// change it.
var SignatureProfiles = []string{
	ProfileAnyLoA4, ProfileSTK, ProfileDevice, ProfileAnyGeo,
	ProfileAuth1ECC, ProfileAuth1RSA, ProfileOTPText, ProfileOTPFlash,
}

// IsOTP reports whether a profile sends a one-time password instead of asking
// for a signature.
func IsOTP(profile string) bool { return profile == ProfileOTPText || profile == ProfileOTPFlash }

// KeyType is the kind of a user's key.
type KeyType string

// The key types. Signatures of both are over SHA-256.
const (
	EC  KeyType = "EC"  // ECDSA with P-256
	RSA KeyType = "RSA" // PKCS #1 v1.5 with 2048 bits
)
