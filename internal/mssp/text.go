package mssp

import (
	"context"
)

// TextMessage is a short message to a subscriber.
type TextMessage struct {
	MSISDN string // E.164 with leading +
	Text   string
	Flash  bool // shown at once and not kept (class 0)
}

// TextSender sends short messages. It is safe for concurrent use.
type TextSender interface {
	// SendText hands a message over to the network; nil does not mean that it
	// was read. Errors are those of Channel.Send.
	SendText(ctx context.Context, m TextMessage) error
}
