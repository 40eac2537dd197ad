package sandbox

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
	"github.com/signum-mssp/signum/internal/partydoc"
)

func TestParseParty(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	own := writeCert(t, filepath.Join(dir, "own.pem"), selfSigned(t, x509.ExtKeyUsageClientAuth))
	server := writeCert(t, filepath.Join(dir, "server.pem"), selfSigned(t, x509.ExtKeyUsageServerAuth))
	pem, err := os.ReadFile(own)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]partydoc.Party{
		"mid://example.com":                  {APID: "mid://example.com"},
		"mid://example.com,prefix=Bank: ":    {APID: "mid://example.com", Prefix: "Bank: "},
		"urn:ap,lang=DE,unprefixed-receipts": {APID: "urn:ap", DefaultLang: "de", UnprefixedReceipts: true},
		"urn:ap,base64-subjects":             {APID: "urn:ap", SubjectNameBase64: true},
		"urn:ap,cert=" + own:                 {APID: "urn:ap", Certificates: []string{string(pem)}},
	} {
		got, err := ParseParty(text)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", text, err, diff)
		}
	}
	for text, want := range map[string]string{
		"":                           "must be a URI",
		"example":                    "must be a URI",
		"mid://exam ple":             "must be a URI",
		"mid://bäckerei":             "must be a URI",
		"mid://sandbox":              "every sandbox has this party",
		"mid://sandbox/open,lang=de": "every sandbox has this party",
		"urn:ap,lang=rm":             "not one of en, de, fr, it",
		"urn:ap,prefix=a\x00b":       "dtbd_prefix has",
		"urn:ap,colour=red":          "not one of prefix=TEXT",
		"urn:ap,":                    "not one of prefix=TEXT",
		"urn:ap,cert=" + dir + "/no": "no such file",
		"urn:ap,cert=" + server:      "extended key usage clientAuth",
	} {
		if _, err := ParseParty(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// writeCert writes a certificate to a PEM file and returns its name.
func writeCert(t *testing.T, name string, c tls.Certificate) string {
	t.Helper()
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// A party that is added signs as it is set, with the certificates of the directory and
// its own, and stays in the directory.
func TestOwnParty(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certificate := selfSigned(t, x509.ExtKeyUsageClientAuth)
	file := writeCert(t, filepath.Join(t.TempDir(), "own.pem"), certificate)
	const id = "mid://example.com"
	added, err := ParseParty(id + ",prefix=Bank: ,lang=de,unprefixed-receipts,base64-subjects,cert=" + file)
	if err != nil {
		t.Fatal(err)
	}
	for n, cfg := range []Config{{Dir: dir, Parties: []partydoc.Party{added}}, {Dir: dir}} {
		_, stop := runUntil(t, cfg)
		sb, err := client.LoadSandbox(dir)
		if err != nil {
			t.Fatal(err)
		}
		p := sb.Party(id)
		if p == nil || p.DTBDPrefix != "Bank: " || p.DefaultLang != "de" || !p.UnprefixedReceipts || !p.SubjectNameBase64 || len(p.Certificates) != 3 || len(sb.Parties) != 4 {
			t.Fatalf("run %d: listed %+v", n, p)
		}
		for name, pair := range map[string]tls.Certificate{"its own": certificate, "the directory's": sb.Config.TLS.Certificates[0]} {
			conf := sb.Config
			conf.APID, conf.TLS = id, sb.Config.TLS.Clone()
			conf.TLS.Certificates = []tls.Certificate{pair}
			c, err := client.New(conf)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			resp, err := c.Sign(t.Context(), client.SignRequest{MSISDN: "+41791000001", Text: "Bank: Pay?"})
			if err != nil {
				t.Fatalf("run %d, %s certificate: %v", n, name, err)
			}
			if _, err := c.Receipt(t.Context(), client.ReceiptRequest{TransID: resp.TransID, MSISDN: resp.MSISDN, Text: "Paid"}); err != nil {
				t.Errorf("run %d: receipt: %v", n, err)
			}
			profile, err := c.Profile(t.Context(), "+41791000001", "sscds", "certs")
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range profile.Extension.SSCDs.SIM.Certificates[0].Chain {
				if name, err := base64.StdEncoding.DecodeString(c.Subject); err != nil || !strings.Contains(string(name), "=") {
					t.Errorf("run %d: the subject is %q", n, c.Subject)
				}
			}
			if _, err := c.Sign(t.Context(), client.SignRequest{MSISDN: "+41791000001", Text: "Pay?"}); !errors.Is(err, &signum.Fault{Code: signum.InappropriateData}) {
				t.Errorf("run %d: without the prefix: %v, want 107", n, err)
			}
		}
		stop()
	}
	_, err = Open(t.Context(), Config{Dir: filepath.Join(dir, "new"), Parties: []partydoc.Party{added, added}})
	if wrong, ok := errors.AsType[*OptionError](err); !ok || wrong.Option != "Parties" {
		t.Errorf("the same party twice: %v", err)
	}
}
