package smpp

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pipes is a listener whose connections are made by net.Pipe, so that both sides are
// in the bubble of a synctest.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once

	mu     sync.Mutex
	refuse bool
	wrap   func(net.Conn) net.Conn // of the client's end
	dials  int
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	p.mu.Lock()
	p.dials++
	refuse, wrap := p.refuse, p.wrap
	p.mu.Unlock()
	if refuse {
		return nil, errors.New("connection refused")
	}
	near, far := net.Pipe()
	select {
	case p.conns <- far:
	case <-p.done:
		return nil, errors.New("nobody listens")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if wrap != nil {
		near = wrap(near)
	}
	return near, nil
}

// set refuses connections, or no longer.
func (p *pipes) set(refuse bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = refuse
}

func (p *pipes) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dials
}

func allow(string, string) Status { return StatusOK }

// pair is a client and a server on pipes.
type pair struct {
	t      *testing.T
	net    *pipes
	server *Server
	client *Client
	stop   context.CancelFunc
	ran    chan struct{}
}

// newPair starts both; unless configured otherwise, the server accepts everything.
func newPair(t *testing.T, cc ClientConfig, sc ServerConfig) *pair {
	t.Helper()
	return newPairOn(t, newPipes(), cc, sc)
}

func newPairOn(t *testing.T, net *pipes, cc ClientConfig, sc ServerConfig) *pair {
	t.Helper()
	p := &pair{t: t, net: net, ran: make(chan struct{})}
	if sc.Authenticate == nil {
		sc.Authenticate = allow
	}
	if sc.Submit == nil {
		sc.Submit = submits(func(context.Context, *Session, *SubmitSM) (string, Status) { return "1", StatusOK })
	}
	p.server = NewServer(sc)
	go func() { _ = p.server.Serve(p.net) }()
	cc.Addr, cc.SystemID, cc.Password, cc.Dial = "smsc:2775", "signum", "secret", p.net.dial
	var err error
	if p.client, err = NewClient(cc); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.stop = cancel
	go func() { defer close(p.ran); _ = p.client.Run(ctx) }()
	return p
}

func (p *pair) close() {
	p.stop()
	<-p.ran
	p.server.Close()
}

// bound waits until the client has n sessions.
func (p *pair) bound(n int) {
	p.t.Helper()
	for range 1000 {
		synctest.Wait()
		if p.client.Bound() == n {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	p.t.Fatalf("%d sessions, want %d", p.client.Bound(), n)
}

var hello = &SubmitSM{
	Source: Address{5, 0, "Signum"}, Dest: Address{TONInternational, NPIISDN, "41791234567"},
	ShortMessage: []byte("hello"),
}

func within(d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	context.AfterFunc(ctx, cancel)
	return ctx
}

// raw is a peer that a test controls PDU by PDU.
type raw struct {
	t testing.TB
	net.Conn
}

// serve starts a server and connects a raw client to it.
func serve(t *testing.T, sc ServerConfig) (*Server, *raw) {
	t.Helper()
	if sc.Authenticate == nil {
		sc.Authenticate = allow
	}
	s, l := NewServer(sc), newPipes()
	go func() { _ = s.Serve(l) }()
	return s, rawDial(t, l)
}

func rawDial(t *testing.T, l *pipes) *raw {
	t.Helper()
	nc, err := l.dial(context.Background(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	return &raw{t, nc}
}

func (r *raw) write(p PDU) {
	r.t.Helper()
	b, err := p.Marshal()
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.Write(b); err != nil {
		r.t.Fatal(err)
	}
}

func (r *raw) read() PDU {
	r.t.Helper()
	p, err := r.next()
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

func (r *raw) next() (PDU, error) {
	head := make([]byte, headerLen)
	if _, err := io.ReadFull(r.Conn, head); err != nil {
		return PDU{}, err
	}
	b := append(head, make([]byte, parseHeader(head).length-headerLen)...)
	if _, err := io.ReadFull(r.Conn, b[headerLen:]); err != nil {
		return PDU{}, err
	}
	return Parse(b)
}

func (r *raw) bind(mode CommandID) {
	r.t.Helper()
	r.write(PDU{Sequence: 1, Body: &Bind{Mode: mode, SystemID: "raw", Version: version3_4}})
	if p := r.read(); p.Status != StatusOK || p.Command() != mode|respBit {
		r.t.Fatalf("bind: %v %v", p.Command(), p.Status)
	}
	synctest.Wait()
}

// submits makes a ServerConfig.Submit that has nothing to do after the response.
func submits(f func(context.Context, *Session, *SubmitSM) (string, Status)) func(context.Context, *Session, *SubmitSM) (string, Status, func()) {
	return func(ctx context.Context, s *Session, m *SubmitSM) (string, Status, func()) {
		id, st := f(ctx, s, m)
		return id, st, nil
	}
}
