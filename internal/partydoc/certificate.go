package partydoc

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// ParseCertificate returns the first certificate in a PEM text, if it can be a client
// certificate of a party now.
func ParseCertificate(text string, now time.Time) (*x509.Certificate, error) {
	c, err := firstCertificate([]byte(text))
	if err != nil {
		return nil, err
	}
	switch {
	case now.Before(c.NotBefore) || now.After(c.NotAfter):
		return nil, fmt.Errorf("the certificate is valid from %s to %s", c.NotBefore.Format(time.DateOnly), c.NotAfter.Format(time.DateOnly))
	case !slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageClientAuth) && !slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageAny):
		return nil, errors.New("this is no client certificate: it needs the extended key usage clientAuth")
	}
	return c, nil
}

func firstCertificate(data []byte) (*x509.Certificate, error) {
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			return x509.ParseCertificate(block.Bytes)
		}
	}
	return nil, errors.New("no PEM block of type CERTIFICATE")
}

// FormatCertificate returns a certificate in PEM.
func FormatCertificate(c *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
}

// CheckCertificates returns an error if one of the party's own certificates cannot
// identify it now. It leaves the certificates alone in the texts: a key beside one must
// not be kept.
func (p *Party) CheckCertificates(now time.Time) error {
	for i, text := range p.Certificates {
		c, err := ParseCertificate(text, now)
		if err != nil {
			return fmt.Errorf("%s: certificates: %w", p.APID, err)
		}
		p.Certificates[i] = FormatCertificate(c)
	}
	return nil
}

// ReadCertificates replaces names of files by what the files contain.
func (p *Party) ReadCertificates(readFile func(string) ([]byte, error)) error {
	for i, text := range p.Certificates {
		if strings.Contains(text, "-----BEGIN") {
			continue
		}
		if readFile == nil {
			return fmt.Errorf("%s: certificates: %q is not a certificate in PEM; names of files are only read by the program that has the files", p.APID, text)
		}
		data, err := readFile(text)
		if err != nil {
			return fmt.Errorf("%s: certificates: %w", p.APID, err)
		}
		p.Certificates[i] = string(data)
	}
	return nil
}
