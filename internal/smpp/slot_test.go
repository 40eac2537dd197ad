package smpp

import (
	"context"
	"sync"
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
			DeliverWindow: 1,
			Deliver:       func(context.Context, *DeliverSM, *event.Event) Status { return StatusOK },
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

// A phone that sends without end leaves slots to the others.
func TestOneSourceLeavesSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		p := newPair(t, ClientConfig{
			DeliverWindow: 10,
			Deliver: func(_ context.Context, d *DeliverSM, _ *event.Event) Status {
				if string(d.ShortMessage) == "flood" {
					<-release
				}
				return StatusOK
			},
		}, ServerConfig{DeliverWindow: 100})
		defer p.close()
		p.bound(1)
		session := p.server.Sessions()[0]
		var mu sync.Mutex
		got := map[Status]int{}
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				st, err := session.Deliver(within(time.Minute), messageOf("flood"))
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				got[st]++
			})
		}
		synctest.Wait()
		other := messageOf("text")
		other.Source.Addr = "41790000002"
		if st, err := session.Deliver(within(time.Minute), other); err != nil || st != StatusOK {
			t.Errorf("another phone: %v, %v", st, err)
		}
		close(release)
		all.Wait()
		if got[StatusOK] != 5 || got[StatusRxTempError] != 15 {
			t.Errorf("of the flood: %v", got)
		}
		synctest.Wait()
		if n := len(p.client.taken); n != 0 {
			t.Errorf("%d sources left", n)
		}
	})
}
