package smpp

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/testkit"
)

func messageOf(text string) *DeliverSM {
	return &DeliverSM{
		Source: Address{TONInternational, NPIISDN, "41791234567"}, Dest: Address{TONInternational, NPIISDN, "41790000500"},
		ShortMessage: []byte(text),
	}
}

// A message whose handling always panics is delivered three times at most, and
// does not disturb the messages beside it.
func TestPoisonedMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var handled atomic.Int32
		var log testkit.Buffer
		p := newPair(t, ClientConfig{
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
			Deliver: func(_ context.Context, d *DeliverSM, _ *event.Event) Status {
				if string(d.ShortMessage) == "poison" {
					handled.Add(1)
					panic("cannot happen")
				}
				return StatusOK
			},
		}, ServerConfig{})
		p.bound(1)
		session := p.server.Sessions()[0]
		deliver := func(text string, want Status) {
			t.Helper()
			if st, err := session.Deliver(within(time.Minute), messageOf(text)); err != nil || st != want {
				t.Errorf("%s: %v, %v; want %v", text, st, err, want)
			}
		}
		deliver("poison", StatusRxTempError)
		deliver("good", StatusOK)
		deliver("poison", StatusRxTempError)
		deliver("poison", StatusOK)
		deliver("poison", StatusOK) // the SMSC missed the answer
		deliver("good", StatusOK)
		if n := handled.Load(); n != 3 {
			t.Errorf("handled %d times, want 3", n)
		}
		p.close()
		if n := strings.Count(log.String(), "message dropped"); n != 1 {
			t.Errorf("%d lines say that the message was dropped, want 1:\n%s", n, log.String())
		}
		if p.client.Bound() != 0 {
			t.Error("still bound")
		}
	})
}

// A message that is handled after all is no longer counted.
func TestPanicThatPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := true
		p := newPair(t, ClientConfig{Deliver: func(context.Context, *DeliverSM, *event.Event) Status {
			if broken {
				panic("not yet")
			}
			return StatusOK
		}}, ServerConfig{})
		defer p.close()
		p.bound(1)
		session := p.server.Sessions()[0]
		for i, want := range []Status{StatusRxTempError, StatusRxTempError, StatusOK, StatusRxTempError, StatusRxTempError, StatusOK} {
			broken = i != 2
			if st, err := session.Deliver(within(time.Minute), messageOf("text")); err != nil || st != want {
				t.Errorf("delivery %d: %v, %v; want %v", i+1, st, err, want)
			}
		}
		if n := len(p.client.poison.seen); n != 1 {
			t.Errorf("%d messages remembered, want 1", n)
		}
	})
}

func TestPoisonForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPoison()
		for range maxPanics {
			p.add(messageOf("old"))
		}
		if !p.dropped(messageOf("old")) {
			t.Fatal("not remembered")
		}
		time.Sleep(poisonLifetime)
		if p.dropped(messageOf("old")) {
			t.Error("remembered beyond its lifetime")
		}
		for i := range 3 * maxPoison {
			p.add(messageOf(fmt.Sprint(i)))
			time.Sleep(time.Second)
		}
		if n := len(p.seen); n != maxPoison {
			t.Errorf("%d messages remembered, want %d", n, maxPoison)
		}
		if n := p.add(messageOf(fmt.Sprint(3*maxPoison - 1))); n != 2 {
			t.Errorf("the newest was counted %d times, want 2", n)
		}
		if n := p.add(messageOf("0")); n != 1 {
			t.Errorf("the oldest was counted %d times, want 1", n)
		}
	})
}

// Everything that makes two messages differ for their handler counts; the
// optional parameters do not, because an SMSC may change them from one delivery
// to the next.
func TestPoisonKey(t *testing.T) {
	base := messageOf("text")
	changes := map[string]func(*DeliverSM){
		"source":           func(d *DeliverSM) { d.Source.Addr = "41791234568" },
		"source's type":    func(d *DeliverSM) { d.Source.TON = 2 },
		"destination":      func(d *DeliverSM) { d.Dest.Addr = "41790000501" },
		"esm_class":        func(d *DeliverSM) { d.ESMClass = UDHI },
		"protocol_id":      func(d *DeliverSM) { d.ProtocolID = 0x7f },
		"data_coding":      func(d *DeliverSM) { d.DataCoding = 4 },
		"text":             func(d *DeliverSM) { d.ShortMessage = []byte("texT") },
		"a shifted border": func(d *DeliverSM) { d.Source.Addr, d.Dest.Addr = d.Source.Addr+"4", d.Dest.Addr[1:] },
	}
	p := newPoison()
	for name, change := range changes {
		d := *base
		change(&d)
		if p.key(&d) == p.key(base) {
			t.Errorf("a message with another %s is the same", name)
		}
	}
	d := *base
	d.TLVs = []TLV{{TagReceiptedMessageID, []byte("7\x00")}}
	if p.key(&d) != p.key(base) {
		t.Error("a message with a TLV more is another")
	}
}
