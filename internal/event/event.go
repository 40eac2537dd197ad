package event

import (
	"context"
	"strconv"
	"time"

	"github.com/signum-mssp/signum"
)

// Event is what is known of one call of one entrance. The entrance makes it,
// the handlers of the call complete it, and it is emitted once, at the end.
type Event struct {
	Start    time.Time
	Entrance string // "rest", "soap", "mss", "app", "portal", "pages", "pki", "smpp"
	Op       string // of the entrance; one of a fixed set, because metrics have it as a label
	Source   string // IP address of the caller

	APID      string
	APTransID string
	Pin       string // SHA-256 of a client certificate that was refused, hexadecimal
	MSISDN    string // as it was sent; sinks mask it
	TransID   string
	Device    string

	Status int         // of HTTP or SMPP; 0: the protocol has none
	Close  int         // closing code of a WebSocket, on the event of the whole connection
	Code   signum.Code // of TS 102 204; 0: none
	Reason string      // the code's name, or what the protocol calls the refusal
	Detail string      // what the caller was told besides
	Note   string      // what the log should know besides the answer

	Incident string // of an internal error
	Cause    error  // of an internal error; it never leaves the log
	Repeated bool   // one like it is in the log already, see Recorder.Fail and Sample
	Took     time.Duration
}

// Label is what metrics call the outcome: the TS 102 204 code, the reason, the
// HTTP status of an error, or "ok".
func (e *Event) Label() string {
	switch {
	case e.Code != 0:
		return strconv.Itoa(int(e.Code))
	case e.Reason != "":
		return e.Reason
	case e.Cause != nil:
		return "internal"
	case e.httpError():
		return "http " + strconv.Itoa(e.Status)
	}
	return "ok"
}

// Result is how a call ended, in one of three words.
type Result string

// The results.
const (
	OK       Result = "ok"
	Refused  Result = "refused"  // by the service or its user
	Internal Result = "internal" // the service failed
)

// Result sums up the outcome.
func (e *Event) Result() Result {
	switch {
	case e.Cause != nil:
		return Internal
	case e.Fault(), e.Code == 0 && e.Reason != "", e.httpError():
		return Refused
	}
	return OK
}

// Fault reports whether the code is that of a request that failed, or was refused.
// No code is no fault.
func (e *Event) Fault() bool {
	switch e.Code {
	case 0, signum.RequestOK, signum.SignatureMade, signum.ValidSignature, signum.OutstandingTransact:
		return false
	}
	return true
}

// httpError is false for SMPP, which does not use these numbers.
func (e *Event) httpError() bool { return e.Status >= 400 && e.Status <= 599 && e.Code == 0 }

// Sink takes events when they are complete. It must not keep or change them.
type Sink interface {
	Record(ctx context.Context, e *Event)
}

// Clip bounds what a request can put into the log: 128 bytes.
func Clip(s string) string {
	const most = 128
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
