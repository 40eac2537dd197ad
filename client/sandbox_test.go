package client

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/signum-mssp/signum"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// writeSandbox writes the directory of a sandbox for a server.
func writeSandbox(t *testing.T, url string, ca []byte, party tls.Certificate) string {
	t.Helper()
	dir := t.TempDir()
	key, err := x509.MarshalPKCS8PrivateKey(party.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	for name, data := range map[string][]byte{
		SandboxFile: []byte(`{"base_url":"` + url + `","pki_url":"http://127.0.0.1:1","ap_id":"` + testAPID + `","dtbd_prefix":"Bank: ",
			"users":[{"msisdn":"+41791000003","methods":["SIM","App"],"key_type":"EC"},{"msisdn":"+41791000004","methods":[],"key_type":"RSA"}]}`),
		SandboxServerCA: block("CERTIFICATE", ca),
		SandboxUserCA:   block("CERTIFICATE", ca),
		SandboxCert:     block("CERTIFICATE", party.Certificate[0]),
		SandboxKey:      block("PRIVATE KEY", key),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestLoadSandbox(t *testing.T) {
	party := testCert(t)
	f := forms[0]
	s, _ := newTestServer(t, func(w http.ResponseWriter, r *http.Request) {
		if sha256.Sum256(r.TLS.PeerCertificates[0].Raw) != sha256.Sum256(party.Certificate[0]) {
			t.Error("another certificate")
		}
		f.write(w, 500, f.fault(105, "MSISDN is unknown"))
	})
	dir := writeSandbox(t, s.URL, s.Certificate().Raw, party)
	sb, err := LoadSandbox(dir)
	if err != nil {
		t.Fatal(err)
	}
	users := []SandboxUser{
		{MSISDN: "+41791000003", Methods: []signum.Method{signum.SIM, signum.App}, KeyType: signum.EC},
		{MSISDN: "+41791000004", Methods: []signum.Method{}, KeyType: signum.RSA},
	}
	if d := cmp.Diff(users, sb.Users); d != "" || sb.APID != testAPID || sb.DTBDPrefix != "Bank: " || sb.UserRoots == nil {
		t.Errorf("%+v\n%s", sb, d)
	}
	c, err := New(sb.Config)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Sign(t.Context(), SignRequest{MSISDN: "+41790000000", Text: "x"}); signum.AsFault(err) == nil {
		t.Error(err)
	}

	if err := os.Remove(filepath.Join(dir, SandboxUserCA)); err != nil {
		t.Fatal(err)
	}
	if sb, err = LoadSandbox(dir); err != nil || sb.UserRoots != nil {
		t.Errorf("without user-ca.pem: %+v, %v", sb, err)
	}
	for _, name := range []string{SandboxUserCA, SandboxKey, SandboxServerCA, SandboxFile} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("nonsense"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadSandbox(dir); err == nil {
			t.Errorf("nonsense in %s is taken", name)
		}
	}
	if _, err := LoadSandbox(filepath.Join(dir, "absent")); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), SandboxFile) {
		t.Error(err)
	}
}

// A party of the sandbox is found by its AP_ID or by the last part of it.
func TestSandboxParty(t *testing.T) {
	sb := &Sandbox{Parties: []SandboxParty{{APID: "mid://sandbox"}, {APID: "mid://sandbox/basic"}, {APID: "mid://sandbox/open"}}}
	for name, want := range map[string]string{
		"mid://sandbox": "mid://sandbox", "sandbox": "mid://sandbox", "open": "mid://sandbox/open", "mid://sandbox/basic": "mid://sandbox/basic",
		"": "", "pen": "", "sandbox/": "", "mid://sandbox/none": "",
	} {
		got := ""
		if p := sb.Party(name); p != nil {
			got = p.APID
		}
		if got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}
