package smpp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum/internal/testkit"
)

// What a raw peer sends, and what it gets. Bytes are sent unchanged.
func TestBadPeers(t *testing.T) {
	enquire := PDU{Sequence: 9, Body: EnquireLink{}}
	submit := PDU{Sequence: 9, Body: hello}
	nonsense := frameOf(0xC1000000, nil)
	tests := []struct {
		name   string
		bind   CommandID
		send   []PDU
		bytes  []byte
		want   []PDU // only the commands of their bodies count
		closed bool
	}{
		{name: "enquire_link before bind", send: []PDU{enquire}, want: []PDU{{Sequence: 9, Body: EnquireLinkResp{}}}},
		{name: "submit_sm before bind", send: []PDU{submit}, want: []PDU{{StatusInvBindStatus, 9, &SubmitSMResp{}}}},
		{name: "submit_sm of a receiver", bind: CmdBindReceiver, send: []PDU{submit}, want: []PDU{{StatusInvBindStatus, 9, &SubmitSMResp{}}}},
		{name: "second bind", bind: CmdBindTransmitter, send: []PDU{{Sequence: 9, Body: &Bind{Mode: CmdBindReceiver}}},
			want: []PDU{{StatusAlreadyBound, 9, &BindResp{Mode: CmdBindReceiver}}}},
		{name: "deliver_sm to the SMSC", bind: CmdBindTransceiver, send: []PDU{{Sequence: 9, Body: (*DeliverSM)(hello)}},
			want: []PDU{{StatusInvCmdID, 9, GenericNack{}}}},
		{name: "responses to nothing", bind: CmdBindTransceiver,
			send: []PDU{{Sequence: 3, Body: &DeliverSMResp{}}, {Sequence: 4, Body: GenericNack{}}, enquire}, want: []PDU{{Sequence: 9, Body: EnquireLinkResp{}}}},
		{name: "unknown command", bytes: frameOf(0x104, []byte("abc")), want: []PDU{{StatusInvCmdID, 7, GenericNack{}}}},
		{name: "bad submit_sm", bind: CmdBindTransceiver, bytes: frameOf(CmdSubmitSM, bodyOf(map[int]string{4: "\xff\x01"})),
			want: []PDU{{StatusInvMsgLen, 7, &SubmitSMResp{}}}},
		{name: "bad bind", bytes: frameOf(CmdBindTransceiver, body("a\x00123456789\x00")),
			want: []PDU{{StatusInvPaswd, 7, &BindResp{Mode: CmdBindTransceiver}}}},
		{name: "garbage", bytes: []byte("GET / HTTP/1.1\r\nHost: a\r\n"), want: []PDU{{StatusInvCmdLen, 0x2e310d0a, GenericNack{}}}, closed: true},
		{name: "a length of 64 KiB and one", bytes: []byte("\x00\x01\x00\x01\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x07"),
			want: []PDU{{StatusInvCmdLen, 7, GenericNack{}}}, closed: true},
		{name: "a length of 15", bytes: []byte("\x00\x00\x00\x0f\x80\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x07"), closed: true},
		{name: "ten of no command", bytes: bytes.Repeat(nonsense, badInARow), closed: true},
		{name: "nine of no command and a good one", bytes: append(bytes.Repeat(nonsense, badInARow-1), frameOf(CmdEnquireLink, nil)...),
			want: []PDU{{Sequence: 7, Body: EnquireLinkResp{}}}},
		{name: "unbind", bind: CmdBindTransceiver, send: []PDU{{Sequence: 9, Body: Unbind{}}}, want: []PDU{{Sequence: 9, Body: UnbindResp{}}}, closed: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, c := serve(t, ServerConfig{BindTimeout: time.Hour})
				defer s.Close()
				if tt.bind != 0 {
					c.bind(tt.bind)
				}
				go func() {
					_, _ = c.Write(tt.bytes) // the connection may be cut
					for _, p := range tt.send {
						c.write(p)
					}
				}()
				for _, want := range tt.want {
					got := c.read()
					if got.Status != want.Status || got.Sequence != want.Sequence || got.Command() != want.Command() {
						t.Errorf("got %v %v %x, want %v %v", got.Command(), got.Status, got.Sequence, want.Command(), want.Status)
					}
				}
				synctest.Wait()
				_ = c.SetReadDeadline(time.Now().Add(time.Second))
				if _, err := c.next(); errors.Is(err, io.EOF) != tt.closed {
					t.Errorf("%v, want closed %v", err, tt.closed)
				}
			})
		})
	}
}

