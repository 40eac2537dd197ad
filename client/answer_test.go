package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/signum-mssp/signum"
)

// roundTrip is a transport without a network.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func canned(status int, contentType, body string) roundTrip {
	return func(r *http.Request) (*http.Response, error) {
		h := http.Header{}
		if contentType != "" {
			h.Set("Content-Type", contentType)
		}
		return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	}
}

func newTestClient(t testing.TB, soap bool, rt http.RoundTripper) *Client {
	t.Helper()
	c, err := New(Config{
		BaseURL: "https://mssp.example.com", SOAP: soap, APID: testAPID,
		HTTPClient: &http.Client{Transport: rt},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAnswers(t *testing.T) {
	for _, f := range forms {
		t.Run(f.name, func(t *testing.T) {
			header := testHeader()
			if f.soap {
				header.AP.Password = "pw" // JSON answers do not repeat it
			}
			for _, tc := range []struct {
				name string
				req  signum.Request
				body string
				want signum.Response
			}{
				{"signature", testSignatureRequest(), f.signatureWith(testTransID, 500, testCMS, f.services()),
					&signum.SignatureResponse{Header: header, TransID: "h4iof", MSISDN: testMSISDN, Signature: testCMS,
						Profile: signum.ProfileSTK, Status: 500, Services: wantServices}},
				{"valid signature", testSignatureRequest(), f.signature(testTransID, 502, testCMS),
					&signum.SignatureResponse{Header: header, TransID: "h4iof", MSISDN: testMSISDN, Signature: testCMS,
						Profile: signum.ProfileSTK, Status: 502}},
				{"accepted", testSignatureRequest(), f.signature(testTransID, 100, nil),
					&signum.SignatureResponse{Header: header, TransID: "h4iof", MSISDN: testMSISDN,
						Profile: signum.ProfileSTK, Status: 100}},
				{"outstanding", &signum.StatusRequest{Header: testHeader(), TransID: "h4iof"}, f.statusResp(testTransID, 504, nil),
					&signum.StatusResponse{Header: header, MSISDN: testMSISDN, Status: 504}},
				{"outcome", &signum.StatusRequest{Header: testHeader(), TransID: "h4iof"}, f.statusResp(testTransID, 500, testCMS),
					&signum.StatusResponse{Header: header, MSISDN: testMSISDN, Signature: testCMS, Status: 500}},
				{"receipt", &signum.ReceiptRequest{Header: testHeader()}, f.receiptResp(testTransID, 100, ""),
					&signum.ReceiptResponse{Header: header, Status: 100}},
				{"receipt, cancelled", &signum.ReceiptRequest{Header: testHeader()}, f.receiptResp(testTransID, 100, f.receiptExtension()),
					&signum.ReceiptResponse{Header: header, Status: 100, Extension: wantReceipt}},
				{"profile", &signum.ProfileRequest{Header: testHeader()}, f.profileResp(testTransID, 100, ""),
					&signum.ProfileResponse{Header: header, Status: 100, Profiles: wantProfiles}},
				{"profile, all", &signum.ProfileRequest{Header: testHeader()}, f.profileResp(testTransID, 100, f.profileExtension()),
					&signum.ProfileResponse{Header: header, Status: 100, Profiles: wantProfiles, Extension: wantProfile}},
				{"profile, getters", &signum.ProfileRequest{Header: testHeader()}, f.profileResp(testTransID, 100, f.getterExtension()),
					&signum.ProfileResponse{Header: header, Status: 100, Profiles: wantProfiles, Extension: wantGetters}},
			} {
				c := newTestClient(t, f.soap, canned(200, f.contentType(), tc.body))
				got, err := c.Do(t.Context(), tc.req)
				if err != nil {
					t.Errorf("%s: %v", tc.name, err)
					continue
				}
				if d := cmp.Diff(tc.want, got); d != "" {
					t.Errorf("%s (-want +got):\n%s", tc.name, d)
				}
			}
		})
	}
}

// TestFaults reads a fault of every code, and of some that are not in the standard,
// over both wires.
func TestFaults(t *testing.T) {
	requests := []signum.Request{
		testSignatureRequest(), &signum.StatusRequest{Header: testHeader(), TransID: "x"},
		&signum.ReceiptRequest{Header: testHeader()}, &signum.ProfileRequest{Header: testHeader()},
	}
	for _, f := range []form{forms[0], forms[1]} {
		known := 0
		for c := signum.Code(1); c <= 999; c++ {
			if c.Known() {
				known++
			} else if c%100 != 99 {
				continue
			}
			for _, detail := range []string{c.Detail(), "", `Özil <&"'> \ text` + "\nline"} {
				cl := newTestClient(t, f.soap, canned(500, f.contentType(), f.fault(c, detail)))
				for _, req := range requests {
					resp, err := cl.Do(t.Context(), req)
					want := &signum.Fault{Code: c, Detail: detail}
					if got, ok := err.(*signum.Fault); !ok || resp != nil || *got != *want {
						t.Fatalf("%s %s %d: got %v, %v; want %v", f.name, req.Operation(), int(c), resp, err, want)
					}
				}
			}
		}
		if known < 40 {
			t.Errorf("only %d codes walked", known)
		}
	}
}

// TestStatusFaults: a status that means failure becomes a fault.
func TestStatusFaults(t *testing.T) {
	for _, f := range forms {
		for _, code := range []signum.Code{501, 503, 505, 401, 900, 777} {
			for _, cms := range [][]byte{nil, testCMS} {
				c := newTestClient(t, f.soap, canned(200, f.contentType(), f.signature(testTransID, int(code), cms)))
				_, err := c.Do(t.Context(), testSignatureRequest())
				if got, ok := err.(*signum.Fault); !ok || *got != *signum.NewFault(code) {
					t.Errorf("%s signature %d: %v", f.name, code, err)
				}
				c = newTestClient(t, f.soap, canned(200, f.contentType(), f.statusResp(testTransID, int(code), cms)))
				_, err = c.Do(t.Context(), &signum.StatusRequest{Header: testHeader(), TransID: "x"})
				if got, ok := err.(*signum.Fault); !ok || *got != *signum.NewFault(code) {
					t.Errorf("%s status %d: %v", f.name, code, err)
				}
			}
		}
		// A success of a signature is not a success of the other calls.
		for _, code := range []signum.Code{101, 401, 500, 502, 504, 900} {
			for _, tc := range []struct {
				req  signum.Request
				body string
			}{
				{&signum.ReceiptRequest{Header: testHeader()}, f.receiptResp(testTransID, int(code), f.receiptExtension())},
				{&signum.ProfileRequest{Header: testHeader()}, f.profileResp(testTransID, int(code), "")},
			} {
				resp, err := newTestClient(t, f.soap, canned(200, f.contentType(), tc.body)).Do(t.Context(), tc.req)
				if got, ok := err.(*signum.Fault); !ok || *got != *signum.NewFault(code) || resp != nil {
					t.Errorf("%s %s %d: %v, %v", f.name, tc.req.Operation(), code, resp, err)
				}
			}
		}
	}
}

func TestFaultForms(t *testing.T) {
	soap := func(code, detail string) string {
		return `<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"><e:Body><e:Fault><e:Code><e:Value>e:Receiver</e:Value>` +
			code + `</e:Code><e:Reason><e:Text>R</e:Text></e:Reason>` + detail + `</e:Fault></e:Body></e:Envelope>`
	}
	sub := `<e:Subcode><e:Value> x:_401 </e:Value></e:Subcode>`
	for _, tc := range []struct {
		name, body string
		soap       bool
		want       string // of the fault; empty: no fault
	}{
		{"detail text alone", soap(sub, `<e:Detail>said so</e:Detail>`), true, "401 USER_CANCEL: said so"},
		{"detail in another element", soap(sub, `<e:Detail><x>said so</x></e:Detail>`), true, "401 USER_CANCEL: said so"},
		{"detail second", soap(sub, `<e:Detail><x>no</x><n:detail xmlns:n="u">said so</n:detail></e:Detail>`), true, "401 USER_CANCEL: said so"},
		{"detail empty", soap(sub, `<e:Detail><n:detail xmlns:n="u"/><x>no</x></e:Detail>`), true, "401 USER_CANCEL"},
		{"no detail", soap(sub, ``), true, "401 USER_CANCEL"},
		{"no subcode", soap(``, ``), true, ""},
		{"subcode no number", soap(`<e:Subcode><e:Value>e:Busy</e:Value></e:Subcode>`, ``), true, ""},
		{"subcode negative", soap(`<e:Subcode><e:Value>_-1</e:Value></e:Subcode>`, ``), true, ""},
		{"JSON number", `{"Fault":{"Code":{"SubCode":{"Value":401}},"Detail":null}}`, false, "401 USER_CANCEL"},
		{"JSON detail object", `{"Fault":{"Code":{"SubCode":{"Value":"_401"}},"Detail":{"a":1}}}`, false, `401 USER_CANCEL: {"a":1}`},
		{"JSON no code", `{"Fault":{"Reason":"x"}}`, false, ""},
		{"JSON code zero", `{"Fault":{"Code":{"SubCode":{"Value":"_0"}}}}`, false, ""},
	} {
		f := forms[0]
		if tc.soap {
			f = forms[1]
		}
		// A fault is a fault whatever the HTTP status is.
		for _, status := range []int{200, 400, 500} {
			c := newTestClient(t, tc.soap, canned(status, f.contentType(), tc.body))
			_, err := c.Do(t.Context(), testSignatureRequest())
			flt := signum.AsFault(err)
			var bad *AnswerError
			switch {
			case tc.want == "" && !errors.As(err, &bad):
				t.Errorf("%s: %v", tc.name, err)
			case tc.want != "" && (flt == nil || flt.Error() != tc.want):
				t.Errorf("%s: %v, want %s", tc.name, err, tc.want)
			}
		}
	}
}

// TestForeignAnswers: anything that is not an answer to the request becomes an
// AnswerError that says why.
func TestForeignAnswers(t *testing.T) {
	const page = "<html><head><title>502 Bad Gateway</title></head><body>\x1b[31mnginx\xff</body></html>"
	big := strings.Repeat(" ", maxAnswer+1)
	type row struct {
		name        string
		status      int
		contentType string
		body        string
		want        string // in the error's text
	}
	for _, f := range forms[:2] {
		ct, good := f.contentType(), f.signature(testTransID, 500, testCMS)
		other := forms[1]
		if f.soap {
			other = forms[0]
		}
		rows := []row{
			{"proxy page", 502, "text/html", page, `HTTP 502, content type "text/html"; body starts "<html>`},
			{"proxy page with 200", 200, "text/html; charset=utf-8", page, "HTTP 200"},
			{"page called a message", 502, ct, page, "HTTP 502"},
			{"not found", 404, "text/plain", "404 page not found\n", `HTTP 404, content type "text/plain"; body starts "404 page not found\n"`},
			{"redirect", 302, "", "", "HTTP 302"},
			{"empty", 200, ct, "", "HTTP 200, the body is empty"},
			{"empty without type", 200, "", "", `HTTP 200, content type ""`},
			{"bad type", 200, ";;", good, "content type"},
			{"other wire", 200, other.contentType(), other.signature(testTransID, 500, testCMS), "content type"},
			{"other wire's body", 200, ct, other.signature(testTransID, 500, testCMS), "body starts"},
			{"answer with 500", 500, ct, good, "HTTP 500, only faults"},
			{"too large", 200, ct, big, "the body exceeds 1048576 bytes"},
			{"cut off", 200, ct, good[:len(good)-20], "HTTP 200"},
			{"two messages", 200, ct, good + good, "HTTP 200"},
			{"other operation", 200, ct, f.statusResp(testTransID, 500, testCMS), "no answer to MSS_Signature"},
			{"other call", 200, ct, f.signature("S2", 500, testCMS), `AP_TransID "S2"`},
			{"other user", 200, ct, strings.ReplaceAll(good, testMSISDN, "+41790000000"), `MSISDN "+41790000000"`},
			{"failed for another call", 200, ct, f.signature("S2", 503, nil), `AP_TransID "S2"`},
			{"no signature", 200, ct, f.signature(testTransID, 500, nil), "status 500 without a signature"},
			{"early signature", 200, ct, f.signature(testTransID, 504, testCMS), "status 504 with a signature"},
			{"no status", 200, ct, strings.Replace(good, "StatusCode", "StatusCodf", -1), "status code is missing"},
			{"odd status", 200, ct, strings.Replace(good, `"500"`, `"5e2"`, 1), `status code "5e2"`},
			{"odd base64", 200, ct, strings.Replace(good, "MAMCAfs=", "MAMCAfs", 1), "the signature: illegal base64"},
			{"odd accuracy", 200, ct, oddAccuracy(f), "accuracy"},
		}
		if f.soap {
			rows = append(rows,
				row{"DTD", 200, ct, `<!DOCTYPE a [<!ENTITY b "c">]>` + good[strings.Index(good, "?>")+2:], "DTD"},
				row{"entity", 200, ct, strings.Replace(good, testMSISDN, "&b;", 1), "entity"},
				row{"deep", 200, ct, strings.Repeat("<a>", 100000), "nested deeper"},
				row{"no envelope", 200, ct, "<a/>", "not a SOAP envelope"},
				row{"no body", 200, ct, "<Envelope><Header/></Envelope>", "not a SOAP envelope"},
				row{"text around", 200, ct, good + "x", "not one XML document"},
				row{"other charset", 200, ct, strings.Replace(good, "UTF-8", "ISO-8859-1", 1), "ISO-8859-1"},
			)
		} else {
			rows = append(rows,
				row{"null", 200, ct, "null", "no answer to MSS_Signature"},
				row{"array", 200, ct, "[]", "HTTP 200"},
				row{"deep", 200, ct, strings.Repeat("[", 100000), "depth"},
				row{"null status", 200, ct, `{"MSS_SignatureResp":{"Status":null}}`, "status code is missing"},
				row{"no value", 200, ct, `{"MSS_SignatureResp":{"Status":{"StatusCode":{}}}}`, "status code is missing"},
			)
		}
		for _, r := range rows {
			t.Run(f.name+"/"+r.name, func(t *testing.T) {
				c := newTestClient(t, f.soap, canned(r.status, r.contentType, r.body))
				resp, err := c.Do(t.Context(), testSignatureRequest())
				var bad *AnswerError
				if resp != nil || !errors.As(err, &bad) || signum.AsFault(err) != nil {
					t.Fatalf("got %v, %v", resp, err)
				}
				if bad.HTTPStatus != r.status || bad.ContentType != r.contentType ||
					bad.URL != "https://mssp.example.com"+c.wire.paths[signum.OpSignature] {
					t.Errorf("error holds %d, %q, %s", bad.HTTPStatus, bad.ContentType, bad.URL)
				}
				if !strings.Contains(err.Error(), r.want) {
					t.Errorf("error %q does not say %q", err, r.want)
				}
				for _, c := range err.Error() {
					if c < ' ' || c > '~' && c != '…' {
						t.Fatalf("unprintable %q in %q", c, err)
					}
				}
				if len(err.Error()) > 1200 {
					t.Errorf("error of %d bytes", len(err.Error()))
				}
			})
		}
	}
}

func oddAccuracy(f form) string {
	s := strings.NewReplacer(`accuracy="16"`, `accuracy="-1"`, `"Accuracy":16`, `"Accuracy":-1`).Replace(f.services())
	return f.signatureWith(testTransID, 500, testCMS, s)
}

func TestLiberalJSON(t *testing.T) {
	body := `{"MSS_SignatureResp":{"MajorVersion":1,"MinorVersion":1,"MSSP_TransID":"t","MobileUser":null,"Extra":[1],
		"MSS_Signature":{"Base64Signature":"MAMC\nAfs="},
		"Status":{"StatusCode":{"Value":500},"StatusDetail":{"ServiceResponses":[{"Description":"http://mid.swisscom.ch/as#geofencing","Geofencing":{"Accuracy":"16.0","ErrorCode":100,"ErrorMessage":null}}]}}}}`
	c := newTestClient(t, false, canned(200, "application/json", body))
	got, err := c.Do(t.Context(), testSignatureRequest())
	if err != nil {
		t.Fatal(err)
	}
	want := &signum.SignatureResponse{
		Header: signum.Header{Version: signum.Version{Major: "1", Minor: "1"}}, TransID: "t", Signature: testCMS, Status: 500,
		Services: []signum.ServiceResponse{{URI: signum.ServiceGeofencing, Geofencing: &signum.Geofencing{Accuracy: 16, ErrorCode: "100"}}},
	}
	if d := cmp.Diff(signum.Response(want), got); d != "" {
		t.Error(d)
	}
}

// TestHTTPBody: a body that breaks off is not an answer, whatever came before.
func TestHTTPBody(t *testing.T) {
	c := newTestClient(t, false, roundTrip(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}},
			Body: io.NopCloser(io.MultiReader(strings.NewReader(forms[0].signature(testTransID, 500, testCMS)), failing{}))}, nil
	}))
	_, err := c.Do(context.Background(), testSignatureRequest())
	var te *TransportError
	if !errors.As(err, &te) || !strings.Contains(err.Error(), "cable cut") {
		t.Errorf("got %v", err)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, fmt.Errorf("cable cut") }
