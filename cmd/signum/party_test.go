package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
	"github.com/signum-mssp/signum/internal/cms"
)

// fakeService is a service that signs at once and knows three numbers:
// ...101 has no account, ...401 cancels, all others sign. Texts with "forged"
// are replaced before they are signed.
type fakeService struct {
	t       *testing.T
	dir     string // a sandbox's directory for it
	url     string
	key     *ecdsa.PrivateKey
	leaf    []byte
	polls   int    // status queries that are answered with 504
	pending string // the signature, Base64
	msisdn  string // whose it is
}

func newFakeService(t *testing.T) *fakeService {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(0xbeef), Subject: pkix.Name{CommonName: "TEST", SerialNumber: "MIDCHE0123456789"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	leaf, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	must(err)
	f := &fakeService{t: t, dir: t.TempDir(), key: key, leaf: leaf}
	srv := httptest.NewUnstartedServer(f)
	srv.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	f.url = srv.URL
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	must(err)
	block := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	info, err := json.Marshal(client.Sandbox{BaseURL: srv.URL, APID: "mid://test", DTBDPrefix: "Test: "})
	must(err)
	for name, data := range map[string][]byte{
		client.SandboxFile:     info,
		client.SandboxServerCA: block("CERTIFICATE", srv.Certificate().Raw),
		client.SandboxUserCA:   block("CERTIFICATE", leaf),
		client.SandboxCert:     block("CERTIFICATE", leaf),
		client.SandboxKey:      block("PRIVATE KEY", keyDER),
	} {
		must(os.WriteFile(f.file(name), data, 0o600))
	}
	return f
}

func (f *fakeService) file(name string) string { return filepath.Join(f.dir, name) }

func (f *fakeService) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var req struct {
		Sign *struct {
			AP            struct{ AP_TransID string } `json:"AP_Info"`
			MobileUser    struct{ MSISDN string }
			MessagingMode string
			Data          struct{ Data string } `json:"DataToBeSigned"`
		} `json:"MSS_SignatureReq"`
		Status *struct {
			AP struct{ AP_TransID string } `json:"AP_Info"`
			ID string                      `json:"MSSP_TransID"`
		} `json:"MSS_StatusReq"`
	}
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		http.Error(w, "<h1>Not a message\x1b[31m</h1>", http.StatusBadGateway)
		return
	}
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	fault := func(c signum.Code, detail string) {
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprintf(w, `{"Fault":{"Code":{"SubCode":{"Value":"_%d"}},"Detail":%q,"Reason":"%s"}}`, int(c), detail, c)
	}
	switch {
	case req.Sign != nil:
		s := req.Sign
		f.msisdn = s.MobileUser.MSISDN
		switch n := s.MobileUser.MSISDN; {
		case strings.HasSuffix(n, "101"):
			fault(105, "MSISDN is unknown")
			return
		case strings.HasSuffix(n, "401"):
			fault(401, "User cancelled the request")
			return
		}
		f.pending = base64.StdEncoding.EncodeToString(f.sign(strings.ReplaceAll(s.Data.Data, "forged", "other")))
		status, signature := 500, f.pending
		if s.MessagingMode == signum.Asynch {
			status, signature = 100, ""
		}
		fmt.Fprintf(w, `{"MSS_SignatureResp":{"AP_Info":{"AP_TransID":%q},"MSSP_TransID":"h1","MobileUser":{"MSISDN":%q},"MSS_Signature":{"Base64Signature":%q},"SignatureProfile":"p","Status":{"StatusCode":{"Value":"%d"}}}}`,
			s.AP.AP_TransID, s.MobileUser.MSISDN, signature, status)
	case req.Status.ID != "h1":
		fault(101, signum.DetailNoTransaction)
	default:
		status, signature := 500, f.pending
		if f.polls > 0 {
			f.polls--
			status, signature = 504, ""
		}
		fmt.Fprintf(w, `{"MSS_StatusResp":{"AP_Info":{"AP_TransID":%q},"MobileUser":{"MSISDN":%q},"MSS_Signature":{"Base64Signature":%q},"Status":{"StatusCode":{"Value":"%d"}}}}`,
			req.Status.AP.AP_TransID, f.msisdn, signature, status)
	}
}

func (f *fakeService) sign(text string) []byte {
	signer, err := cms.ParseSigner(f.leaf)
	if err != nil {
		f.t.Error(err)
		return nil
	}
	attrs := cms.SignedAttributes([]byte(text), time.Now(), signer)
	digest := sha256.Sum256(attrs)
	sig, err := ecdsa.SignASN1(rand.Reader, f.key, digest[:])
	if err != nil {
		f.t.Error(err)
	}
	der, err := cms.Assemble([]byte(text), attrs, sig, signer, nil)
	if err != nil {
		f.t.Error(err)
	}
	return der
}

// execute runs one command as main would; a context may end it.
func execute(ctx context.Context, cmd *cobra.Command, stdin string, args ...string) (stdout, stderr string, code int) {
	var out, errs bytes.Buffer
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	cmd.SetIn(strings.NewReader(stdin))
	cmd.SetOut(&out)
	cmd.SetErr(&errs)
	cmd.SetArgs(args)
	if err := cmd.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(&errs, "signum:", err)
		code = exitCode(err)
	}
	return out.String(), errs.String(), code
}
