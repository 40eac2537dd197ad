package sandbox

import (
	"crypto/x509"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
)

// A directory of a version that kept users and parties in sandbox.json has them in this one,
// apart from a certificate whose file is gone.
func TestAdopt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert := writeCert(t, filepath.Join(t.TempDir(), "own.pem"), selfSigned(t, x509.ExtKeyUsageClientAuth))
	old := Info{
		Users: append(Users(), User{MSISDN: "+41791234567", Methods: []signum.Method{signum.SIM, signum.App}, KeyType: signum.EC, Network: "22801"}),
		Parties: []Party{
			{APID: APID, DTBDPrefix: "Old: "},
			{APID: "mid://bank.example", Name: "", DTBDPrefix: "Bank: ", DefaultLang: "de", UnprefixedReceipts: true, SubjectNameBase64: true,
				Certificates: []client.SandboxCertificate{
					{KeyType: signum.EC, Cert: APCertFile, Key: APKeyFile, P12: APP12File}, {KeyType: signum.EC, Cert: cert}, {KeyType: signum.EC, Cert: cert + ".gone"},
				}},
		},
	}
	data, err := json.Marshal(old)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, InfoFile), data, 0o644); err != nil {
		t.Fatal(err)
	}
	box := run(t, memory(Config{Dir: dir}))
	p, err := box.GetParty("mid://bank.example")
	if err != nil || p.Prefix != "Bank: " || p.DefaultLang != "de" || !p.UnprefixedReceipts || !p.SubjectNameBase64 || len(p.Certificates) != 1 {
		t.Errorf("%+v, %v", p, err)
	}
	if p, err := box.GetParty(APID); err != nil || p.Prefix != DTBDPrefix {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err := box.GetUser(t.Context(), "+41791234567"); err != nil {
		t.Error(err)
	}
	sb, err := client.LoadSandbox(dir)
	if err != nil || len(sb.Parties) != 4 || len(sb.Party("mid://bank.example").Certificates) != 3 {
		t.Errorf("%v, %+v", err, sb.Parties)
	}
	if st, err := os.Stat(filepath.Join(dir, InfoFile)); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("others can read the token: %v, %v", st.Mode(), err)
	}
}

// A file of kept users and parties that cannot be read is never replaced.
func TestKeptDamaged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, privateDir), 0o700); err != nil {
		t.Fatal(err)
	}
	const text = "users:\n- msisdn: nobody\n"
	name := filepath.Join(dir, privateDir, keptFile)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), memory(Config{Dir: dir, Addr: "127.0.0.1:0"}))
	mustContain(t, err, name+":2: nobody", "correct the file, or delete it")
	if got, err := os.ReadFile(name); err != nil || string(got) != text {
		t.Errorf("%q, %v", got, err)
	}
}

func mustContain(t *testing.T, err error, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%v, want %s", err, text)
		}
	}
}
