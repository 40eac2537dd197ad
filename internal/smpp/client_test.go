package smpp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum/internal/event"
)

func TestSubmitAndDeliver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := make(chan *SubmitSM, 1)
		delivered := make(chan *DeliverSM, 1)
		p := newPair(t, ClientConfig{
			Deliver: func(_ context.Context, d *DeliverSM, _ *event.Event) Status { delivered <- d; return StatusRxPermError },
		}, ServerConfig{
			Submit: submits(func(_ context.Context, s *Session, m *SubmitSM) (string, Status) {
				got <- m
				return "abc-" + s.SystemID(), StatusOK
			}),
		})
		defer p.close()
		id, err := p.client.Submit(within(time.Minute), hello)
		if err != nil || id != "abc-signum" {
			t.Fatalf("id %q, error %v", id, err)
		}
		if m := <-got; string(m.ShortMessage) != "hello" || m.Dest != hello.Dest {
			t.Errorf("the server has %+v", m)
		}
		s := p.server.Sessions()
		if len(s) != 1 || s[0].Mode() != CmdBindTransceiver {
			t.Fatalf("sessions %v", s)
		}
		st, err := s[0].Deliver(within(time.Minute), (*DeliverSM)(hello))
		if err != nil || st != StatusRxPermError {
			t.Errorf("status %v, error %v", st, err)
		}
		if d := <-delivered; string(d.ShortMessage) != "hello" {
			t.Errorf("the client has %+v", d)
		}
	})
}

// Every status is returned to the caller at once, and the session stays bound.
func TestRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var answer atomic.Uint32
		p := newPair(t, ClientConfig{}, ServerConfig{
			Submit: submits(func(context.Context, *Session, *SubmitSM) (string, Status) { return "1", Status(answer.Load()) }),
		})
		defer p.close()
		p.bound(1)
		start := time.Now()
		for _, want := range []Status{StatusInvalidDst, StatusDeliveryFailure, StatusSysErr, 0x401} {
			answer.Store(uint32(want))
			id, err := p.client.Submit(within(time.Minute), hello)
			if !errors.Is(err, want) || id != "" {
				t.Errorf("id %q, error %v, want %v", id, err, want)
			}
		}
		_, err := p.client.Submit(within(time.Minute), &SubmitSM{Dest: Address{Addr: strings.Repeat("1", 21)}})
		if e := (*ProtocolError)(nil); !errors.As(err, &e) || e.Status != StatusInvalidDst {
			t.Errorf("a message that cannot be: %v", err)
		}
		if time.Since(start) > 0 || p.client.Bound() != 1 || p.net.count() != 1 {
			t.Errorf("after %v, %d bound, %d dials", time.Since(start), p.client.Bound(), p.net.count())
		}
	})
}

func TestResponseTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		p := newPair(t, ClientConfig{Window: 1, ResponseTimeout: 5 * time.Second}, ServerConfig{
			Submit: submits(func(ctx context.Context, _ *Session, _ *SubmitSM) (string, Status) {
				if calls.Add(1) == 1 {
					sleep(ctx, 7*time.Second) // answers too late
				}
				return "1", StatusOK
			}),
		})
		defer p.close()
		p.bound(1)
		start := time.Now()
		_, err := p.client.Submit(within(time.Minute), hello)
		if !errors.Is(err, ErrTimeout) || time.Since(start) != 5*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		if _, err := p.client.Submit(within(time.Minute), hello); err != nil { // the slot of the window is free again
			t.Error(err)
		}
		time.Sleep(5 * time.Second) // the late response has no request any more
		if p.net.count() != 1 {
			t.Errorf("%d dials", p.net.count())
		}
	})
}

// When a caller gives up, its slot of the window stays taken until the response.
func TestCallerGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, ClientConfig{Window: 1}, ServerConfig{
			Submit: submits(func(ctx context.Context, _ *Session, _ *SubmitSM) (string, Status) {
				sleep(ctx, 3*time.Second)
				return "1", StatusOK
			}),
		})
		defer p.close()
		p.bound(1)
		start := time.Now()
		_, err := p.client.Submit(within(time.Second), hello)
		if !errors.Is(err, ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("sent: %v", err)
		}
		_, err = p.client.Submit(within(time.Second), hello)
		if !errors.Is(err, ErrUnbound) || errors.Is(err, ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("no room in the window: %v", err)
		}
		if _, err = p.client.Submit(within(time.Minute), hello); err != nil || time.Since(start) != 6*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

func TestWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		open, most := map[*Session]int{}, map[*Session]int{}
		p := newPair(t, ClientConfig{Sessions: Sessions{Transceivers: 3}, Window: 4}, ServerConfig{
			Submit: submits(func(ctx context.Context, s *Session, _ *SubmitSM) (string, Status) {
				mu.Lock()
				open[s]++
				most[s] = max(most[s], open[s])
				mu.Unlock()
				sleep(ctx, time.Second)
				mu.Lock()
				defer mu.Unlock()
				open[s]--
				return "1", StatusOK
			}),
		})
		defer p.close()
		p.bound(3)
		start := time.Now()
		var wg sync.WaitGroup
		for range 60 {
			wg.Go(func() {
				if _, err := p.client.Submit(within(time.Minute), hello); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if time.Since(start) != 5*time.Second { // 12 at a time
			t.Errorf("60 messages of a second took %v", time.Since(start))
		}
		for s, n := range most {
			if n != 4 {
				t.Errorf("session %v had %d open", s.SystemID(), n)
			}
		}
		if len(most) != 3 {
			t.Errorf("%d sessions were used", len(most))
		}
	})
}

func TestDisconnectInMidSubmit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		p := newPair(t, ClientConfig{}, ServerConfig{
			Submit: submits(func(_ context.Context, s *Session, _ *SubmitSM) (string, Status) {
				if calls.Add(1) == 1 {
					s.Close()
				}
				return "1", StatusOK
			}),
		})
		defer p.close()
		p.bound(1)
		start := time.Now()
		if _, err := p.client.Submit(within(time.Minute), hello); !errors.Is(err, ErrTimeout) || time.Since(start) > 0 {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		// The next message waits for the next bind.
		if _, err := p.client.Submit(within(time.Minute), hello); err != nil || time.Since(start) > DefaultMinBackoff {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

func TestRebindBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, ClientConfig{MinBackoff: time.Second, MaxBackoff: 8 * time.Second}, ServerConfig{})
		defer p.close()
		p.bound(1)
		time.Sleep(time.Minute)
		p.net.mu.Lock()
		p.net.refuse, p.net.dials = true, 0
		p.net.mu.Unlock()
		p.server.Sessions()[0].Close()
		time.Sleep(time.Minute)
		p.net.mu.Lock()
		dials := p.net.dials
		p.net.refuse = false
		p.net.mu.Unlock()
		if dials < 8 || dials > 16 { // 1, 2, 4, 8, 8 … seconds, or half of it
			t.Errorf("%d dials in a minute", dials)
		}
		if _, err := p.client.Submit(within(9*time.Second), hello); err != nil {
			t.Error(err)
		}
	})
}

func TestWrongPassword(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		p := newPair(t, ClientConfig{}, ServerConfig{Authenticate: func(id, password string) Status {
			asked.Add(1)
			if id != "signum" || password != "secret" {
				t.Errorf("bind as %q with %q", id, password)
			}
			return StatusInvPaswd
		}})
		defer p.close()
		_, err := p.client.Submit(within(10*time.Second), hello)
		if !errors.Is(err, ErrUnbound) || errors.Is(err, ErrTimeout) || p.client.Bound() != 0 {
			t.Errorf("%v, %d bound", err, p.client.Bound())
		}
		if n := asked.Load(); n < 3 || n > 8 || len(p.server.Sessions()) != 0 {
			t.Errorf("%d binds, sessions %v", n, p.server.Sessions())
		}
	})
}

