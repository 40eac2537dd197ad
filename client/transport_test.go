package client

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
)

// testCert returns a self-signed certificate. Of a client it is pinned, and of a server
// it is its own root.
func testCert(t testing.TB) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// newTestServer returns a server that requires a client certificate, whichever.
func newTestServer(t testing.TB, h http.HandlerFunc) (*httptest.Server, *tls.Config) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = true
	s.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return s, &tls.Config{RootCAs: roots}
}

func TestMutualTLS(t *testing.T) {
	cert := testCert(t)
	for _, f := range forms[:2] {
		var mu sync.Mutex
		var protos []string
		resumed := 0
		s, cfg := newTestServer(t, func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			protos = append(protos, r.Proto)
			if r.TLS.DidResume {
				resumed++
			}
			if sha256.Sum256(r.TLS.PeerCertificates[0].Raw) != sha256.Sum256(cert.Certificate[0]) {
				f.write(w, 500, f.fault(104, signum.DetailCredentials))
				return
			}
			f.write(w, 200, f.signature("S1", 500, testCMS))
		})
		call := func(certs ...tls.Certificate) error {
			own := cfg.Clone()
			own.Certificates = certs
			c, err := New(Config{BaseURL: s.URL, SOAP: f.soap, APID: testAPID, TLS: own})
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				_, err = c.Sign(t.Context(), SignRequest{MSISDN: testMSISDN, Text: "x", APTransID: "S1"})
				c.Close() // so that the next one connects again
				if err != nil {
					return err
				}
			}
			return nil
		}
		if err := call(cert); err != nil {
			t.Errorf("%s: %v", f.name, err)
		}
		if resumed != 2 || len(protos) != 3 || protos[0] != "HTTP/2.0" {
			t.Errorf("%s: %d of %v resumed", f.name, resumed, protos)
		}
		if err := call(testCert(t)); !errors.Is(err, &signum.Fault{Code: 104, Detail: signum.DetailCredentials}) {
			t.Errorf("%s, other certificate: %v", f.name, err)
		}
		var te *TransportError
		// With TLS 1.3 the client learns of it late, so that the text varies.
		if err := call(); !errors.As(err, &te) {
			t.Errorf("%s, no certificate: %v", f.name, err)
		}
	}
}

func TestUntrustedServer(t *testing.T) {
	s, _ := newTestServer(t, func(http.ResponseWriter, *http.Request) { t.Error("reached") })
	c, err := New(Config{BaseURL: s.URL, APID: testAPID, TLS: &tls.Config{RootCAs: x509.NewCertPool()}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Status(t.Context(), "x")
	var te *TransportError
	var ua x509.UnknownAuthorityError
	if !errors.As(err, &te) || !errors.As(err, &ua) {
		t.Error(err)
	}
}

func TestUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	c, err := New(Config{BaseURL: "https://" + l.Addr().String(), APID: testAPID})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Status(t.Context(), "x")
	var te *TransportError
	if !errors.As(err, &te) || strings.Count(err.Error(), l.Addr().String()) > 2 {
		t.Error(err)
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	s, cfg := newTestServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/elsewhere" {
			t.Error("followed")
		}
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	})
	cfg.Certificates = []tls.Certificate{testCert(t)}
	c, err := New(Config{BaseURL: s.URL, APID: testAPID, TLS: cfg})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Status(t.Context(), "x")
	var bad *AnswerError
	if !errors.As(err, &bad) || bad.HTTPStatus != 307 {
		t.Error(err)
	}
}

// TestCancel: the caller's context ends a call that waits for the user.
func TestCancel(t *testing.T) {
	arrived := make(chan struct{}, 2)
	s, cfg := newTestServer(t, func(_ http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			t.Error(err)
		}
		arrived <- struct{}{}
		<-r.Context().Done()
	})
	cfg.Certificates = []tls.Certificate{testCert(t)}
	c, err := New(Config{BaseURL: s.URL, APID: testAPID, TLS: cfg})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	_, err = c.Sign(ctx, SignRequest{MSISDN: testMSISDN, Text: "x"})
	var timeout *TimeoutError
	if !errors.Is(err, context.Canceled) || errors.As(err, &timeout) {
		t.Errorf("cancelled: %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = c.Sign(ctx, SignRequest{MSISDN: testMSISDN, Text: "x"})
	if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &timeout) || timeout.Limit != "deadline of the caller" {
		t.Errorf("deadline: %v", err)
	}
}

func TestConfig(t *testing.T) {
	good := Config{BaseURL: "https://mssp.example.com/gateway/", APID: testAPID}
	for _, tc := range []struct {
		name   string
		change func(*Config)
		want   string // in the error; empty: none
	}{
		{"good", func(*Config) {}, ""},
		{"loopback", func(c *Config) { c.BaseURL = "http://127.0.0.1:8080" }, ""},
		{"loopback name", func(c *Config) { c.BaseURL = "http://localhost" }, ""},
		{"loopback IPv6", func(c *Config) { c.BaseURL = "http://[::1]:80" }, ""},
		{"no address", func(c *Config) { c.BaseURL = "" }, "BaseURL is missing"},
		{"no scheme", func(c *Config) { c.BaseURL = "mssp.example.com" }, "https://host"},
		{"plain http", func(c *Config) { c.BaseURL = "http://mssp.example.com" }, "only https"},
		{"other scheme", func(c *Config) { c.BaseURL = "ftp://mssp.example.com" }, "only https"},
		{"query", func(c *Config) { c.BaseURL += "?a=b" }, "https://host"},
		{"user", func(c *Config) { c.BaseURL = "https://a:secret@b" }, "https://host"},
		{"control", func(c *Config) { c.BaseURL += "\x01" }, "BaseURL"},
		{"no party", func(c *Config) { c.APID = "" }, "APID"},
		{"two transports", func(c *Config) { c.TLS, c.HTTPClient = &tls.Config{}, &http.Client{} }, "exclude"},
		{"negative", func(c *Config) { c.RequestTimeout = -1 }, "negative"},
	} {
		cfg := good
		tc.change(&cfg)
		_, err := New(cfg)
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	c, err := New(good)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.base.JoinPath(c.wire.paths[signum.OpStatus]).String(); got != "https://mssp.example.com/gateway/rest/service/status" {
		t.Error(got)
	}
}
