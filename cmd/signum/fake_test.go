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
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
	"github.com/signum-mssp/signum/internal/cms"
)

// fakeService is a service that signs at once. Of the numbers, ...101 has no
// account, ...401 cancels, ...103 does not say where it is. Texts with "forged"
// are replaced before they are signed. It has one transaction, h1.
type fakeService struct {
	t      *testing.T
	dir    string // a sandbox's directory for it
	url    string
	key    *ecdsa.PrivateKey
	leaf   []byte
	server *httptest.Server

	stopNode func() // of a script

	mu      sync.Mutex // held while a request is answered
	body    string     // of the last request
	asking  string     // of the last signature request
	polls   int        // status queries that are answered with 504
	asks    func()     // called before each of those answers, if not nil
	pending string     // the signature, Base64; empty: a one-time password
	msisdn  string     // whose it is
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
	f.server = srv
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

// fakeRequest has the fields of requests that the fake uses.
type fakeRequest struct {
	Sign    *fakeCall `json:"MSS_SignatureReq"`
	Status  *fakeCall `json:"MSS_StatusReq"`
	Receipt *fakeCall `json:"MSS_ReceiptReq"`
	Profile *fakeCall `json:"MSS_ProfileReq"`
}

type fakeCall struct {
	AP               struct{ AP_TransID string } `json:"AP_Info"`
	ID               string                      `json:"MSSP_TransID"`
	MobileUser       struct{ MSISDN string }
	MessagingMode    string
	SignatureProfile string
	Params           string
	Data             struct{ MimeType, Data string } `json:"DataToBeSigned"`
	Message          struct{ Data string }
	Services         []struct{ Description string } `json:"AdditionalServices"`
	ReceiptStatus    struct {
		StatusDetail struct{ ReceiptRequestExtension struct{ UserAck string } }
	} `json:"Status"`
}

func (f *fakeService) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		f.t.Error(err)
	}
	f.body = string(body)
	if strings.HasPrefix(r.URL.Path, "/sandbox/") {
		f.sandbox(w, r.URL.Path)
		return
	}
	var req fakeRequest
	if err := json.Unmarshal(body, &req); err != nil {
		http.Error(w, "<h1>Not a message\x1b[31m</h1>", http.StatusBadGateway)
		return
	}
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	known := func(c *fakeCall) bool {
		if c.ID != "h1" {
			writeFault(w, 101, signum.DetailNoTransaction)
		}
		return c.ID == "h1"
	}
	switch {
	case req.Sign != nil && f.user(w, req.Sign):
		f.signature(w, req.Sign)
	case req.Status != nil && known(req.Status):
		f.status(w, req.Status)
	case req.Receipt != nil && known(req.Receipt):
		f.receipt(w, req.Receipt)
	case req.Profile != nil && f.user(w, req.Profile):
		f.profile(w, req.Profile)
	}
}

func writeFault(w http.ResponseWriter, c signum.Code, detail string) {
	w.WriteHeader(http.StatusInternalServerError)
	fmt.Fprintf(w, `{"Fault":{"Code":{"SubCode":{"Value":"_%d"}},"Detail":%q,"Reason":"%s"}}`, int(c), detail, c)
}

// user reports whether the request continues for this number.
func (f *fakeService) user(w http.ResponseWriter, c *fakeCall) bool {
	f.msisdn = c.MobileUser.MSISDN
	switch {
	case strings.HasSuffix(f.msisdn, "101"):
		writeFault(w, 105, "MSISDN is unknown")
	case strings.HasSuffix(f.msisdn, "401"):
		writeFault(w, 401, "User cancelled the request")
	default:
		return true
	}
	return false
}

