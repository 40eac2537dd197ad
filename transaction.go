package signum

import "time"

// State is where a transaction stands. It leaves StateOutstanding once.
//
//	outstanding ── signature ──▶ signed ── receipt ──▶ receipted
//	      ├── text sent ───────▶ delivered (one-time passwords)
//	      └── fault, expiry ───▶ failed
type State string

// The states.
const (
	StateOutstanding State = "outstanding"
	StateSigned      State = "signed"
	StateReceipted   State = "receipted"
	StateDelivered   State = "delivered"
	StateFailed      State = "failed"
)

// Signed reports whether there is a signature.
func (s State) Signed() bool { return s == StateSigned || s == StateReceipted }

// Transaction is one signature request after it was accepted.
type Transaction struct {
	ID        string // MSSP_TransID, a short NCName
	APID      string
	APTransID string
	APInstant time.Time // unique with APID and APTransID

	MSISDN     string // E.164 with leading +
	MSISDNSent string // as the party wrote it
	DeviceID   string // empty for SMS
	Method     Method
	Profile    string // as answers name it: that of the method used
	Async      bool
	Lang       string // en, de, fr or it
	MimeType   string
	Text       string // what the phone shows
	Services   Wanted

	// Both are empty until a SIM that is activated on the way has its
	// certificate, and for one-time passwords.
	SignedAttrs []byte       // DER of the signed attributes: the to-be-signed bytes
	CertSerial  string       // of the signer's certificate
	Certificate *Certificate // the same, joined in when read; nil when written

	State    State
	Outcome  Outcome // meaningful once State is not outstanding
	Created  time.Time
	Expires  time.Time
	Finished time.Time // zero while outstanding
}

// Activating reports whether the transaction waits for a SIM to be activated.
func (t *Transaction) Activating() bool {
	return t.State == StateOutstanding && t.Method == SIM && t.CertSerial == ""
}

// Wanted is what the additional services of a request want of its transaction.
// It is kept as JSON.
type Wanted struct {
	Validate   bool     `json:"validate,omitempty"`
	Subscriber string   `json:"subscriber,omitempty"` // MCC and MNC for subscriberInfo; empty: not asked
	Geofencing bool     `json:"geofencing,omitempty"`
	GeoError   GeoError `json:"geoerror,omitempty"` // known beforehand: the phone need not say where it is
	App2App    *App2App `json:"app2app,omitempty"`

	Verification *Verification `json:"verification,omitempty"`

	Fence      *Geofence      `json:"fence,omitempty"`      // sent with the request
	PartyFence *PartyGeofence `json:"partyfence,omitempty"` // kept with the party when it asked

	ActivateKey KeyType `json:"activate,omitempty"` // of the SIM that is activated on the way
}

// App2App is how an app of the party and the one that signs call each other.
type App2App struct {
	// TokenHash is the SHA-256 in hex of the session token: only who has the
	// AuthUri can open the request.
	TokenHash   string `json:"token"`
	RedirectURI string `json:"redirect,omitempty"`
}

// Verification is a code that the party's page shows, among the choices that
// the App shows: who approves a stranger's request does not know which.
type Verification struct {
	Code    string   `json:"code"` // two digits
	Choices []string `json:"choices"`
}

// Outcome is how a transaction ended.
type Outcome struct {
	Code      Code      // SignatureMade, RequestOK (delivered), or the code of the fault
	Detail    string    // of the fault
	Signature []byte    // of the device, verified; nil unless Code is SignatureMade
	Location  *Location // with a signature, where geofencing was asked for
}

// Fault is the outcome as an error, nil if the transaction succeeded.
func (o Outcome) Fault() *Fault {
	if o.Code == SignatureMade || o.Code == RequestOK {
		return nil
	}
	return &Fault{Code: o.Code, Detail: o.Detail}
}

// Failed is the outcome of a fault.
func Failed(f *Fault) Outcome { return Outcome{Code: f.Code, Detail: f.Detail} }

// FinalState is the state that the outcome leads to.
func (o Outcome) FinalState() State {
	switch o.Code {
	case SignatureMade:
		return StateSigned
	case RequestOK:
		return StateDelivered
	}
	return StateFailed
}
