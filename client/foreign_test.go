package client_test

import (
	"crypto/rand"
	"crypto/x509"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signum-mssp/signum/internal/testkit"
)

// TestBouncyCastle compares verdicts with openssl about what Bouncy Castle makes.
func TestBouncyCastle(t *testing.T) {
	dir := testkit.JavaPackages(t, "bouncycastle", os.DirFS("testdata/bouncycastle"))
	compareForeign(t, []string{"EC", "RSA"}, 15, func(dirs []string) *exec.Cmd {
		args := []string{"-cp", filepath.Join(dir, "lib", "*"), filepath.Join(dir, "Sign.java")}
		return exec.CommandContext(t.Context(), "java", append(args, dirs...)...)
	})
}

// compareForeign has a program sign in a directory for each kind of key, and
// compares verdicts about at least so many signatures of each.
func compareForeign(t *testing.T, kinds []string, atLeast int, program func(dirs []string) *exec.Cmd) {
	ca := newCorpusCA(t)
	crl, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(1), ThisUpdate: corpusTime, NextUpdate: corpusTime.AddDate(0, 0, 1),
	}, ca.issuing, ca.issuingKey)
	if err != nil {
		t.Fatal(err)
	}
	var dirs []string
	for _, kind := range kinds {
		s := ca.signer(t, kind, nil)
		dir := t.TempDir()
		dirs = append(dirs, dir)
		for name, data := range map[string][]byte{
			"content": []byte(corpusText), "crl.pem": pemOf("X509 CRL", crl),
			"chain.pem": append(pemOf("CERTIFICATE", ca.issuing.Raw), pemOf("CERTIFICATE", ca.root.Raw)...),
			"leaf.pem":  pemOf("CERTIFICATE", s.leaf.Raw), "leaf.key": read(t, s.keyPEM),
		} {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if out, err := program(dirs).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for i, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(dir, "*.p7"))
		if err != nil || len(files) < atLeast {
			t.Fatalf("%d signatures, %v", len(files), err)
		}
		for _, file := range files {
			name := strings.TrimSuffix(filepath.Base(file), ".p7")
			s := sample{form: "DER", data: read(t, file)}
			switch name {
			case "detached":
				s.o.Content, s.args = []byte(corpusText), []string{"-content", filepath.Join(dir, "content")}
			case "no-attributes":
				s.differ = "nothing says that the text is not the attributes of another signature"
			}
			t.Run(kinds[i]+"/"+name, func(t *testing.T) { s.compare(t, ca) })
		}
	}
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestPKIjs does the same with what pkijs makes, in Node.js.
func TestPKIjs(t *testing.T) {
	dir := testkit.NodePackages(t, "pkijs", os.DirFS("testdata/pkijs"))
	compareForeign(t, []string{"EC", "RSA"}, 6, func(dirs []string) *exec.Cmd {
		return exec.CommandContext(t.Context(), "node", append([]string{filepath.Join(dir, "sign.js")}, dirs...)...)
	})
}
