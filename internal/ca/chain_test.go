package ca

import (
	"bytes"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// successor has another issuing CA with the same name under the same root.
func successor(t testing.TB, a *Authority) *Authority {
	t.Helper()
	_, key, err := ECDSA.generate(0)
	if err != nil {
		t.Fatal(err)
	}
	template := *a.issuing
	template.SerialNumber, template.SubjectKeyId = newSerialNumber(), keyIdentifier(key.Public())
	issuing, err := createCA(&template, a.root, key, a.rootKey)
	if err != nil {
		t.Fatal(err)
	}
	next, err := NewAuthority(a.root, issuing, a.rootKey, key, a.rootCRL)
	if err != nil {
		t.Fatal(err)
	}
	return next
}

func sameChain(t *testing.T, a *Authority, certificate []byte, issuing, root *x509.Certificate) {
	t.Helper()
	chain, err := a.Chain(certificate)
	if err != nil || len(chain) != 2 || !bytes.Equal(chain[0], issuing.Raw) || !bytes.Equal(chain[1], root.Raw) {
		t.Errorf("chain of %d certificates, not that of %v: %v", len(chain), issuing.Subject, err)
	}
}

// The chain of a certificate is that of its issuer, after one or two rotations: to a
// CA with the same name and root, and to one with a root of its own.
func TestChainAfterRotation(t *testing.T) {
	first := authority(t, ECDSA)
	second := successor(t, first)
	third, err := Create(Config{URL: testURL, RootName: "Other root", IssuingName: "Other CA"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var issued [][]byte
	for _, a := range []*Authority{first, second, third} {
		i, _, _ := newIssuer(t, a)
		issued = append(issued, issue(t, i).DER)
	}
	if _, err := second.Chain(issued[0]); !errors.Is(err, ErrUnknownIssuer) {
		t.Errorf("a certificate of an unknown issuer with the same name: %v", err)
	}
	now, err := third.WithFormer(Former{Issuing: first.issuing, Root: first.root})
	if err == nil {
		now, err = now.WithFormer(Former{Issuing: second.issuing, Root: second.root})
	}
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := now.Save(dir); err != nil {
		t.Fatal(err)
	}
	loaded, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []*Authority{now, loaded} {
		sameChain(t, a, issued[0], first.issuing, first.root)
		sameChain(t, a, issued[1], second.issuing, second.root)
		sameChain(t, a, issued[2], third.issuing, third.root)
	}
	if len(third.former) != 0 {
		t.Error("WithFormer changed its receiver")
	}
}

// A former CA whose file contains no root is under the current root. An invalid file
// is an error, because the certificates of that CA would have no chain.
func TestLoadFormer(t *testing.T) {
	first := authority(t, ECDSA)
	second := successor(t, first)
	i, _, _ := newIssuer(t, first)
	leaf := issue(t, i).DER
	for name, test := range map[string]struct {
		file []byte
		ok   bool
	}{
		"without a root":    {encodeCertificate(first.issuing), true},
		"empty":             {nil, false},
		"not PEM":           {[]byte("-----BEGIN"), false},
		"a leaf":            {encodeCertificate(parse(t, leaf)), false},
		"not a certificate": {[]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), false},
	} {
		dir := t.TempDir()
		if err := second.Save(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(filepath.Join(dir, dirFormer), 0o700); err != nil {
			t.Fatal(err)
		}
		for file, data := range map[string][]byte{"2026.pem": test.file, "notes.txt": []byte("not a certificate")} {
			if err := os.WriteFile(filepath.Join(dir, dirFormer, file), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		a, err := Load(dir)
		if (err == nil) != test.ok {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			sameChain(t, a, leaf, first.issuing, first.root)
		}
	}
}

// issuerOf agrees with crypto/x509.
func FuzzIssuerOf(f *testing.F) {
	a := authority(f, ECDSA)
	i, _, _ := newIssuer(f, a)
	f.Add(issue(f, i).DER)
	f.Add(a.issuing.Raw)
	f.Add(a.root.Raw)
	f.Fuzz(func(t *testing.T, der []byte) {
		name, keyID, err := issuerOf(der)
		c, xerr := x509.ParseCertificate(der)
		if xerr != nil {
			return
		}
		if err != nil {
			t.Fatalf("a certificate that crypto/x509 reads: %v", err)
		}
		if !bytes.Equal(name, c.RawIssuer) || !bytes.Equal(keyID, c.AuthorityKeyId) {
			t.Errorf("issuer %x with key %x, want %x with %x", name, keyID, c.RawIssuer, c.AuthorityKeyId)
		}
	})
}
