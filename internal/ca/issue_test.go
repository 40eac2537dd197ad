package ca

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/testkit"
)

func TestIssue(t *testing.T) {
	for _, p := range []Profile{ECDSA, RSAPSS} {
		for _, kind := range []string{"EC", "RSA"} {
			t.Run(string(p)+"/"+kind, func(t *testing.T) {
				i, store, clock := newIssuer(t, authority(t, p))
				key := deviceKey(t, kind)
				got, err := i.Issue(context.Background(), "MIDCHE0123456789", "device-1", key.Public())
				if err != nil {
					t.Fatal(err)
				}
				c := parse(t, got.DER)
				now := clock.Now().UTC().Truncate(time.Second)
				want := &mssp.Certificate{
					Serial: c.SerialNumber.Text(16), DeviceID: "device-1", State: mssp.CertificateGood, DER: got.DER, Issuer: keyID(i.issuing),
					NotBefore: now.Add(-time.Minute), NotAfter: now.AddDate(3, 0, 0),
				}
				if d := cmp.Diff(want, got); d != "" {
					t.Errorf("certificate (-want +got)\n%s", d)
				}
				if !c.NotBefore.Equal(got.NotBefore) || !c.NotAfter.Equal(got.NotAfter) {
					t.Errorf("validity %v to %v", c.NotBefore, c.NotAfter)
				}
				row := store.rows[got.Serial]
				if !bytes.Equal(row.TBS, c.RawTBSCertificate) || !bytes.Equal(row.DER, got.DER) {
					t.Error("what was linted and stored is not what was signed")
				}
				if d := cmp.Diff([]string{"intend", "complete"}, store.calls); d != "" {
					t.Error(d)
				}
				if c.SignatureAlgorithm != i.scheme.algorithm {
					t.Errorf("algorithm %v", c.SignatureAlgorithm)
				}
				if k, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool }); !ok || !k.Equal(c.PublicKey) {
					t.Error("another key")
				}
				roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
				roots.AddCert(i.Root())
				intermediates.AddCert(i.issuing)
				if _, err := c.Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates, CurrentTime: now,
					KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// openssl reads what the certificate should contain.
func TestIssueOpenSSL(t *testing.T) {
	for _, p := range []Profile{ECDSA, RSAPSS} {
		i, _, _ := newIssuer(t, authority(t, p))
		got, err := i.Issue(context.Background(), "MIDCHE0123456789", "device-1", deviceKey(t, "EC").Public())
		if err != nil {
			t.Fatal(err)
		}
		text, err := testkit.TryOpenSSL(t, got.DER, "x509", "-inform", "der", "-noout", "-text", "-nameopt", "sep_comma_plus,show_type,sname")
		if err != nil {
			t.Fatal(text)
		}
		text = strings.Join(strings.Fields(text), " ")
		for _, s := range []string{
			"Version: 3 (0x2)",
			"Subject: serialNumber=PRINTABLESTRING:MIDCHE0123456789,CN=PRINTABLESTRING:MIDCHE0123456789:PN,pseudonym=PRINTABLESTRING:MIDCHE0123456789 ",
			"X509v3 Key Usage: critical Digital Signature X509v3",
			"X509v3 Extended Key Usage: TLS Web Client Authentication X509v3",
			"X509v3 Subject Key Identifier:",
			"X509v3 Authority Key Identifier:",
			"OCSP - URI:" + testURL + "/ocsp CA Issuers - URI:" + testURL + "/ca/" + keyID(i.issuing) + ".cer",
			"X509v3 CRL Distribution Points: Full Name: URI:" + testURL + "/crl/" + keyID(i.issuing) + ".crl",
			"Policy: 2.999.1",
		} {
			if !strings.Contains(text, s) {
				t.Errorf("%s: no %q in\n%s", p, s, text)
			}
		}
		if strings.Contains(text, "Basic Constraints") {
			t.Errorf("%s: there are basic constraints", p)
		}
		crl, err := i.CRL(t.Context(), i.issuing)
		if err != nil {
			t.Fatal(err)
		}
		rootCRL, err := i.CRL(t.Context(), i.root)
		if err != nil {
			t.Fatal(err)
		}
		out, err := testkit.TryOpenSSL(t, nil, "verify", "-x509_strict", "-purpose", "sslclient", "-crl_check_all",
			"-CAfile", pemFile(t, "root.pem", "CERTIFICATE", i.Root().Raw),
			"-untrusted", pemFile(t, "issuing.pem", "CERTIFICATE", i.issuing.Raw),
			"-CRLfile", pemFile(t, "issuing.crl", "X509 CRL", crl),
			"-CRLfile", pemFile(t, "root.crl", "X509 CRL", rootCRL),
			"-policy_check", "-policy", "2.999.1", "-explicit_policy",
			pemFile(t, "leaf.pem", "CERTIFICATE", got.DER))
		if err != nil {
			t.Errorf("%s: openssl verify: %s", p, out)
		}
	}
}

// countingKey counts signatures and fails on demand.
type countingKey struct {
	crypto.Signer
	signatures int
	wrong      bool
}

func (k *countingKey) Sign(r io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	k.signatures++
	if k.wrong {
		digest = make([]byte, len(digest))
	}
	return k.Signer.Sign(r, digest, o)
}

func withKey(t *testing.T, k *countingKey) (*Issuer, *memStore) {
	t.Helper()
	a := authority(t, ECDSA)
	k.Signer = a.issuingKey
	a, err := NewAuthority(a.root, a.issuing, nil, k, nil)
	if err != nil {
		t.Fatal(err)
	}
	i, store, _ := newIssuer(t, a)
	return i, store
}

// The CA's key is not used unless the intent is on record.
func TestIssueWithoutIntent(t *testing.T) {
	key := new(countingKey)
	i, store := withKey(t, key)
	down := errors.New("store is down")
	store.failWith("intend", down)
	c, err := i.Issue(context.Background(), NewSerial(), "device-1", deviceKey(t, "EC").Public())
	if !errors.Is(err, down) || c != nil {
		t.Errorf("%v, %v", c, err)
	}
	if key.signatures != 0 || len(store.rows) != 0 {
		t.Errorf("%d signatures, %d rows", key.signatures, len(store.rows))
	}
}

// A crash between intent and completion leaves only an intended certificate: it was
// not returned, OCSP does not call it good, and it is not in the CRL.
func TestIssueCutShort(t *testing.T) {
	key := new(countingKey)
	i, store := withKey(t, key)
	down := errors.New("store is down")
	store.failWith("complete", down)
	c, err := i.Issue(context.Background(), NewSerial(), "device-1", deviceKey(t, "EC").Public())
	if !errors.Is(err, down) || c != nil {
		t.Errorf("%v, %v", c, err)
	}
	if key.signatures != 1 || len(store.rows) != 1 {
		t.Fatalf("%d signatures, %d rows", key.signatures, len(store.rows))
	}
	for serial, row := range store.rows {
		if row.State != mssp.CertificateIntended || row.DER != nil || row.TBS == nil {
			t.Errorf("row %+v", row)
		}
		if err := i.Revoke(context.Background(), serial, 1); !errors.Is(err, mssp.ErrNotFound) {
			t.Errorf("revoke: %v", err)
		}
	}
}

// If a key (an HSM) signs something else, this is detected before anybody gets the
// certificate.
func TestIssueWrongSignature(t *testing.T) {
	i, store := withKey(t, &countingKey{wrong: true})
	if c, err := i.Issue(context.Background(), NewSerial(), "device-1", deviceKey(t, "EC").Public()); err == nil || c != nil {
		t.Errorf("%v, %v", c, err)
	}
	if store.count("complete") != 0 {
		t.Error("completed")
	}
}

// A draft that violates a lint is neither recorded nor signed.
func TestIssueLinted(t *testing.T) {
	key := new(countingKey)
	i, store := withKey(t, key)
	defer func(l []lint) { lints = l }(lints)
	lints = append(slices.Clone(lints), lint{"always", "none", func(*Issuer, *x509.Certificate) error { return errors.New("broken") }})
	_, err := i.Issue(context.Background(), NewSerial(), "device-1", deviceKey(t, "EC").Public())
	var le *LintError
	if !errors.As(err, &le) || le.Lint != "always" {
		t.Errorf("error %v", err)
	}
	if key.signatures != 0 || len(store.calls) != 0 {
		t.Errorf("%d signatures, calls %v", key.signatures, store.calls)
	}
}

func TestIssueRefuses(t *testing.T) {
	i, store, _ := newIssuer(t, authority(t, ECDSA))
	ec := deviceKey(t, "EC").Public()
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	edwards, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	n := deviceKey(t, "RSA").Public().(*rsa.PublicKey).N
	for name, tc := range map[string]struct {
		serial string
		key    crypto.PublicKey
	}{
		"no serial":      {"", ec},
		"wrong serial":   {"MIDCHE012345678?", ec},
		"no key":         {NewSerial(), nil},
		"P-384":          {NewSerial(), p384.Public()},
		"Ed25519":        {NewSerial(), edwards},
		"not on curve":   {NewSerial(), offCurve()},
		"RSA-1024":       {NewSerial(), &rsa.PublicKey{N: new(big.Int).Rsh(n, 1024), E: 65537}},
		"RSA-3072":       {NewSerial(), &rsa.PublicKey{N: new(big.Int).SetBit(n, 3071, 1), E: 65537}},
		"RSA, e=3":       {NewSerial(), &rsa.PublicKey{N: n, E: 3}},
		"RSA, even":      {NewSerial(), &rsa.PublicKey{N: new(big.Int).SetBit(n, 0, 0), E: 65537}},
		"RSA, no number": {NewSerial(), &rsa.PublicKey{E: 65537}},
	} {
		if c, err := i.Issue(context.Background(), tc.serial, "device-1", tc.key); err == nil || c != nil {
			t.Errorf("%s: %v, %v", name, c, err)
		}
	}
	if len(store.calls) != 0 {
		t.Errorf("calls %v", store.calls)
	}
}

func offCurve() *ecdsa.PublicKey {
	k := new(ecdsa.PublicKey)
	//lint:ignore SA1019 there is no other way to make an invalid key
	k.Curve, k.X, k.Y = elliptic.P256(), big.NewInt(1), big.NewInt(1)
	return k
}

func TestIssueValidity(t *testing.T) {
	i, _, clock := newIssuer(t, authority(t, ECDSA))
	// The first second of the CA.
	clock.Set(i.issuing.NotBefore.Add(time.Second))
	if c := issue(t, i); !c.NotBefore.Equal(i.issuing.NotBefore) {
		t.Errorf("begins at %v, before its issuer at %v", c.NotBefore, i.issuing.NotBefore)
	}
	clock.Set(i.issuing.NotAfter.AddDate(-1, 0, 0))
	if c := issue(t, i); !c.NotAfter.Equal(i.issuing.NotAfter) {
		t.Errorf("ends at %v, its issuer at %v", c.NotAfter, i.issuing.NotAfter)
	}
	clock.Set(time.Date(2028, 2, 29, 23, 59, 59, 999, time.UTC))
	if c := issue(t, i); !c.NotAfter.Equal(time.Date(2031, 3, 1, 23, 59, 59, 0, time.UTC)) {
		t.Errorf("leap day: ends at %v", c.NotAfter)
	}
	for _, at := range []time.Time{i.issuing.NotAfter, i.issuing.NotAfter.Add(time.Hour), i.issuing.NotBefore.Add(-time.Second)} {
		clock.Set(at)
		if _, err := i.Issue(context.Background(), NewSerial(), "d", deviceKey(t, "EC").Public()); err == nil {
			t.Errorf("issued at %v", at)
		}
	}
}

func TestIssueConcurrently(t *testing.T) {
	i, store, _ := newIssuer(t, authority(t, ECDSA))
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := i.Issue(context.Background(), NewSerial(), "d", deviceKey(t, "EC").Public()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(store.rows) != 20 {
		t.Errorf("%d rows", len(store.rows))
	}
}

func TestNewRefuses(t *testing.T) {
	a := authority(t, ECDSA)
	for _, o := range []Options{{}, {URL: "https://x"}, {URL: testURL, Policy: "1"}, {URL: testURL, Policy: "policy"}} {
		if _, err := New(a, newStore(), o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
}

func BenchmarkIssue(b *testing.B) {
	for _, p := range []Profile{ECDSA, RSAPSS} {
		b.Run(string(p), func(b *testing.B) {
			i, _, _ := newIssuer(b, authority(b, p))
			key := deviceKey(b, "EC").Public()
			for b.Loop() {
				if _, err := i.Issue(context.Background(), "MIDCHE0123456789", "d", key); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
