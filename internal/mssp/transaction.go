package mssp

import (
	"context"
	"fmt"
	"time"

	"github.com/signum-mssp/signum"
)

// State is the state of a transaction. A transaction leaves StateOutstanding once.
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

// Signed reports whether a transaction in this state has a signature.
func (s State) Signed() bool { return s == StateSigned || s == StateReceipted }

// Transaction is a signature request that was accepted.
type Transaction struct {
	ID        string // MSSP_TransID, a short NCName
	APID      string
	APTransID string
	APInstant time.Time // unique with APID and APTransID

	MSISDN     string // E.164 with leading +
	MSISDNSent string // as the party wrote it
	// DeviceID is the device that answered. While the transaction is outstanding, it is
	// the device that is asked; of several Apps, one of them. Empty for a one-time
	// password.
	DeviceID string
	Method   signum.Method // empty for a one-time password
	Profile  string        // the profile of the method, as answers name it
	Async    bool
	Lang     string // en, de, fr or it
	MimeType string
	Text     string // what the phone shows
	Services ServiceOptions

	// These belong to DeviceID. They are empty for a one-time password, and until a SIM
	// that is activated on the way has its certificate.
	SignedAttrs []byte       // DER of the signed attributes: the to-be-signed bytes
	CertSerial  string       // of the signer's certificate
	Certificate *Certificate // that certificate; set when read, ignored when written

	// Owner is the id of the node that sends the request to the phone, if several share
	// the database. It is meaningful while the transaction is outstanding.
	Owner string
	// Resumed means that it may have been handed over before. It is not stored.
	Resumed bool

	State    State
	Outcome  Outcome // meaningful once State is not outstanding
	Created  time.Time
	Expires  time.Time
	Finished time.Time // zero while outstanding
}

// OTP reports whether the transaction sends a one-time password. It has no device
// and no method: a text goes to the number, and nothing is signed.
func (t *Transaction) OTP() bool { return t.Method == "" }

// SigningTime is the time in the signed attributes of an App, whichever App signs. A
// SIM may be activated first, so its attributes can name a later time.
func (t *Transaction) SigningTime() time.Time { return t.Created }

// Activating reports whether the transaction waits for a SIM to be activated.
func (t *Transaction) Activating() bool {
	return t.State == StateOutstanding && !t.OTP() && t.CertSerial == ""
}

// ServiceOptions is what the additional services of a request ask of its
// transaction. It is kept as JSON.
type ServiceOptions struct {
	Validate   bool            `json:"validate,omitempty"`
	Subscriber string          `json:"subscriber,omitempty"` // MCC and MNC for subscriberInfo; empty: not asked for
	Geofencing bool            `json:"geofencing,omitempty"`
	GeoError   signum.GeoError `json:"geoerror,omitempty"` // not 0: known beforehand, so the phone is not asked where it is
	App2App    *App2App        `json:"app2app,omitempty"`

	Verification *Verification `json:"verification,omitempty"`

	Fence      *Geofence      `json:"fence,omitempty"`      // the policy of the request
	PartyFence *PartyGeofence `json:"partyfence,omitempty"` // the party's policy at the time of the request

	ActivateKey signum.KeyType `json:"activate,omitempty"` // the kind of key that the SIM makes first; empty: it has one
}

// App2App says how the party's app and the one that signs open each other.
type App2App struct {
	// TokenHash is the SHA-256 in hex of the session token. The token is in the
	// AuthUri only, so that nothing else opens the request.
	TokenHash   string `json:"token"`
	RedirectURI string `json:"redirect,omitempty"`
}

// Verification is a code that the party's page shows, and the choices that the App
// shows. A user who approves somebody else's request does not know which to choose.
type Verification struct {
	Code    string   `json:"code"` // two digits
	Choices []string `json:"choices"`
}

// Outcome is how a transaction ended.
type Outcome struct {
	Code      signum.Code // SignatureMade, RequestOK (delivered), or the code of a fault
	Detail    string      // of the fault
	Signature []byte      // by the device, verified; nil unless Code is SignatureMade
	Location  *Location   // with a signature, if geofencing was asked for
	Replaced  bool        // a newer request took its place; its party sees a cancel
	// Verified is the evidence that the user of an App was verified, with a signature.
	// It is stored apart from the transaction and not read with it.
	Verified *UserVerification
}

// AnsweredBy is the device whose answer ends a transaction, with what it was asked to
// sign.
type AnsweredBy struct {
	DeviceID    string
	CertSerial  string // of the certificate that SignedAttrs names
	SignedAttrs []byte
}

// Err returns the *signum.Fault of a transaction that failed, and nil if it
// succeeded.
func (o Outcome) Err() error {
	if o.Code == signum.SignatureMade || o.Code == signum.RequestOK {
		return nil
	}
	return &signum.Fault{Code: o.Code, Detail: o.Detail}
}

// Failed returns the outcome of a transaction that ends with a fault.
func Failed(f *signum.Fault) Outcome { return Outcome{Code: f.Code, Detail: f.Detail} }

// FinalState returns the state that the outcome leads to.
func (o Outcome) FinalState() State {
	switch o.Code {
	case signum.SignatureMade:
		return StateSigned
	case signum.RequestOK:
		return StateDelivered
	}
	return StateFailed
}

