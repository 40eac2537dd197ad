package node

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/signum-mssp/signum/internal/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testConfig is a node on free ports, with all its files in a directory.
func testConfig(t *testing.T) config.Config {
	t.Helper()
	dir := t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	c := config.Default()
	c.Drain = config.Drain{}
	c.Service.MSSPURI = "http://mss.example.com/"
	c.Listen.MSS.Address, c.Listen.Web.Address, c.Listen.PKI.Address, c.Listen.Ops.Address = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0", ""
	c.Listen.MSS.TLS = config.KeyPair{CertificateFile: file("crt", "CERTIFICATE", cert), KeyFile: file("key", "PRIVATE KEY", der)}
	c.Store.URL = config.NewSecret("sqlite:" + filepath.Join(dir, "signum.db"))
	c.CA.Directory, c.CA.Create = filepath.Join(dir, "ca"), true
	return c
}

// serve makes a node and runs it until the test ends.
func serve(t *testing.T, c config.Config, d Deps) *Node {
	t.Helper()
	n, err := New(t.Context(), c, d)
	if err != nil {
		t.Fatal(err)
	}
	run(t, n)
	return n
}

// run runs a node until the test ends, or stop is called.
func run(t *testing.T, n *Node) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	for phase(n.health.phase.Load()) != running {
		time.Sleep(time.Millisecond)
	}
	stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() {
		if err := errors.Join(stop(), n.Close()); err != nil {
			t.Error(err)
		}
	})
	return stop
}

// TestLifecycle: New binds and serves nothing, Run serves, Close releases, and a
// node can be closed that did not run.
func TestLifecycle(t *testing.T) {
	c := testConfig(t)
	for _, run := range []bool{false, true} {
		n, err := New(t.Context(), c, Deps{})
		if err != nil {
			t.Fatal(err)
		}
		addr, base := n.MSSAddr(), n.WebListenerURL()
		// From now on the second round has the same addresses: the first must have
		// released them.
		c.Listen.MSS.Address, c.Listen.Web.Address = config.Address(addr), config.Address(strings.TrimPrefix(base, "http://"))
		if run {
			n.HandleWeb("/more", http.NotFoundHandler())
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- n.Run(ctx) }()
			h := &http.Client{Transport: new(http.Transport)}
			for _, url := range []string{base + "/phone", n.PKIURL() + "/"} {
				resp, err := h.Get(url)
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
			}
			h.CloseIdleConnections()
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		if err := errors.Join(n.Close(), n.Close()); err != nil {
			t.Error(err)
		}
	}
}

// TestNewErrors: a node that cannot be made leaves nothing behind, and says
// which key is wrong.
func TestNewErrors(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, tt := range map[string]struct {
		change func(*config.Config)
		want   []string
	}{
		"invalid": {func(c *config.Config) { c.Service.MSSPURI, c.CA.Directory = "", "" }, []string{"service.mssp_uri: is needed", "ca.directory: is needed"}},
		"in use":  {func(c *config.Config) { c.Listen.PKI.Address = config.Address(taken.Addr().String()) }, []string{"listen.pki.address: ", "in use"}},
		"store":   {func(c *config.Config) { c.Store.URL = config.NewSecret("sqlite:/nowhere/signum.db") }, []string{"store: "}},
		"no CA":   {func(c *config.Config) { c.CA.Create = false }, []string{"there is no CA in"}},
	} {
		c := testConfig(t)
		tt.change(&c)
		n, err := New(t.Context(), c, Deps{})
		if n != nil || err == nil {
			t.Errorf("%s: %v, %v", name, n, err)
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: no %q in %v", name, want, err)
			}
		}
	}
}
