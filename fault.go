package signum

import (
	"errors"
	"fmt"
	"time"
)

// Fault is the error of a request that was refused or a transaction that failed.
// Package client returns the same value over either wire. Find it in an error
// with [AsFault], or compare codes with errors.Is(err, &Fault{Code: …}).
type Fault struct {
	Code   Code
	Detail string // for the application provider; it never tells an internal cause
	// RetryAfter is how long to wait before the same request can succeed, of a request
	// that was refused because there were too many; 0: not known. On the wire it is
	// the HTTP header Retry-After, in whole seconds.
	RetryAfter time.Duration
}

// NewFault returns a fault with the documented detail of its code.
func NewFault(c Code) *Fault { return &Fault{Code: c, Detail: c.Detail()} }

// Faultf returns a fault whose detail is formatted like fmt.Sprintf.
func Faultf(c Code, format string, args ...any) *Fault {
	return &Fault{Code: c, Detail: fmt.Sprintf(format, args...)}
}

// Error returns code, name and detail, for example "401 USER_CANCEL: User
// cancelled the request".
func (f *Fault) Error() string {
	if f.Detail == "" {
		return fmt.Sprintf("%d %s", int(f.Code), f.Code)
	}
	return fmt.Sprintf("%d %s: %s", int(f.Code), f.Code, f.Detail)
}

// Is makes errors.Is match a target *Fault by its code. The details must be equal
// too, unless the target's is empty.
func (f *Fault) Is(target error) bool {
	t, ok := target.(*Fault)
	return ok && t.Code == f.Code && (t.Detail == "" || t.Detail == f.Detail)
}

// AsFault returns the fault in err's tree, or nil if there is none.
func AsFault(err error) *Fault {
	var f *Fault
	if errors.As(err, &f) {
		return f
	}
	return nil
}

// Details that the interface documents for particular causes, in place of the
// code's own.
const (
	DetailIllegalMSISDN = "Illegal msisdn"                             // 101
	DetailCredentials   = "Wrong SSL credentials"                      // 104
	DetailNoTransaction = "There is no such transaction."              // 101
	DetailTimeout       = "Timed out waiting for an answer from user." // 208, to the request itself
	DetailTimeoutStatus = "Original request timed out."                // 208, to a status query
	// DetailReceiptSent is that of 101.
	DetailReceiptSent = "Receipt already sent for this transaction. Only one receipt allowed per transaction."
)

// Details of Signum's own.
const (
	DetailTooMany   = "Too many requests"                               // 900, with RetryAfter
	DetailBusy      = "The service is busy"                             // 900, with RetryAfter
	DetailOTPNumber = "No one-time password may be sent to this number" // 101
	DetailReported  = "User cancelled the request (reported)"           // 401: the user did not make the request
)
