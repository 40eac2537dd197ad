package node

import (
	"net"
	"testing"

	"github.com/signum-mssp/signum/internal/ca"
	"github.com/signum-mssp/signum/internal/config"
	"github.com/signum-mssp/signum/internal/edge"
	"github.com/signum-mssp/signum/internal/policy"
	"github.com/signum-mssp/signum/internal/simcards"
	"github.com/signum-mssp/signum/internal/smpp"
)

func TestOrigin(t *testing.T) {
	var plain, secure Node
	secure.cfg.Listen.Web.TLS = config.KeyPair{CertificateFile: "crt", KeyFile: "key"}
	for _, tt := range []struct {
		node       *Node
		addr, want string
	}{
		{&plain, "127.0.0.1", "http://localhost:8444"},
		{&plain, "::1", "http://localhost:8444"},
		{&secure, "127.0.0.1", "https://localhost:8444"},
		{&secure, "0.0.0.0", "https://localhost:8444"},
		{&secure, "::", "https://localhost:8444"},
		{&secure, "192.0.2.1", "https://192.0.2.1:8444"},
		{&secure, "2001:db8::1", "https://[2001:db8::1]:8444"},
	} {
		if got := tt.node.origin(&net.TCPAddr{IP: net.ParseIP(tt.addr), Port: 8444}); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.addr, got, tt.want)
		}
	}
}

// TestHost: everybody is told the configured name, whatever the listeners' addresses are; this machine
// is told the ops listener on loopback.
func TestHost(t *testing.T) {
	listen := func(address string) net.Listener {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return l
	}
	everywhere, here := listen("0.0.0.0:0"), listen("127.0.0.1:0")
	port := func(l net.Listener) string { _, p, _ := net.SplitHostPort(l.Addr().String()); return p }
	for _, tt := range []struct {
		host, all, web string // of a node on all addresses
	}{
		{"", "127.0.0.1", "localhost"},
		{"signum", "signum", "signum"},
		{"2001:db8::1", "[2001:db8::1]", "[2001:db8::1]"},
	} {
		var n Node
		n.cfg.Listen.Host = config.Host(tt.host)
		n.listeners = listeners{mss: everywhere, web: everywhere, pki: everywhere, ops: everywhere}
		p := ":" + port(everywhere)
		for got, want := range map[string]string{
			n.MSSURL(): "https://" + tt.all + p, n.PKIURL(): "http://" + tt.all + p, n.OpsURL(): "http://" + tt.all + p, n.WebURL(): "http://" + tt.web + p,
			n.MSSAddr(): "127.0.0.1" + p, n.WebListenerURL(): "http://127.0.0.1" + p,
		} {
			if got != want {
				t.Errorf("host %q: %s, want %s", tt.host, got, want)
			}
		}
		n.listeners.ops = here
		if got := n.OpsURL(); got != "http://127.0.0.1:"+port(here) {
			t.Errorf("host %q: metrics of this machine at %s", tt.host, got)
		}
		n.cfg.Listen.MSS.URL, n.cfg.Listen.Web.URL, n.cfg.Listen.PKI.URL = "https://mss", "https://web", "http://pki"
		if n.MSSURL() != "https://mss" || n.WebURL() != "https://web" || n.PKIURL() != "http://pki" {
			t.Errorf("host %q replaces the URLs of listeners: %s, %s, %s", tt.host, n.MSSURL(), n.WebURL(), n.PKIURL())
		}
	}
}

func TestReachable(t *testing.T) {
	for addr, want := range map[string]string{
		"127.0.0.1": "127.0.0.1:1", "0.0.0.0": "127.0.0.1:1", "::": "127.0.0.1:1", "::1": "[::1]:1", "192.0.2.1": "192.0.2.1:1",
	} {
		if got := reachable(&net.TCPAddr{IP: net.ParseIP(addr), Port: 1}); got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
}

// TestDefaults: config cannot import the packages whose defaults it repeats.
func TestDefaults(t *testing.T) {
	c, smsc := config.Default(), config.DefaultSMSC()
	for name, same := range map[string]bool{
		"engine.skew":        c.Engine.Skew == policy.DefaultSkew,
		"limits.max_body":    int64(c.Limits.MaxBody) == edge.DefaultMaxBody,
		"smscs.window":       smsc.Window == smpp.DefaultWindow,
		"smscs.enquire_link": smsc.EnquireLink == smpp.DefaultEnquireLink,
		"response_timeout":   smsc.ResponseTimeout == smpp.DefaultResponseTimeout,
		"dial_timeout":       smsc.DialTimeout == smpp.DefaultDialTimeout,
		"ca.profile":         ca.Profile(config.ProfileECDSA) == ca.ECDSA && ca.Profile(config.ProfileRSAPSS) == ca.RSAPSS,
	} {
		if !same {
			t.Errorf("%s has another default in config than where it is used", name)
		}
	}
	c.SIM.MasterKey = config.NewSecret("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")
	if key, err := c.SIM.MasterKeyBytes(); err != nil || len(key) != simcards.MasterKeySize {
		t.Errorf("a master key has %d octets: %v", len(key), err)
	}
}
