package smpp

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/event/eventtest"
	"github.com/signum-mssp/signum/internal/testkit"
)

// Each deliver_sm makes one event, with the status that answered it.
func TestDeliverEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s eventtest.Sink
		log := slog.New(slog.DiscardHandler)
		p := newPair(t, ClientConfig{
			DeliverWindow: 1, Events: event.New(systemClock{}, log, &s),
			Deliver: func(ctx context.Context, d *DeliverSM, e *event.Event) Status {
				e.Op = "text"
				switch string(d.ShortMessage) {
				case "panic":
					panic("cannot happen")
				case "error":
					e.Cause = errors.New("disk full")
					return StatusRxTempError
				case "slow":
					<-ctx.Done()
				case "odd":
					e.Reason = "odd"
				}
				return StatusOK
			},
		}, ServerConfig{})
		defer p.close()
		p.bound(1)
		session := p.server.Sessions()[0]
		for _, text := range []string{"good", "odd", "error", "panic", "panic", "panic", "panic"} {
			if _, err := session.Deliver(within(time.Minute), messageOf(text)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait() // the event comes after the answer
		}
		var slow sync.WaitGroup
		slow.Go(func() { _, _ = session.Deliver(within(time.Minute), messageOf("slow")) })
		synctest.Wait()
		if _, err := session.Deliver(within(time.Minute), messageOf("good")); err != nil {
			t.Fatal(err)
		}
		slow.Wait()
		synctest.Wait()
		want := []struct {
			op, label string
			status    Status
			cause     bool
		}{
			{"text", "ok", StatusOK, false},
			{"text", "odd", StatusOK, false},
			{"text", "internal", StatusRxTempError, true},
			{"text", "internal", StatusRxTempError, true},
			{"text", "internal", StatusRxTempError, true},
			{"text", "dropped", StatusOK, true},
			{"deliver", "dropped", StatusOK, false},
			{"deliver", "busy", StatusRxTempError, false},
			{"text", "ok", StatusOK, false},
		}
		got := s.Events()
		if len(got) != len(want) {
			t.Fatalf("%d events, want %d: %+v", len(got), len(want), got)
		}
		for i, e := range got {
			w := want[i]
			if e.Entrance != "smpp" || e.Source != "pipe" || e.Op != w.op || e.Label() != w.label || e.Status != int(w.status) ||
				(e.Cause != nil) != w.cause || (e.Incident != "") != w.cause {
				t.Errorf("event %d is %+v, want %+v", i, e, w)
			}
		}
	})
}

// An SMSC cannot fill the log, neither with PDUs that cannot be read nor with
// messages that have no effect.
func TestFloodOfTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const flood = 2000
		var log testkit.Buffer
		var s eventtest.Sink
		logger := slog.New(slog.NewTextHandler(&log, nil))
		p := newPair(t, ClientConfig{
			Logger: logger, Events: event.New(systemClock{}, logger, &s),
			Deliver: func(_ context.Context, _ *DeliverSM, e *event.Event) Status {
				e.Reason = "forged"
				return StatusOK
			},
		}, ServerConfig{})
		p.bound(1)
		session := p.server.Sessions()[0]
		for range flood {
			bad, err := PDU{Sequence: maxSeq, Body: messageOf("text")}.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			bad[headerLen] = 'x' // service_type does not end
			copy(bad[headerLen+1:], "xxxxxxxx")
			session.conn.out <- outgoing{frame: bad, pdu: PDU{Body: messageOf("")}}
			if st, err := session.Deliver(within(time.Minute), messageOf("text")); err != nil || st != StatusOK {
				t.Fatal(st, err)
			}
		}
		p.close()
		if n := len(s.Events()); n != 2*flood {
			t.Errorf("%d events, want %d", n, 2*flood)
		}
		if n := strings.Count(log.String(), "\n"); n > 10 {
			t.Errorf("%d lines in the log:\n%.2000s", n, log.String())
		}
	})
}
