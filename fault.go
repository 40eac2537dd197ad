package signum

import (
	"errors"
	"fmt"
)

// Fault is the one typed error that crosses packages and wires. Every refusal
// and every failed transaction is a Fault; the client rebuilds the same value
// from either wire.
type Fault struct {
	Code   Code
	Detail string // shown to the application provider; never a cause from inside
}

// NewFault returns a fault with the documented detail of its code.
func NewFault(c Code) *Fault { return &Fault{Code: c, Detail: c.Detail()} }

// Faultf returns a fault with a detail of its own.
func Faultf(c Code, format string, args ...any) *Fault {
	return &Fault{Code: c, Detail: fmt.Sprintf(format, args...)}
}

// Error names code, reason and detail.
func (f *Fault) Error() string {
	if f.Detail == "" {
		return fmt.Sprintf("%d %s", int(f.Code), f.Code)
	}
	return fmt.Sprintf("%d %s: %s", int(f.Code), f.Code, f.Detail)
}

// Is makes errors.Is(err, &Fault{Code: c}) match any fault of that code.
func (f *Fault) Is(target error) bool {
	t, ok := target.(*Fault)
	return ok && t.Code == f.Code && (t.Detail == "" || t.Detail == f.Detail)
}

// AsFault returns the fault in err's chain, or nil.
func AsFault(err error) *Fault {
	var f *Fault
	if errors.As(err, &f) {
		return f
	}
	return nil
}

// Detail texts that the interface documents for particular causes.
const (
	DetailIllegalMSISDN = "Illegal msisdn"
	DetailCredentials   = "Wrong SSL credentials"
	DetailNoTransaction = "There is no such transaction."
	DetailTimeout       = "Timed out waiting for an answer from user."
	DetailTimeoutStatus = "Original request timed out."
	DetailReceiptSent   = "Receipt already sent for this transaction. Only one receipt allowed per transaction."
)
