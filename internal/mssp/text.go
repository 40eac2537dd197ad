package mssp

import (
	"context"
)

// TextMessage is a short message to a subscriber.
type TextMessage struct {
	MSISDN string // E.164 with leading +
	Text   string
	Flash  bool // to show at once and not keep (class 0, 3GPP TS 23.038)
}

// TextSender sends short messages. It is safe for concurrent use.
type TextSender interface {
	// SendText hands a message over to the network. Nil means that the network has
	// accepted it, not that it was delivered. Errors are as with Channel.Send.
	SendText(ctx context.Context, m TextMessage) error
}
