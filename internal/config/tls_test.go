package config

import (
	"crypto/tls"
	"strings"
	"testing"
)

// TestCipherSuites: the defaults have neither CBC nor a key exchange without forward
// secrecy, and a suite that is not secure cannot be configured.
func TestCipherSuites(t *testing.T) {
	for _, s := range Default().Listen.CipherSuites {
		if !strings.HasPrefix(s.String(), "TLS_ECDHE_") || strings.Contains(s.String(), "CBC") {
			t.Errorf("%s is a default", s)
		}
		var back CipherSuite
		if err := back.UnmarshalText([]byte(s.String())); err != nil || back != s {
			t.Errorf("%s is read as %s, %v", s, back, err)
		}
	}
	for _, name := range []string{"", "TLS_RSA_WITH_RC4_128_SHA", "TLS_RSA_WITH_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"} {
		var s CipherSuite
		if err := s.UnmarshalText([]byte(name)); err == nil || !strings.Contains(err.Error(), "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestTLSVersions(t *testing.T) {
	if c := (Listen{}).TLS(); c.MinVersion != tls.VersionTLS13 {
		t.Errorf("without suites: %x", c.MinVersion)
	}
	c := Default()
	if got := c.Listen.TLS(); got.MinVersion != tls.VersionTLS12 || len(got.CipherSuites) != len(c.Listen.CipherSuites) {
		t.Errorf("by default: %x, %v", got.MinVersion, got.CipherSuites)
	}
	c.Listen.CipherSuites = []CipherSuite{CipherSuite(tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384)}
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "listen.cipher_suites: must have TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 or ") {
		t.Errorf("without the suites of HTTP/2: %v", err)
	}
}
