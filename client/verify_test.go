package client

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/cms"
	"github.com/signum-mssp/signum/internal/testkit"
)

// testSigner is a mobile user with a certificate from a CA.
type testSigner struct {
	key   *ecdsa.PrivateKey
	leaf  []byte
	ca    *x509.Certificate
	roots *x509.CertPool
}

func newTestSigner(t *testing.T) *testSigner {
	t.Helper()
	now := time.Now()
	create := func(tmpl, parent *x509.Certificate, key *ecdsa.PrivateKey, signer *ecdsa.PrivateKey) *x509.Certificate {
		return testkit.Certify(t, tmpl, parent, key.Public(), signer)
	}
	newKey := func() *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	caKey, key := newKey(), newKey()
	caTmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "TEST CA"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	ca := create(caTmpl, caTmpl, caKey, caKey)
	leaf := create(&x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "MIDCHE0123456789:PN", SerialNumber: "MIDCHE0123456789"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, ca, key, caKey)
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	return &testSigner{key: key, leaf: leaf.Raw, ca: ca, roots: roots}
}

func (s *testSigner) sign(t *testing.T, text string, at time.Time) []byte {
	t.Helper()
	signer, err := cms.ParseSigner(s.leaf)
	if err != nil {
		t.Fatal(err)
	}
	attrs := cms.SignedAttributes([]byte(text), at, signer)
	digest := sha256.Sum256(attrs)
	sig, err := ecdsa.SignASN1(rand.Reader, s.key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	der, err := cms.Assemble([]byte(text), attrs, sig, signer, [][]byte{s.ca.Raw})
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestVerify(t *testing.T) {
	s := newTestSigner(t)
	at := time.Now().Truncate(time.Second)
	der := s.sign(t, "Bank: Zürich?", at)
	got, err := Verify(der, s.roots)
	if err != nil {
		t.Fatal(err)
	}
	if got.Text != "Bank: Zürich?" || got.Serial != "MIDCHE0123456789" || !got.SigningTime.Equal(at) ||
		got.Certificate.SerialNumber.Int64() != 2 || len(got.Chain) != 2 {
		t.Errorf("%+v", got)
	}

	var unknown x509.UnknownAuthorityError
	if _, err := Verify(der, newTestSigner(t).roots); !errors.As(err, &unknown) {
		t.Errorf("other root: %v", err)
	}
	var invalid x509.CertificateInvalidError
	if _, err := Verify(s.sign(t, "x", at.Add(2*time.Hour)), s.roots); !errors.As(err, &invalid) {
		t.Errorf("expired: %v", err)
	}
	if _, err := Verify(der, nil); err == nil {
		t.Error("no roots: verified")
	}
	for i := range der { // a changed byte may go unnoticed, but must not change the text
		broken := append([]byte(nil), der...)
		broken[i] ^= 1
		if got, err := Verify(broken, s.roots); err == nil && got.Text != "Bank: Zürich?" {
			t.Errorf("byte %d changed: verified %q", i, got.Text)
		}
	}
	for n := range der {
		if _, err := Verify(der[:n], s.roots); err == nil {
			t.Errorf("cut to %d bytes: verified", n)
		}
	}
}