// The timeouts of a server: silence, the bind, the rest of a PDU, a slow reader.
func TestSlowPeers(t *testing.T) {
	cfg := ServerConfig{BindTimeout: 5 * time.Second, ResponseTimeout: 8 * time.Second, EnquireLink: time.Hour}
	synctest.Test(t, func(t *testing.T) {
		s, c := serve(t, cfg)
		defer s.Close()
		start := time.Now()
		if _, err := c.next(); err != io.EOF || time.Since(start) != 5*time.Second {
			t.Errorf("who does not bind: %v after %v", err, time.Since(start))
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s, c := serve(t, cfg)
		defer s.Close()
		c.bind(CmdBindTransceiver)
		time.Sleep(time.Minute) // between PDUs, only enquire_link has a timeout
		start := time.Now()
		for _, octet := range frameOf(CmdEnquireLink, nil) {
			if _, err := c.Write([]byte{octet}); err != nil {
				break
			}
			time.Sleep(time.Second)
		}
		if d := time.Since(start); d < 8*time.Second || d > 9*time.Second {
			t.Errorf("an octet a second: closed after %v", d)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s, c := serve(t, cfg)
		defer s.Close()
		c.bind(CmdBindTransceiver)
		start := time.Now()
		var wg sync.WaitGroup
		for range 3 * DefaultWindow { // the peer reads nothing
			wg.Go(func() {
				_, err := s.Sessions()[0].Deliver(context.Background(), (*DeliverSM)(hello))
				if !errors.Is(err, ErrTimeout) && !errors.Is(err, ErrUnbound) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		took := time.Since(start)
		synctest.Wait() // the session ends a moment after its messages
		if n := len(s.Sessions()); took != 8*time.Second || n != 0 {
			t.Errorf("ended after %v, %d sessions left", took, n)
		}
		_, _ = c.next()
	})
}

// What a server sends from the function that Submit returns comes after the response.
func TestServerAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := serve(t, ServerConfig{Submit: func(ctx context.Context, ss *Session, _ *SubmitSM) (string, Status, func()) {
			return "1", StatusOK, func() {
				if st, err := ss.Deliver(ctx, (*DeliverSM)(hello)); st != StatusOK || err != nil {
					t.Error(st, err)
				}
			}
		}})
		defer s.Close()
		c.bind(CmdBindTransceiver)
		c.write(PDU{Sequence: 2, Body: hello})
		if p := c.read(); p.Command() != CmdSubmitSM|respBit || p.Sequence != 2 {
			t.Fatalf("first came %v", p.Command())
		}
		p := c.read()
		if p.Command() != CmdDeliverSM {
			t.Fatalf("then came %v", p.Command())
		}
		c.write(PDU{Sequence: p.Sequence, Body: &DeliverSMResp{}})
		synctest.Wait()
		go func() { _, _ = c.next() }() // the unbind of Close, which cuts it short
	})
}

func TestServerWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := serve(t, ServerConfig{Window: 2, Submit: submits(func(ctx context.Context, _ *Session, _ *SubmitSM) (string, Status) {
			sleep(ctx, time.Minute)
			return "1", StatusOK
		})})
		c.bind(CmdBindTransmitter)
		if st, err := s.Sessions()[0].Deliver(context.Background(), (*DeliverSM)(hello)); err != ErrUnbound {
			t.Errorf("deliver_sm to a transmitter: %v %v", st, err)
		}
		for seq := range uint32(3) {
			c.write(PDU{Sequence: seq + 2, Body: hello})
			synctest.Wait()
		}
		if p := c.read(); p.Status != StatusThrottled || p.Sequence != 4 {
			t.Errorf("%v %v", p.Status, p.Sequence)
		}
		// Close cancels the handlers, answers what it can, and unbinds, in either order.
		go s.Close()
		unbound := false
		for range 4 {
			p, err := c.next()
			if err != nil {
				break
			}
			switch p.Body.(type) {
			case Unbind:
				unbound = true
				c.write(PDU{Sequence: p.Sequence, Body: UnbindResp{}})
			case *SubmitSMResp:
			default:
				t.Errorf("at the end came %v", p.Command())
			}
		}
		if _, err := c.next(); err == nil || !unbound {
			t.Errorf("unbound: %v, %v", unbound, err)
		}
	})
}

// A peer that does not answer unbind does not delay Close.
func TestCloseIsQuick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := serve(t, ServerConfig{})
		c.bind(CmdBindTransceiver)
		start := time.Now()
		s.Close()
		if d := time.Since(start); d != closeGrace {
			t.Errorf("closed after %v", d)
		}
		if err := s.Serve(newPipes()); err != ErrClosed {
			t.Error(err)
		}
	})
}

func TestMaxSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := NewServer(ServerConfig{MaxSessions: 2, Authenticate: allow}), newPipes()
		go func() { _ = s.Serve(l) }()
		defer s.Close()
		a, b, c := rawDial(t, l), rawDial(t, l), rawDial(t, l)
		if _, err := c.next(); err != io.EOF {
			t.Errorf("the third: %v", err)
		}
		a.bind(CmdBindReceiver)
		b.Close()
		synctest.Wait()
		d := rawDial(t, l)
		d.bind(CmdBindTransmitter)
		got := s.Sessions()
		if len(got) != 2 || got[0].Mode() != CmdBindReceiver || got[1].SystemID() != "raw" {
			t.Errorf("%d sessions", len(got))
		}
		a.Close()
		synctest.Wait()
		if _, err := got[0].Deliver(context.Background(), (*DeliverSM)(hello)); err != ErrUnbound {
			t.Errorf("to a session that is gone: %v", err)
		}
		d.Close()
	})
}

// No log and no trace contains a password.
func TestPasswordIsNotTraced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out testkit.Buffer
		logger := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
		trace := func(_ bool, p PDU, _ time.Time) {
			if b, ok := p.Body.(*Bind); ok {
				fmt.Fprint(&out, "traced ", b.SystemID, b.Password)
			}
		}
		refuse := func(string, string) Status { return StatusInvPaswd }
		p := newPair(t, ClientConfig{Logger: logger, Trace: trace}, ServerConfig{Authenticate: refuse, Logger: logger, Trace: trace})
		time.Sleep(10 * time.Second)
		p.close()
		if s := out.String(); strings.Contains(s, "secret") || strings.Count(s, "traced") < 4 || !strings.Contains(s, "refused") {
			t.Error(s)
		}
	})
}

// The client with peers that answer nonsense.
func TestBadServers(t *testing.T) {
	tests := []struct {
		name  string
		reply func(seq uint32) []byte
		want  error
	}{
		{"generic_nack", func(seq uint32) []byte { return frame(PDU{StatusInvCmdLen, seq, GenericNack{}}) }, StatusInvCmdLen},
		{"generic_nack without a status", func(seq uint32) []byte { return frame(PDU{0, seq, GenericNack{}}) }, StatusUnknown},
		{"the response to something else", func(seq uint32) []byte { return frame(PDU{0, seq, UnbindResp{}}) }, ErrTimeout},
		{"an error without a body", func(seq uint32) []byte { return frame(PDU{StatusInvalidDst, seq, &SubmitSMResp{}})[:headerLen] }, StatusInvalidDst},
		{"the same with an error", func(seq uint32) []byte { return append(frame(PDU{StatusSysErr, seq, &SubmitSMResp{}}), 1, 2) }, StatusSysErr},
		{"garbage", func(uint32) []byte { return []byte("HTTP/1.1 400 Bad Request\r\n\r\n") }, ErrTimeout},
		{"half a PDU", func(uint32) []byte { return []byte{0, 0} }, ErrTimeout},
		{"a sequence number that nobody has", func(seq uint32) []byte { return frame(PDU{0, seq + 100, &SubmitSMResp{}}) }, ErrTimeout},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { badServer(t, tt.reply, tt.want) })
		})
	}
}

func badServer(t *testing.T, reply func(uint32) []byte, want error) {
	l := newPipes()
	c, err := NewClient(ClientConfig{Addr: "a:1", Dial: l.dial})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan struct{})
	go func() { defer close(ran); _ = c.Run(ctx) }()
	nc, _ := l.Accept()
	peer := &raw{t, nc}
	p := peer.read()
	peer.write(PDU{Sequence: p.Sequence, Body: &BindResp{Mode: CmdBindTransceiver}})
	go func() {
		b := reply(peer.read().Sequence)
		if n := len(b); n >= headerLen && b[0] == 0 {
			b[2], b[3] = byte(n>>8), byte(n)
		}
		_, _ = peer.Write(b)
		_, _ = io.Copy(io.Discard, peer)
	}()
	id, err := c.Submit(within(time.Minute), hello)
	if !errors.Is(err, want) || id != "" {
		t.Errorf("%q, %v, want %v", id, err, want)
	}
	if st, found := errors.AsType[Status](err); want == ErrTimeout && found {
		t.Errorf("an error of this side, %v, looks like the verdict of the SMSC", st)
	}
	cancel()
	peer.Close()
	_ = l.Close()
	<-ran
}

func frame(p PDU) []byte {
	b, err := p.Marshal()
	if err != nil {
		panic(err)
	}
	return b
}

var _ net.Listener = (*pipes)(nil)
