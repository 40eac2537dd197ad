package smpp

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum/internal/event"
)

// A peer that keeps to its window of one message is never told that there are too
// many: the slot of a message is free before its response leaves.
func TestSlotIsFreeBeforeTheResponse(t *testing.T) {
	const messages = 2000
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, ClientConfig{
			Window:  1,
			Deliver: func(context.Context, *DeliverSM, *event.Event) Status { return StatusOK },
		}, ServerConfig{
			Window: 1,
			Submit: func(context.Context, *Session, *SubmitSM) (string, Status, func()) { return "1", StatusOK, nil },
		})
		defer p.close()
		p.bound(1)
		session := p.server.Sessions()[0]
		for range messages {
			if st, err := session.Deliver(within(time.Minute), messageOf("text")); err != nil || st != StatusOK {
				t.Fatalf("deliver_sm: %v, %v", st, err)
			}
			if _, err := p.client.Submit(within(time.Minute), hello); err != nil {
				t.Fatalf("submit_sm: %v", err)
			}
		}
	})
}
