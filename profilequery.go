package signum

// ProfileRequest is MSS_ProfileReq: what can this user do?
type ProfileRequest struct {
	Header
	MSISDN  string // as sent
	Params  string // words, see ProfileParams
	Getters ProfileGetters
}

// Words of Params, in any order, separated by white space.
const (
	ParamSSCDs       = "sscds"       // the devices
	ParamState       = "state"       // and their states
	ParamCerts       = "certs"       // and their certificates
	ParamPINStatus   = "pinstatus"   // and whether their PINs are blocked
	ParamCardDetails = "carddetails" // and the network of the SIM
	ParamRCStatus    = "rcstatus"    // whether the user has a recovery code
	ParamAAStatus    = "aastatus"    // whether a signature request would activate the SIM
)

// ProfileParams are all words of Params.
var ProfileParams = []string{
	ParamSSCDs, ParamState, ParamCerts, ParamPINStatus, ParamRCStatus, ParamAAStatus, ParamCardDetails,
}

// ProfileGetters are the older way to ask, SOAP only: xs:boolean as sent, empty
// if absent.
type ProfileGetters struct {
	Certificates, AutoActivation, RecoveryCodeCreated, ServerSideSignature string
}

// ProfileResponse is MSS_ProfileResp. Its version is the one that was asked.
type ProfileResponse struct {
	Header
	Profiles  []string // that this party may use with this user now
	Status    Code
	Extension *ProfileExtension // nil unless asked for
}

// ProfileExtension is ProfileQueryExtension. A nil pointer was not asked for.
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

// SSCD is one device; State is always told.
type SSCD struct {
	State        DeviceState
	PINBlocked   *bool
	Certificates []SSCDCertificate
	Card         *Network // of a SIM; unknown values as UnknownNetwork has them
}

// SSCDCertificate is a certificate of a device with its chain, leaf first.
type SSCDCertificate struct {
	Algorithm KeyType     // RSA or EC
	State     DeviceState // ACTIVE or INACTIVE
	Chain     []ChainCertificate
}

// ChainCertificate is one certificate and the name of its subject.
type ChainCertificate struct {
	DER     []byte
	Subject string // RFC 4514
}

// Operation implements Request.
func (*ProfileRequest) Operation() Operation { return OpProfile }

func (*ProfileResponse) response() {}
