package node

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/config"
	"github.com/signum-mssp/signum/internal/engine/phonetest"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/smpp"
)

// serverCertificate writes a certificate and its key over the files, which are new ones if
// there is none.
func serverCertificate(t *testing.T, serial int64, files config.KeyPair) config.KeyPair {
	t.Helper()
	if files.IsZero() {
		dir := t.TempDir()
		files = config.KeyPair{CertificateFile: filepath.Join(dir, "crt"), KeyFile: filepath.Join(dir, "key")}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(100 * 24 * time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{files.CertificateFile: {Type: "CERTIFICATE", Bytes: cert}, files.KeyFile: {Type: "PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// served is the serial number of the certificate at an address.
func served(t *testing.T, addr string) int64 {
	t.Helper()
	c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

// TestReload: everything that can change while a node runs.
func TestReload(t *testing.T) {
	a := newArena(t, func(c *config.Config) { c.Limits.Party.Requests = config.Rate{PerMinute: 1, Burst: 1} })
	p, s := a.party("mid://party", false), a.user(1, signum.SIM, phonetest.Approve)
	if err := a.signs(p, s); err != nil {
		t.Fatal(err)
	}
	a.refused("before the reload", a.signs(p, s), signum.InternalError, "Too many requests", time.Minute)
	c := a.cfg
	c.Limits.Party.Requests = config.Rate{PerMinute: 60, Burst: 100}
	c.Listen.MSS.TLS = serverCertificate(t, 7, config.KeyPair{})
	c.Listen.MSS.Connections = config.Connections{Max: 20, PerAddress: 11}
	c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	c.Drain.Wait = time.Second
	if err := a.Reload(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	_ = a.signs(p, s) // the new rate applies from here on
	a.clock.Advance(time.Second)
	if err := a.signs(p, s); err != nil {
		t.Errorf("after the reload: %v", err)
	}
	if got := served(t, a.MSSAddr()); got != 7 {
		t.Errorf("certificate %d is served", got)
	}
	if most, each := a.doors.mss.Limits(); most != 20 || each != 11 {
		t.Errorf("%d connections, %d of one address", most, each)
	}
	if proxy := netip.MustParseAddr("192.0.2.1"); !a.proxies.Trusts(proxy) || !a.exempt.Trusts(proxy) {
		t.Error("the proxy is not trusted")
	}
	if d := a.current().Drain; d.Wait != time.Second {
		t.Errorf("drain: %+v", d)
	}
	// The same names, with other content.
	serverCertificate(t, 8, c.Listen.MSS.TLS)
	if err := a.Reload(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if got := served(t, a.MSSAddr()); got != 8 {
		t.Errorf("certificate %d is served", got)
	}
	if ok, failed := a.reload.ok.Load(), a.reload.failed.Load(); ok != 2 || failed != 0 {
		t.Errorf("%d reloads, %d failed", ok, failed)
	}
}

// TestReloadRefused: a configuration that cannot be taken over changes nothing, also not
// what could be.
func TestReloadRefused(t *testing.T) {
	n := serve(t, withSMSCs(testConfig(t), testSMSC("main", "127.0.0.1:1")), Deps{})
	before := served(t, n.MSSAddr())
	for name, tt := range map[string]struct {
		change  func(*config.Config)
		restart []string
	}{
		"addresses and store": {func(c *config.Config) {
			c.Listen.Web.Address, c.Store.URL, c.CA.Directory = "127.0.0.1:1", config.NewSecret("sqlite:other"), "other"
		}, []string{"listen.web.address", "store.url", "ca.directory"}},
		"TLS for the pages": {func(c *config.Config) { c.Listen.Web.TLS = c.Listen.MSS.TLS }, []string{"listen.web.tls.certificate_file", "listen.web.tls.key_file"}},
		"no SMSC":           {func(c *config.Config) { c.SIM.SMSCs = nil }, []string{"sim.smscs"}},
		"PROXY protocol": {func(c *config.Config) {
			c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
			c.Listen.MSS.Connections.ProxyProtocol = true
		}, []string{"listen.mss.connections.proxy_protocol"}},
		"invalid":       {func(c *config.Config) { c.Limits.Party.MaxOpen = -1 }, nil},
		"too many":      {func(c *config.Config) { c.Listen.PKI.Connections.Max = 1 << 30 }, nil},
		"no such files": {func(c *config.Config) { c.Listen.MSS.TLS.KeyFile = "nowhere" }, nil},
	} {
		c := n.cfg
		c.Listen.MSS.TLS = serverCertificate(t, 7, config.KeyPair{})
		c.Drain.Wait = time.Hour
		tt.change(&c)
		err := n.Reload(t.Context(), c)
		var restart *RestartError
		switch {
		case err == nil:
			t.Errorf("%s: no error", name)
		case tt.restart != nil && (!errors.As(err, &restart) || !slices.Equal(restart.Keys, tt.restart)):
			t.Errorf("%s: %v, want %q", name, err, tt.restart)
		case tt.restart == nil && errors.As(err, &restart):
			t.Errorf("%s: %v", name, err)
		}
		if got := served(t, n.MSSAddr()); got != before || n.current().Drain.Wait == time.Hour {
			t.Errorf("%s: certificate %d, %+v", name, got, n.current().Drain)
		}
	}
	if ok, failed := n.reload.ok.Load(), n.reload.failed.Load(); ok != 0 || failed != 7 {
		t.Errorf("%d reloads, %d failed", ok, failed)
	}
}

// smscAt serves SMPP for a test.
func smscAt(t *testing.T) (*smpp.Server, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := smpp.NewServer(smpp.ServerConfig{Authenticate: func(string, string) smpp.Status { return smpp.StatusOK }})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.Serve(l)
	}()
	t.Cleanup(func() {
		s.Close()
		<-ended
	})
	return s, l.Addr().String()
}

// TestReloadSMSCs: the node binds to another SMSC, and leaves the one before.
func TestReloadSMSCs(t *testing.T) {
	one, addr := smscAt(t)
	two, other := smscAt(t)
	c := withSMSCs(testConfig(t), testSMSC("main", addr))
	n := serve(t, c, Deps{})
	for n.smscs.Bound() == 0 {
		time.Sleep(time.Millisecond)
	}
	session := one.Sessions()[0]
	c.SIM.SMSCs = []config.SMSC{c.SIM.SMSCs[0]}
	c.SIM.SMSCs[0].Weight, c.SIM.SMSCs[0].Cluster = 5, "pair"
	if err := n.Reload(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if now := one.Sessions(); len(now) != 1 || now[0] != session || n.cluster("main") != "cluster pair" {
		t.Errorf("another weight changed the sessions: %v", now)
	}
	c.SIM.SMSCs = []config.SMSC{testSMSC("main", other)}
	if err := n.Reload(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	for len(two.Sessions()) != 1 || len(one.Sessions()) != 0 {
		time.Sleep(time.Millisecond)
	}
	if n.cluster("main") != "" {
		t.Errorf("cluster %q", n.cluster("main"))
	}
	if err := n.SIMs.SendText(t.Context(), mssp.TextMessage{MSISDN: "+41791000001", Text: "hello"}); err == nil {
		t.Error("the SMSC takes nothing")
	}
}
