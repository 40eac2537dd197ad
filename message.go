package signum

// Operation is one call of the MSS interface (TS 102 204, clause 7).
type Operation string

// The operations. OpAny stands for an endpoint that takes all of them and tells
// them apart by the message.
const (
	OpAny       Operation = ""
	OpSignature Operation = "MSS_Signature"
	OpStatus    Operation = "MSS_StatusQuery"
	OpReceipt   Operation = "MSS_Receipt"
	OpProfile   Operation = "MSS_ProfileQuery"
)

// Request is a [*SignatureRequest], [*StatusRequest], [*ReceiptRequest] or
// [*ProfileRequest].
type Request interface {
	Operation() Operation
	Head() *Header
}

// Response is a [*SignatureResponse], [*StatusResponse], [*ReceiptResponse] or
// [*ProfileResponse].
type Response interface{ response() }

// Version holds MajorVersion and MinorVersion as written; both are empty if they
// are absent.
type Version struct{ Major, Minor string }

// APInfo names the party and its call (TS 102 204, AP_Info). In requests all
// fields are as sent; in responses Instant is UTC with milliseconds. No two calls
// of a party may have the same TransID and Instant.
type APInfo struct {
	ID       string // AP_ID, a URI
	Password string // AP_PWD; SOAP answers repeat it, JSON answers do not
	TransID  string // AP_TransID, an NCName that the party chooses
	Instant  string // xs:dateTime; when the party made the call
}

// MSSPInfo names the service provider (TS 102 204, MSSP_Info).
type MSSPInfo struct {
	URI     string // MSSP_ID/URI
	Instant string // xs:dateTime; in responses, when the service answered
}

// Header is what every message carries. A request keeps the text as it was sent,
// so that the service can tell what is missing from what is wrong.
type Header struct {
	Version Version
	AP      APInfo
	MSSP    MSSPInfo
}

// Messaging modes of a signature request (TS 102 204, MessagingMode). Asynch and
// AsynchClientServer are the same mode, as JSON and SOAP spell it.
const (
	Synch              = "synch"
	Asynch             = "asynch"
	AsynchClientServer = "asynchClientServer"
)

// MIME types of data to be signed, and of receipts.
const (
	MimeText        = "text/plain"
	MimeTxnApproval = "application/vnd.mobileid.txn-approval" // a TxnApproval
	// MimeRSAMessage is a receipt that is encrypted to the RSA key of the SIM (PKCS
	// #1 v1.5), in Base64.
	MimeRSAMessage = "application/alauda-rsamessage"
)

// DataToBeSigned is the text to display and sign, or to display as a receipt, as
// sent (TS 102 204, DataToBeSigned).
type DataToBeSigned struct {
	MimeType string // empty: text/plain
	Encoding string // empty: UTF-8
	Data     string
}

// Additional services by URI (TS 102 204, AdditionalServices).
const (
	ServiceUserLang       = "http://mss.ficom.fi/TS102204/v1.0.0#userLang" // the language of the phone's texts
	ServiceValidate       = "http://uri.etsi.org/TS102204/v1.1.2#validate" // status 502 instead of 500
	ServiceGeofencing     = "http://mid.swisscom.ch/as#geofencing"         // tells where the phone is
	ServiceApp2App        = "http://mid.swisscom.ch/as#app2app"            // the party's app opens the one that signs
	ServiceSubscriberInfo = "http://mid.swisscom.ch/as#subscriberInfo"     // tells the user's mobile network
	// ServiceVerification is Signum's own: the party's page shows a code, and the
	// user chooses it among three in the App.
	ServiceVerification = "https://signum-mssp.github.io/as#verificationCode"
)

// MaxServices is how many additional services a request may ask for.
const MaxServices = 16

// DefaultAuthURI is the address that opens the signing app, with parameters added
// to it (app2app). Clients of the public service know it.
const DefaultAuthURI = "mobileid://auth"

// AdditionalService is one requested service. Only the field that belongs to the
// URI has a meaning.
type AdditionalService struct {
	URI         string
	UserLang    string            // of ServiceUserLang: en, de, fr or it
	RedirectURI string            // of ServiceApp2App: opens the party's app when the user is done
	Geofencing  *GeofencingPolicy // of ServiceGeofencing; nil: the party's own policy applies
}

// GeofencingPolicy is the policy of a request, as written. A signature from a
// place that breaks it is fault 450. An empty field is no rule.
type GeofencingPolicy struct {
	CountryWhitelist, CountryBlacklist         string // ISO 3166-1 alpha-2, separated by commas
	MinDeviceConfidence, MinLocationConfidence string // 0 to 1
	MaxTimestampMinutes, MaxAccuracyMeters     string // whole numbers
}

// SignatureRequest is MSS_SignatureReq: it asks for the signature of one user.
type SignatureRequest struct {
	Header
	MessagingMode string // Synch, Asynch or AsynchClientServer
	TimeOut       string // seconds; empty: the method's default, 80 for SIM and 40 for App
	MSISDN        string // as sent; the answer repeats it as sent
	Profile       string // SignatureProfile; empty: AuthProfile1
	Data          DataToBeSigned
	Displayed     string              // DataToBeDisplayed: empty, or the same as Data.Data
	Services      []AdditionalService // at most MaxServices
}

// StatusRequest is MSS_StatusReq: it asks for the outcome of a transaction.
type StatusRequest struct {
	Header
	TransID string // MSSP_TransID
}

// Operation implements Request.
func (*SignatureRequest) Operation() Operation { return OpSignature }

// Operation implements Request.
func (*StatusRequest) Operation() Operation { return OpStatus }

// Head returns the header, so that the header of any message can be read.
func (h *Header) Head() *Header { return h }

// ServiceResponse answers one additional service. One of the fields beside the
// URI is set.
type ServiceResponse struct {
	URI              string
	Geofencing       *Geofencing        // of ServiceGeofencing, with the signature
	AuthURI          string             // of ServiceApp2App, in the first answer
	Details          []SubscriberDetail // of ServiceSubscriberInfo, with the signature
	VerificationCode string             // of ServiceVerification, in the first answer: two digits
}

// Geofencing is a location or, if ErrorCode is not empty, why there is none.
type Geofencing struct {
	Country            string // ISO 3166-1 alpha-2
	Accuracy           int    // radius in metres; 0 for a SIM
	DeviceConfidence   string // 0 to 1: trust in the device
	LocationConfidence string // 0 to 1: trust in the location; it falls by 0.01 for each full hour of age
	Timestamp          string // xs:dateTime of the measurement
	ErrorCode          string // a GeoError in digits
	ErrorMessage       string
}

// SubscriberDetail is one row of an answer to ServiceSubscriberInfo. ID 1901 is
// MCC and MNC of the user's SIM.
type SubscriberDetail struct{ ID, Value string }

// SignatureResponse is MSS_SignatureResp.
type SignatureResponse struct {
	Header
	TransID   string // MSSP_TransID, by which a StatusRequest asks for the outcome
	MSISDN    string // as in the request
	Signature []byte // CMS SignedData in DER (RFC 5652); nil if there is none
	Profile   string // the profile of the method that signs
	Status    Code   // 100: accepted; 500 or 502: signed; 501 or 503: failed
	Services  []ServiceResponse
}

// StatusResponse is MSS_StatusResp.
type StatusResponse struct {
	Header
	MSISDN    string // as in the signature request
	Signature []byte // CMS SignedData in DER (RFC 5652); nil if there is none
	Status    Code   // 504: outstanding; otherwise the outcome
	Services  []ServiceResponse
}

func (*SignatureResponse) response() {}
func (*StatusResponse) response()    {}
