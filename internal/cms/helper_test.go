package cms

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/testkit"
)

// epoch is a whole second within the validity of all test certificates.
var epoch = time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC)

// identity is a subscriber with key and chain.
type identity struct {
	key           crypto.Signer
	leaf          *x509.Certificate
	issuing, root *x509.Certificate
	signer        *Signer
}

// kinds names the identities: the key of the leaf, then that of the CAs.
var kinds = []string{"EC-EC", "RSA-EC", "EC-PSS", "RSA-PSS"}

var identities = struct {
	sync.Mutex
	byKind map[string]*identity
}{byKind: make(map[string]*identity)}

func identityOf(t testing.TB, kind string) *identity {
	t.Helper()
	identities.Lock()
	defer identities.Unlock()
	if id := identities.byKind[kind]; id != nil {
		return id
	}
	newKey := map[string]func() crypto.Signer{
		"EC": func() crypto.Signer {
			return must(t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)).(crypto.Signer)
		},
		"RSA": func() crypto.Signer { return must(t)(rsa.GenerateKey(rand.Reader, 2048)).(crypto.Signer) },
	}
	newKey["PSS"] = newKey["RSA"]
	leafKind, caKind, _ := strings.Cut(kind, "-")
	id := &identity{key: newKey[leafKind]()}
	rootKey, issuingKey := newKey[caKind](), newKey[caKind]()
	alg := x509.UnknownSignatureAlgorithm
	if caKind == "PSS" {
		alg = x509.SHA256WithRSAPSS
	}

	root := certTemplate(1, pkix.Name{CommonName: "Test Root " + kind}, alg)
	root.IsCA, root.BasicConstraintsValid, root.KeyUsage = true, true, x509.KeyUsageCertSign
	id.root = testkit.Certify(t, root, root, rootKey.Public(), rootKey)

	issuing := certTemplate(0xfedc, pkix.Name{CommonName: "Test Issuing " + kind}, alg)
	issuing.IsCA, issuing.BasicConstraintsValid, issuing.MaxPathLenZero = true, true, true
	issuing.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	issuing.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	id.issuing = testkit.Certify(t, issuing, id.root, issuingKey.Public(), rootKey)

	id.leaf = testkit.Certify(t, leafTemplate(alg), id.issuing, id.key.Public(), issuingKey)
	s, err := ParseSigner(id.leaf.Raw)
	if err != nil {
		t.Fatal(err)
	}
	id.signer = s
	identities.byKind[kind] = id
	return id
}

func certTemplate(serial int64, name pkix.Name, alg x509.SignatureAlgorithm) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber:       big.NewInt(serial),
		Subject:            name,
		NotBefore:          epoch.AddDate(-1, 0, 0),
		NotAfter:           epoch.AddDate(3, 0, 0),
		SignatureAlgorithm: alg,
	}
}

func leafTemplate(alg x509.SignatureAlgorithm) *x509.Certificate {
	leaf := certTemplate(0x7f00aa55cc, pkix.Name{CommonName: "MIDCHE0123456789:PN", SerialNumber: "MIDCHE0123456789"}, alg)
	leaf.KeyUsage = x509.KeyUsageDigitalSignature
	leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	leaf.SubjectKeyId = []byte("twenty octets of key")
	return leaf
}

func must(t testing.TB) func(any, error) any {
	return func(v any, err error) any {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// sign signs as a device does.
func (id *identity) sign(t testing.TB, attrs []byte) []byte {
	t.Helper()
	digest := sha256.Sum256(attrs)
	sig, err := id.key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

func (id *identity) chain() [][]byte { return [][]byte{id.issuing.Raw, id.root.Raw} }

func (id *identity) roots() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(id.root)
	return p
}

// answer returns a CMS over content.
func (id *identity) answer(t testing.TB, content []byte, at time.Time) []byte {
	t.Helper()
	attrs := SignedAttributes(content, at, id.signer)
	der, err := Assemble(content, attrs, id.sign(t, attrs), id.signer, id.chain())
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// writePEM writes certificates and a key (nil: none) to two files and returns their
// paths.
func writePEM(t testing.TB, name string, key crypto.Signer, certs ...*x509.Certificate) string {
	t.Helper()
	var b bytes.Buffer
	for _, c := range certs {
		_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
	}
	if key != nil {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		_ = pem.Encode(&b, &pem.Block{Type: "PRIVATE KEY", Bytes: der})
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
