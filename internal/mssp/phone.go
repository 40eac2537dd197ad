package mssp

import (
	"context"
	"errors"
	"time"

	"github.com/signum-mssp/signum"
)

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
	Method      signum.Method
	Lang        string
	MimeType    string
	Text        string // to display
	SignedAttrs []byte // OpSign: to sign, after its messageDigest was checked against Text
	KeyType     signum.KeyType
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
	Receipt   signum.ReceiptResult
	Fault     *signum.Fault // for example 401, 402, 404, 209
}

// ActivationProof is what a new key signs to prove that the device has it and
// that it was made for this transaction (RFC 4211, clause 4.1, in spirit).
func ActivationProof(transID string, publicKey []byte) []byte {
	return append([]byte("signum activation "+transID+"\x00"), publicKey...)
}

// Why a Channel or a TextSender did not take a request. Any other error is a
// failure of the service itself: its store, its keys, a limit that it set.
var (
	// ErrUnreachable means that the network cannot bring the request to the phone,
	// or that there is no phone to bring it to. The party is told 209.
	ErrUnreachable = errors.New("the phone cannot be reached")
	// ErrRefused means that the phone must not be asked for this, now or later. The
	// service made a request that it should not have made; the party is told 900,
	// as for a failure.
	ErrRefused = errors.New("the channel refuses the request")
)

// Channel is a bearer to phones of one method. Implementations are safe for
// concurrent use.
type Channel interface {
	// Send hands a request over; it does not wait for the user. A request may
	// be handed over again after a restart: TransID and Op tell, and the user
	// must not be asked twice. An error means that the phone was not and will not
	// be asked: see ErrUnreachable.
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

// AnswerHandler receives what phones answer.
type AnswerHandler interface {
	// Answer returns an error if the answer was not taken: it is for another
	// device, or the store failed. A late answer is taken and dropped.
	Answer(ctx context.Context, a DeviceAnswer) error
}
