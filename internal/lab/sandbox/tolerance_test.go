package sandbox

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/person"
)

// spelling is a request as some client writes it: where it is sent, what is added to the
// header, what is changed in the body.
type spelling struct {
	name     string
	path     string // instead of that of the signature
	encoding string // Content-Encoding
	change   func(body string) string
	fault    string // code and a part of the detail; empty: the request is signed
}

// TestSpellings: requests as clients write them are signed over both wires, and those that
// are refused are told why.
func TestSpellings(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	msisdn := f.addUser(person.Approve, signum.SIM)
	tr := &http.Transport{TLSClientConfig: f.party.Config.TLS}
	defer tr.CloseIdleConnections()
	c := &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	zip := func(body string) string {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = io.WriteString(z, body)
		_ = z.Close()
		return b.String()
	}
	insert := func(old, new string) func(string) string {
		return func(body string) string {
			if !strings.Contains(body, old) {
				t.Errorf("%q is not there", old)
			}
			return strings.Replace(body, old, new, 1)
		}
	}
	const restPath, soapPath = "/rest/service/sign", "/soap/services/MSS_SignaturePort"
	both := []spelling{
		{name: "as it is"},
		{name: "x-gzip", encoding: "X-GZip", change: zip},
		{name: "a character set for an encoding", encoding: "UTF-8"},
		{name: "byte order mark", change: func(body string) string { return "\uFEFF" + body }},
		{name: "brotli", encoding: "br", fault: "101 The service does not support Content-Encoding br"},
	}
	for _, wire := range []struct {
		path, contentType, message string
		own                        []spelling
	}{
		{restPath, "application/json", restSign, []spelling{
			{name: "slash at the end", path: restPath + "/"},
			{name: "doubled slashes", path: "//rest//service//sign"},
			{name: "any operation, slash at the end", path: "/rest/service/"},
			{name: "the same to display", change: insert(`"AdditionalServices"`, `"DataToBeDisplayed":{"Data":"Sandbox: Hello"},"AdditionalServices"`)},
			{name: "nothing to display", change: insert(`"AdditionalServices"`, `"DataToBeDisplayed":{},"AdditionalServices"`)},
			{name: "something else to display", change: insert(`"AdditionalServices"`, `"DataToBeDisplayed":{"Data":"Sandbox: Hi"},"AdditionalServices"`), fault: "101 DataToBeDisplayed must be absent, empty or equal to DataToBeSigned"},
			{name: "whole numbers", change: insert(`"MessagingMode"`, `"TimeOut":8.0e1,"MessagingMode"`)},
			{name: "fraction", change: insert(`"MessagingMode"`, `"TimeOut":80.5,"MessagingMode"`), fault: "101 TimeOut is not a number of seconds"},
			{name: "huge number", change: insert(`"MessagingMode"`, `"TimeOut":1e999999,"MessagingMode"`), fault: "101 TimeOut is not a number of seconds"},
			{name: "version as a number", change: insert(`"MajorVersion":"1"`, `"MajorVersion":1.0`)},
			{name: "MSISDN as a number", change: insert(`"`+msisdn+`"`, msisdn[1:])},
			{name: "negative MSISDN", change: insert(`"`+msisdn+`"`, "-"+msisdn[1:]), fault: "101 MSISDN must be a string, or a number of plain digits"},
			{name: "line break in a text", change: insert("Hello", "Hel\nlo"), fault: "101 a line break or tab in a string must be escaped"},
			{name: "line break in Base64", change: insert(`"Encoding":"UTF-8","Data":"Sandbox: Hello"`, "\"Encoding\":\"base64\",\"Data\":\"SGVs\r\nbG8=\""), fault: "101 Encoding of text/plain is not UTF-8"},
		}},
		{soapPath, "text/xml", soapSign, []spelling{
			{name: "slash at the end", path: soapPath + "/"},
			{name: "line break before the declaration", change: func(body string) string { return "\n" + body }, fault: "101 Malformed XML at byte 0: white space before the XML declaration"},
			{name: "the same to display", change: insert(`</m:DataToBeSigned>`, `</m:DataToBeSigned><m:DataToBeDisplayed MimeType="text/plain">Sandbox: Hello</m:DataToBeDisplayed>`)},
			{name: "nothing to display", change: insert(`</m:DataToBeSigned>`, `</m:DataToBeSigned><m:DataToBeDisplayed/>`)},
			{name: "something else to display", change: insert(`</m:DataToBeSigned>`, `</m:DataToBeSigned><m:DataToBeDisplayed>Sandbox: Hi</m:DataToBeDisplayed>`), fault: "101 DataToBeDisplayed must be absent, empty or equal to DataToBeSigned"},
			{name: "doubled slashes", path: "//soap//services/MSS_SignaturePort//"},
		}},
	} {
		for _, tt := range append(both, wire.own...) {
			t.Run(wire.path+"/"+tt.name, func(t *testing.T) {
				body, path := f.raw(wire.message, msisdn), wire.path
				if tt.change != nil {
					body = tt.change(body)
				}
				if tt.path != "" {
					path = tt.path
				}
				req, err := http.NewRequest(http.MethodPost, f.Info.BaseURL+path, strings.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Content-Type", wire.contentType)
				req.Header.Set(liberties, "yes")
				if tt.encoding != "" {
					req.Header.Set("Content-Encoding", tt.encoding)
				}
				f.expect(t, c, req, tt.fault)
			})
		}
	}
}

// expect sends a request that is signed or, if a fault is given, refused with its code and a
// detail that contains its text.
func (f *fixture) expect(t *testing.T, c *http.Client, req *http.Request, fault string) {
	t.Helper()
	status, _, body := answer(t, c, req)
	want, parts := http.StatusOK, []string{"500"} // the status of a signature
	if code, detail, _ := strings.Cut(fault, " "); fault != "" {
		want, parts = http.StatusInternalServerError, []string{"_" + code, detail}
	}
	for _, part := range parts {
		if status != want || !strings.Contains(body, part) {
			t.Errorf("%d %s, want %d with %q", status, body, want, part)
		}
	}
}

// TestContractAddresses: the WSDL is where toolkits look for it, however they write its name.
func TestContractAddresses(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	tr := &http.Transport{TLSClientConfig: f.party.Config.TLS}
	defer tr.CloseIdleConnections()
	c := &http.Client{Transport: tr}
	for path, want := range map[string]string{
		"/soap/services/MSS_SignaturePort?wsdl": "wsdl:definitions", "/soap/services/MSS_SignaturePort?WSDL": "wsdl:definitions",
		"/soap/services/MSS_ReceiptPort/?Wsdl": "wsdl:definitions", "//soap/services/MSS_ProfilePort?WSDL=": "wsdl:definitions",
		"/rest/openapi.yaml": "openapi: ", "//rest//openapi.yaml/": "openapi: ",
	} {
		resp, err := c.Get(f.Info.BaseURL + path)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(b), want) {
			t.Errorf("%s: %s %.200s, %v", path, resp.Status, b, err)
		}
	}
}
