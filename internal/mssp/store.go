package mssp

import (
	"context"
	"errors"

	"github.com/signum-mssp/signum"
)

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
	ActivateDevice(ctx context.Context, deviceID string, k signum.KeyType, certSerial string) error
	// SetPINBlocked keeps what a device said of its PIN. ErrNotFound if there is
	// no such device.
	SetPINBlocked(ctx context.Context, deviceID string, blocked bool) error
	// DeactivateDevice switches a device off, as if it were not there.
	// ErrNotFound if there is none.
	DeactivateDevice(ctx context.Context, deviceID string) error

	Close() error
}
