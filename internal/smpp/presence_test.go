package smpp

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum/internal/event"
)

// modesOf are the modes of the sessions of a server, in order.
func modesOf(s *Server) []CommandID {
	var list []CommandID
	for _, ss := range s.Sessions() {
		list = append(list, ss.Mode())
	}
	slices.Sort(list)
	return list
}

// Messages go out by transmitters and come in by receivers. Bound is 0 unless both
// directions work.
func TestTransmitterAndReceivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		delivered := make(chan *DeliverSM, 1)
		var mu sync.Mutex
		var by []CommandID
		p := newPair(t, ClientConfig{
			Sessions: Sessions{Transmitters: 1, Receivers: 2},
			Deliver:  func(_ context.Context, d *DeliverSM, _ *event.Event) Status { delivered <- d; return StatusOK },
		}, ServerConfig{
			Submit: submits(func(_ context.Context, s *Session, _ *SubmitSM) (string, Status) {
				mu.Lock()
				defer mu.Unlock()
				by = append(by, s.Mode())
				return "1", StatusOK
			}),
		})
		defer p.close()
		p.bound(3)
		if got := modesOf(p.server); !slices.Equal(got, []CommandID{CmdBindReceiver, CmdBindReceiver, CmdBindTransmitter}) {
			t.Fatalf("sessions %v", got)
		}
		for range 4 {
			if _, err := p.client.Submit(within(time.Minute), hello); err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(by, slices.Repeat([]CommandID{CmdBindTransmitter}, 4)) {
			t.Errorf("messages went by %v", by)
		}
		for _, s := range p.server.Sessions() {
			if !s.Receives() {
				continue
			}
			if st, err := s.Deliver(within(time.Minute), (*DeliverSM)(hello)); st != StatusOK || err != nil {
				t.Errorf("%v, %v", st, err)
			}
			<-delivered
		}
		p.net.mu.Lock()
		p.net.refuse = true
		p.net.mu.Unlock()
		for _, s := range p.server.Sessions() {
			if s.Receives() {
				s.Close()
			}
		}
		synctest.Wait()
		if p.client.Bound() != 0 || p.client.Sessions() != (Sessions{Transmitters: 1}) {
			t.Errorf("without receivers %d sessions count as bound: %+v", p.client.Bound(), p.client.Sessions())
		}
	})
}

// A transmitter refuses a deliver_sm, which its SMSC must not send there.
func TestTransmitterRefusesDeliver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		c, err := NewClient(ClientConfig{
			Addr: "smsc:2775", SystemID: "signum", Dial: l.dial, Sessions: Sessions{Transmitters: 1, Receivers: 1},
			Deliver: func(context.Context, *DeliverSM, *event.Event) Status { t.Error("delivered"); return StatusOK },
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		ran := make(chan struct{})
		go func() { defer close(ran); _ = c.Run(ctx) }()
		var peers []*raw
		for range 2 {
			nc, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			r := &raw{t, nc}
			peers = append(peers, r)
			b := r.read()
			mode := b.Body.(*Bind).Mode
			r.write(PDU{Sequence: b.Sequence, Body: &BindResp{Mode: mode}})
			if mode != CmdBindTransmitter {
				continue
			}
			r.write(PDU{Sequence: 7, Body: (*DeliverSM)(hello)})
			if p := r.read(); p.Status != StatusInvBindStatus || p.Sequence != 7 || p.Command() != CmdDeliverSM|respBit {
				t.Errorf("answer %v %v", p.Command(), p.Status)
			}
		}
		cancel()
		for _, r := range peers {
			_ = r.Close()
		}
		<-ran
		_ = l.Close()
	})
}

// Changed is told each change, in order.
func TestChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var seen []int
		p := newPair(t, ClientConfig{Sessions: Sessions{Transceivers: 2}, Changed: func(s Sessions) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, s.Total())
		}}, ServerConfig{})
		p.bound(2)
		p.close()
		if !slices.Equal(seen, []int{1, 2, 1, 0}) {
			t.Errorf("%v", seen)
		}
	})
}

func TestSessionsAreChecked(t *testing.T) {
	for _, tt := range []struct {
		sessions Sessions
		ok       bool
	}{
		{Sessions{}, true},
		{Sessions{Transmitters: 1, Receivers: 1}, true},
		{Sessions{Transceivers: 1, Transmitters: 1}, true},
		{Sessions{Transmitters: 1}, false},
		{Sessions{Receivers: 1}, false},
		{Sessions{Transceivers: -1}, false},
	} {
		c, err := NewClient(ClientConfig{Addr: "a:1", Sessions: tt.sessions})
		if (err == nil) != tt.ok {
			t.Errorf("%+v: %v", tt.sessions, err)
		}
		if err == nil && !c.Wanted().BothWays() {
			t.Errorf("%+v became %+v", tt.sessions, c.Wanted())
		}
	}
}

// How long there has been no session: from Run on before the first bind, and from the
// end of the last session on; for each direction by itself.
func TestUnbound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newPipes()
		net.refuse = true
		p := newPairOn(t, net, ClientConfig{Sessions: Sessions{Transmitters: 1, Receivers: 1}, MinBackoff: time.Second, MaxBackoff: time.Second}, ServerConfig{})
		defer p.close()
		check := func(send, both time.Duration) {
			t.Helper()
			if s, b := p.client.Unbound(false), p.client.Unbound(true); s != send || b != both {
				t.Errorf("unbound for %v, for both directions for %v; want %v, %v", s, b, send, both)
			}
		}
		synctest.Wait()
		time.Sleep(3 * time.Second)
		check(3*time.Second, 3*time.Second)
		net.set(false)
		for p.client.Bound() != 2 {
			time.Sleep(100 * time.Millisecond)
		}
		check(0, 0)
		time.Sleep(time.Minute)
		net.set(true)
		for _, s := range p.server.Sessions() {
			if s.Receives() {
				s.Close()
			}
		}
		time.Sleep(2 * time.Second)
		check(0, 2*time.Second)
		for _, s := range p.server.Sessions() {
			s.Close()
		}
		time.Sleep(2 * time.Second)
		check(2*time.Second, 4*time.Second)
	})
}
