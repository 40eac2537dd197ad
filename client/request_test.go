package client

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signum-mssp/signum"
)

var update = flag.Bool("update", false, "rewrite the golden requests in testdata")

func fixedNow() time.Time {
	return time.Date(2026, 1, 2, 4, 4, 5, 678999999, time.FixedZone("", 3600))
}

// sent returns the request that a call sends; the answer does not matter.
func sent(t *testing.T, soap bool, call func(*Client) error) (h *http.Request, body string) {
	t.Helper()
	c := newTestClient(t, soap, roundTrip(func(r *http.Request) (*http.Response, error) {
		b, err := io.ReadAll(r.Body)
		h, body = r, string(b)
		return nil, errors.Join(err, errors.New("not sent"))
	}))
	c.cfg.Now = fixedNow
	if err := call(c); err == nil || !strings.Contains(err.Error(), "not sent") {
		t.Fatalf("call: %v", err)
	}
	return h, body
}

const oddText = "Bank: \"Zürich\" & <Genève> 'ok'? €\n\t\\ /+"

var goldenCalls = []struct {
	name string
	call func(*Client) error
	op   signum.Operation
}{
	{"sign", func(c *Client) error {
		_, err := c.Sign(context.Background(), SignRequest{MSISDN: "+41 79 123-45-67", Text: oddText, Lang: "fr", APTransID: "S1"})
		return err
	}, signum.OpSignature},
	{"sign-async", func(c *Client) error {
		_, err := c.Sign(context.Background(), SignRequest{
			MSISDN: testMSISDN, Text: `{"type":"t","dtbd":[]}`, MimeType: signum.MimeTxnApproval, Profile: signum.ProfileDevice,
			Timeout: 90*time.Second + 1, Async: true, APTransID: "S2",
			Services: []signum.AdditionalService{
				{URI: signum.ServiceApp2App, RedirectURI: "myapp://x?a=b&c=d"},
				{URI: signum.ServiceGeofencing, Geofencing: &signum.GeofencingPolicy{
					CountryWhitelist: "CH,LI", CountryBlacklist: "XX", MinDeviceConfidence: "0.7", MinLocationConfidence: "0.8",
					MaxTimestampMinutes: "10", MaxAccuracyMeters: "500",
				}},
				{URI: signum.ServiceSubscriberInfo},
			},
		})
		return err
	}, signum.OpSignature},
	{"sign-txn", func(c *Client) error {
		_, err := c.Sign(context.Background(), SignRequest{
			MSISDN: testMSISDN, Async: true, APTransID: "S4",
			Txn: &signum.TxnApproval{Type: "Payment", Rows: []signum.TxnRow{
				{Key: "To", Value: `Bank: "Zürich"`}, {Key: "CHF", Value: "10", ValueFirst: true},
			}},
			Locate: true, App2App: "myapp://done", SubscriberInfo: true, Validate: true,
			Services: []signum.AdditionalService{{URI: "http://example.com/as#more"}},
		})
		return err
	}, signum.OpSignature},
	{"receipt", func(c *Client) error {
		_, err := c.Receipt(context.Background(), ReceiptRequest{
			TransID: "h4iof", MSISDN: testMSISDN, Text: oddText, Lang: "it", UserAck: true, APTransID: "S5",
		})
		return err
	}, signum.OpReceipt},
	{"receipt-bare", func(c *Client) error {
		_, err := c.Do(context.Background(), &signum.ReceiptRequest{})
		return err
	}, signum.OpReceipt},
	{"receipt-odd", func(c *Client) error {
		_, err := c.Do(context.Background(), &signum.ReceiptRequest{
			TransID: "h4iof", Message: signum.DataToBeSigned{MimeType: signum.MimeRSAMessage, Encoding: "BASE64", Data: "MAMCAfs="},
			Extension: &signum.ReceiptRequestExtension{Language: "DE"},
		})
		return err
	}, signum.OpReceipt},
	{"profile", func(c *Client) error {
		_, err := c.Do(context.Background(), &signum.ProfileRequest{
			Header: c.header(version("2", "0"), "S6"), MSISDN: testMSISDN, Params: "sscds state",
		})
		return err
	}, signum.OpProfile},
	{"profile-bare", func(c *Client) error {
		_, err := c.Do(context.Background(), &signum.ProfileRequest{})
		return err
	}, signum.OpProfile},
	{"bare", func(c *Client) error {
		_, err := c.Do(context.Background(), &signum.SignatureRequest{})
		return err
	}, signum.OpSignature},
	{"status", func(c *Client) error {
		_, err := c.Do(context.Background(), &signum.StatusRequest{
			Header: signum.Header{
				Version: signum.Version{Major: "1", Minor: "1"},
				AP:      signum.APInfo{ID: testAPID, Password: `p"w`, TransID: "S3", Instant: "2026-01-02T03:04:05.678Z"},
				MSSP:    signum.MSSPInfo{URI: DefaultMSSP, Instant: "2026-01-02T03:04:05.678Z"},
			}, TransID: "h4iof",
		})
		return err
	}, signum.OpStatus},
}

