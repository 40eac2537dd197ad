package edge

import (
	"context"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// Service is what an edge can ask; the engine implements it. Errors are
// *signum.Fault, anything else is answered as 900.
type Service interface {
	Sign(ctx context.Context, c *mssp.Caller, r *signum.SignatureRequest) (*signum.SignatureResponse, error)
	Status(ctx context.Context, c *mssp.Caller, r *signum.StatusRequest) (*signum.StatusResponse, error)
	Receipt(ctx context.Context, c *mssp.Caller, r *signum.ReceiptRequest) (*signum.ReceiptResponse, error)
	Profile(ctx context.Context, c *mssp.Caller, r *signum.ProfileRequest) (*signum.ProfileResponse, error)
}

// Form is what a wire remembers of a request in order to answer in the same
// form. The zero value is what a wire uses when it could not tell.
type Form uint8

// Endpoint is one address of a wire. With OpAny the message inside tells the
// operation.
type Endpoint struct {
	Path string
	Op   signum.Operation
}

// Document is a contract that a wire publishes, with GET and without a client
// certificate: who writes a client wants to read it first.
type Document struct {
	Path        string
	Query       string // that asks for it, such as wsdl; empty: none needed
	ContentType string
	// Body is the document for clients that reach the service under the base
	// URL, https://host.
	Body func(base string) []byte
}

// Wire is one encoding of the MSS calls: JSON or SOAP. It is stateless and
// knows no rules.
type Wire interface {
	Name() string // for events: "rest", "soap"
	Endpoints() []Endpoint
	Documents() []Document
	// Accepts reports whether a request's media type (lower case, parameters
	// cut off, empty if absent) may be this wire's.
	Accepts(mediaType string) bool
	// ContentType is that of every answer and fault.
	ContentType() string
	// Decode reads one message. The returned error is a *signum.Fault (101 for
	// what is not well-formed or not a message of op); the form is valid also
	// then, as far as it was seen. The request does not alias body.
	Decode(op signum.Operation, body []byte) (signum.Request, Form, error)
	// AppendResponse and AppendFault append the whole body of an answer.
	AppendResponse(dst []byte, f Form, r signum.Response) []byte
	AppendFault(dst []byte, f Form, flt *signum.Fault) []byte
}
