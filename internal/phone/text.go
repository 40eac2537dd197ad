package phone

import (
	"context"
	"fmt"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

var _ mssp.TextSender = (*Network)(nil)

// SendText implements mssp.TextSender: the observer sees the text. Any
// number takes one, whether or not it has a device here, unless the person is
// Unreachable by some method. The error then wraps mssp.ErrUnreachable, as it does
// when the network is closed.
func (n *Network) SendText(ctx context.Context, m mssp.TextMessage) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	n.mu.RLock()
	h, closed := n.persons[m.MSISDN], n.closed
	n.mu.RUnlock()
	if closed {
		return fmt.Errorf("%w: %w", mssp.ErrUnreachable, ErrClosed)
	}
	e := Event{Time: n.c.Clock.Now(), Kind: Text, MSISDN: m.MSISDN, Text: m.Text, Flash: m.Flash}
	defer n.seen.flush()
	if h != nil && h.unreachable() {
		e.Kind, e.Code = Undelivered, signum.OTAError
		n.seen.add(e)
		return fmt.Errorf("%s is out of reach: %w", signum.MaskMSISDN(m.MSISDN), mssp.ErrUnreachable)
	}
	n.seen.add(e)
	return nil
}
