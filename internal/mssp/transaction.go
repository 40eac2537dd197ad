package mssp

import (
	"context"
	"fmt"
	"time"

	"github.com/signum-mssp/signum"
)

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

	MSISDN     string        // E.164 with leading +
	MSISDNSent string        // as the party wrote it
	DeviceID   string        // empty for a one-time password
	Method     signum.Method // likewise
	Profile    string        // as answers name it: that of the method used
	Async      bool
	Lang       string // en, de, fr or it
	MimeType   string
	Text       string // what the phone shows
	Services   ServiceOptions

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

// OTP reports whether the transaction sends a one-time password. No device and
// no method takes part: a text goes to the number, and nothing is signed.
func (t *Transaction) OTP() bool { return t.Method == "" }

// Activating reports whether the transaction waits for a SIM to be activated.
func (t *Transaction) Activating() bool {
	return t.State == StateOutstanding && !t.OTP() && t.CertSerial == ""
}

// ServiceOptions is what the additional services of a request want of its transaction.
// It is kept as JSON.
type ServiceOptions struct {
	Validate   bool            `json:"validate,omitempty"`
	Subscriber string          `json:"subscriber,omitempty"` // MCC and MNC for subscriberInfo; empty: not asked
	Geofencing bool            `json:"geofencing,omitempty"`
	GeoError   signum.GeoError `json:"geoerror,omitempty"` // known beforehand: the phone need not say where it is
	App2App    *App2App        `json:"app2app,omitempty"`

	Verification *Verification `json:"verification,omitempty"`

	Fence      *Geofence      `json:"fence,omitempty"`      // sent with the request
	PartyFence *PartyGeofence `json:"partyfence,omitempty"` // kept with the party when it asked

	ActivateKey signum.KeyType `json:"activate,omitempty"` // of the SIM that is activated on the way
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
	Code      signum.Code // SignatureMade, RequestOK (delivered), or the code of the fault
	Detail    string      // of the fault
	Signature []byte      // of the device, verified; nil unless Code is SignatureMade
	Location  *Location   // with a signature, where geofencing was asked for
}

// Err returns the *signum.Fault of a transaction that failed, and nil if it
// succeeded.
func (o Outcome) Err() error {
	if o.Code == signum.SignatureMade || o.Code == signum.RequestOK {
		return nil
	}
	return &signum.Fault{Code: o.Code, Detail: o.Detail}
}

// Failed is the outcome of a fault.
func Failed(f *signum.Fault) Outcome { return Outcome{Code: f.Code, Detail: f.Detail} }

// FinalState is the state that the outcome leads to.
func (o Outcome) FinalState() State {
	switch o.Code {
	case signum.SignatureMade:
		return StateSigned
	case signum.RequestOK:
		return StateDelivered
	}
	return StateFailed
}

// Location is where a phone was, or why that is not known. Confidences are
// those of the measurement; LocationConfidence falls by 0.01 per hour of age.
type Location struct {
	Error              signum.GeoError `json:"error,omitempty"` // 0: there is a location
	Country            string          `json:"country,omitempty"`
	Accuracy           int             `json:"accuracy,omitempty"` // metres; 0 for a SIM
	DeviceConfidence   float64         `json:"device,omitempty"`   // 0 to 1
	LocationConfidence float64         `json:"location,omitempty"` // 0 to 1
	Measured           time.Time       `json:"measured,omitzero"`
}

// BusyError means that the subscriber has an outstanding transaction on the
// same method.
type BusyError struct{ TransID string }

func (e *BusyError) Error() string { return fmt.Sprintf("busy with transaction %s", e.TransID) }

// TransactionStore keeps transactions. It is where their invariants live:
// unique (AP_ID, AP_TransID, Instant), at most one outstanding transaction per
// subscriber and method, and terminal states that never change.
//
// Lists leave out rows that cannot be read, see RowError. Nodes that can read such
// a transaction may answer it; any node may end it by the columns that it can read.
type TransactionStore interface {
	// InsertTransaction adds a transaction, outstanding or already ended.
	// ErrDuplicate or *BusyError (in this order, if both) when an invariant
	// refuses it; nothing is then written.
	InsertTransaction(ctx context.Context, t *Transaction) error
	// PrepareTransaction gives an outstanding transaction that waits for an
	// activation what there is to sign, and with which certificate. False means
	// that nothing changed: it has ended, or was prepared before.
	PrepareTransaction(ctx context.Context, id string, signedAttrs []byte, certSerial string) (bool, error)
	// InsertReceipt adds a pending receipt and moves its transaction from signed
	// to receipted, both or none. ErrNotFound if there is no such transaction,
	// ErrReceipted if it had one, ErrNotSigned if it has no signature.
	InsertReceipt(ctx context.Context, r *Receipt) error
	// FinishReceipt gives a pending receipt its result, by compare-and-set: false
	// means that it had one, or that there is no such receipt.
	FinishReceipt(ctx context.Context, transID string, result signum.ReceiptResult, at time.Time) (bool, error)
	// Receipt finds the receipt of a transaction; ErrNotFound, or *RowError if it
	// cannot be read.
	Receipt(ctx context.Context, transID string) (*Receipt, error)
	// TransactionUsed reports whether a party's (AP_TransID, Instant) exists.
	TransactionUsed(ctx context.Context, apID, apTransID string, instant time.Time) (bool, error)
	// Transaction finds one by MSSP_TransID, Certificate joined in. *RowError if it
	// cannot be read.
	Transaction(ctx context.Context, id string) (*Transaction, error)
	// FinishTransaction moves an outstanding transaction to its end, by
	// compare-and-set: false means that nothing changed, because it had ended
	// before (or never was), or because it would succeed with a certificate
	// that is revoked.
	FinishTransaction(ctx context.Context, id string, o Outcome, at time.Time) (bool, error)
	// ExpiredTransactions lists outstanding ones whose Expires is not after
	// now, oldest first.
	ExpiredTransactions(ctx context.Context, now time.Time, limit int) ([]string, error)
	// OutstandingTransactions lists those not expired at now in order of ID,
	// starting after the given one; for recovery.
	OutstandingTransactions(ctx context.Context, now time.Time, after string, limit int) ([]*Transaction, error)
	// DevicePending lists a device's outstanding transactions and pending
	// receipts that have not expired at now, oldest first.
	DevicePending(ctx context.Context, deviceID string, now time.Time) ([]*Transaction, []*Receipt, error)
	// RecentTransactions lists a subscriber's, latest first.
	RecentTransactions(ctx context.Context, msisdn string, limit int) ([]*Transaction, error)
	// EndedTransactions returns those of ids that are no longer outstanding
	// (or no longer exist).
	EndedTransactions(ctx context.Context, ids []string) ([]string, error)
	// PurgeTransactions deletes ended ones that finished before the time, and
	// their receipts, at most limit, and says how many.
	PurgeTransactions(ctx context.Context, before time.Time, limit int) (int, error)
}
