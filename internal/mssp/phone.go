package mssp

import (
	"context"
	"errors"
	"time"

	"github.com/signum-mssp/signum"
)

// DeviceOp is what a phone is asked to do. (A signum.Operation is what a party
// asks of the service.)
type DeviceOp uint8

// What a phone can be asked to do.
const (
	OpSign     DeviceOp = iota // show the text, ask for the PIN, sign
	OpActivate                 // ask for a new PIN twice, make a key
	OpDisplay                  // show the text of a receipt
)

// DeviceRequest is what a channel carries to a phone. A transaction can ask a phone
// for several things, one after the other, so that it takes TransID and Op to name
// a request.
type DeviceRequest struct {
	Op          DeviceOp
	TransID     string
	APID        string        // of the party that asks
	Party       PartyIdentity // how users recognise it; shown with Text, never signed
	MSISDN      string        // E.164 with leading +
	DeviceID    string
	Method      signum.Method
	Lang        string
	MimeType    string
	Text        string // to display
	SignedAttrs []byte // of OpSign: to sign, if their messageDigest is that of Text
	CertSerial  string // of the certificate that SignedAttrs name
	KeyType     signum.KeyType
	Locate      bool     // the answer must say where the phone is
	App2App     *App2App // not nil: do not push or show the request until its AuthUri is opened
	Choices     []string // verification codes to choose from; empty: none
	Created     time.Time
	Expires     time.Time // by the clock of this machine
	Owner       string    // as that of the transaction
	Resumed     bool      // it may have been handed over before, here or at another node
}

// DeviceAnswer is the answer of a phone: a Fault, or what belongs to Op.
type DeviceAnswer struct {
	Op       DeviceOp
	TransID  string
	DeviceID string
	Fault    *signum.Fault // for example 401, 402, 404 or 209
	// Reported, with a fault 401: the user says that somebody else made the request.
	Reported bool

	// Of OpSign. Signature is over SHA-256 of SignedAttrs: ECDSA in DER, or RSA with
	// PKCS #1 v1.5.
	Signature  []byte
	CertSerial string    // as in the request that the device answers; empty: its current certificate
	Location   *Location // nil unless Locate was set
	Choice     string    // the verification code that the user chose
	// Verified is how the user of an App was verified for this signature.
	Verified *UserVerification

	// Of OpActivate.
	PublicKey []byte // SubjectPublicKeyInfo in DER
	Proof     []byte // signature by the new key over ActivationProof, in the form of Signature

	Receipt signum.ReceiptResult // of OpDisplay
}

// ActivationProof returns what a new key signs to prove that the device holds it
// and made it for this transaction (a proof of possession as in RFC 4211, clause
// 4.1, in another form).
func ActivationProof(transID string, publicKey []byte) []byte {
	return append([]byte("signum activation "+transID+"\x00"), publicKey...)
}

// Why a Channel did not ask a phone, or a TextSender did not send a text. Any other error is a
// failure of the service itself: of its store, its keys, or a limit that it set.
var (
	// ErrUnreachable means that the network cannot deliver the request, or that there
	// is no phone to deliver it to. The party gets 209.
	ErrUnreachable = errors.New("the phone cannot be reached")
	// ErrRefused means that the phone must not be asked for this, neither now nor
	// later: the service made a request that it should not have made. The party gets
	// 900, as for a failure.
	ErrRefused = errors.New("the channel refuses the request")
	// ErrPostponed means that the service failed before the phone could be asked, and that
	// the channel keeps the request and tries again. The phone may also ask for it (Inbox).
	// If neither succeeds in time, the party gets 900.
	ErrPostponed = errors.New("the phone could not be asked yet")
)

// EndReason says why a request to a phone is over. Channels may tell the phone.
type EndReason string

// The reasons.
const (
	EndAnswered  EndReason = "answered"  // by this phone
	EndElsewhere EndReason = "elsewhere" // answered by another phone of the user
	EndReplaced  EndReason = "replaced"  // by a newer request
	EndExpired   EndReason = "expired"   // nobody answered in time
	EndWithdrawn EndReason = "withdrawn" // anything else, such as a failure
)

// Channel carries requests to the phones of one method. Implementations are safe
// for concurrent use.
type Channel interface {
	// Send hands a request over and does not wait for the user. After a restart the
	// same request may come again: the channel recognises it by TransID and Op, and
	// must not ask the user twice. An error means that the phone was not asked and,
	// except for ErrPostponed, will not be: see ErrUnreachable.
	Send(ctx context.Context, r DeviceRequest) error
	// Cancel withdraws a request that has ended from all phones that it was handed to.
	// It need not succeed: the handler drops an answer that still comes.
	Cancel(ctx context.Context, w Withdrawal)
}

// Withdrawal says that a transaction has ended.
type Withdrawal struct {
	TransID  string
	MSISDN   string // E.164 with leading +
	DeviceID string // that was asked; of several Apps, one of them
	Reason   EndReason
	// AnsweredBy is the device whose answer ended the transaction; empty: none did.
	AnsweredBy string
}

// ReasonFor returns why the request to this device is over.
func (w *Withdrawal) ReasonFor(deviceID string) EndReason {
	if w.Reason == EndAnswered && w.AnsweredBy != deviceID {
		return EndElsewhere
	}
	return w.Reason
}

// Inbox tells what a device is asked for now, whichever node made the request.
// Bearers use it when a device connects.
type Inbox interface {
	// Pending lists what the device has to answer: outstanding transactions and
	// pending receipts, oldest first.
	Pending(ctx context.Context, deviceID string) ([]DeviceRequest, error)
	// Ended reports whether a request of this operation to a phone of the number has
	// ended, whichever node made it.
	Ended(ctx context.Context, msisdn, transID string, op DeviceOp) (bool, error)
	// Recheck ends the transactions of a subscriber that no device can answer any more.
	// It is to be called after a device, or the account, must not sign any more.
	Recheck(ctx context.Context, msisdn string) error
	// Signature returns the CMS of the signature that the device made in a
	// transaction; ErrNotFound if it made none.
	Signature(ctx context.Context, deviceID, transID string) ([]byte, error)
}

// ErrNotAsked means that an answer is refused: the device was not asked, or must not
// sign any more.
var ErrNotAsked = errors.New("answer of a device that was not asked")

// AnswerHandler receives the answers of phones.
type AnswerHandler interface {
	// Answer returns an error if the answer was not accepted: ErrNotAsked, ErrNotFound
	// for an unknown transaction, or a failure of the store. A late answer is accepted
	// and dropped.
	Answer(ctx context.Context, a DeviceAnswer) error
}
