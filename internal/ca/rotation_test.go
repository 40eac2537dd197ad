package ca

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/signum-mssp/signum/internal/cms"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/testkit"
)

// pki serves one authority after another at the same address, on one store.
type pki struct {
	t       *testing.T
	url     string
	store   *memStore
	handler atomic.Pointer[http.Handler]
}

func newPKI(t *testing.T) *pki {
	p := &pki{t: t, store: newStore()}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*p.handler.Load()).ServeHTTP(w, r) }))
	t.Cleanup(srv.Close)
	p.url = srv.URL
	return p
}

func (p *pki) create(c Config) *Authority {
	p.t.Helper()
	c.URL, c.rsaBits = p.url, 2048
	a, err := Create(c, time.Now())
	if err != nil {
		p.t.Fatal(err)
	}
	return a
}

func (p *pki) serve(a *Authority) *Issuer {
	p.t.Helper()
	i, err := New(a, p.store, Options{URL: p.url})
	if err != nil {
		p.t.Fatal(err)
	}
	h := i.Handler()
	p.handler.Store(&h)
	return i
}

// rotate makes the second authority the one that issues, through a directory, as
// an operator does.
func (p *pki) rotate(from, to *Authority) *Issuer {
	p.t.Helper()
	next, err := to.WithFormer(Former{Issuing: from.issuing, Root: from.root, Key: from.issuingKey, RootCRL: from.rootCRL})
	if err != nil {
		p.t.Fatal(err)
	}
	dir := p.t.TempDir()
	if err := next.Save(dir); err != nil {
		p.t.Fatal(err)
	}
	if next, err = Load(dir); err != nil {
		p.t.Fatal(err)
	}
	return p.serve(next)
}

// fetchCRL fetches the CRL at an address that a certificate states.
func (p *pki) fetchCRL(address string) []byte {
	p.t.Helper()
	resp, der := fetch(p.t, "GET", address, nil)
	if resp.StatusCode != http.StatusOK {
		p.t.Fatalf("%s: %s", address, resp.Status)
	}
	return der
}

// openSSL checks a signature with the CRLs that the certificates state, and asks
// for the OCSP status. It returns the status, and why the signature did not verify.
func (p *pki) openSSL(signature []byte, leaf, issuing, root *x509.Certificate) (status string, verified error) {
	p.t.Helper()
	trust := pemFile(p.t, "root.pem", "CERTIFICATE", root.Raw)
	crls := pemFile(p.t, "crls.pem", "X509 CRL", p.fetchCRL(leaf.CRLDistributionPoints[0]), p.fetchCRL(issuing.CRLDistributionPoints[0]))
	both := pemFile(p.t, "trust.pem", "CERTIFICATE", root.Raw)
	appendFile(p.t, both, crls)
	_, verified = testkit.TryOpenSSL(p.t, signature, "cms", "-verify", "-inform", "der", "-binary", "-CAfile", both, "-purpose", "sslclient", "-crl_check_all")
	out, err := testkit.TryOpenSSL(p.t, nil, "ocsp", "-url", leaf.OCSPServer[0], "-CAfile", trust,
		"-issuer", pemFile(p.t, "issuing.pem", "CERTIFICATE", issuing.Raw), "-cert", pemFile(p.t, "leaf.pem", "CERTIFICATE", leaf.Raw))
	if err != nil || !strings.Contains(out, "Response verify OK") {
		p.t.Errorf("openssl ocsp: %v\n%s", err, out)
	}
	_, status, _ = strings.Cut(out, "leaf.pem: ")
	return strings.Fields(status + " none")[0], verified
}

// sign makes a signature with the EC device key.
func sign(t *testing.T, i *Issuer, c *mssp.Certificate) []byte {
	t.Helper()
	return signWith(t, i, c, deviceKey(t, "EC"), "Pay CHF 10?", time.Now())
}

