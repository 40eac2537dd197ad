package config

import (
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
)

// CipherSuite is a cipher suite of TLS 1.2, by its IANA name in text. Those of TLS
// 1.3 cannot be chosen.
type CipherSuite uint16

// defaultSuites encrypt and authenticate in one step. The other suites that Go has
// for TLS 1.2 do it in two (CBC with HMAC), which has led to one attack after another
// (Lucky Thirteen); every client that speaks TLS 1.2 well has one of these.
func defaultSuites() []CipherSuite {
	return []CipherSuite{
		required[0], required[1],
		CipherSuite(tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384), CipherSuite(tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
		CipherSuite(tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256), CipherSuite(tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
	}
}

// required are suites of which HTTP/2 must have one (RFC 9113, clause 9.2.2).
var required = [...]CipherSuite{CipherSuite(tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256), CipherSuite(tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256)}

// UnmarshalText implements encoding.TextUnmarshaler. It takes the suites that Go
// considers secure.
func (s *CipherSuite) UnmarshalText(b []byte) error {
	var names []string
	for _, c := range tls.CipherSuites() {
		if !slices.Contains(c.SupportedVersions, tls.VersionTLS12) {
			continue
		}
		if c.Name == string(b) {
			*s = CipherSuite(c.ID)
			return nil
		}
		names = append(names, c.Name)
	}
	return fmt.Errorf("%q is not a secure cipher suite of TLS 1.2; these are %s", b, strings.Join(names, ", "))
}

// String implements fmt.Stringer.
func (s CipherSuite) String() string { return tls.CipherSuiteName(uint16(s)) }

// MarshalText implements encoding.TextMarshaler.
func (s CipherSuite) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// TLS is the part of a server's configuration that limits versions and cipher
// suites.
func (c Listen) TLS() *tls.Config {
	if len(c.CipherSuites) == 0 {
		return &tls.Config{MinVersion: tls.VersionTLS13}
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	for _, s := range c.CipherSuites {
		t.CipherSuites = append(t.CipherSuites, uint16(s))
	}
	return t
}

func (c Listen) checkSuites(l *problems) {
	has := func(s CipherSuite) bool { return slices.Contains(c.CipherSuites, s) }
	if len(c.CipherSuites) > 0 && !slices.ContainsFunc(required[:], has) {
		l.add("listen.cipher_suites", "must have %s or %s, which HTTP/2 requires, or be [] for TLS 1.3 only", required[0], required[1])
	}
}
