package signum

import "time"

// Operation is one call of the MSS interface.
type Operation string

// The operations served. OpAny stands for an endpoint that dispatches by the
// message inside.
const (
	OpAny       Operation = ""
	OpSignature Operation = "MSS_Signature"
	OpStatus    Operation = "MSS_StatusQuery"
	OpReceipt   Operation = "MSS_Receipt"
	OpProfile   Operation = "MSS_ProfileQuery"
)

// Request is *SignatureRequest, *StatusRequest, *ReceiptRequest or
// *ProfileRequest.
type Request interface {
	Operation() Operation
	Head() *Header
}

// Response is *SignatureResponse, *StatusResponse, *ReceiptResponse or
// *ProfileResponse.
type Response interface{ response() }

// Version is MajorVersion and MinorVersion as written; both empty if absent.
type Version struct{ Major, Minor string }

// APInfo names the party and its call (TS 102 204, AP_Info). In requests all
// fields are as sent; in responses Instant is UTC with milliseconds.
type APInfo struct {
	ID       string // AP_ID
	Password string // AP_PWD; SOAP answers repeat it, JSON answers do not
	TransID  string // AP_TransID
	Instant  string // xs:dateTime
}

// MSSPInfo names the service provider (TS 102 204, MSSP_Info).
type MSSPInfo struct {
	URI     string // MSSP_ID/URI
	Instant string // xs:dateTime
}

// Header is what every message carries. Requests keep text as it was sent:
// an edge only decodes, the engine decides what is missing or wrong.
type Header struct {
	Version Version
	AP      APInfo
	MSSP    MSSPInfo
}

// Messaging modes of TS 102 204. Asynch and AsynchClientServer are the same
// mode in two spellings.
const (
	Synch              = "synch"
	Asynch             = "asynch"
	AsynchClientServer = "asynchClientServer"
)

// MIME types of data to be signed, and of receipts.
const (
	MimeText        = "text/plain"
	MimeTxnApproval = "application/vnd.mobileid.txn-approval"
	// MimeRSAMessage is a receipt encrypted to the RSA key of the SIM (PKCS #1
	// v1.5), in Base64.
	MimeRSAMessage = "application/alauda-rsamessage"
)

// DataToBeSigned is the payload as sent.
type DataToBeSigned struct {
	MimeType string // empty: text/plain
	Encoding string // empty: UTF-8
	Data     string
}

// Additional services by URI.
const (
	ServiceUserLang       = "http://mss.ficom.fi/TS102204/v1.0.0#userLang"
	ServiceValidate       = "http://uri.etsi.org/TS102204/v1.1.2#validate"
	ServiceGeofencing     = "http://mid.swisscom.ch/as#geofencing"
	ServiceApp2App        = "http://mid.swisscom.ch/as#app2app"
	ServiceSubscriberInfo = "http://mid.swisscom.ch/as#subscriberInfo"
	// ServiceVerification is Signum's own: the party shows a code, the App three
	// to choose from. It is off for parties that do not ask.
	ServiceVerification = "https://signum-mssp.github.io/as#verificationCode"
)

// MaxServices is how many additional services a request may ask for.
const MaxServices = 16

// DefaultAuthURI opens the app that signs, as clients of the public service
// know it (app2app).
const DefaultAuthURI = "mobileid://auth"

// AdditionalService is one requested service. Only the member that belongs to
// the URI is meaningful.
type AdditionalService struct {
	URI         string
	UserLang    string
	RedirectURI string            // app2app
	Geofencing  *GeofencingPolicy // nil: no policy in the request
}

// GeofencingPolicy is the policy sent with a request, as written; policy reads
// it to a Geofence.
type GeofencingPolicy struct {
	CountryWhitelist, CountryBlacklist         string
	MinDeviceConfidence, MinLocationConfidence string
	MaxTimestampMinutes, MaxAccuracyMeters     string
}

// SignatureRequest is MSS_SignatureReq.
type SignatureRequest struct {
	Header
	MessagingMode string
	TimeOut       string // seconds; empty: the method's default
	MSISDN        string // as sent, echoed as sent
	Profile       string // SignatureProfile; empty: AuthProfile1
	Data          DataToBeSigned
	Services      []AdditionalService
}

// StatusRequest is MSS_StatusReq.
type StatusRequest struct {
	Header
	TransID string // MSSP_TransID
}

// Operation implements Request.
func (*SignatureRequest) Operation() Operation { return OpSignature }

// Operation implements Request.
func (*StatusRequest) Operation() Operation { return OpStatus }

// Head is the part that every message has.
func (h *Header) Head() *Header { return h }

// ServiceResponse answers one additional service. Exactly one of the members
// beside the URI is set.
type ServiceResponse struct {
	URI              string
	Geofencing       *Geofencing
	AuthURI          string             // app2app
	Details          []SubscriberDetail // subscriberInfo
	VerificationCode string             // two digits, in the first answer
}

// Geofencing is a location or, when ErrorCode is not empty, why there is none.
type Geofencing struct {
	Country            string // ISO 3166-1 alpha-2
	Accuracy           int    // metres, 0 for SIM
	DeviceConfidence   string // 0 to 1
	LocationConfidence string // 0 to 1
	Timestamp          string // xs:dateTime
	ErrorCode          string
	ErrorMessage       string
}

// SubscriberDetail is one row of subscriberInfo; ID 1901 is MCC and MNC.
type SubscriberDetail struct{ ID, Value string }

// SignatureResponse is MSS_SignatureResp.
type SignatureResponse struct {
	Header
	TransID   string // MSSP_TransID
	MSISDN    string // as sent
	Signature []byte // CMS SignedData in DER; nil when there is none
	Profile   string // of the method used
	Status    Code
	Services  []ServiceResponse
}

// StatusResponse is MSS_StatusResp.
type StatusResponse struct {
	Header
	MSISDN    string // as in the signature request
	Signature []byte
	Status    Code
	Services  []ServiceResponse
}

func (*SignatureResponse) response() {}
func (*StatusResponse) response()    {}

// FormatInstant writes t as the answers do: UTC with milliseconds.
func FormatInstant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
