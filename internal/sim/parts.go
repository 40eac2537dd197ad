package sim

import (
	"context"
	"errors"
	"fmt"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/sms"
)

// errParts means that the store failed to keep or to find the parts of a message.
var errParts = errors.New("parts of a message")

// join adds a message to the parts that have arrived, and returns the message that this
// completes. If other nodes may get the other parts, it is in the store before the SMSC
// hears that it has arrived, and shared is not nil: the parts are to be deleted when the message
// was handled. Two nodes that get the last parts at the same time both handle it; the engine
// takes an answer once.
func (c *Channel) join(ctx context.Context, in *arrival, h sms.Header, body []byte) (m sms.Message, complete bool, shared *mssp.MessagePart, err error) {
	part, long, err := h.Concat()
	if err != nil || !long || part.Total == 1 || int(part.Total) > c.cfg.ReplyParts || !c.shared() {
		m, complete, err = c.parts.Add(in.at, in.msisdn, body)
		return m, complete, nil, err
	}
	p := &mssp.MessagePart{MSISDN: in.msisdn, Ref: int(part.Ref), Total: int(part.Total), Seq: int(part.Seq), Body: body}
	if part.Wide {
		p.Ref |= 1 << 16
	}
	if err := c.cfg.Parts.PutPart(ctx, p, c.cfg.ReplyParts); err != nil {
		return m, false, nil, fmt.Errorf("%w: %w", errParts, err)
	}
	// Of the nodes that get the last parts at the same time, each sees all of them: the
	// parts are committed before they look.
	others, err := c.cfg.Parts.OtherParts(ctx, p, c.cfg.ReplyLifetime)
	if err != nil {
		return m, false, nil, fmt.Errorf("%w: %w", errParts, err)
	}
	m, complete, err = c.parts.Add(in.at, in.msisdn, body)
	for _, other := range others {
		if complete || err != nil {
			break
		}
		m, complete, err = c.parts.Add(in.at, in.msisdn, other.Body)
	}
	return m, complete, p, err
}

// joined deletes the parts of a message that was handled. If that fails, they stay until they
// are too old.
func (c *Channel) joined(ctx context.Context, shared *mssp.MessagePart) {
	if shared == nil {
		return
	}
	if err := c.cfg.Parts.DeleteParts(ctx, shared); err != nil {
		c.log.DebugContext(ctx, "parts of a message stay until they are too old", "err", err)
	}
}
