package config

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/netip"
	"os"
)

// ClientCert are the proxies whose header Client-Cert (RFC 9440) is believed. Without
// networks it is not read.
type ClientCert struct {
	From []netip.Prefix `yaml:"from"`
	// CertificatesFile holds the certificates with which the proxies connect, in PEM.
	CertificatesFile string `yaml:"certificates_file"`
}

// Enabled reports whether there are such proxies.
func (c ClientCert) Enabled() bool { return len(c.From) > 0 }

// Certificates reads the certificates of the proxies.
func (c ClientCert) Certificates() (all []*x509.Certificate, err error) {
	data, err := os.ReadFile(c.CertificatesFile)
	if err != nil {
		return nil, err
	}
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.CertificatesFile, err)
		}
		if cert.IsCA && cert.BasicConstraintsValid {
			return nil, fmt.Errorf("%s: %s is a CA; list the certificates of the proxies themselves", c.CertificatesFile, cert.Subject)
		}
		all = append(all, cert)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: holds no certificate in PEM", c.CertificatesFile)
	}
	return all, nil
}

func (c ClientCert) check(l *problems, conns Connections) {
	const path = "listen.mss.client_cert"
	for _, p := range c.From {
		if p.Bits() == 0 {
			l.add(path+".from", "%s is everywhere; list the networks of the proxies", p)
		}
	}
	switch {
	case !c.Enabled() && c.CertificatesFile == "":
		return
	case !c.Enabled():
		l.add(path+".from", "is needed beside certificates_file: the networks of the proxies")
	case c.CertificatesFile == "":
		l.add(path+".certificates_file", "is needed beside from: anybody who can send the header can be any party")
	case conns.ProxyProtocol:
		l.add(path+".from", "cannot be used with listen.mss.connections.proxy_protocol, which hides the address of the proxy")
	default:
		if _, err := c.Certificates(); err != nil {
			*l = append(*l, &Problem{Path: path + ".certificates_file", Text: fmt.Sprintf("cannot load the certificates of the proxies: %v", err), Err: err})
		}
	}
}
