package door

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"testing"
	"time"
)

// TestRunWaits: Run ends after the handler of a request whose HTTP/2 connection the client has
// closed. The handler uses the store, which is closed next.
func TestRunWaits(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	left, working, finish := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var ended bool
	d := New(Config{
		Name: "test", Listener: l, Log: slog.New(slog.DiscardHandler), TLS: selfSigned(t), ReadTimeout: time.Minute, WriteTimeout: time.Minute, Most: 10, PerAddress: 10,
		Stopping: errors.New("stopping"), Failed: func() {}, Refused: func(string) {},
		Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			close(working)
			<-r.Context().Done()
			close(left)
			<-finish // what must not be cut off
			ended = true
		}),
	})
	ctx, stop := context.WithCancel(t.Context())
	run := make(chan error, 1)
	go func() { run <- d.Run(ctx) }()

	raw := make(chan net.Conn, 1)
	client := &http.Client{Transport: &http.Transport{
		ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, network, addr)
			raw <- c
			return c, err
		},
	}}
	go func() { _, _ = client.Get("https://" + l.Addr().String()) }()
	<-working
	(<-raw).Close()
	<-left
	// The connection is gone, and net/http has forgotten it.
	for d.Open() > 0 {
		time.Sleep(time.Millisecond)
	}
	stop()
	select {
	case err := <-run:
		t.Errorf("Run has ended before the handler: %v", err)
	case <-d.entrance.closed: // Shutdown has begun
		close(finish)
	}
	if err := <-run; err != nil || !ended {
		t.Errorf("%v; the handler has ended: %t", err, ended)
	}
}

// selfSigned returns the configuration of a server that nobody needs to trust.
func selfSigned(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1)}, &x509.Certificate{}, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// TestInside: wait ends with the last handler, or with its context.
func TestInside(t *testing.T) {
	t.Parallel()
	var i inside
	if err := i.wait(t.Context()); err != nil {
		t.Error(err)
	}
	one, two := new(http.ResponseController), new(http.ResponseController)
	i.enter(one)
	i.enter(two)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := i.wait(gone); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	waited := make(chan error)
	go func() { waited <- i.wait(t.Context()) }()
	i.leave(one)
	select {
	case <-waited:
		t.Error("one handler still runs")
	default:
	}
	i.leave(two)
	if err := <-waited; err != nil {
		t.Error(err)
	}
}