// Run returns after all outstanding submit_sm are answered and all deliver_sm are
// handled; later deliver_sm are left for another bind.
func TestGracefulStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log []string
		var mu sync.Mutex
		note := func(format string, args ...any) {
			mu.Lock()
			defer mu.Unlock()
			log = append(log, fmt.Sprintf(format, args...))
		}
		started := make(chan struct{})
		p := newPair(t, ClientConfig{
			Trace: func(sent bool, p PDU, _ time.Time) {
				if sent {
					note("%v", p.Command())
				}
			},
			Deliver: func(ctx context.Context, _ *DeliverSM, _ *event.Event) Status {
				close(started)
				sleep(ctx, 3*time.Second)
				return StatusOK
			},
		}, ServerConfig{
			Submit: submits(func(context.Context, *Session, *SubmitSM) (string, Status) {
				time.Sleep(2 * time.Second)
				return "1", StatusOK
			}),
		})
		p.bound(1)
		s := p.server.Sessions()[0]
		var wg sync.WaitGroup
		wg.Go(func() { _, err := p.client.Submit(context.Background(), hello); note("submit: %v", err) })
		wg.Go(func() {
			st, err := s.Deliver(context.Background(), (*DeliverSM)(hello))
			note("deliver: %s %v", st.String(), err)
		})
		<-started
		synctest.Wait()
		start := time.Now()
		p.stop()
		synctest.Wait()
		if st, err := s.Deliver(context.Background(), (*DeliverSM)(hello)); st != StatusRxTempError || err != nil {
			t.Errorf("deliver_sm while the client stops: %v, %v", st, err)
		}
		<-p.ran
		wg.Wait()
		if _, err := p.client.Submit(context.Background(), hello); err != ErrUnbound {
			t.Errorf("submit after the end: %v", err)
		}
		if err := p.client.Run(context.Background()); err != ErrClosed {
			t.Errorf("second Run: %v", err)
		}
		if time.Since(start) != 3*time.Second {
			t.Errorf("stopped after %v", time.Since(start))
		}
		p.server.Close()
		want := []string{"bind_transceiver", "submit_sm", "deliver_sm_resp", "submit: <nil>", "deliver_sm_resp", "deliver: ESME_ROK <nil>", "unbind"}
		slices.Sort(want)
		slices.Sort(log)
		if !slices.Equal(log, want) {
			t.Errorf("%q, want %q", log, want)
		}
	})
}

func TestDeliverIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, ClientConfig{DeliverWindow: 2, Deliver: func(ctx context.Context, _ *DeliverSM, _ *event.Event) Status {
			<-ctx.Done()
			return StatusOK
		}}, ServerConfig{ResponseTimeout: time.Minute})
		defer p.close()
		p.bound(1)
		s := p.server.Sessions()[0]
		var mu sync.Mutex
		got := map[Status]int{}
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				st, err := s.Deliver(context.Background(), (*DeliverSM)(hello))
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				got[st]++
			})
		}
		start := time.Now()
		wg.Wait()
		if got[StatusOK] != 2 || got[StatusRxTempError] != 3 || time.Since(start) != DefaultResponseTimeout {
			t.Errorf("after %v: %v", time.Since(start), got)
		}
	})
}

// The SMSC may unbind; the client binds again.
func TestServerUnbinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, ClientConfig{}, ServerConfig{})
		defer p.close()
		p.bound(1)
		s := p.server.Sessions()[0]
		start := time.Now()
		s.unbind()
		if time.Since(start) > 0 {
			t.Errorf("unbind took %v", time.Since(start))
		}
		if _, err := p.client.Submit(within(time.Minute), hello); err != nil || p.net.count() != 2 {
			t.Errorf("%v, %d dials", err, p.net.count())
		}
	})
}

func TestSequenceWraps(t *testing.T) {
	near, _ := net.Pipe()
	c := newConn(near, connConfig{})
	c.seq = maxSeq - 1
	c.pending[1] = &request{} // a very old one
	for _, want := range []uint32{maxSeq, 2, 3} {
		if got := c.next(); got != want {
			t.Errorf("%d, want %d", got, want)
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	for name, cfg := range map[string]ClientConfig{
		"no address":         {SystemID: "a"},
		"password too long":  {Addr: "a:1", Password: "123456789"},
		"system id too long": {Addr: "a:1", SystemID: strings.Repeat("a", 16)},
	} {
		if _, err := NewClient(cfg); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
