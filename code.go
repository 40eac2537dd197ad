package signum

import "strconv"

// Code is a status code of ETSI TS 102 204, clause 10.6 and annex B. Outcomes (100
// and 500 to 504) and faults share one range of numbers; [Code.IsStatus] tells
// them apart. TS 102 207 adds 701 to 780 for roaming.
type Code int

// The codes of the standard. Signum does not produce those marked "extension";
// another service may.
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

// codes is the one table of names and documented detail texts. Both wires take
// the reason from it; a fault has the detail unless something more precise is
// known.
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

// String returns the code's name in the standard, for example USER_CANCEL, or
// CODE_NNN for a code that has none.
func (c Code) String() string {
	if e, ok := codes[c]; ok {
		return e.name
	}
	if c >= firstRoaming && c <= lastRoaming {
		return "ROAMING_" + strconv.Itoa(int(c))
	}
	return "CODE_" + strconv.Itoa(int(c))
}

// Detail returns the documented text of a fault with this code. It is empty if
// the code is not documented as a fault.
func (c Code) Detail() string { return codes[c].detail }

// Known reports whether the standards define the code.
func (c Code) Known() bool {
	_, ok := codes[c]
	return ok || c >= firstRoaming && c <= lastRoaming
}

// IsStatus reports whether the service answers a transaction with this outcome
// by a message with a Status (HTTP 200) and not by a fault (HTTP 500). That is so
// for 100 and for 500 to 504.
func (c Code) IsStatus() bool {
	return c == RequestOK || c >= SignatureMade && c <= OutstandingTransact
}

// Sender reports whether the requester caused the fault (SOAP 1.2 role Sender).
// That is so for all codes below 200; the others have the role Receiver.
func (c Code) Sender() bool { return c < 200 }
