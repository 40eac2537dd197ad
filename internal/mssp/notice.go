package mssp

import (
	"context"
	"errors"
	"slices"
	"time"
)

// NoticeKind is a change of an account that its owner is told of.
type NoticeKind string

// The changes that are announced.
const (
	NoticeAppAdded     NoticeKind = "app_added"
	NoticeAppRemoved   NoticeKind = "app_removed"
	NoticeSIMEnded     NoticeKind = "sim_ended"
	NoticeSIMActivated NoticeKind = "sim_activated"
	// NoticeSIMWaiting: the operator gave the account another SIM, or lets one that had
	// ended be activated again. The owner can end it before somebody activates it.
	NoticeSIMWaiting    NoticeKind = "sim_waiting"
	NoticeRecoveryCode  NoticeKind = "recovery_code"  // there is a new one
	NoticeRecoveryLogin NoticeKind = "recovery_login" // somebody logged in with it
	NoticeSuspended     NoticeKind = "suspended"      // the account, by a session or an objection
)

// NoticeKinds are all of them.
var NoticeKinds = []NoticeKind{
	NoticeAppAdded, NoticeAppRemoved, NoticeSIMEnded, NoticeSIMActivated, NoticeSIMWaiting, NoticeRecoveryCode, NoticeRecoveryLogin, NoticeSuspended,
}

// Known reports whether this is one of NoticeKinds.
func (k NoticeKind) Known() bool { return slices.Contains(NoticeKinds, k) }

// ErrTooNew means that an App was added so recently that it can change nothing on an
// account that has an older method.
var ErrTooNew = errors.New("the App is too new to change the account")

// NoticeFor is how long the owner of an account can object to a change.
const NoticeFor = 24 * time.Hour

// Notice tells the owner of an account of a change. The owner can object once.
type Notice struct {
	ID       string
	MSISDN   string
	Kind     NoticeKind
	DeviceID string // that the change is about; empty: none. It is not told
	Name     string // of that App
	// ByCode means that the recovery code allowed the change, and no signature.
	ByCode bool
	// CodeHash is the SHA-256 of the code with which a text message can object.
	CodeHash []byte
	Created  time.Time
	Expires  time.Time
}

// Change is what a Notifier announces: see Notice.
type Change struct {
	MSISDN   string
	Kind     NoticeKind
	DeviceID string
	Name     string
	ByCode   bool
	Lang     string // of the text message; empty: the default
}

// Notifier announces changes of accounts to their owners.
type Notifier interface {
	// Notify returns soon and never fails: the change has been made, and stands even if
	// nobody could be told.
	Notify(ctx context.Context, c Change)
}

// NoticeStore keeps notices until they expire or somebody objects.
type NoticeStore interface {
	PutNotice(ctx context.Context, n *Notice) error
	// Notices lists the notices of an account that have not expired, oldest first.
	Notices(ctx context.Context, msisdn string, now time.Time) ([]*Notice, error)
	// NoticeByCode finds a notice that has not expired by the hash of its code;
	// ErrNotFound.
	NoticeByCode(ctx context.Context, codeHash []byte, now time.Time) (*Notice, error)
	// TakeNotice deletes a notice that has not expired, for an objection: of several
	// callers, one gets it. ErrNotFound.
	TakeNotice(ctx context.Context, msisdn, id string, now time.Time) (*Notice, error)
}