// Location is where a phone was, or why that is not known. Confidences are as at
// the measurement; LocationConfidence falls by 0.01 for each full hour of age.
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

// TransactionStore keeps transactions and enforces their invariants: unique (AP_ID,
// AP_TransID, Instant), at most one outstanding transaction per subscriber and
// method, and final states that never change.
//
// Lists leave out rows that cannot be read; see RowError. Nodes that can read such
// a transaction may answer it; any node may end it by the columns that it can read.
type TransactionStore interface {
	OwnedTransactions

	// InsertTransaction adds a transaction, outstanding or already ended. If an
	// invariant refuses it, nothing is written and the error is ErrDuplicate or
	// *BusyError, in this order if both apply.
	InsertTransaction(ctx context.Context, t *Transaction) error
	// ReplaceTransaction ends the outstanding transaction old at t.Created and inserts t,
	// both or neither. If old is no longer outstanding, it only inserts t. It reports
	// whether it ended old. Errors are those of InsertTransaction.
	ReplaceTransaction(ctx context.Context, old string, o Outcome, t *Transaction) (bool, error)
	// PrepareTransaction adds the signed attributes and the certificate to an
	// outstanding transaction that waits for an activation. False means that nothing
	// changed: the transaction has ended, or was prepared before.
	PrepareTransaction(ctx context.Context, id string, signedAttrs []byte, certSerial string) (bool, error)
	// InsertReceipt adds a pending receipt and moves its transaction from signed to
	// receipted, both or neither. ErrNotFound if there is no such transaction,
	// ErrReceipted if it has a receipt, ErrNotSigned if it has no signature.
	InsertReceipt(ctx context.Context, r *Receipt) error
	// FinishReceipt sets the result of a pending receipt, by compare-and-set. False
	// means that it has a result already, or that there is no such receipt.
	FinishReceipt(ctx context.Context, transID string, result signum.ReceiptResult, at time.Time) (bool, error)
	// Receipt finds the receipt of a transaction; ErrNotFound, or *RowError if it
	// cannot be read.
	Receipt(ctx context.Context, transID string) (*Receipt, error)
	// ExpiredReceipts lists pending receipts whose time is up, those first that expired
	// first.
	ExpiredReceipts(ctx context.Context, now time.Time, limit int) ([]string, error)
	// TransactionUsed reports whether a party's (AP_TransID, Instant) exists.
	TransactionUsed(ctx context.Context, apID, apTransID string, instant time.Time) (bool, error)
	// Transaction finds a transaction by its MSSP_TransID, with its Certificate;
	// ErrNotFound, or *RowError if it cannot be read.
	Transaction(ctx context.Context, id string) (*Transaction, error)
	// FinishTransaction ends an outstanding transaction, by compare-and-set, keeps the
	// evidence of a signature, and records the device whose answer it is; nil: no device
	// answered. Only a device can end it with a signature. False means that nothing
	// changed: the transaction had ended before, does not exist, or would succeed
	// although the device must not sign: the certificate is not good, the device is not
	// an active and unblocked one of the subscriber, or the account is suspended.
	FinishTransaction(ctx context.Context, id string, o Outcome, by *AnsweredBy, at time.Time) (bool, error)
	// Verification returns the evidence that the user was verified for a signature;
	// ErrNotFound if there is none. It is purged with its transaction.
	Verification(ctx context.Context, transID string) (*UserVerification, error)
	// ExpiredTransactions lists the IDs of outstanding transactions whose Expires is
	// not after now, oldest first.
	ExpiredTransactions(ctx context.Context, now time.Time, limit int) ([]string, error)
	// OutstandingTransactions lists, for recovery, the outstanding transactions that
	// have not expired at now, in the order of their IDs and starting after the given
	// one. A page with fewer than limit is the last.
	OutstandingTransactions(ctx context.Context, now time.Time, after string, limit int) ([]*Transaction, error)
	// DevicePending lists a device's outstanding transactions and pending receipts
	// that have not expired at now, oldest first. If a method allows several devices,
	// a transaction is pending for each that may sign: it is active and not blocked,
	// its certificate is valid, and its account is not suspended. DeviceID, CertSerial
	// and Certificate are then those of this device. SignedAttrs are empty if they were
	// made for another one.
	DevicePending(ctx context.Context, deviceID string, now time.Time) ([]*Transaction, []*Receipt, error)
	// SubscriberPending lists a subscriber's outstanding transactions, those that are
	// overdue included, in the order of their methods.
	SubscriberPending(ctx context.Context, msisdn string) ([]*Transaction, error)
	// RecentTransactions lists the transactions of a subscriber, latest first.
	RecentTransactions(ctx context.Context, msisdn string, limit int) ([]*Transaction, error)
	// EndedTransactions returns those of ids that are not outstanding: they have ended,
	// or there is no such transaction.
	EndedTransactions(ctx context.Context, ids []string) ([]string, error)
	// PurgeTransactions deletes at most limit transactions that finished before the
	// time, with their receipts, and returns how many it deleted.
	PurgeTransactions(ctx context.Context, before time.Time, limit int) (int, error)
}
