package edge

import (
	"context"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// Service answers requests; the engine implements it. An error that is not a
// *signum.Fault is answered as 900.
type Service interface {
	Sign(ctx context.Context, c *mssp.Caller, r *signum.SignatureRequest) (*signum.SignatureResponse, error)
	Status(ctx context.Context, c *mssp.Caller, r *signum.StatusRequest) (*signum.StatusResponse, error)
	Receipt(ctx context.Context, c *mssp.Caller, r *signum.ReceiptRequest) (*signum.ReceiptResponse, error)
	Profile(ctx context.Context, c *mssp.Caller, r *signum.ProfileRequest) (*signum.ProfileResponse, error)
}

// Form is what a wire remembers of a request so that it can answer in the same
// form. A wire that could not tell the form uses the zero value.
type Form uint8

// Endpoint is one address of a wire. With OpAny the message tells the operation.
type Endpoint struct {
	Path string
	Op   signum.Operation
}

// Document is a contract that a wire publishes. GET returns it, and needs no client
// certificate, because people read it before they write a client.
type Document struct {
	Path        string
	Query       string // the query that asks for it, such as wsdl, in any case; empty: none is needed
	ContentType string
	// Body returns the document for clients that reach the service by the base URL,
	// https://host:port.
	Body func(base string) []byte
}

// Wire is one encoding of the MSS calls: JSON or SOAP. It has no state and knows no
// rules.
type Wire interface {
	Name() string // for events: "rest", "soap"
	Endpoints() []Endpoint
	Documents() []Document
	// Accepts reports whether the wire accepts requests of a media type, given in lower
	// case and without parameters; it is empty if the request names none.
	Accepts(mediaType string) bool
	// ContentType returns the Content-Type of every answer and fault.
	ContentType() string
	// Decode reads one message. Its error is a *signum.Fault: 101 for what is not well
	// formed or is not a message of op. Even then the form is valid, as far as it was
	// seen. The request does not alias body.
	Decode(op signum.Operation, body []byte) (signum.Request, Form, error)
	// AppendResponse and AppendFault append the body of an answer.
	AppendResponse(dst []byte, f Form, r signum.Response) []byte
	AppendFault(dst []byte, f Form, flt *signum.Fault) []byte
}
