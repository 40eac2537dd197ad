package smpp

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/event"
)

// onTCP serves on a free port of this machine until the test ends.
func onTCP(t testing.TB, sc ServerConfig, config *tls.Config) (*Server, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if config != nil {
		l = tls.NewListener(l, config)
	}
	if sc.Authenticate == nil {
		sc.Authenticate = allow
	}
	s := NewServer(sc)
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-served; err != ErrClosed {
			t.Errorf("Serve: %v", err)
		}
	})
	return s, addr
}

func run(t testing.TB, cfg ClientConfig) *Client {
	t.Helper()
	if cfg.SystemID == "" {
		cfg.SystemID, cfg.Password = "signum", "secret"
	}
	c, err := NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan struct{})
	go func() { defer close(ran); _ = c.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ran })
	return c
}

func selfSigned(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func TestTLS(t *testing.T) {
	cert, pool := selfSigned(t)
	s, addr := onTCP(t, ServerConfig{
		Submit: submits(func(context.Context, *Session, *SubmitSM) (string, Status) { return "tls", StatusOK }),
	}, &tls.Config{Certificates: []tls.Certificate{cert}})
	c := run(t, ClientConfig{Addr: addr, TLS: &tls.Config{RootCAs: pool},
		Deliver: func(context.Context, *DeliverSM, *event.Event) Status { return StatusRxRejected }})
	if id, err := c.Submit(within(10*time.Second), hello); err != nil || id != "tls" {
		t.Fatal(id, err)
	}
	st, err := s.Sessions()[0].Deliver(within(10*time.Second), (*DeliverSM)(hello))
	if st != StatusRxRejected || err != nil {
		t.Error(st, err)
	}
	stranger := run(t, ClientConfig{Addr: addr, TLS: &tls.Config{}})
	if _, err := stranger.Submit(within(300*time.Millisecond), hello); !errors.Is(err, ErrUnbound) {
		t.Errorf("a server that nobody vouches for: %v", err)
	}
}

// With sessions that are cut all the time, each message is taken, or its sender learns
// that this is unknown or that it was not sent.
func TestStorm(t *testing.T) {
	var taken, delivered, acked atomic.Int64
	s, addr := onTCP(t, ServerConfig{Submit: submits(func(_ context.Context, ss *Session, m *SubmitSM) (string, Status) {
		n := taken.Add(1)
		switch {
		case n%50 == 0:
			ss.Close()
		case n%50 == 25:
			return "", StatusThrottled
		}
		return "1", StatusOK
	})}, nil)
	c := run(t, ClientConfig{
		Addr: addr, Sessions: Sessions{Transceivers: 3}, MinBackoff: 2 * time.Millisecond, MaxBackoff: 20 * time.Millisecond, Window: 5,
		Deliver: func(context.Context, *DeliverSM, *event.Event) Status { delivered.Add(1); return StatusOK },
	})
	var wg sync.WaitGroup
	var ok, unknown, refused atomic.Int64
	for range 20 {
		wg.Go(func() {
			for range 50 {
				_, err := c.Submit(within(20*time.Second), hello)
				switch {
				case err == nil:
					ok.Add(1)
				case errors.Is(err, ErrTimeout):
					unknown.Add(1)
				case errors.Is(err, StatusThrottled):
					refused.Add(1)
				default:
					t.Error(err)
				}
				for _, ss := range s.Sessions() {
					if st, err := ss.Deliver(within(10*time.Second), (*DeliverSM)(hello)); err == nil && st == StatusOK {
						acked.Add(1)
					}
				}
			}
		})
	}
	wg.Wait()
	if ok.Load()+unknown.Load()+refused.Load() != 1000 || ok.Load() < 500 || taken.Load() < ok.Load() || acked.Load() > delivered.Load() || acked.Load() == 0 {
		t.Errorf("%d ok, %d unknown, %d taken; %d acknowledged of %d delivered", ok.Load(), unknown.Load(), taken.Load(), acked.Load(), delivered.Load())
	}
	t.Logf("%d ok, %d unknown, %d taken; %d acknowledged of %d delivered", ok.Load(), unknown.Load(), taken.Load(), acked.Load(), delivered.Load())
}

func BenchmarkSubmit(b *testing.B) {
	_, addr := onTCP(b, ServerConfig{Submit: submits(func(context.Context, *Session, *SubmitSM) (string, Status) { return "1", StatusOK })}, nil)
	c := run(b, ClientConfig{Addr: addr, Window: 50})
	b.SetParallelism(25)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := c.Submit(context.Background(), hello); err != nil {
				b.Error(err)
			}
		}
	})
}
