package sandbox

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"software.sslmate.com/src/go-pkcs12"
)

// Lifetimes of the sandbox's TLS certificates. Some clients refuse server
// certificates that are valid for more than 825 days.
const (
	caYears    = 10
	serverDays = 397
	apDays     = 3 * 365
	renewDays  = 30 // before the end
	backdate   = 5 * time.Minute
)

// pair is a certificate with its key.
type pair struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// loadPair reads a certificate and its key, or makes them from the template. An
// issuer of nil makes it self-signed. A certificate that expires soon, or that no
// longer fits, is replaced; the key stays.
func loadPair(certFile, keyFile string, newKey func() (crypto.Signer, error), fits func(*x509.Certificate) bool, template *x509.Certificate, issuer *pair) (pair, error) {
	key, err := loadKey(keyFile, newKey)
	if err != nil {
		return pair{}, err
	}
	if exists(certFile) {
		c, err := readCert(certFile)
		if err != nil {
			return pair{}, damaged(certFile, err)
		}
		own := key.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(c.PublicKey)
		if own && time.Until(c.NotAfter) > renewDays*24*time.Hour && fits(c) {
			return pair{c, key}, nil
		}
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return pair{}, err
	}
	parent, signer := template, key
	if issuer != nil {
		parent, signer = issuer.cert, issuer.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return pair{}, err
	}
	if err := writePEM(certFile, "CERTIFICATE", der, 0o644); err != nil {
		return pair{}, err
	}
	c, err := x509.ParseCertificate(der)
	return pair{c, key}, err
}

func always(*x509.Certificate) bool { return true }

func template(name string, days int) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		Subject:   pkix.Name{CommonName: name, Organization: []string{"Signum sandbox"}},
		NotBefore: now.Add(-backdate),
		NotAfter:  now.AddDate(0, 0, days),
		KeyUsage:  x509.KeyUsageDigitalSignature,
	}
}

// Files of the server's certificate, in the private directory.
const (
	serverCertFile  = "server.crt"
	serverKeyFile   = "server.key"
	serverCAKeyFile = "server-ca.key" // of the CA that issued it
)

// serverPair makes the server's certificate, issued by the sandbox's own CA. It is
// valid for the usual names of this machine and for the hosts. It returns the CA.
func serverPair(dir string, hosts ...string) (*x509.Certificate, error) {
	private := filepath.Join(dir, privateDir)
	t := template("Signum sandbox TEST server CA", caYears*365)
	t.IsCA, t.BasicConstraintsValid, t.MaxPathLenZero = true, true, true
	t.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	ca, err := loadPair(filepath.Join(dir, ServerCAFile), filepath.Join(private, serverCAKeyFile), newECKey, always, t, nil)
	if err != nil {
		return nil, err
	}
	t = template("Signum sandbox TEST server", serverDays)
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	t.DNSNames = []string{"localhost"}
	t.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip == nil {
			if !slices.Contains(t.DNSNames, host) {
				t.DNSNames = append(t.DNSNames, host)
			}
		} else if !slices.ContainsFunc(t.IPAddresses, ip.Equal) {
			t.IPAddresses = append(t.IPAddresses, ip)
		}
	}
	fits := func(c *x509.Certificate) bool {
		return c.CheckSignatureFrom(ca.cert) == nil && !slices.ContainsFunc(c.IPAddresses, net.IP.IsUnspecified) &&
			!slices.ContainsFunc(hosts, func(h string) bool { return c.VerifyHostname(h) != nil && !slices.Contains(c.DNSNames, h) })
	}
	_, err = loadPair(filepath.Join(private, serverCertFile), filepath.Join(private, serverKeyFile), newECKey, fits, t, &ca)
	return ca.cert, err
}

// apPairs returns the self-signed client certificates of the parties, in the order of
// clientCerts.
func apPairs(dir string) (pairs []pair, err error) {
	for _, c := range clientCerts {
		t := template(c.name, apDays)
		t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		p, err := loadPair(filepath.Join(dir, c.certFile), filepath.Join(dir, c.keyFile), c.newKey, always, t, nil)
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, p)
	}
	return pairs, nil
}

// p12 writes PKCS #12 files with 3DES and SHA-1, which every program reads. Java before
// 8u301 and the key chain of macOS do not read newer algorithms.
var p12 = pkcs12.LegacyDES

// writeP12 writes the keys and certificates of the PEM files as PKCS #12.
func writeP12(dir string, pairs []pair, anchors ...*x509.Certificate) error {
	for i, c := range clientCerts {
		data, err := p12.Encode(pairs[i].key, pairs[i].cert, nil, Password)
		if err == nil {
			err = writeFile(filepath.Join(dir, c.p12File), data, 0o600)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", c.p12File, err)
		}
	}
	store, err := p12.EncodeTrustStore(anchors, Password)
	if err != nil {
		return fmt.Errorf("%s: %w", TruststoreFile, err)
	}
	return writeFile(filepath.Join(dir, TruststoreFile), store, 0o644)
}

func newECKey() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

func newRSAKey() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 2048) }

// loadKey reads a key, or makes one.
func loadKey(name string, newKey func() (crypto.Signer, error)) (crypto.Signer, error) {
	if exists(name) {
		key, err := readKey(name)
		if err != nil {
			return nil, damaged(name, err)
		}
		return key, nil
	}
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, writePEM(name, "PRIVATE KEY", der, 0o600)
}

func readKey(name string) (crypto.Signer, error) {
	der, err := readPEM(name, "PRIVATE KEY")
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	switch key := key.(type) {
	case *ecdsa.PrivateKey:
		return key, nil
	case *rsa.PrivateKey:
		return key, nil
	}
	return nil, fmt.Errorf("%s: neither an EC nor an RSA key", name)
}

func readCert(name string) (*x509.Certificate, error) {
	der, err := readPEM(name, "CERTIFICATE")
	if err != nil {
		return nil, err
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return c, nil
}

func readPEM(name, kind string) ([]byte, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	if block == nil || block.Type != kind {
		return nil, fmt.Errorf("%s: no PEM block of type %s", name, kind)
	}
	return block.Bytes, nil
}

func writePEM(name, kind string, der []byte, mode os.FileMode) error {
	return writeFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode)
}

// certsPEM returns certificates in PEM.
func certsPEM(certs ...*x509.Certificate) (text []byte) {
	for _, c := range certs {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return text
}

// writeCerts writes certificates to a PEM file.
func writeCerts(name string, certs ...*x509.Certificate) error {
	return writeFile(name, certsPEM(certs...), 0o644)
}
