package mssp

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Errors of a Store.
var (
	// ErrNotFound means that there is no such row.
	ErrNotFound = errors.New("not found")
	// ErrDuplicate means that (AP_ID, AP_TransID, Instant) was used before.
	ErrDuplicate = errors.New("transaction exists")
	// ErrReceipted means that the transaction has a receipt already.
	ErrReceipted = errors.New("transaction has a receipt")
	// ErrNotSigned means that a transaction has no signature, so that it cannot have a
	// receipt.
	ErrNotSigned = errors.New("transaction has no signature")
	// ErrDeviceState means that the state of a device does not allow this.
	ErrDeviceState = errors.New("the device is not in a state for this")
	// ErrUncertain means that the store cannot tell whether a write was committed: the
	// connection broke at the end, or the database did not answer in time. Any other
	// error means that nothing was written.
	ErrUncertain = errors.New("it is not known whether this was written")
	// ErrConsent means that nobody has consented to a change.
	ErrConsent = errors.New("there is no consent to this change")
)

// RowKind is what an unreadable row is of.
type RowKind string

// The kinds of rows that a list may leave out, or that a read may refuse.
const (
	RowTransaction RowKind = "transaction"
	RowReceipt     RowKind = "receipt"
	RowParty       RowKind = "party"
	RowDevice      RowKind = "device"
	RowApp         RowKind = "App"
	RowCard        RowKind = "card"
	RowCertificate RowKind = "certificate"
)

// RowKinds are all of them.
var RowKinds = []RowKind{RowTransaction, RowReceipt, RowParty, RowDevice, RowApp, RowCard, RowCertificate}

// RowError means that a row is there but cannot be read: a newer version of the
// service wrote it, or somebody changed it by hand. One such row affects nothing
// but what it is about: lists leave it out, and an update refuses to overwrite it.
type RowError struct {
	Kind RowKind
	Key  string // of the row: an ID, a serial number or an ICCID
	Err  error
	// Transaction is what could be read of a transaction: as a rule everything but
	// Services and Outcome.Location, at least the ID. It is nil for other kinds.
	Transaction *Transaction
}

func (e *RowError) Error() string {
	return fmt.Sprintf("%s %s cannot be read: %v", e.Kind, e.Key, e.Err)
}

func (e *RowError) Unwrap() error { return e.Err }

// Store keeps everything that must survive. A write that returned nil is on disk.
// All methods are safe for concurrent use. Times are kept to the microsecond and
// come back in UTC.
//
// UpdateApp, UpdateParty and UpdateSubscriber take a function that changes the
// row. The store reads the row, calls the function and writes the row in one
// transaction, so that updates of one row follow each other, whichever nodes make
// them. The function gets its own copy of the row and changes it in place. It may
// be called more than once, and in another goroutine, so it must depend only on
// the row and on what it captured. It must return within microseconds, because the
// row is locked and other writes wait: it must not issue a certificate or call a
// store. If it returns an error, nothing is written, and the update returns that
// error.
type Store interface {
	TransactionStore
	CertificateStore
	AppStore
	CardStore
	ConsentStore
	NoticeStore

	// Party returns ErrNotFound for an unknown AP_ID, and *RowError if its row
	// cannot be read. The result is shared: callers must not change it.
	Party(ctx context.Context, id string) (*Party, error)
	// PartyIDs returns the AP_IDs of all parties, in order.
	PartyIDs(ctx context.Context) ([]string, error)
	// Pins returns the pins of all parties whose rows can be read.
	Pins(ctx context.Context) ([]Pin, error)
	// PutParty inserts or replaces a party, its pins included.
	PutParty(ctx context.Context, p *Party) error
	// UpdateParty changes all of a party but its ID. ErrNotFound.
	UpdateParty(ctx context.Context, id string, change func(*Party) error) error
	// RemoveParty deletes a party. Its transactions stay, and what is open goes on.
	// ErrNotFound.
	RemoveParty(ctx context.Context, id string) error

	// PutLogo keeps a logo for good: requests that name it may be open. Nothing changes if
	// it is there.
	PutLogo(ctx context.Context, l *Logo) error
	// Logo returns the image of a logo. ErrNotFound.
	Logo(ctx context.Context, id string) ([]byte, error)

	// Subscriber finds an account by its canonical MSISDN, with its devices and
	// the current certificate of each (DER, state and validity); the devices
	// are ordered by ID. A network that cannot be read is unknown: its device works
	// on. ErrNotFound if there is no such account.
	Subscriber(ctx context.Context, msisdn string) (*Subscriber, error)
	// Numbers returns the numbers of accounts that follow a number, in order, at most limit
	// of them. An empty number comes before all others.
	Numbers(ctx context.Context, after string, limit int) ([]string, error)
	// PutSubscriber inserts or replaces an account and its devices. A device that is
	// no longer listed is deleted. Certificate.Serial of a device names its current
	// certificate, whose row belongs to the CertificateStore and does not change.
	PutSubscriber(ctx context.Context, s *Subscriber) error
	// UpdateSubscriber changes all of an account but its MSISDN, as PutSubscriber does:
	// a device that the function drops is deleted. ErrNotFound.
	UpdateSubscriber(ctx context.Context, msisdn string, change func(*Subscriber) error) error
	// RemoveSubscriber deletes an account with its devices, Apps, invite, consents and
	// notices, in one transaction, and retires its cards. Certificates stay: the caller
	// revokes them first. A removal ends no transaction; see Inbox.Recheck. ErrNotFound.
	RemoveSubscriber(ctx context.Context, msisdn string, at time.Time) error
	// SerialKnown reports whether a certificate may have named the serial of an account,
	// so that parties know the user by it. ErrNotFound.
	SerialKnown(ctx context.Context, msisdn string) (bool, error)
	// ActivateDevice makes all changes of an activation or none. The device must be
	// registered and becomes active, with a PIN that is not blocked. If it is active
	// with this certificate already, nothing changes. ErrNotFound if there is no such
	// device or certificate, ErrDeviceState if the device is not registered, ErrConsent
	// if the account may not keep its serial.
	ActivateDevice(ctx context.Context, a *Activation) error
	// RenewDevice replaces the certificate of an active device, by compare-and-set.
	// False means that nothing changed: the device is gone, is not active or has
	// another certificate by now, or there is no certificate newSerial.
	RenewDevice(ctx context.Context, deviceID, oldSerial, newSerial string) (bool, error)
	// SetPINBlocked records whether the PIN of a device is blocked. ErrNotFound if
	// there is no such device.
	SetPINBlocked(ctx context.Context, deviceID string, blocked bool) error
	// EndDevice ends a device: it becomes inactive, so that requests treat it as absent,
	// and no request activates it. The first reason stays; a consent to the activation
	// of the device does not. ErrNotFound if there is no such device.
	EndDevice(ctx context.Context, deviceID string, why DeviceEnd, at time.Time) error
	// ReopenDevice makes a SIM that has ended registered again, without a certificate:
	// the next request of a party with auto activation activates it. A registered SIM
	// does not change. The caller answers for the owner or the operator having asked
	// for it. ErrNotFound if there is no such device, ErrDeviceState if it is active or
	// not a SIM, ErrCardState if its card is blocked.
	ReopenDevice(ctx context.Context, deviceID string) error

	Close() error
}
