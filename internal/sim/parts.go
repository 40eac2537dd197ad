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
// hears that it has arrived.
func (c *Channel) join(ctx context.Context, in *arrival, h sms.Header, body []byte) (m sms.Message, complete bool, err error) {
	part, long, err := h.Concat()
	if err != nil || !long || part.Total == 1 || int(part.Total) > c.cfg.ReplyParts || !c.shared() {
		return c.parts.Add(in.at, in.msisdn, body)
	}
	p := &mssp.MessagePart{MSISDN: in.msisdn, Ref: int(part.Ref), Total: int(part.Total), Seq: int(part.Seq), Body: body}
	if part.Wide {
		p.Ref |= 1 << 16
	}
	if err := c.cfg.Parts.PutPart(ctx, p, c.cfg.ReplyParts); err != nil {
		return m, false, fmt.Errorf("%w: %w", errParts, err)
	}
	// Of the nodes that get the last parts at the same time, each sees all of them: the
	// parts are committed before they look.
	others, err := c.cfg.Parts.OtherParts(ctx, p, c.cfg.ReplyLifetime)
	if err != nil {
		return m, false, fmt.Errorf("%w: %w", errParts, err)
	}
	if m, complete, err = c.parts.Add(in.at, in.msisdn, body); err != nil || complete {
		return m, complete, err
	}
	for _, other := range others {
		if m, complete, err = c.parts.Add(in.at, in.msisdn, other.Body); err == nil && complete {
			break
		}
	}
	if !complete {
		return m, false, nil
	}
	// If the store cannot tell who was first, both handle the message: the engine takes an
	// answer once.
	if first, err := c.cfg.Parts.TakeParts(ctx, p); err == nil && !first {
		return m, false, nil
	}
	return m, true, nil
}
