package sandbox

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"software.sslmate.com/src/go-pkcs12"

	"github.com/signum-mssp/signum/client"
	"github.com/signum-mssp/signum/internal/testkit"
)

// Programs that check a user's certificate against a file of CAs need the issuing CA in
// it, so the chain is a file, too.
func TestUserCAFiles(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	resp := f.sign(t, "rest", f.request("+41791000001"))
	sig, err := client.Verify(resp.Signature, f.party.UserRoots)
	if err != nil {
		t.Fatal(err)
	}
	leaf := filepath.Join(t.TempDir(), "leaf.pem")
	if err := os.WriteFile(leaf, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: sig.Certificate.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	testkit.OpenSSL(t, nil, "verify", "-CAfile", f.Path(UserCAChainFile), leaf)
	testkit.OpenSSL(t, nil, "verify", "-CAfile", f.Path(UserCAFile), "-untrusted", f.Path(IssuingCAFile), leaf)
	testkit.OpenSSL(t, nil, "verify", "-partial_chain", "-CAfile", f.Path(IssuingCAFile), leaf)
	if out, err := testkit.TryOpenSSL(t, nil, "verify", "-CAfile", f.Path(UserCAFile), leaf); err == nil {
		t.Errorf("the root alone verifies the leaf, so the files are not needed: %s", out)
	}

	data, err := os.ReadFile(f.Path(TruststoreFile))
	if err != nil {
		t.Fatal(err)
	}
	anchors, err := pkcs12.DecodeTrustStore(data, Password)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []*x509.Certificate{f.files.serverCA, f.CA.Root(), f.CA.Issuing()} {
		if !slices.ContainsFunc(anchors, want.Equal) {
			t.Errorf("%s has no %s", TruststoreFile, want.Subject)
		}
	}
}

// Old Java and macOS read only 3DES with a MAC of SHA-1.
func TestP12OfOldPrograms(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, name := range []string{APP12File, APRSAP12File, TruststoreFile} {
		for _, legacy := range [][]string{{"-legacy"}, nil} { // without it, current programs
			args := append([]string{"pkcs12", "-info", "-noout", "-in", f.Path(name), "-passin", "pass:" + Password}, legacy...)
			out, err := testkit.TryOpenSSL(t, nil, args...)
			if err != nil || !strings.Contains(out, "MAC: sha1") || !strings.Contains(out, "pbeWithSHA1And3-KeyTripleDES-CBC") ||
				strings.Contains(out, "PBES2") || strings.Contains(out, "RC2") {
				t.Errorf("%s %v: %v\n%s", name, legacy, err, out)
			}
		}
	}
}