// signWith makes a signature with the key of the certificate.
func signWith(t *testing.T, i *Issuer, c *mssp.Certificate, key crypto.Signer, text string, at time.Time) []byte {
	t.Helper()
	signer, err := cms.ParseSigner(c.DER)
	if err != nil {
		t.Fatal(err)
	}
	attrs := cms.SignedAttributes([]byte(text), at, signer)
	digest := sha256.Sum256(attrs)
	sig, err := key.Sign(nil, digest[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	chain, err := i.Chain(c.DER)
	if err != nil {
		t.Fatal(err)
	}
	der, err := cms.Assemble([]byte(text), attrs, sig, signer, chain)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// After a rotation the certificates of the former CA can be used, checked and
// revoked as before: by other algorithms, under another root or the same.
func TestStatusAfterRotation(t *testing.T) {
	for name, other := range map[string]func(p *pki, a *Authority) *Authority{
		"another root": func(p *pki, _ *Authority) *Authority { return p.create(Config{Profile: RSAPSS}) },
		"same names":   func(p *pki, _ *Authority) *Authority { return p.create(Config{}) },
		"same root":    func(p *pki, a *Authority) *Authority { return successor(p.t, a) },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPKI(t)
			first := p.create(Config{})
			before := p.serve(first)
			kept, revoked := issue(t, before), issue(t, before)
			second := other(p, first)
			now := p.rotate(first, second)
			issued := issue(t, now)
			if err := now.Revoke(t.Context(), revoked.Serial, ocsp.KeyCompromise); err != nil {
				t.Fatal(err)
			}
			for _, tc := range []struct {
				what   string
				c      *mssp.Certificate
				of     *Authority
				status string
			}{
				{"of the former CA", kept, first, "good"},
				{"of the former CA, revoked", revoked, first, "revoked"},
				{"of the new CA", issued, second, "good"},
			} {
				status, verified := p.openSSL(sign(t, now, tc.c), parse(t, tc.c.DER), tc.of.issuing, tc.of.root)
				if (verified == nil) != (tc.status == "good") || status != tc.status {
					t.Errorf("a certificate %s: signature %v, OCSP %s", tc.what, verified, status)
				}
			}
			// Each CA lists its own.
			if err := now.Revoke(t.Context(), issued.Serial, ocsp.Superseded); err != nil {
				t.Fatal(err)
			}
			for a, want := range map[*Authority]string{first: revoked.Serial, second: issued.Serial} {
				der, err := now.CRL(t.Context(), a.issuing)
				if err != nil {
					t.Fatal(err)
				}
				list := parseCRL(t, der, a.issuing).RevokedCertificateEntries
				if len(list) != 1 || list[0].SerialNumber.Text(16) != want {
					t.Errorf("CRL of %x: %v, want %s", a.issuing.SubjectKeyId, list, want)
				}
			}
			// What the certificates state is there, and is the right certificate.
			leaf := parse(t, kept.DER)
			for address, want := range map[string]*x509.Certificate{
				leaf.IssuingCertificateURL[0]:          first.issuing,
				first.issuing.IssuingCertificateURL[0]: first.root,
			} {
				if _, der := fetch(t, "GET", address, nil); !bytes.Equal(der, want.Raw) {
					t.Errorf("%s is not %v", address, want.Subject)
				}
			}
			// The serial number of one CA's certificate is unknown to the other.
			req, err := ocsp.CreateRequest(leaf, second.issuing, nil)
			if err != nil {
				t.Fatal(err)
			}
			if a, err := now.ocsp(t.Context(), req); err != nil || a.status != "unknown" {
				t.Errorf("a serial number of another CA: %s, %v", a.status, err)
			}
		})
	}
}

// A revocation that an earlier version recorded, without the issuer, is in the CRL
// of the CA that issued the certificate.
func TestCRLWithoutIssuer(t *testing.T) {
	p := newPKI(t)
	first := p.create(Config{})
	c := issue(t, p.serve(first))
	row := p.store.rows[c.Serial]
	row.Issuer = ""
	p.store.rows[c.Serial] = row
	second := p.create(Config{})
	now := p.rotate(first, second)
	if err := now.Revoke(t.Context(), c.Serial, 0); err != nil {
		t.Fatal(err)
	}
	for a, want := range map[*Authority]int{first: 1, second: 0} {
		der, err := now.CRL(t.Context(), a.issuing)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(parseCRL(t, der, a.issuing).RevokedCertificateEntries); n != want {
			t.Errorf("%d entries, want %d", n, want)
		}
	}
}

// Without the key of a former CA, OCSP answers unauthorized and the CRL is the last
// that the CA signed, or there is none.
func TestFormerWithoutKey(t *testing.T) {
	p := newPKI(t)
	first := p.create(Config{})
	before := p.serve(first)
	c := issue(t, before)
	last, err := before.CRL(t.Context(), first.issuing)
	if err != nil {
		t.Fatal(err)
	}
	for _, crl := range [][]byte{last, nil} {
		next, err := p.create(Config{}).WithFormer(Former{Issuing: first.issuing, Root: first.root, CRL: crl})
		if err != nil {
			t.Fatal(err)
		}
		now := p.serve(next)
		req, err := ocsp.CreateRequest(parse(t, c.DER), first.issuing, nil)
		if err != nil {
			t.Fatal(err)
		}
		if a, err := now.ocsp(t.Context(), req); err != nil || a.status != "unauthorized" {
			t.Errorf("OCSP: %s, %v", a.status, err)
		}
		resp, der := fetch(t, "GET", parse(t, c.DER).CRLDistributionPoints[0], nil)
		if crl != nil && !bytes.Equal(der, crl) || crl == nil && resp.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("CRL: %s, %d bytes", resp.Status, len(der))
		}
		// The root of the former CA has left none.
		if resp, _ := fetch(t, "GET", first.issuing.CRLDistributionPoints[0], nil); resp.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("CRL of the root: %s", resp.Status)
		}
	}
}

