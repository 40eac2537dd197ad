package signum

import (
	"context"
	"crypto"
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
	// ErrReceipted means that the transaction has had its receipt.
	ErrReceipted = errors.New("transaction has a receipt")
	// ErrNotSigned means that a transaction has no signature to send a receipt
	// for.
	ErrNotSigned = errors.New("transaction has no signature")
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
	AppStore
	CardStore

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
	// ActivateDevice makes a device of a subscriber active, with this key type
	// and certificate and a PIN that is not blocked. ErrNotFound if there is no
	// such device or certificate.
	ActivateDevice(ctx context.Context, deviceID string, k KeyType, certSerial string) error
	// SetPINBlocked keeps what a device said of its PIN. ErrNotFound if there is
	// no such device.
	SetPINBlocked(ctx context.Context, deviceID string, blocked bool) error
	// DeactivateDevice switches a device off, as if it were not there.
	// ErrNotFound if there is none.
	DeactivateDevice(ctx context.Context, deviceID string) error

	Close() error
}

// Issuer certifies subscribers' keys; the issuing CA is one.
type Issuer interface {
	// Issue certifies the key of a device for the account with this serial. The
	// certificate is in the store when it returns.
	Issue(ctx context.Context, serial, deviceID string, key crypto.PublicKey) (*Certificate, error)
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
	FinishReceipt(ctx context.Context, transID string, result ReceiptResult, at time.Time) (bool, error)
	// Receipt finds the receipt of a transaction.
	Receipt(ctx context.Context, transID string) (*Receipt, error)
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

// DeviceOp is what a phone shall do.
type DeviceOp uint8

// The operations.
const (
	OpSign     DeviceOp = iota // show the text, ask for the PIN, sign
	OpActivate                 // ask for a new PIN twice, make a key
	OpDisplay                  // show the text of a receipt
)

// DeviceRequest is what a channel carries to a phone. A transaction can ask a
// phone three things, one after the other: TransID and Op together name a
// request.
type DeviceRequest struct {
	Op          DeviceOp
	TransID     string
	MSISDN      string // E.164 with leading +
	DeviceID    string
	Method      Method
	Lang        string
	MimeType    string
	Text        string // to display
	SignedAttrs []byte // OpSign: to sign, after its messageDigest was checked against Text
	KeyType     KeyType
	Locate      bool     // tell where the phone is with the answer
	App2App     *App2App // not nil: no push; the request waits until its AuthUri is opened
	Choices     []string // not empty: verification codes to choose from
	Created     time.Time
	Expires     time.Time
}

// DeviceAnswer is what came back from a phone: a Fault, or by operation
// OpSign: Signature (ECDSA as DER, RSA as PKCS #1 v1.5, both over SHA-256 of
// SignedAttrs), and Location if it was wanted; OpActivate: PublicKey and Proof;
// OpDisplay: Receipt.
type DeviceAnswer struct {
	Op        DeviceOp
	TransID   string
	DeviceID  string
	Signature []byte
	Location  *Location
	Choice    string // of the verification codes
	PublicKey []byte // SubjectPublicKeyInfo, DER
	Proof     []byte // signature of the new key over ActivationProof, form as of Signature
	Receipt   ReceiptResult
	Fault     *Fault // for example 401, 402, 404, 209
}

// ActivationProof is what a new key signs to prove that the device has it and
// that it was made for this transaction (RFC 4211, clause 4.1, in spirit).
func ActivationProof(transID string, publicKey []byte) []byte {
	return append([]byte("signum activation "+transID+"\x00"), publicKey...)
}

// Channel is a bearer to phones of one method. Implementations are safe for
// concurrent use.
type Channel interface {
	// Send hands a request over; it does not wait for the user. A request may
	// be handed over again after a restart: TransID and Op tell, and the user
	// must not be asked twice. An error means that the phone was not and
	// will not be reached.
	Send(ctx context.Context, r DeviceRequest) error
	// Cancel withdraws a request that has ended otherwise (superseded, expired).
	// Best effort: an answer that still comes is dropped by its receiver.
	Cancel(ctx context.Context, deviceID, transID string)
}

// Inbox tells what is asked of a device now; bearers that a device connects to
// ask it, whichever node made the request.
type Inbox interface {
	// Pending lists what the device has to answer: outstanding transactions and
	// pending receipts, oldest first.
	Pending(ctx context.Context, deviceID string) ([]DeviceRequest, error)
	// Signature is the CMS of a signature that the device made, ErrNotFound if it
	// made none in this transaction.
	Signature(ctx context.Context, deviceID, transID string) ([]byte, error)
}

// TextMessage is a short message to a subscriber.
type TextMessage struct {
	MSISDN string // E.164 with leading +
	Text   string
	Flash  bool // shown at once and not kept (class 0)
}

// TextSender sends short messages. It is safe for concurrent use.
type TextSender interface {
	// SendText hands a message over to the network; nil does not mean that it
	// was read.
	SendText(ctx context.Context, m TextMessage) error
}

// Answerer receives what phones answer.
type Answerer interface {
	// Answer returns an error if the answer was not taken: it is for another
	// device, or the store failed. A late answer is taken and dropped.
	Answer(ctx context.Context, a DeviceAnswer) error
}
