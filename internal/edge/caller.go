package edge

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"slices"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
)

// CallerOf identifies the peer of a connection. TLS has proved that the peer has
// the key. The pin alone decides whose certificate it is, so the certificate may
// be self-signed. A party must send its end-entity certificate without a chain,
// and the certificate must allow client authentication.
func CallerOf(cs *tls.ConnectionState, now time.Time) mssp.Caller {
	switch {
	case cs == nil:
		return mssp.Caller{Problem: "no TLS"}
	case len(cs.PeerCertificates) == 0:
		return mssp.Caller{Problem: "no client certificate"}
	case len(cs.PeerCertificates) > 1:
		return mssp.Caller{Problem: "a chain was sent along with the client certificate"}
	}
	c := cs.PeerCertificates[0]
	switch {
	case now.Before(c.NotBefore) || now.After(c.NotAfter):
		return mssp.Caller{Problem: "the client certificate is not valid now"}
	case !clientAuth(c):
		return mssp.Caller{Problem: "the client certificate lacks the extended key usage clientAuth"}
	}
	return mssp.Caller{Pin: mssp.PinOf(c.Raw)}
}

func clientAuth(c *x509.Certificate) bool {
	return slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageClientAuth) || slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageAny)
}

// TLSConfig asks every client for a certificate and accepts any or none, so that a
// client with a wrong or missing certificate gets a fault that says so and not a
// broken connection. base limits versions and cipher suites.
func TLSConfig(base *tls.Config, cert func(*tls.ClientHelloInfo) (*tls.Certificate, error)) *tls.Config {
	c := base.Clone()
	c.ClientAuth = tls.RequestClientCert
	c.GetCertificate = cert
	c.NextProtos = []string{"h2", "http/1.1"}
	return c
}

// pinOf returns the pin of the certificate that a refused client showed, in
// hexadecimal, so that the operator can compare it with what is registered. It is
// empty if there is none.
func pinOf(cs *tls.ConnectionState) string {
	if cs == nil || len(cs.PeerCertificates) == 0 {
		return ""
	}
	pin := mssp.PinOf(cs.PeerCertificates[0].Raw)
	return hex.EncodeToString(pin[:])
}
