package group

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/signum-mssp/signum/internal/smpp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// peer is an SMSC on pipes, which can be unreachable.
type peer struct {
	name   string
	style  Style
	weight int
	handle func() smpp.Status // nil: takes everything
	hang   bool               // never answers

	conns  chan net.Conn
	server *smpp.Server

	mu    sync.Mutex
	away  bool
	texts []string // that it took
}

func (p *peer) Accept() (net.Conn, error) {
	c, ok := <-p.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (p *peer) Close() error   { return nil }
func (p *peer) Addr() net.Addr { return &net.UnixAddr{Name: p.name, Net: "pipe"} }

func (p *peer) dial(context.Context, string, string) (net.Conn, error) {
	p.mu.Lock()
	away := p.away
	p.mu.Unlock()
	if away {
		return nil, errors.New("connection refused")
	}
	near, far := net.Pipe()
	p.conns <- far
	return near, nil
}

// leave makes the SMSC unreachable and ends its sessions.
func (p *peer) leave() {
	p.mu.Lock()
	p.away = true
	p.mu.Unlock()
	for _, s := range p.server.Sessions() {
		s.Close()
	}
}

func (p *peer) comeBack() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away = false
}

func (p *peer) took() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.texts...)
}

func (p *peer) submit(ctx context.Context, _ *smpp.Session, m *smpp.SubmitSM) (string, smpp.Status, func()) {
	if p.handle != nil {
		if st := p.handle(); st != smpp.StatusOK {
			return "", st, nil
		}
	}
	p.mu.Lock()
	p.texts = append(p.texts, string(m.ShortMessage))
	p.mu.Unlock()
	if p.hang {
		<-ctx.Done()
	}
	return "1", smpp.StatusOK, nil
}

// serve takes connections until the test closes conns and the server.
func (p *peer) serve() {
	p.conns = make(chan net.Conn)
	p.server = smpp.NewServer(smpp.ServerConfig{Authenticate: func(string, string) smpp.Status { return smpp.StatusOK }, Submit: p.submit})
	go func() { _ = p.server.Serve(p) }()
}

// smsc is the SMSC of a group.
func (p *peer) smsc(connection any) SMSC {
	return SMSC{Name: p.name, Weight: p.weight, Style: p.style, Connection: connection, Client: smpp.ClientConfig{
		Addr: p.name + ":2775", SystemID: "signum", Dial: p.dial, MinBackoff: time.Second, MaxBackoff: time.Second,
	}}
}

// start runs a group of these SMSCs. Those that are away at first stay away.
func start(t *testing.T, peers ...*peer) (g *Group, stop func()) {
	t.Helper()
	var list []SMSC
	for _, p := range peers {
		p.serve()
		list = append(list, p.smsc(nil))
	}
	g, err := New(list)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan struct{})
	go func() { defer close(ran); _ = g.Run(ctx) }()
	synctest.Wait()
	return g, func() {
		for _, p := range peers {
			if p.hang {
				p.leave() // what it has not answered would hold the client up
			}
		}
		cancel()
		<-ran
		for _, p := range peers {
			close(p.conns)
			p.server.Close()
		}
	}
}

// text sends a message of one part and returns the SMSC that took it.
func text(ctx context.Context, g *Group, s string) (by string, err error) {
	return textTo(ctx, g, "41791234567", s)
}

func textTo(ctx context.Context, g *Group, to, s string) (by string, err error) {
	err = g.Send(ctx, func(r *Route) error {
		by = r.Name
		_, err := r.Submit(ctx, &smpp.SubmitSM{Dest: r.Style.Dest(to), ShortMessage: []byte(s)})
		return err
	})
	return by, err
}

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}
