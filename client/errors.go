package client

import (
	"fmt"
	"strconv"
	"time"
)

// TransportError means that no complete answer came: the name did not resolve,
// the connection was refused or broke, or TLS failed on either side. If the
// connection broke, the service may have accepted the request all the same.
type TransportError struct {
	URL string
	Err error
}

func (e *TransportError) Error() string { return fmt.Sprintf("no answer from %s: %v", e.URL, e.Err) }

// Unwrap returns the cause.
func (e *TransportError) Unwrap() error { return e.Err }

// TimeoutError says which time limit ran out.
type TimeoutError struct {
	Limit string        // the name of the limit, for example "connect timeout"
	After time.Duration // how long the call waited
	Err   error         // the cause: context.DeadlineExceeded for a deadline of the caller; may be nil
}

func (e *TimeoutError) Error() string {
	return fmt.Sprintf("%s after %s", e.Limit, e.After.Round(time.Millisecond))
}

// Unwrap returns the cause, if there is one.
func (e *TimeoutError) Unwrap() error { return e.Err }

// Timeout implements the timeout test of net.Error.
func (e *TimeoutError) Timeout() bool { return true }

// AnswerError means that the HTTP answer is not an MSS message, or not the answer
// to this request.
type AnswerError struct {
	URL         string
	HTTPStatus  int
	ContentType string // as received
	Excerpt     string // the first bytes of the body, quoted, printable ASCII
	Err         error  // what is wrong with it
}

func (e *AnswerError) Error() string {
	return fmt.Sprintf("no valid MSS answer from %s: HTTP %d, %v; body starts %s",
		e.URL, e.HTTPStatus, e.Err, e.Excerpt)
}

// Unwrap returns what is wrong with the answer.
func (e *AnswerError) Unwrap() error { return e.Err }

// excerptBytes is how much of a body an AnswerError shows: enough for the title of
// an error page.
const excerptBytes = 160

func excerpt(body []byte) string {
	if len(body) > excerptBytes {
		return strconv.QuoteToASCII(string(body[:excerptBytes])) + "…"
	}
	return strconv.QuoteToASCII(string(body))
}
