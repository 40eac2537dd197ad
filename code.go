package signum

import "strconv"

// Code is a status code of ETSI TS 102 204, clause 8 and annex A. The same
// number space holds outcomes (100, 500 to 504) and faults.
type Code int

// The codes of the standard. Those marked "extension" are kept so that an
// extension can answer with them; Signum itself does not produce them.
const (
	RequestOK           Code = 100
	WrongParam          Code = 101
	MissingParam        Code = 102
	WrongDataLength     Code = 103
	UnauthorizedAccess  Code = 104
	UnknownClient       Code = 105
	HandshakeRequired   Code = 106 // extension
	InappropriateData   Code = 107
	IncompatibleIface   Code = 108
	UnsupportedProfile  Code = 109
	ExpiredTransaction  Code = 208
	OTAError            Code = 209
	UserSign            Code = 400 // extension
	UserCancel          Code = 401
	PINBlocked          Code = 402
	CardBlocked         Code = 403
	NoKeyFound          Code = 404
	NoURLFound          Code = 405 // extension
	PBSignatureProcess  Code = 406
	RegistrationNOK     Code = 407 // extension
	RegistrationOK      Code = 408 // extension
	NoCertFound         Code = 422
	CRLProblem          Code = 423 // extension
	CRLExpired          Code = 424 // extension
	ErrorCertificate    Code = 425 // extension
	GeofencingViolation Code = 450
	SignatureMade       Code = 500
	RevokedCertificate  Code = 501
	ValidSignature      Code = 502
	InvalidSignature    Code = 503
	OutstandingTransact Code = 504
	ConstraintMismatch  Code = 505 // extension
	PushOK              Code = 600 // extension: RET_OK_PUSH
	NoPushOK            Code = 601 // extension
	PushNOK             Code = 602 // extension
	NoPushNOK           Code = 603 // extension
	InternalError       Code = 900

	firstRoaming Code = 701 // TS 102 207
	lastRoaming  Code = 780
)

type codeEntry struct {
	name   string
	detail string
}

// codes is the one table of names and documented detail texts. The wires take
// the reason from here; the detail is what a fault says when nothing more
// precise is known.
var codes = map[Code]codeEntry{
	RequestOK:           {"REQUEST_OK", ""},
	WrongParam:          {"WRONG_PARAM", "Error among the arguments of the request"},
	MissingParam:        {"MISSING_PARAM", "An argument in the request is missing"},
	WrongDataLength:     {"WRONG_DATA_LENGTH", "The DataToBeSigned are too large. Limitations are due to the Mobile Signature technology implemented by the MSSP."},
	UnauthorizedAccess:  {"UNAUTHORIZED_ACCESS", "The AP is unknown, or the client authentication failed, or the AP asks for an additional service for which it has not subscribed."},
	UnknownClient:       {"UNKNOWN_CLIENT", "MSISDN is unknown"},
	HandshakeRequired:   {"HANDSHAKE_REQUIRED", ""},
	InappropriateData:   {"INAPPROPRIATE_DATA", "DTBD matching failed"},
	IncompatibleIface:   {"INCOMPATIBLE_INTERFACE", "The minor version and/or major version parameters are inappropriate for the receiver of the message."},
	UnsupportedProfile:  {"UNSUPPORTED_PROFILE", "The user does not support this Mobile Signature Profile"},
	ExpiredTransaction:  {"EXPIRED_TRANSACTION", "Transaction Expiry date has been reached or Time out has lapsed."},
	OTAError:            {"OTA_ERROR", "The MSSP has not succeeded to contact the end-user's mobile equipment Bad connection...)"},
	UserSign:            {"USER_SIGN", ""},
	UserCancel:          {"USER_CANCEL", "User cancelled the request"},
	PINBlocked:          {"PIN_NR_BLOCKED", "PIN of the mobile user is blocked"},
	CardBlocked:         {"CARD_BLOCKED", "Mobile user account has state INACTIVE or no SIM assigned"},
	NoKeyFound:          {"NO_KEY_FOUND", "Mobile user account needs to be activated"},
	NoURLFound:          {"NO_URL_FOUND", ""},
	PBSignatureProcess:  {"PB_SIGNATURE_PROCESS", "Signature request already in progress."},
	RegistrationNOK:     {"REGISTRATION_NOK", ""},
	RegistrationOK:      {"REGISTRATION_OK", ""},
	NoCertFound:         {"NO_CERT_FOUND", "Certificate is expired"},
	CRLProblem:          {"CRL_PB", ""},
	CRLExpired:          {"CRL_EXPIRED", ""},
	ErrorCertificate:    {"ERROR_CERTIFICATE", ""},
	GeofencingViolation: {"GEOFENCING_POLICY_VIOLATION", "The geofencing policy is violated"},
	SignatureMade:       {"SIGNATURE", ""},
	RevokedCertificate:  {"REVOKED_CERTIFICATE", "The certificate of the mobile user is revoked"},
	ValidSignature:      {"VALID_SIGNATURE", ""},
	InvalidSignature:    {"INVALID_SIGNATURE", "The signature of the mobile user is invalid"},
	OutstandingTransact: {"OUTSTANDING_TRANSACTION", ""},
	ConstraintMismatch:  {"CONSTRAINT_MISMATCH", ""},
	PushOK:              {"RET_OK_PUSH", ""},
	NoPushOK:            {"RET_OK_NOPUSH", ""},
	PushNOK:             {"RET_NOK_PUSH", ""},
	NoPushNOK:           {"RET_NOK_NOPUSH", ""},
	InternalError:       {"INTERNAL_ERROR", "Unknown Error"},
}

// String is the code's name in the standard, for example USER_CANCEL; a code
// without a name is CODE_NNN.
func (c Code) String() string {
	if e, ok := codes[c]; ok {
		return e.name
	}
	if c >= firstRoaming && c <= lastRoaming {
		return "ROAMING_" + strconv.Itoa(int(c))
	}
	return "CODE_" + strconv.Itoa(int(c))
}

// Detail is the documented text of a fault with this code, empty when the
// code is not documented as a fault.
func (c Code) Detail() string { return codes[c].detail }

// Known reports whether the code stands in the table of the standard.
func (c Code) Known() bool {
	_, ok := codes[c]
	return ok || c >= firstRoaming && c <= lastRoaming
}

// IsStatus reports whether a transaction with this outcome is answered as a
// message with a Status (HTTP 200) rather than as a fault (HTTP 500).
func (c Code) IsStatus() bool {
	return c == RequestOK || c >= SignatureMade && c <= OutstandingTransact
}

// Sender reports whether the fault is the requester's (SOAP 1.2 role Sender),
// which is so for all codes below 200; the others are Receiver.
func (c Code) Sender() bool { return c < 200 }
