package node

import (
	"crypto/tls"
	"net/url"
	"testing"

	"github.com/signum-mssp/signum/internal/config"
)

// TestAttackOldTLS: nobody can bring the listeners to a version or cipher suite of
// TLS with known weaknesses, unless the operator permits the suite.
func TestAttackOldTLS(t *testing.T) {
	const cbc, gcm = tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
	old := config.CipherSuite(cbc)
	for _, tt := range []struct {
		what        string
		change      func(*config.Config)
		version     uint16
		suites      []uint16
		established bool
	}{
		{"CBC", nil, tls.VersionTLS12, []uint16{cbc, tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256}, false},
		{"RC4", nil, tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_RC4_128_SHA}, false},
		{"TLS 1.1", nil, tls.VersionTLS11, nil, false},
		{"TLS 1.2", nil, tls.VersionTLS12, []uint16{cbc, gcm}, true},
		{"TLS 1.3", nil, tls.VersionTLS13, nil, true},
		{"CBC, permitted", func(c *config.Config) { c.Listen.CipherSuites = append(c.Listen.CipherSuites, old) }, tls.VersionTLS12, []uint16{cbc}, true},
		{"TLS 1.2, not permitted", func(c *config.Config) { c.Listen.CipherSuites = nil }, tls.VersionTLS12, nil, false},
		{"TLS 1.3 alone", func(c *config.Config) { c.Listen.CipherSuites = nil }, tls.VersionTLS13, nil, true},
	} {
		c := public(t, "id.example.com")
		if tt.change != nil {
			tt.change(&c)
		}
		n := serve(t, c, Deps{})
		web, err := url.Parse(n.WebListenerURL())
		if err != nil {
			t.Fatal(err)
		}
		for _, addr := range []string{n.MSSAddr(), web.Host} {
			conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tt.version, CipherSuites: tt.suites})
			if (err == nil) != tt.established {
				t.Errorf("%s at %s: %v", tt.what, addr, err)
			}
			if err == nil {
				conn.Close()
			}
		}
	}
}
