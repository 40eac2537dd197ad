package client_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/testkit"
)

// corpusTime is a time at which the certificates of the corpus are valid.
var corpusTime = time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC)

// corpusCA is a PKI for the corpus: a root, an issuing CA, and signers.
type corpusCA struct {
	dir           string
	root, issuing *x509.Certificate
	rootPEM       string // files
	issuingPEM    string
	roots         *x509.CertPool
	issuingKey    crypto.Signer
	serial        int64
}

func newCorpusCA(t testing.TB) *corpusCA {
	ca := &corpusCA{dir: t.TempDir(), serial: 2}
	rootKey := testkit.ECKey(t)
	ca.issuingKey = testkit.ECKey(t)
	root := corpusTemplate(1, "TEST root")
	root.IsCA, root.BasicConstraintsValid, root.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	ca.root = testkit.Certify(t, root, root, rootKey.Public(), rootKey)
	issuing := corpusTemplate(2, "TEST issuing")
	issuing.IsCA, issuing.BasicConstraintsValid, issuing.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	ca.issuing = testkit.Certify(t, issuing, ca.root, ca.issuingKey.Public(), rootKey)
	ca.rootPEM = ca.file(t, "root.pem", pemOf("CERTIFICATE", ca.root.Raw))
	ca.issuingPEM = ca.file(t, "issuing.pem", pemOf("CERTIFICATE", ca.issuing.Raw))
	ca.roots = x509.NewCertPool()
	ca.roots.AddCert(ca.root)
	return ca
}

func corpusTemplate(serial int64, name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name},
		NotBefore: corpusTime.AddDate(-1, 0, 0), NotAfter: corpusTime.AddDate(100, 0, 0),
	}
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func (ca *corpusCA) file(t testing.TB, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(ca.dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// corpusSigner is a user with a key: files in PEM, key in PKCS #8.
type corpusSigner struct {
	ca              *corpusCA
	leaf            *x509.Certificate
	certPEM, keyPEM string
}

// signer issues a certificate to a new key. kind is EC, P-384 or RSA; change may
// change the certificate.
func (ca *corpusCA) signer(t testing.TB, kind string, change func(*x509.Certificate)) *corpusSigner {
	t.Helper()
	var key crypto.Signer
	var err error
	switch kind {
	case "EC":
		key = testkit.ECKey(t)
	case "P-384":
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	default:
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	ca.serial++
	c := corpusTemplate(ca.serial, "MIDCHE0123456789:PN")
	c.Subject.SerialNumber = "MIDCHE0123456789"
	c.KeyUsage, c.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	c.SubjectKeyId = bytes.Repeat([]byte{byte(ca.serial)}, 20)
	if change != nil {
		change(c)
	}
	leaf := testkit.Certify(t, c, ca.issuing, key.Public(), ca.issuingKey)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	name := strconv.FormatInt(ca.serial, 10)
	return &corpusSigner{
		ca: ca, leaf: leaf,
		certPEM: ca.file(t, name+".pem", pemOf("CERTIFICATE", leaf.Raw)),
		keyPEM:  ca.file(t, name+".key", pemOf("PRIVATE KEY", pkcs8)),
	}
}

// pssSigner is a user whose key is for RSASSA-PSS alone. Its certificate is valid from
// now on, because openssl makes it.
func (ca *corpusCA) pssSigner(t testing.TB) *corpusSigner {
	t.Helper()
	pkcs8, err := x509.MarshalPKCS8PrivateKey(ca.issuingKey)
	if err != nil {
		t.Fatal(err)
	}
	s := &corpusSigner{
		ca:      ca,
		keyPEM:  ca.file(t, "pss.key", testkit.OpenSSL(t, nil, "genpkey", "-quiet", "-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048")),
		certPEM: filepath.Join(ca.dir, "pss.pem"),
	}
	request := testkit.OpenSSL(t, nil, "req", "-new", "-key", s.keyPEM, "-subj", "/CN=MIDCHE0123456789:PN/serialNumber=MIDCHE0123456789")
	purpose := ca.file(t, "pss.ext", []byte("keyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\n"))
	testkit.OpenSSL(t, request, "x509", "-req", "-CA", ca.issuingPEM, "-CAkey", ca.file(t, "issuing.key", pemOf("PRIVATE KEY", pkcs8)),
		"-set_serial", "999", "-extfile", purpose, "-days", "3650", "-out", s.certPEM)
	return s
}

// sign runs openssl cms -sign.
func (s *corpusSigner) sign(t testing.TB, content string, args ...string) []byte {
	t.Helper()
	args = append([]string{"cms", "-sign", "-signer", s.certPEM, "-inkey", s.keyPEM}, args...)
	return testkit.OpenSSL(t, []byte(content), args...)
}

// opensslVerdict is what openssl thinks of a signature: the content, or an error
// with its reasons.
func (ca *corpusCA) openssl(t testing.TB, form, root string, at time.Time, data []byte, args ...string) ([]byte, error) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "content")
	args = append([]string{"cms", "-verify", "-inform", form, "-CAfile", root, "-purpose", "any", "-binary",
		"-attime", strconv.FormatInt(at.Unix(), 10), "-out", out}, args...)
	if said, err := testkit.TryOpenSSL(t, data, args...); err != nil {
		return nil, &refusal{said}
	}
	content, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return content, nil
}

// refusal is what openssl said.
type refusal struct{ said string }

func (r *refusal) Error() string { return r.said }
