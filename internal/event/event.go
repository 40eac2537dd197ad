package event

import (
	"context"
	"strconv"
	"time"

	"github.com/signum-mssp/signum"
)

// Event is what is known of one call of one entrance. The entrance makes it,
// whoever handles the call completes it, and it is emitted once, at the end.
type Event struct {
	Start    time.Time
	Entrance string // "rest", "soap", "app", "portal", "pki", "smpp"
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

// Label is what metrics call the outcome: the TS 102 204 code, the reason, or
// "ok".
func (e *Event) Label() string {
	switch {
	case e.Code != 0:
		return strconv.Itoa(int(e.Code))
	case e.Reason != "":
		return e.Reason
	case e.Cause != nil:
		return "internal"
	}
	return "ok"
}

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