// Certificates of earlier versions state addresses without a key identifier. They
// stay those of the CA that issued them.
func TestEarlierAddresses(t *testing.T) {
	p := newPKI(t)
	first := p.create(Config{})
	template := *first.issuing
	template.CRLDistributionPoints = []string{p.url + "/crl/root.crl"}
	template.IssuingCertificateURL = []string{p.url + "/ca/root.cer"}
	var err error
	if first.issuing, err = createCA(&template, first.root, first.issuingKey, first.rootKey); err != nil {
		t.Fatal(err)
	}
	check := func(issuing, root *x509.Certificate) {
		t.Helper()
		for path, want := range map[string]*x509.Certificate{"/ca/issuing.cer": issuing, "/ca/root.cer": root} {
			if _, der := fetch(t, "GET", p.url+path, nil); !bytes.Equal(der, want.Raw) {
				t.Errorf("%s is not %x", path, want.SubjectKeyId)
			}
		}
		parseCRL(t, p.fetchCRL(p.url+"/crl/issuing.crl"), issuing)
		parseCRL(t, p.fetchCRL(p.url+"/crl/root.crl"), root)
	}
	p.serve(first)
	check(first.issuing, first.root)
	second := p.create(Config{})
	p.rotate(first, second)
	check(first.issuing, first.root)
	p.serve(second)
	check(second.issuing, second.root)
}

func TestFormerRefused(t *testing.T) {
	a, b := authority(t, ECDSA), authority(t, RSAPSS)
	for name, f := range map[string]Former{
		"root of another":      {Issuing: a.issuing, Root: b.root},
		"root not self-signed": {Issuing: a.issuing, Root: a.issuing},
		"key of another":       {Issuing: a.issuing, Root: a.root, Key: b.issuingKey},
		"CRL of another":       {Issuing: a.issuing, Root: a.root, CRL: b.rootCRL},
		"CRL of the root":      {Issuing: a.issuing, Root: a.root, CRL: a.rootCRL},
		"root CRL of another":  {Issuing: a.issuing, Root: a.root, RootCRL: b.rootCRL},
		"root CRL broken":      {Issuing: a.issuing, Root: a.root, RootCRL: []byte("CRL")},
	} {
		if _, err := a.WithFormer(f); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

// What Save writes of a former CA is what Load reads.
func TestSaveFormer(t *testing.T) {
	a, b := authority(t, ECDSA), authority(t, RSAPSS)
	i, _, _ := newIssuer(t, b)
	crl, err := i.CRL(t.Context(), b.issuing)
	if err != nil {
		t.Fatal(err)
	}
	a, err = a.WithFormer(Former{Issuing: b.issuing, Root: b.root, Key: b.issuingKey, CRL: crl, RootCRL: b.rootCRL})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := a.Save(dir); err != nil {
		t.Fatal(err)
	}
	base := filepath.Join(dir, dirFormer, keyID(b.issuing))
	if info, err := os.Stat(base + extKey); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v, %v", info, err)
	}
	loaded, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	f := loaded.former[0]
	if !f.Issuing.Equal(b.issuing) || !f.Root.Equal(b.root) || !sameKey(f.Key, b.issuing.PublicKey) || !bytes.Equal(f.CRL, crl) || !bytes.Equal(f.RootCRL, b.rootCRL) {
		t.Error("another former CA came back")
	}
	if err := os.WriteFile(base+extKey, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), extKey) {
		t.Errorf("a broken key: %v", err)
	}
}

// To rotate, an operator moves the files of the CA into the directory former; the
// next start creates a new authority that knows it.
func TestRotateByMovingFiles(t *testing.T) {
	p := newPKI(t)
	dir := t.TempDir()
	load := func() *Authority {
		t.Helper()
		a, err := LoadOrCreate(dir, Config{URL: p.url}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	first := load()
	old := issue(t, p.serve(first))
	former := filepath.Join(dir, dirFormer)
	if err := os.MkdirAll(former, 0o700); err != nil {
		t.Fatal(err)
	}
	appendFile(t, filepath.Join(dir, fileIssuing), filepath.Join(dir, fileRoot))
	for from, to := range map[string]string{fileIssuing: "2026.pem", fileIssuingKey: "2026.key", fileRootCRL: "2026.root.crl"} {
		if err := os.Rename(filepath.Join(dir, from), filepath.Join(former, to)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{fileRoot, fileRootKey} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	now := p.serve(load())
	issued := issue(t, now)
	for _, c := range []*mssp.Certificate{old, issued} {
		chain, err := now.Chain(c.DER)
		if err != nil {
			t.Fatal(err)
		}
		status, verified := p.openSSL(sign(t, now, c), parse(t, c.DER), parse(t, chain[0]), parse(t, chain[1]))
		if verified != nil || status != "good" {
			t.Errorf("signature %v, OCSP %s", verified, status)
		}
	}
	if parse(t, issued.DER).CheckSignatureFrom(first.issuing) == nil {
		t.Error("the former CA still issues")
	}
}
