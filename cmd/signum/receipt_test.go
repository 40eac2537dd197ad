package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signum-mssp/signum/client"
)

func TestReceiptCommand(t *testing.T) {
	f := newFakeService(t)
	t.Setenv(envSandbox, f.dir)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	b64 := filepath.Join(t.TempDir(), "sim.b64")
	if err := os.WriteFile(b64, []byte(base64.StdEncoding.EncodeToString(der)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const number = "+41791000001"
	for _, tc := range []struct {
		name string
		args []string
		code int
		want string // in either output
		sent string // in the request
	}{
		{"accepted", []string{"h1", number, "Paid"}, 0, "User         pressed OK\n", `"Data":"Test: Paid"`},
		{"own prefix", []string{"--prefix", "Mine: ", "h1", number, "Paid"}, 0, "pressed OK", `"Data":"Mine: Paid"`},
		{"no prefix", []string{"--no-prefix", "h1", number, "Paid"}, 0, "pressed OK", `"Data":"Paid"`},
		{"cancelled", []string{"h1", number, "cancel"}, 0, "User         pressed Cancel\nMessage      User Cancelled", `"UserAck":"true"`},
		{"untouched", []string{"h1", number, "ignore"}, 0, "did not press a key", ""},
		{"no answer", []string{"h1", number, "silence"}, 0, "may or may not have been shown", ""},
		{"not asked", []string{"--user-ack=false", "--lang", "fr", "h1", number, "Paid"}, 0, "Number       " + number + "\n", `"Language":"fr"`},
		{"JSON", []string{"--json", "h1", number, "cancel"}, 0,
			`{"status":100,"reason":"REQUEST_OK","trans_id":"h1","msisdn":"` + number + `"`, ""},
		{"JSON, what the user did", []string{"--json", "h1", number, "cancel"}, 0,
			`"user_answer":"CANCEL","fault_message":"User Cancelled the request"}`, ""},
		{"JSON, nothing", []string{"--json", "h1", number, "silence"}, 0, `"user_answer":"NONE"`, ""},
		{"unknown", []string{"h2", number, "Paid"}, exitRefused, "There is no such transaction", ""},
		{"unknown, JSON", []string{"--json", "h2", number, "Paid"}, exitRefused, `{"status":101,"reason":"WRONG_PARAM"`, ""},
		{"encrypted", []string{"--encrypt", b64, "h1", number, "PUK: 1234"}, 0, "pressed OK", `"MimeType":"application/alauda-rsamessage","Encoding":"BASE64"`},
		{"too long to encrypt", []string{"--encrypt", b64, "h1", number, "--no-prefix", strings.Repeat("x", 123)}, exitLocal, "the key takes 122", ""},
		{"EC key", []string{"--encrypt", f.file(client.SandboxUserCA), "h1", number, "x"}, exitLocal, "not RSA", ""},
		{"no certificate", []string{"--encrypt", f.file(client.SandboxFile), "h1", number, "x"}, exitLocal, "--encrypt", ""},
		{"no file", []string{"--encrypt", "/nowhere", "h1", number, "x"}, exitLocal, "no such file", ""},
		{"no text", []string{"h1", number}, exitLocal, "receipt needs a TRANS_ID, an MSISDN and a TEXT; for example: signum receipt", ""},
	} {
		f.body = ""
		stdout, stderr, code := execute(t.Context(), newReceiptCmd(), "", tc.args...)
		if code != tc.code || !strings.Contains(stdout+stderr, tc.want) || !strings.Contains(f.body, tc.sent) {
			t.Errorf("%s: exit %d, want %q\n%s%ssent %s", tc.name, code, tc.want, stdout, stderr, f.body)
		}
		if tc.name == "not asked" && strings.Contains(stdout, "User ") {
			t.Errorf("%s:\n%s", tc.name, stdout)
		}
		if tc.name == "encrypted" && strings.Contains(f.body, "PUK: 1234") {
			t.Errorf("sent in the clear: %s", f.body)
		}
	}
}
