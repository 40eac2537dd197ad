package sandbox

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
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
func loadPair(certFile, keyFile string, fits func(*x509.Certificate) bool, template *x509.Certificate, issuer *pair) (pair, error) {
	key, err := loadKey(keyFile)
	if err != nil {
		return pair{}, err
	}
	if exists(certFile) {
		c, err := readCert(certFile)
		if err != nil {
			return pair{}, err
		}
		own := key.Public().(*ecdsa.PublicKey).Equal(c.PublicKey)
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
	serverCertFile = "server.crt"
	serverKeyFile  = "server.key"
)

// serverPair makes the server's certificate, issued by the sandbox's own CA. It is
// valid for the usual names of this machine and for the hosts. It returns the CA.
func serverPair(dir string, hosts ...string) (*x509.Certificate, error) {
	private := filepath.Join(dir, privateDir)
	t := template("Signum sandbox TEST server CA", caYears*365)
	t.IsCA, t.BasicConstraintsValid, t.MaxPathLenZero = true, true, true
	t.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	ca, err := loadPair(filepath.Join(dir, ServerCAFile), filepath.Join(private, "server-ca.key"), always, t, nil)
	if err != nil {
		return nil, err
	}
	hosts = slices.DeleteFunc(hosts, func(h string) bool { return h == "" })
	t = template("Signum sandbox TEST server", serverDays)
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	t.DNSNames = []string{"localhost"}
	t.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip == nil {
			t.DNSNames = append(t.DNSNames, host)
		} else if !slices.ContainsFunc(t.IPAddresses, ip.Equal) {
			t.IPAddresses = append(t.IPAddresses, ip)
		}
	}
	fits := func(c *x509.Certificate) bool {
		return c.CheckSignatureFrom(ca.cert) == nil &&
			!slices.ContainsFunc(hosts, func(h string) bool { return c.VerifyHostname(h) != nil })
	}
	_, err = loadPair(filepath.Join(private, serverCertFile), filepath.Join(private, serverKeyFile), fits, t, &ca)
	return ca.cert, err
}

// apPair returns the party's self-signed client certificate.
func apPair(dir string) (pair, error) {
	t := template("Signum sandbox TEST AP", apDays)
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	return loadPair(filepath.Join(dir, APCertFile), filepath.Join(dir, APKeyFile), always, t, nil)
}

// writeP12 writes the keys and certificates of the PEM files as PKCS #12.
func writeP12(dir string, ap pair, anchors ...*x509.Certificate) error {
	p12, err := pkcs12.Modern.Encode(ap.key, ap.cert, nil, Password)
	if err != nil {
		return fmt.Errorf("%s: %w", APP12File, err)
	}
	if err := writeFile(filepath.Join(dir, APP12File), p12, 0o600); err != nil {
		return err
	}
	store, err := pkcs12.Modern.EncodeTrustStore(anchors, Password)
	if err != nil {
		return fmt.Errorf("%s: %w", TruststoreFile, err)
	}
	return writeFile(filepath.Join(dir, TruststoreFile), store, 0o644)
}

func loadKey(name string) (crypto.Signer, error) {
	if exists(name) {
		der, err := readPEM(name, "PRIVATE KEY")
		if err != nil {
			return nil, err
		}
		key, err := x509.ParsePKCS8PrivateKey(der)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if key, ok := key.(*ecdsa.PrivateKey); ok {
			return key, nil
		}
		return nil, fmt.Errorf("%s: not an EC key", name)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, writePEM(name, "PRIVATE KEY", der, 0o600)
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
		return nil, fmt.Errorf("%s: no PEM block of type %s; to start again, use another directory", name, kind)
	}
	return block.Bytes, nil
}

func writePEM(name, kind string, der []byte, mode os.FileMode) error {
	return writeFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode)
}