func (f *fakeService) signature(w http.ResponseWriter, s *fakeCall) {
	f.asking = f.body
	content, err := signum.SignedContent(s.Data.MimeType, strings.ReplaceAll(s.Data.Data, "forged", "other"))
	if err != nil {
		f.t.Error(err)
	}
	f.pending = base64.StdEncoding.EncodeToString(f.sign(content))
	var answers []string
	status := 500
	for _, as := range s.Services {
		answer := ""
		switch as.Description {
		case signum.ServiceValidate:
			status = 502
		case signum.ServiceGeofencing:
			answer = `"Geofencing":{"Country":"CH","Accuracy":16,"DeviceConfidence":"1.0","LocationConfidence":"0.9","Timestamp":"2026-01-02T03:04:05.000Z"}`
			if strings.HasSuffix(f.msisdn, "103") {
				answer = `"Geofencing":{"ErrorCode":"103","ErrorMessage":"User denied the location permission"}`
			}
		case signum.ServiceApp2App:
			answer = `"App2App":{"AuthUri":"mobileid://auth?session_token=t"}`
		case signum.ServiceSubscriberInfo:
			answer = `"SubscriberInfo":{"Details":[{"id":"1901","value":"22801"}]}`
		}
		if answer != "" {
			answers = append(answers, `{"Description":"`+as.Description+`",`+answer+`}`)
		}
	}
	if signum.IsOTP(s.SignatureProfile) {
		f.pending, status = "", 100
	}
	signature := f.pending
	if s.MessagingMode == signum.Asynch {
		status, signature = 100, ""
	}
	fmt.Fprintf(w, `{"MSS_SignatureResp":{"AP_Info":{"AP_TransID":%q},"MSSP_TransID":"h1","MobileUser":{"MSISDN":%q},"MSS_Signature":{"Base64Signature":%q},"SignatureProfile":"p","ServiceResponses":[%s],"Status":{"StatusCode":{"Value":"%d"}}}}`,
		s.AP.AP_TransID, s.MobileUser.MSISDN, signature, strings.Join(answers, ","), status)
}

func (f *fakeService) status(w http.ResponseWriter, s *fakeCall) {
	status, signature := 500, f.pending
	switch {
	case f.polls > 0:
		f.polls--
		if f.asks != nil {
			f.asks()
		}
		status, signature = 504, ""
	case f.pending == "":
		status = 100
	}
	fmt.Fprintf(w, `{"MSS_StatusResp":{"AP_Info":{"AP_TransID":%q},"MobileUser":{"MSISDN":%q},"MSS_Signature":{"Base64Signature":%q},"Status":{"StatusCode":{"Value":"%d"}}}}`,
		s.AP.AP_TransID, f.msisdn, signature, status)
}

// receipt answers as the text demands: cancel, ignore or silence; otherwise OK.
func (f *fakeService) receipt(w http.ResponseWriter, c *fakeCall) {
	ext := ""
	if c.ReceiptStatus.StatusDetail.ReceiptRequestExtension.UserAck == "true" {
		answer := map[string]string{
			"cancel":  `"UserAck":"true","UserResponse":"{\"status\":\"CANCEL\"}","FaultMessage":"User Cancelled the request"`,
			"ignore":  `"UserAck":"true","UserResponse":"{\"status\":\"TIMEOUT\"}"`,
			"silence": `"UserAck":"false"`,
		}[strings.TrimPrefix(c.Message.Data, "Test: ")]
		if answer == "" {
			answer = `"UserAck":"true","UserResponse":"{\"status\":\"OK\"}"`
		}
		ext = `,"StatusDetail":{"ReceiptResponseExtension":{` + answer + `}}`
	}
	fmt.Fprintf(w, `{"MSS_ReceiptResp":{"AP_Info":{"AP_TransID":%q},"Status":{"StatusCode":{"Value":"100"}%s}}}`, c.AP.AP_TransID, ext)
}

func (f *fakeService) profile(w http.ResponseWriter, c *fakeCall) {
	ext := ""
	if c.Params != "" {
		ext = `,"StatusDetail":{"ProfileQueryExtension":{"MobileUser":{"AutoActivation":false,"RecoveryCodeCreated":true},"Sscds":{` +
			`"App":[{"State":"INACTIVE","PinStatus":{"Blocked":true}},{"State":"REGISTERED"}],` +
			`"Sim":{"State":"ACTIVE","PinStatus":{"Blocked":false},"MobileUserCertificate":[{"Algorithm":"EC","State":"ACTIVE","X509Certificate":["` +
			base64.StdEncoding.EncodeToString(f.leaf) + `"],"X509SubjectName":["CN=TEST\u001b"]},{"Algorithm":"RSA","State":"INACTIVE"}],` +
			`"CardDetails":{"Mcc":"228","Mnc":"01","Network":"Swisscom"}}}}}`
	}
	fmt.Fprintf(w, `{"MSS_ProfileResp":{"AP_Info":{"AP_TransID":%q},"SignatureProfile":[%q,"urn:other"],"Status":{"StatusCode":{"Value":"100"}%s}}}`,
		c.AP.AP_TransID, signum.ProfileAnyLoA4, ext)
}

