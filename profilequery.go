package signum

// ProfileRequest is MSS_ProfileReq: it asks what a user can do. The user is not
// asked and learns nothing of it.
type ProfileRequest struct {
	Header
	MSISDN  string // as sent
	Params  string // words of ProfileParams, separated by white space; empty: no extension
	Getters ProfileGetters
}

// The words of a profile query's Params, in any order. Those after ParamSSCDs
// say more about each device.
const (
	ParamSSCDs       = "sscds"       // the devices
	ParamState       = "state"       // with sscds: their states
	ParamCerts       = "certs"       // with sscds: their certificates
	ParamPINStatus   = "pinstatus"   // with sscds: whether their PINs are blocked
	ParamCardDetails = "carddetails" // with sscds: the network of the SIM
	ParamRCStatus    = "rcstatus"    // whether the user has a recovery code
	ParamAAStatus    = "aastatus"    // whether a signature request would activate the SIM
)

// ProfileParams lists all words of Params. Do not change it.
var ProfileParams = []string{
	ParamSSCDs, ParamState, ParamCerts, ParamPINStatus, ParamRCStatus, ParamAAStatus, ParamCardDetails,
}

// ProfileGetters is the older way to ask, over SOAP only. Each field is an
// xs:boolean as sent, or empty if it is absent.
type ProfileGetters struct {
	Certificates, AutoActivation, RecoveryCodeCreated, ServerSideSignature string
}

// ProfileResponse is MSS_ProfileResp. Its version is that of the request.
type ProfileResponse struct {
	Header
	Profiles  []string          // signature profiles that this party may use with this user now
	Status    Code              // always 100
	Extension *ProfileExtension // nil unless the request asked for it
}

// ProfileExtension is ProfileQueryExtension. What was not asked for is nil.
type ProfileExtension struct {
	// Answers to the getters.
	Certificates        []SSCDCertificate
	AutoActivation      *bool
	ServerSideSignature *bool
	RecoveryCodeCreated *bool
	// Answers to Params.
	User  *ProfileUser
	SSCDs *SSCDs
}

// ProfileUser is the MobileUser of a ProfileExtension.
type ProfileUser struct {
	RecoveryCodeCreated *bool
	AutoActivation      *bool
}

// SSCDs are the user's secure signature creation devices.
type SSCDs struct {
	SIM  *SSCD
	Apps []SSCD
}

// SSCD is one device. Only State is always there; the rest is nil unless the
// request asked for it.
type SSCD struct {
	State        DeviceState
	PINBlocked   *bool
	Certificates []SSCDCertificate
	Card         *Network // of a SIM; UnknownNetwork if nothing is known
}

// SSCDCertificate is a certificate of a device with its chain, leaf first.
type SSCDCertificate struct {
	Algorithm KeyType
	State     DeviceState // DeviceActive or DeviceInactive
	Chain     []ChainCertificate
}

// ChainCertificate is one certificate and the name of its subject.
type ChainCertificate struct {
	DER     []byte
	Subject string // RFC 4514; in Base64 for a party that is registered so
}

// Operation implements Request.
func (*ProfileRequest) Operation() Operation { return OpProfile }

func (*ProfileResponse) response() {}
