package card_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/cms"
	"github.com/signum-mssp/signum/internal/testkit"
)

// authority is a minimal CA.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{key: key}
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Root"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	a.cert = a.certify(t, root, root, key.Public())
	return a
}

func (a *authority) certify(t *testing.T, template, parent *x509.Certificate, public any) *x509.Certificate {
	t.Helper()
	return testkit.Certify(t, template, parent, public, a.key)
}

// openssl verifies the CMS around a card's signature.
func TestOpenSSL(t *testing.T) {
	ca := newAuthority(t)
	trust := filepath.Join(t.TempDir(), "root.pem")
	if err := os.WriteFile(trust, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []signum.KeyType{signum.EC, signum.RSA} {
		t.Run(string(kind), func(t *testing.T) {
			p := newPhone(t)
			if kind == signum.RSA {
				p = newPhone(t, withRSA)
			}
			leaf := ca.certify(t, &x509.Certificate{
				SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "User"},
				NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
			}, ca.cert, p.card.PublicKey())
			text := "Zürich: pay [100 €]?"
			r := signRequest(1, text)
			r.SigningTime, r.CertHash = time.Now().Truncate(time.Second), sha256.Sum256(leaf.Raw)
			p.do = []press{ok, pin("4711")}
			p.send(r)
			reply := p.only()

			signer, err := cms.ParseSigner(leaf.Raw)
			if err != nil {
				t.Fatal(err)
			}
			attrs := cms.SignedAttributes([]byte(text), r.SigningTime, signer) // as the service prepares them
			if err := signer.Verify(attrs, reply.Signature); err != nil {
				t.Fatal(err)
			}
			der, err := cms.Assemble([]byte(text), attrs, reply.Signature, signer, nil)
			if err != nil {
				t.Fatal(err)
			}
			if out := testkit.OpenSSL(t, der, "cms", "-verify", "-inform", "der", "-binary", "-cades", "-CAfile", trust, "-purpose", "any"); string(out) != text {
				t.Errorf("openssl read %q", out)
			}
		})
	}
}

// A card is safe for concurrent use.
func TestConcurrency(t *testing.T) {
	p := newPhone(t)
	var wg sync.WaitGroup
	for n := range 8 {
		apdus := [][]byte{
			envelope(t, service, p.seal(marshal(t, signRequest(n, "a")))[0]), {0x80, 0x12, 0, 0, 0},
			respond(prompt{number: byte(n), kind: 0x13}, 0, nil), {0x80, 0xf2, 0, 0}, {0x00, 0xb0, 0, 0, 0},
		}
		wg.Go(func() {
			for range 50 {
				for _, a := range apdus {
					p.card.Transmit(a)
				}
				p.card.PublicKey()
				p.card.TriesLeft()
				p.card.Asking()
				p.card.SimulateFault(0, false)
			}
		})
	}
	wg.Wait()
	p.insert()
	p.do = []press{ok, pin("4711")}
	p.send(signRequest(1000, "b"))
	if r := p.only(); r.Result != applet.OK {
		t.Errorf("%+v", r)
	}
}

// A signature from the first ENVELOPE to the last TERMINAL RESPONSE, including the work of
// the service.
func BenchmarkSign(b *testing.B) {
	p := newPhone(b)
	n := 0
	for b.Loop() {
		n++
		p.do = append(p.do[:0], ok, pin("4711"))
		p.send(signRequest(n, "Bank: pay CHF 100.00?"))
		p.only()
	}
}