// form is a form that was sent to the fake.
func (f *fakeService) form() map[string]string {
	boundary, _, _ := strings.Cut(strings.TrimPrefix(f.body, "--"), "\r\n")
	parts := make(map[string]string)
	for r := multipart.NewReader(strings.NewReader(f.body), boundary); ; {
		part, err := r.NextPart()
		if err != nil {
			return parts
		}
		data, err := io.ReadAll(part)
		if err != nil {
			f.t.Error(err)
		}
		_, params, _ := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
		parts[params["name"]] = string(data)
	}
}

// The card that the fake knows.
const (
	fakeICCID = "89410123456789012342"
	fakeCard  = `{"iccid":"89410123456789012342","state":"ACTIVE","msisdn":"+41791000001","key_set":2,"algorithm":"AES","profile":"default","counter":7,"reply_counter":5,` +
		`"created":"2026-01-02T03:04:05Z","changed":"2026-01-02T03:04:06Z","sim":{"device_id":"sim-1","account":"MIDCHE0123456789","account_state":"ACTIVE",` +
		`"state":"ACTIVE","key_type":"EC","pin_blocked":true,"certificate":{"serial":"beef","state":"GOOD","not_after":"2029-01-02T03:04:05Z"}}}`
)

// sandbox handles the control calls of a sandbox.
func (f *fakeService) sandbox(w http.ResponseWriter, path string) {
	switch {
	case path == "/sandbox/open" && strings.Contains(f.body, "session_token=t"):
		fmt.Fprint(w, `{"redirect_uri":"myapp://done"}`)
	case path == "/sandbox/open" && strings.Contains(f.body, "silent"), path == "/sandbox/phone" && strings.Contains(f.body, "+41791000001"):
		fmt.Fprint(w, `{}`)
	case path == "/sandbox/sim/end", path == "/sandbox/sim/reopen":
		fmt.Fprint(w, `{}`)
	case path == "/sandbox/sim/advance" && strings.Contains(f.body, `"after":"8941"`):
		fmt.Fprint(w, `{"moved":2,"refused":0,"least":7}`)
	case path == "/sandbox/sim/advance" && strings.Contains(f.body, fakeICCID):
		fmt.Fprint(w, `{"moved":0,"refused":1,"least":3}`)
	case path == "/sandbox/sim/advance" && !strings.Contains(f.body, "+41"):
		fmt.Fprint(w, `{"moved":5000,"refused":0,"least":9,"last":"8941"}`)
	case strings.HasPrefix(path, "/sandbox/sim/") && strings.Contains(f.body, fakeICCID):
		fmt.Fprint(w, fakeCard)
	case path == "/sandbox/cards" && strings.Contains(f.form()["cards"], "good"): // not the body: its boundary is random
		fmt.Fprint(w, `{"rows":3,"new":2,"unchanged":1,"swapped":0,"failed":0}`)
	case path == "/sandbox/cards" && strings.Contains(f.form()["cards"], "bad"):
		fmt.Fprint(w, `{"rows":7,"updated":1,"renumbered":1,"swapped":1,"failed":4,"errors":[{"line":3,"reason":"odd\u001b"},{"line":4,"iccid":"8941","reason":"old"}]}`)
	case strings.Contains(f.body, "odd"):
		http.Error(w, "404 page not found", http.StatusNotFound)
	case strings.Contains(f.body, "garbage"):
		fmt.Fprint(w, `<html>`)
	default:
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"error":"nothing\u001b there"}`)
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
