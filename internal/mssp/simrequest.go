package mssp

import (
	"context"
	"time"
)

// SIMRequest is what another node needs to go on with a request to a SIM card, or the
// same one after a restart.
type SIMRequest struct {
	TransID  string
	DeviceID string
	MSISDN   string
	Op       DeviceOp
	Step     int    // of the request, from 0; it never goes back
	State    []byte // JSON of the SIM channel
	Expires  time.Time
	// Unknown means that the writer knows of the step and nothing else: a row of the same step
	// stays. It is not stored.
	Unknown bool
}

// SIMRequestStore keeps the requests to SIM cards that are still open after their first
// repetition, or that a node left when it stopped.
type SIMRequestStore interface {
	// PutSIMRequest adds the request of a transaction, or replaces one of another
	// operation, or of the same or an earlier step.
	PutSIMRequest(ctx context.Context, r *SIMRequest) error
	// SIMRequest finds the request of a transaction; ErrNotFound.
	SIMRequest(ctx context.Context, transID string) (*SIMRequest, error)
	// DeleteSIMRequest deletes the request of a transaction, if there is one.
	DeleteSIMRequest(ctx context.Context, transID string) error
}

// MessagePart is a part of a long message from a phone.
type MessagePart struct {
	MSISDN string
	Ref    int // of the message, with its width
	Total  int
	Seq    int
	Body   []byte // user data, with its header
}

// PartStore keeps the parts of messages that arrive at several nodes.
type PartStore interface {
	// PutPart adds a part. A part of the same number is replaced. If there are most other
	// parts of its phone, the oldest message goes.
	PutPart(ctx context.Context, p *MessagePart, most int) error
	// OtherParts returns the other parts of the same message that are not older than that,
	// in their order.
	OtherParts(ctx context.Context, p *MessagePart, age time.Duration) ([]MessagePart, error)
	// DeleteParts deletes the parts of a message that was handled.
	DeleteParts(ctx context.Context, p *MessagePart) error
}
