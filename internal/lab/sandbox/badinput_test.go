package sandbox

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/person"
)

const restSign = `{"MSS_SignatureReq":{"AP_Info":{"AP_ID":"mid://sandbox","AP_TransID":"TRANS","Instant":"INSTANT"},` +
	`"MSSP_Info":{"MSSP_ID":{"URI":"http://mid.swisscom.ch/"}},"MajorVersion":"1","MinorVersion":"2","MessagingMode":"synch","MobileUser":{"MSISDN":"MSISDN_"},` +
	`"DataToBeSigned":{"MimeType":"text/plain","Encoding":"UTF-8","Data":"Sandbox: Hello"},` +
	`"AdditionalServices":[{"Description":"http://mss.ficom.fi/TS102204/v1.0.0#userLang","UserLang":{"Value":"en"}}]}}`

const soapSign = `<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body><MSS_Signature>` +
	`<m:MSS_SignatureReq xmlns:m="http://uri.etsi.org/TS102204/v1.1.2#" MajorVersion="1" MinorVersion="1" MessagingMode="synch">` +
	`<m:AP_Info AP_ID="mid://sandbox" AP_PWD="x" AP_TransID="TRANS" Instant="INSTANT"/><m:MSSP_Info><m:MSSP_ID/></m:MSSP_Info>` +
	`<m:MobileUser><m:MSISDN>MSISDN_</m:MSISDN></m:MobileUser><m:DataToBeSigned MimeType="text/plain" Encoding="UTF-8">Sandbox: Hello</m:DataToBeSigned>` +
	`<m:AdditionalServices><m:Service><m:Description><m:mssURI>http://mss.ficom.fi/TS102204/v1.0.0#userLang</m:mssURI></m:Description>` +
	`<f:UserLang xmlns:f="http://mss.ficom.fi/TS102204/v1.0.0#">en</f:UserLang></m:Service></m:AdditionalServices>` +
	`</m:MSS_SignatureReq></MSS_Signature></s:Body></s:Envelope>`

// raw returns a message as bytes, with fresh values for the fields that must be unique.
func (f *fixture) raw(message, msisdn string) string {
	return strings.NewReplacer("TRANS", fmt.Sprintf("R%d", calls.Add(1)), "INSTANT", signum.FormatInstant(f.clock.Now()), "MSISDN_", msisdn).Replace(message)
}

func (f *fixture) post(t *testing.T, c *http.Client, path, contentType string, body io.Reader) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, f.Info.BaseURL+path, body)
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	return answer(t, c, req)
}

// answer sends a request and returns status, header and body of the answer.
func answer(t *testing.T, c *http.Client, req *http.Request) (int, http.Header, string) {
	t.Helper()
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(b)
}

