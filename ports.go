package signum

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Clock tells the time. Tests set it; everything that decides by time asks it.
type Clock interface{ Now() time.Time }

// SystemClock is the machine's clock.
type SystemClock struct{}

// Now implements Clock.
func (SystemClock) Now() time.Time { return time.Now() }

// Errors of a Store.
var (
	// ErrNotFound means that there is no such row.
	ErrNotFound = errors.New("not found")
	// ErrDuplicate means that (AP_ID, AP_TransID, Instant) was used before.
	ErrDuplicate = errors.New("transaction exists")
)

// BusyError means that the subscriber has an outstanding transaction on the
// same method.
type BusyError struct{ TransID string }

func (e *BusyError) Error() string { return fmt.Sprintf("busy with transaction %s", e.TransID) }

// Store keeps everything that must survive. A write that returned nil is on
// disk. All methods are safe for concurrent use. Times are kept to the
// microsecond and come back in UTC.
type Store interface {
	TransactionStore
	CertificateStore

	// Party returns ErrNotFound for an unknown AP_ID. The result is shared:
	// callers must not change it.
	Party(ctx context.Context, id string) (*Party, error)
	// PutParty inserts or replaces a party, its pins included.
	PutParty(ctx context.Context, p *Party) error

	// Subscriber finds an account by its canonical MSISDN, with its devices and
	// the current certificate of each (DER, state and validity); the devices
	// are ordered by ID. ErrNotFound if there is none.
	Subscriber(ctx context.Context, msisdn string) (*Subscriber, error)
	// PutSubscriber inserts or replaces an account and its devices; a device
	// that is no longer listed goes. A device's current certificate is the one
	// its Certificate.Serial names; the certificate rows themselves are
	// CertificateStore's.
	PutSubscriber(ctx context.Context, s *Subscriber) error

	Close() error
}

// CertificateStore is what the issuing CA needs.
type CertificateStore interface {
	// IntendCertificate records a certificate (Serial, DeviceID, TBS, validity)
	// before it is signed. A serial number that exists is an error.
	IntendCertificate(ctx context.Context, c *Certificate) error
	// CompleteCertificate adds the DER of an intended one, which is then good.
	// ErrNotFound if it was not intended.
	CompleteCertificate(ctx context.Context, serial string, der []byte) error
	// RevokeCertificate is idempotent: the first time and reason stay.
	// ErrNotFound if there is no good or revoked certificate of that number.
	RevokeCertificate(ctx context.Context, serial string, at time.Time, reason int) error
	// Certificate finds one by serial number, TBS left out.
	Certificate(ctx context.Context, serial string) (*Certificate, error)
	// RevokedCertificates lists those revoked and not expired at the time,
	// ordered by serial number, DER left out.
	RevokedCertificates(ctx context.Context, at time.Time) ([]Certificate, error)
}

// TransactionStore keeps transactions. It is where their invariants live:
// unique (AP_ID, AP_TransID, Instant), at most one outstanding transaction per
// subscriber and method, and terminal states that never change.
type TransactionStore interface {
	// InsertTransaction adds a transaction, outstanding or already ended.
	// ErrDuplicate or *BusyError (in this order, if both) when an invariant
	// refuses it; nothing is then written.
	InsertTransaction(ctx context.Context, t *Transaction) error
	// TransactionUsed reports whether a party's (AP_TransID, Instant) exists.
	TransactionUsed(ctx context.Context, apID, apTransID string, instant time.Time) (bool, error)
	// Transaction finds one by MSSP_TransID, Certificate joined in.
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
	// EndedTransactions returns those of ids that are no longer outstanding
	// (or no longer exist).
	EndedTransactions(ctx context.Context, ids []string) ([]string, error)
	// PurgeTransactions deletes ended ones that finished before the time, at
	// most limit, and says how many.
	PurgeTransactions(ctx context.Context, before time.Time, limit int) (int, error)
}

// DeviceRequest is what a channel carries to a phone.
type DeviceRequest struct {
	TransID     string
	MSISDN      string // E.164 with leading +
	DeviceID    string
	Method      Method
	Lang        string
	MimeType    string
	Text        string // to display
	SignedAttrs []byte // to sign, after its messageDigest was checked against Text
	KeyType     KeyType
	Expires     time.Time
}

// DeviceAnswer is what came back from a phone. Either Signature is set (ECDSA
// as DER, RSA as PKCS #1 v1.5, both over SHA-256 of SignedAttrs) or Fault.
type DeviceAnswer struct {
	TransID   string
	DeviceID  string
	Signature []byte
	Fault     *Fault // for example 401, 402, 404, 209
}

// Channel is a bearer to phones of one method. Implementations are safe for
// concurrent use.
type Channel interface {
	// Send hands a request over; it does not wait for the user. A request may
	// be handed over again after a restart: the transaction id tells, and the
	// user must not be asked twice. An error means that the phone was not and
	// will not be reached.
	Send(ctx context.Context, r DeviceRequest) error
	// Cancel withdraws a request that has ended otherwise (superseded, expired).
	// Best effort: an answer that still comes is dropped by its receiver.
	Cancel(ctx context.Context, deviceID, transID string)
}

// Answerer receives what phones answer.
type Answerer interface {
	// Answer returns an error if the answer was not taken: it is for another
	// device, or the store failed. A late answer is taken and dropped.
	Answer(ctx context.Context, a DeviceAnswer) error
}