// TestGoldenRequests compares the bytes of requests with golden files, and reads them
// with an independent decoder.
func TestGoldenRequests(t *testing.T) {
	for _, wireName := range []string{"json", "xml"} {
		soap := wireName == "xml"
		for _, g := range goldenCalls {
			h, body := sent(t, soap, g.call)
			file := filepath.Join("testdata", g.name+"."+wireName)
			if *update {
				if err := os.WriteFile(file, []byte(body+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(strings.TrimSuffix(string(want), "\n"), body); d != "" {
				t.Errorf("%s (-want +got):\n%s", file, d)
			}
			if h.Method != "POST" || h.ContentLength != int64(len(body)) {
				t.Errorf("%s: %s with length %d", g.name, h.Method, h.ContentLength)
			}
			wantURL, wantType := map[signum.Operation]string{
				signum.OpSignature: "/rest/service/sign", signum.OpStatus: "/rest/service/status",
				signum.OpReceipt: "/rest/service/receipt", signum.OpProfile: "/rest/service/profile",
			}[g.op], "application/json;charset=utf-8"
			if soap {
				wantURL, wantType = map[signum.Operation]string{
					signum.OpSignature: "/soap/services/MSS_SignaturePort", signum.OpStatus: "/soap/services/MSS_StatusQueryPort",
					signum.OpReceipt: "/soap/services/MSS_ReceiptPort", signum.OpProfile: "/soap/services/MSS_ProfilePort",
				}[g.op], "application/soap+xml;charset=utf-8"
			}
			if h.URL.Path != wantURL || h.Header.Get("Content-Type") != wantType {
				t.Errorf("%s: sent to %s as %s", g.name, h.URL, h.Header.Get("Content-Type"))
			}
		}
	}
}

func TestRequestsDecode(t *testing.T) {
	_, body := sent(t, false, goldenCalls[0].call)
	var j struct {
		Req struct {
			MajorVersion, MinorVersion, MessagingMode, TimeOut, SignatureProfile string

			AP struct {
				ID  string `json:"AP_ID"`
				PWD string `json:"AP_PWD"`
				At  string `json:"Instant"`
			} `json:"AP_Info"`
			MobileUser     struct{ MSISDN string }
			DataToBeSigned struct{ MimeType, Encoding, Data string }
			Services       []struct {
				Description string
				UserLang    struct{ Value string }
			} `json:"AdditionalServices"`
		} `json:"MSS_SignatureReq"`
	}
	if err := json.Unmarshal([]byte(body), &j); err != nil {
		t.Fatal(err)
	}
	r := j.Req
	got := []string{r.MajorVersion, r.MinorVersion, r.MessagingMode, r.TimeOut, r.SignatureProfile, r.AP.ID, r.AP.PWD, r.AP.At,
		r.MobileUser.MSISDN, r.DataToBeSigned.MimeType, r.DataToBeSigned.Encoding, r.DataToBeSigned.Data,
		r.Services[0].Description, r.Services[0].UserLang.Value}
	want := []string{"1", "2", "synch", "80", signum.ProfileAnyLoA4, testAPID, "disabled", "2026-01-02T03:04:05.678Z",
		"+41 79 123-45-67", "text/plain", "UTF-8", oddText, signum.ServiceUserLang, "fr"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("JSON (-want +got):\n%s", d)
	}

	_, body = sent(t, true, goldenCalls[0].call)
	var x struct {
		XMLName xml.Name `xml:"http://www.w3.org/2003/05/soap-envelope Envelope"`
		Req     struct {
			Major     string `xml:"MajorVersion,attr"`
			Minor     string `xml:"MinorVersion,attr"`
			Messaging string `xml:"MessagingMode,attr"`
			TimeOut   string `xml:"TimeOut,attr"`
			Profile   string `xml:"http://uri.etsi.org/TS102204/v1.1.2# SignatureProfile>mssURI"`
			AP        struct {
				ID  string `xml:"AP_ID,attr"`
				PWD string `xml:"AP_PWD,attr"`
				At  string `xml:"Instant,attr"`
			} `xml:"http://uri.etsi.org/TS102204/v1.1.2# AP_Info"`
			MSISDN string `xml:"MobileUser>MSISDN"`
			Data   struct {
				MimeType string `xml:"MimeType,attr"`
				Encoding string `xml:"Encoding,attr"`
				Data     string `xml:",chardata"`
			} `xml:"http://uri.etsi.org/TS102204/v1.1.2# DataToBeSigned"`
			Service []struct {
				URI  string `xml:"Description>mssURI"`
				Lang string `xml:"http://mss.ficom.fi/TS102204/v1.0.0# UserLang"`
			} `xml:"AdditionalServices>Service"`
		} `xml:"Body>MSS_Signature>MSS_SignatureReq"`
	}
	if err := xml.Unmarshal([]byte(body), &x); err != nil {
		t.Fatal(err)
	}
	q := x.Req
	got = []string{q.Major, q.Minor, q.Messaging, q.TimeOut, q.Profile, q.AP.ID, q.AP.PWD, q.AP.At,
		q.MSISDN, q.Data.MimeType, q.Data.Encoding, q.Data.Data, q.Service[0].URI, q.Service[0].Lang}
	want[1] = "1"
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("XML (-want +got):\n%s", d)
	}
}

// TestUnwritable: text that the wire would have to change is refused.
func TestUnwritable(t *testing.T) {
	for _, tc := range []struct {
		text       string
		rest, soap bool // sent
	}{
		{"plain", true, true},
		{"not \xff UTF-8", false, false},
		{"control \x01", true, false},
		{"noncharacter \uFFFE", true, false},
		{"line\r\nend\ttab", true, true},
	} {
		for _, soap := range []bool{false, true} {
			reached := false
			c := newTestClient(t, soap, roundTrip(func(*http.Request) (*http.Response, error) {
				reached = true
				return nil, errors.New("not sent")
			}))
			want := tc.rest
			if soap {
				want = tc.soap
			}
			_, err := c.Sign(t.Context(), SignRequest{MSISDN: testMSISDN, Text: tc.text})
			if reached != want || err == nil || signum.AsFault(err) != nil {
				t.Errorf("soap=%t %q: sent %t, %v", soap, tc.text, reached, err)
			}
			reached = false
			_, err = c.Receipt(t.Context(), ReceiptRequest{MSISDN: testMSISDN, Text: tc.text})
			if reached != want || err == nil || signum.AsFault(err) != nil {
				t.Errorf("receipt, soap=%t %q: sent %t, %v", soap, tc.text, reached, err)
			}
		}
	}
}

func TestTransIDs(t *testing.T) {
	seen := map[string]bool{}
	c := newTestClient(t, false, nil)
	for range 1000 {
		id := c.signatureRequest(SignRequest{}).AP.TransID
		if seen[id] || len(id) < 20 || len(id) > 128 || strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" || id[0] != 'S' {
			t.Fatalf("AP_TransID %q", id)
		}
		seen[id] = true
	}
}