// TestBadInput: every malformed input gets a clear fault in the form of its wire, without a
// panic and without internal details.
func TestBadInput(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	msisdn := f.addUser(person.Approve, signum.SIM)
	tr := &http.Transport{TLSClientConfig: f.party.Config.TLS}
	defer tr.CloseIdleConnections()
	c := &http.Client{Transport: tr}
	rest, soap := f.raw(restSign, msisdn), f.raw(soapSign, msisdn)
	const jsonType, xmlType = "application/json", "application/soap+xml"
	const restPath, soapPath = "/rest/service/sign", "/soap/services/MSS_SignaturePort"
	bomb := `<!DOCTYPE b [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>`
	replace := func(s, old, new string) string {
		if !strings.Contains(s, old) {
			t.Fatalf("%q is not there", old)
		}
		return strings.Replace(s, old, new, 1)
	}
	for _, tt := range []struct {
		name, path, contentType, body, code string
	}{
		{"control: rest is good", restPath, jsonType, rest, ""},
		{"control: soap is good", soapPath, xmlType, soap, ""},
		{"replayed", restPath, jsonType, rest, "101"},
		{"replayed", soapPath, xmlType, soap, "101"},
		{"empty", restPath, jsonType, "", "101"},
		{"empty", soapPath, xmlType, "", "101"},
		{"not a message", restPath, jsonType, `{"a":1}`, "101"},
		{"not a message", soapPath, xmlType, `<a/>`, "101"},
		{"the other's message", restPath, jsonType, soap, "101"},
		{"the other's message", soapPath, xmlType, rest, "101"},
		{"deep", restPath, jsonType, strings.Repeat(`{"MSS_SignatureReq":`, 3000), "101"},
		{"deep arrays", restPath, jsonType, `{"MSS_SignatureReq":` + strings.Repeat(`[`, 30000) + strings.Repeat(`]`, 30000) + "}", "101"},
		{"deep", soapPath, xmlType, replace(soap, "<m:MobileUser>", strings.Repeat("<m:x>", 3000)+strings.Repeat("</m:x>", 3000)+"<m:MobileUser>"), "101"},
		{"duplicate", restPath, jsonType, replace(rest, `"MajorVersion"`, `"MajorVersion":"1","MajorVersion"`), "101"},
		{"duplicate attribute", soapPath, xmlType, replace(soap, `MinorVersion="1"`, `MinorVersion="1" MinorVersion="1"`), "101"},
		{"duplicate element", soapPath, xmlType, replace(soap, `<m:MobileUser>`, `<m:MobileUser><m:MSISDN>+41</m:MSISDN></m:MobileUser><m:MobileUser>`), "101"},
		{"invalid UTF-8", restPath, jsonType, replace(rest, "Hello", "H\xff\xfello"), "101"},
		{"invalid UTF-8", soapPath, xmlType, replace(soap, "Hello", "H\xff\xfello"), "101"},
		{"lone surrogate", restPath, jsonType, replace(rest, "Hello", `\ud800`), "101"},
		{"NUL", restPath, jsonType, replace(f.raw(restSign, msisdn), "Hello", `a\u0000b`), "101"},
		{"NUL", soapPath, xmlType, replace(soap, "Hello", "a&#0;b"), "101"},
		{"DTD", soapPath, xmlType, replace(soap, "<s:Envelope", `<!DOCTYPE x SYSTEM "file:///etc/passwd"><s:Envelope`), "101"},
		{"entities", soapPath, xmlType, replace(replace(soap, "<s:Envelope", bomb+"<s:Envelope"), "Hello", "&c;"), "101"},
		{"unknown entity", soapPath, xmlType, replace(soap, "Hello", "&nbsp;"), "101"},
		{"wrong content type", restPath, "text/plain", rest, "101"},
		{"wrong content type", soapPath, jsonType, soap, "101"},
		{"form of curl", restPath, "application/x-www-form-urlencoded", rest, "101"},
		{"10 MB", restPath, jsonType, replace(rest, "Hello", strings.Repeat("a", 10<<20)), "101"},
		{"10 MB", soapPath, xmlType, replace(soap, "Hello", strings.Repeat("a", 10<<20)), "101"},
		{"10 MB of space", restPath, jsonType, strings.Repeat(" ", 10<<20) + rest, "101"},
		{"unknown AP", restPath, jsonType, replace(rest, "mid://sandbox", "mid://nobody"), "104"},
		{"unknown AP", soapPath, xmlType, replace(soap, "mid://sandbox", "mid://nobody"), "104"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, header, got := f.post(t, c, tt.path, tt.contentType, strings.NewReader(tt.body))
			wantType, code := "application/json;charset=UTF-8", `"Value":"_`+tt.code+`"`
			if tt.path == soapPath {
				wantType, code = "application/soap+xml;charset=utf-8", ">mss:_"+tt.code+"<"
			}
			if tt.code == "" {
				if status != 200 {
					t.Fatalf("got %d %s", status, got)
				}
				return
			}
			if status != 500 || header.Get("Content-Type") != wantType || !strings.Contains(got, code) {
				t.Errorf("got %d %s %.400s", status, header.Get("Content-Type"), got)
			}
			if len(got) > 2000 || strings.Contains(got, "root:") || strings.Contains(got, "goroutine") || strings.Contains(got, ".go:") {
				t.Errorf("leaks: %.400s", got)
			}
		})
	}
	// Cut off at every byte.
	for _, m := range []struct{ path, contentType, body string }{
		{restPath, jsonType, f.raw(restSign, msisdn)}, {soapPath, xmlType, f.raw(soapSign, msisdn)},
	} {
		for n := 0; n < len(m.body); n += 7 {
			status, _, got := f.post(t, c, m.path, m.contentType, strings.NewReader(m.body[:n]))
			if status != 500 || !strings.Contains(got, "_101") {
				t.Fatalf("%s cut at %d: %d %s", m.path, n, status, got)
			}
		}
	}
}

// TestEndpoints: the older single endpoint dispatches by the message, the others accept only
// their own message, and other addresses do not exist.
func TestEndpoints(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	msisdn := f.addUser(person.Approve, signum.SIM)
	tr := &http.Transport{TLSClientConfig: f.party.Config.TLS}
	defer tr.CloseIdleConnections()
	c := &http.Client{Transport: tr}
	status, _, got := f.post(t, c, "/rest/service", "application/json", strings.NewReader(f.raw(restSign, msisdn)))
	if status != 200 || !strings.HasPrefix(got, `{"MSS_SignatureResp":`) {
		t.Fatalf("got %d %s", status, got)
	}
	_, id, _ := strings.Cut(got, `"MSSP_TransID":"`)
	id, _, _ = strings.Cut(id, `"`)
	query := f.raw(`{"MSS_StatusReq":{"AP_Info":{"AP_ID":"mid://sandbox","AP_TransID":"TRANS","Instant":"INSTANT"},`+
		`"MSSP_Info":{"MSSP_ID":{"URI":"http://mid.swisscom.ch/"}},"MajorVersion":"1","MinorVersion":"1","MSSP_TransID":"`+id+`"}}`, "")
	for path, want := range map[string]string{
		"/rest/service":        `{"MSS_StatusResp":`,
		"/rest/service/status": `{"MSS_StatusResp":`,
		"/rest/service/sign":   `{"Fault":`,
	} {
		if _, _, got := f.post(t, c, path, "application/json", strings.NewReader(query)); !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %s", path, got)
		}
	}
	if status, _, _ := f.post(t, c, "/rest/service/none", "application/json", strings.NewReader(query)); status != 404 {
		t.Errorf("got %d", status)
	}
	if _, _, got := f.post(t, c, "/soap/services/MSS_StatusQueryPort", "text/xml", strings.NewReader(f.raw(soapSign, msisdn))); !strings.Contains(got, "mss:_101") {
		t.Errorf("signature request at the status port: %s", got)
	}
}

// TestDirectory: only the owner can read secret files, and a damaged file is an error and not
// silently replaced.
func TestDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, stop := runUntil(t, Config{Dir: dir})
	stop()
	for name, want := range map[string]os.FileMode{
		APKeyFile: 0o600, APP12File: 0o600, "private": 0o700, "private/server.key": 0o600, InfoFile: 0o600,
	} {
		st, err := os.Stat(dir + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if got := st.Mode().Perm(); got != want {
			t.Errorf("%s: mode %o, want %o", name, got, want)
		}
	}
	before, err := os.ReadFile(dir + "/" + APCertFile)
	if err != nil {
		t.Fatal(err)
	}
	_, stop = runUntil(t, Config{Dir: dir})
	stop()
	after, err := os.ReadFile(dir + "/" + APCertFile)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the party's certificate changed: %v", err)
	}
	if err := os.WriteFile(dir+"/"+APKeyFile, []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Config{Dir: dir, Addr: "127.0.0.1:0"}); err == nil || !strings.Contains(err.Error(), APKeyFile) {
		t.Errorf("got %v", err)
	}
}

func TestDirectoryInUse(t *testing.T) {
	t.Parallel()
	box := run(t, Config{})
	if _, err := Open(t.Context(), Config{Dir: box.Dir, Addr: "127.0.0.1:0"}); err == nil || !strings.Contains(err.Error(), "in use by another sandbox") {
		t.Errorf("got %v", err)
	}
}
