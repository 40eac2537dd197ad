package rest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/signum-mssp/signum"
)

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "requests", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var fixtures = map[string]signum.Request{
	"curl.json": &signum.SignatureRequest{
		Header: signum.Header{
			Version: signum.Version{Major: "1", Minor: "2"},
			AP:      signum.APInfo{ID: "mid://dev.example", Password: "disabled", TransID: "REF0101120000", Instant: "2026-01-01T12:00:00.000+01:00"},
			MSSP:    signum.MSSPInfo{URI: "http://mid.swisscom.ch/"},
		},
		MessagingMode: "synch", TimeOut: "80", MSISDN: "+41791234567", Profile: signum.ProfileSTK,
		Data:     signum.DataToBeSigned{MimeType: "text/plain", Encoding: "UTF-8", Data: "Bank ACME: Zürich \"ok\"?\nLine 2 ✓ 😀"},
		Services: []signum.AdditionalService{{URI: signum.ServiceUserLang, UserLang: "EN"}},
	},
	"php.json": &signum.SignatureRequest{
		Header: signum.Header{
			Version: signum.Version{Major: "1", Minor: "2"},
			AP:      signum.APInfo{ID: "mid://dev.example", TransID: "A1", Instant: "2026-01-01T11:00:00Z"},
			MSSP:    signum.MSSPInfo{URI: "http://mid.swisscom.ch/"},
		},
		MessagingMode: "asynch", MSISDN: "41791234567", Profile: signum.ProfileDevice,
		Data: signum.DataToBeSigned{MimeType: signum.MimeTxnApproval, Encoding: "UTF-8", Data: `{"type":"Pay","dtbd":[{"key":"A","value":"B"}]}`},
	},
	"java.json": &signum.SignatureRequest{
		Header: signum.Header{
			Version: signum.Version{Major: "1", Minor: "2"},
			AP:      signum.APInfo{ID: "mid://dev.example", TransID: "ID-1234", Instant: "2026-01-01T11:00:00.123Z"},
			MSSP:    signum.MSSPInfo{URI: "http://mid.swisscom.ch/"},
		},
		MessagingMode: "synch", TimeOut: "80", MSISDN: "+41 79 123-45-67", Profile: signum.ProfileAnyGeo,
		Data: signum.DataToBeSigned{MimeType: "text/plain", Encoding: "UTF-8", Data: "Hi"},
		Services: []signum.AdditionalService{
			{URI: signum.ServiceGeofencing, Geofencing: &signum.GeofencingPolicy{
				CountryWhitelist: "CH,DE", MinDeviceConfidence: "0.7", MinLocationConfidence: "0.0",
				MaxTimestampMinutes: "600", MaxAccuracyMeters: "1000",
			}},
			{URI: signum.ServiceUserLang, UserLang: "de"},
			{URI: signum.ServiceApp2App, RedirectURI: "myapp://example"},
		},
	},
	"status-bom.json": &signum.StatusRequest{
		Header: signum.Header{
			Version: signum.Version{Major: "1", Minor: "1"},
			AP:      signum.APInfo{ID: "mid://dev.example", Password: "x", TransID: "REF2", Instant: "2026-01-01T12:00:01+01:00"},
			MSSP:    signum.MSSPInfo{URI: "http://mid.swisscom.ch/"},
		},
		TransID: "h4iof",
	},
	"receipt.json": &signum.ReceiptRequest{
		Header: plain, TransID: "h4iof", MSISDN: "+41791234567",
		Message:   signum.DataToBeSigned{MimeType: "text/plain", Encoding: "UTF-8", Data: "Thank you, your order is on its way."},
		Extension: &signum.ReceiptRequestExtension{MessagingMode: "synch", Language: "DE", ProfileURI: "http://mss.swisscom.ch/synch", UserAck: "true"},
	},
	"receipt-line.json": &signum.ReceiptRequest{
		Header: plain, TransID: "h4iof", MSISDN: "41791234567",
		Message: signum.DataToBeSigned{MimeType: "text/plain", Encoding: "UTF-8", Data: "Merci"},
	},
	"receipt-java.json": &signum.ReceiptRequest{
		Header: plain, TransID: "h4iof", MSISDN: "+41791234567",
		Message:   signum.DataToBeSigned{MimeType: signum.MimeRSAMessage, Encoding: "BASE64", Data: "c2VjcmV0"},
		Extension: &signum.ReceiptRequestExtension{MessagingMode: "synch", UserAck: "false"},
	},
	"profile.json":       &signum.ProfileRequest{Header: versioned("2", "0"), MSISDN: "+41791234567", Params: "sscds state certs pinstatus rcstatus aastatus carddetails"},
	"profile-line.json":  &signum.ProfileRequest{Header: versioned("1", "1"), MSISDN: "41791234567"},
	"profile-array.json": &signum.ProfileRequest{Header: versioned("1", "0"), MSISDN: "+41791234567", Params: "sscds state"},
}

// plain returns the header of most fixtures.
var plain = signum.Header{
	Version: signum.Version{Major: "1", Minor: "1"},
	AP:      signum.APInfo{ID: "mid://dev.example", Password: "disabled", TransID: "REF0101120000", Instant: "2026-01-01T12:00:00.000+01:00"},
	MSSP:    signum.MSSPInfo{URI: "http://mid.swisscom.ch/"},
}

func versioned(major, minor string) signum.Header {
	h := plain
	h.Version = signum.Version{Major: major, Minor: minor}
	return h
}

func TestDecodeClients(t *testing.T) {
	for name, want := range fixtures {
		t.Run(name, func(t *testing.T) {
			for _, op := range []signum.Operation{want.Operation(), signum.OpAny} {
				body := fixture(t, name)
				got, form, err := Wire{}.Decode(op, body)
				if err != nil {
					t.Fatal(err)
				}
				for i := range body { // the request must not alias the body
					body[i] = 'X'
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Error(diff)
				}
				if form != 0 {
					t.Errorf("form %d", form)
				}
			}
		})
	}
}

// sign returns a signature request with the given members.
func sign(members string) string { return `{"MSS_SignatureReq":{` + members + `}}` }

func TestDecodeLiberal(t *testing.T) {
	lang := []signum.AdditionalService{{URI: signum.ServiceUserLang, UserLang: "de"}}
	const langURI = `"Description":"` + signum.ServiceUserLang + `"`
	for name, tt := range map[string]struct {
		body string
		want signum.SignatureRequest
	}{
		"empty message":        {sign(``), signum.SignatureRequest{}},
		"null members":         {sign(`"AP_Info":null,"MSSP_Info":null,"MobileUser":null,"DataToBeSigned":null,"AdditionalServices":null,"TimeOut":null`), signum.SignatureRequest{}},
		"null in objects":      {sign(`"MSSP_Info":{"MSSP_ID":null},"MobileUser":{"MSISDN":null},"DataToBeSigned":{"Data":null}`), signum.SignatureRequest{}},
		"null beside message":  {`{"MSS_StatusReq":null,"MSS_SignatureReq":{},"x":null}`, signum.SignatureRequest{}},
		"whole numbers":        {sign(`"MajorVersion":1.0,"MinorVersion":-0,"TimeOut":8e1,"MobileUser":{"MSISDN":41791234567}`), signum.SignatureRequest{Header: signum.Header{Version: signum.Version{Major: "1", Minor: "0"}}, TimeOut: "80", MSISDN: "41791234567"}},
		"whole in strings":     {sign(`"MajorVersion":"1.0","MinorVersion":"2","TimeOut":"800.0e-1"`), signum.SignatureRequest{Header: signum.Header{Version: signum.Version{Major: "1", Minor: "2"}}, TimeOut: "80"}},
		"not whole":            {sign(`"MajorVersion":1.5,"MinorVersion":-1,"TimeOut":1e99`), signum.SignatureRequest{Header: signum.Header{Version: signum.Version{Major: "1.5", Minor: "-1"}}, TimeOut: "1e99"}},
		"other numbers":        {sign(`"AP_Info":{"AP_TransID":1e2,"AP_PWD":1.0},"DataToBeSigned":{"Data":1.0}`), signum.SignatureRequest{Header: signum.Header{AP: signum.APInfo{TransID: "1e2", Password: "1.0"}}, Data: signum.DataToBeSigned{Data: "1.0"}}},
		"numbers in a policy":  {sign(`"AdditionalServices":[{"GeoFencingRequest":{"maxaccuracymeters":1e3,"maxtimestampminutes":10.0,"mindeviceconfidence":1e-1}}]`), signum.SignatureRequest{Services: []signum.AdditionalService{{Geofencing: &signum.GeofencingPolicy{MaxAccuracyMeters: "1000", MaxTimestampMinutes: "10", MinDeviceConfidence: "1e-1"}}}}},
		"text to display":      {sign(`"DataToBeSigned":{"Data":"a"},"DataToBeDisplayed":{"MimeType":"text/plain","Encoding":"UTF-8","Data":"b","x":1}`), signum.SignatureRequest{Data: signum.DataToBeSigned{Data: "a"}, Displayed: "b"}},
		"nothing to display":   {sign(`"DataToBeDisplayed":{}`), signum.SignatureRequest{}},
		"null to display":      {sign(`"DataToBeDisplayed":null`), signum.SignatureRequest{}},
		"empty to display":     {sign(`"DataToBeDisplayed":""`), signum.SignatureRequest{}},
		"booleans":             {sign(`"MobileUser":{"MSISDN":true},"DataToBeSigned":{"Data":false}`), signum.SignatureRequest{MSISDN: "true", Data: signum.DataToBeSigned{Data: "false"}}},
		"escaped names":        {sign(`"Time\u004fut":"30"`), signum.SignatureRequest{TimeOut: "30"}},
		"case counts":          {sign(`"timeout":"30"`), signum.SignatureRequest{}},
		"no trimming":          {sign(`"TimeOut":" 30 "`), signum.SignatureRequest{TimeOut: " 30 "}},
		"NUL is text":          {sign(`"DataToBeSigned":{"Data":"a\u0000b"}`), signum.SignatureRequest{Data: signum.DataToBeSigned{Data: "a\x00b"}}},
		"language as string":   {sign(`"AdditionalServices":[{` + langURI + `,"UserLang":"de"}]`), signum.SignatureRequest{Services: lang}},
		"one service alone":    {sign(`"AdditionalServices":{` + langURI + `,"UserLang":{"Value":"de"}}`), signum.SignatureRequest{Services: lang}},
		"null service":         {sign(`"AdditionalServices":[null,{` + langURI + `,"UserLang":{"Value":"de","x":1}}]`), signum.SignatureRequest{Services: lang}},
		"empty array":          {sign(`"AdditionalServices":[]`), signum.SignatureRequest{}},
		"empty object":         {sign(`"AdditionalServices":{}`), signum.SignatureRequest{}},
		"empty string":         {sign(`"AdditionalServices":""`), signum.SignatureRequest{}},
		"service without name": {sign(`"AdditionalServices":[{}]`), signum.SignatureRequest{Services: []signum.AdditionalService{{}}}},
		"policy casings":       {sign(`"AdditionalServices":[{"GeofencingRequest":{"CountryWhiteList":"CH","COUNTRYBLACKLIST":["US",null,"RU"],"MinDeviceConfidence":"1"}}]`), signum.SignatureRequest{Services: []signum.AdditionalService{{Geofencing: &signum.GeofencingPolicy{CountryWhitelist: "CH", CountryBlacklist: "US,RU", MinDeviceConfidence: "1"}}}}},
		"null policy":          {sign(`"AdditionalServices":[{"Description":"x","GeoFencingRequest":null}]`), signum.SignatureRequest{Services: []signum.AdditionalService{{URI: "x"}}}},
		"empty policy":         {sign(`"AdditionalServices":[{"GeoFencingRequest":{}}]`), signum.SignatureRequest{Services: []signum.AdditionalService{{Geofencing: new(signum.GeofencingPolicy)}}}},
		"deep but allowed":     {`{"x":` + strings.Repeat("[", 15) + strings.Repeat("]", 15) + `,"MSS_SignatureReq":{}}`, signum.SignatureRequest{}},
	} {
		t.Run(name, func(t *testing.T) {
			got, _, err := Wire{}.Decode(signum.OpSignature, []byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(signum.Request(&tt.want), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDecodeRefused(t *testing.T) {
	const at = "Malformed JSON at byte "
	for name, tt := range map[string]struct{ body, detail string }{
		"empty":                  {"", "The request has no body"},
		"blank":                  {" \r\n\t", "The request has no body"},
		"only a mark":            {"\xEF\xBB\xBF", "The request has no body"},
		"two marks":              {"\xEF\xBB\xBF\xEF\xBB\xBF{}", at},
		"NUL":                    {"\x00", at + "0: not well-formed"},
		"not JSON":               {"<a/>", at + "0: not well-formed"},
		"UTF-16":                 {"{\x00\"\x00", at},
		"array":                  {"[]", "The body must be a JSON object"},
		"string":                 {`"MSS_SignatureReq"`, "The body must be a JSON object"},
		"null":                   {"null", "The body must be a JSON object"},
		"no message":             {"{}", "The body has no message of this endpoint"},
		"null message":           {`{"MSS_SignatureReq":null}`, "The body has no message of this endpoint"},
		"unknown message":        {`{"mss_signaturereq":{}}`, "The body has no message of this endpoint"},
		"two messages":           {`{"MSS_SignatureReq":{},"MSS_StatusReq":{}}`, "The body must have one message only"},
		"the other message":      {`{"MSS_StatusReq":{}}`, "MSS_StatusReq is not a message of this endpoint"},
		"a receipt":              {`{"MSS_ReceiptReq":{}}`, "MSS_ReceiptReq is not a message of this endpoint"},
		"a profile query":        {`{"MSS_ProfileReq":{}}`, "MSS_ProfileReq is not a message of this endpoint"},
		"message is a string":    {`{"MSS_SignatureReq":"x"}`, "MSS_SignatureReq must be a JSON object"},
		"message is an array":    {`{"MSS_SignatureReq":[]}`, "MSS_SignatureReq must be a JSON object"},
		"trailing brace":         {sign("") + "}", at + "23: data after the message"},
		"second value":           {sign("") + " {}", at},
		"trailing NUL":           {sign("") + "\x00", at},
		"duplicate message":      {`{"MSS_SignatureReq":{},"MSS_SignatureReq":{}}`, at + "23: duplicate member"},
		"duplicate member":       {sign(`"TimeOut":"1","TimeOut":"1"`), at + "35: duplicate member"},
		"duplicate, escaped":     {sign(`"TimeOut":"1","Time\u004fut":"1"`), "duplicate member"},
		"duplicate in unknown":   {sign(`"x":{"a":1,"a":2}`), "duplicate member"},
		"duplicate policy":       {sign(`"AdditionalServices":[{"GeoFencingRequest":{},"GeofencingReq":{}}]`), "duplicate member"},
		"duplicate in policy":    {sign(`"AdditionalServices":[{"GeoFencingRequest":{"CountryWhitelist":"","countrywhitelist":""}}]`), "duplicate member"},
		"trailing comma":         {sign(`"TimeOut":"1",`), at},
		"comment":                {sign(`/* */`), at},
		"single quotes":          {sign(`'TimeOut':'1'`), at},
		"raw line end in string": {sign("\"TimeOut\":\"1\n\""), at + "33: a line break or tab in a string must be escaped"},
		"bad escape":             {sign(`"TimeOut":"\x"`), at},
		"lone surrogate":         {sign(`"TimeOut":"\ud800"`), at},
		"invalid UTF-8":          {sign("\"TimeOut\":\"\xff\""), "not UTF-8"},
		"invalid UTF-8, skipped": {sign("\"x\":\"\xc0\xaf\""), "not UTF-8"},
		"NaN":                    {sign(`"TimeOut":NaN`), at},
		"leading zero":           {sign(`"TimeOut":080`), at},
		"MSISDN with exponent":   {sign(`"MobileUser":{"MSISDN":4.1791234567e10}`), "MSISDN must be a string, or a number of plain digits"},
		"MSISDN with fraction":   {sign(`"MobileUser":{"MSISDN":41791234567.0}`), "MSISDN must be a string, or a number of plain digits"},
		"negative MSISDN":        {sign(`"MobileUser":{"MSISDN":-41791234567}`), "MSISDN must be a string, or a number of plain digits"},
		"scalar is an object":    {sign(`"TimeOut":{}`), "TimeOut must be a string"},
		"scalar is an array":     {sign(`"MobileUser":{"MSISDN":["1"]}`), "MSISDN must be a string"},
		"object is a string":     {sign(`"MobileUser":"+41791234567"`), "MobileUser must be a JSON object"},
		"displayed is an array":  {sign(`"DataToBeDisplayed":["x"]`), "DataToBeDisplayed must be a JSON object"},
		"object is an array":     {sign(`"AP_Info":[]`), "AP_Info must be a JSON object"},
		"services a string":      {sign(`"AdditionalServices":"x"`), "AdditionalServices must be an array"},
		"service a string":       {sign(`"AdditionalServices":["x"]`), "AdditionalServices must be a JSON object"},
		"services in services":   {sign(`"AdditionalServices":[[]]`), "AdditionalServices must be a JSON object"},
		"language an array":      {sign(`"AdditionalServices":[{"UserLang":[]}]`), "UserLang must be a string"},
		"17 services":            {sign(`"AdditionalServices":[` + strings.Repeat(`{},`, 16) + `{}]`), "More than 16 AdditionalServices"},
		"deep arrays":            {`{"x":` + strings.Repeat("[", 16), "nested too deeply"},
		"deep objects":           {sign(strings.Repeat(`"x":{`, 16)), "nested too deeply"},
		"very deep":              {`{"x":` + strings.Repeat("[", 1<<20), "nested too deeply"},
		"wrong end":              {`{"MSS_SignatureReq":{]}`, at},
	} {
		t.Run(name, func(t *testing.T) {
			got, _, err := Wire{}.Decode(signum.OpSignature, []byte(tt.body))
			checkRefusal(t, got, err)
			if f := signum.AsFault(err); f != nil && !strings.Contains(f.Detail, tt.detail) {
				t.Errorf("detail %q, want %q", f.Detail, tt.detail)
			}
		})
	}
}

// checkRefusal checks that a refusal is a 101 whose detail can go to a log and to a
// client.
func checkRefusal(t testing.TB, r signum.Request, err error) {
	t.Helper()
	f, ok := err.(*signum.Fault)
	if !ok || f == nil || r != nil {
		t.Fatalf("got %v, %#v; want a fault alone", r, err)
	}
	if f.Code != signum.WrongParam || f.Detail == "" || len(f.Detail) > 100 || !utf8.ValidString(f.Detail) {
		t.Errorf("fault %d %q", f.Code, f.Detail)
	}
}

// Every proper prefix of a message is refused.
func TestDecodeTruncated(t *testing.T) {
	for name := range fixtures {
		body := bytes.TrimSpace(fixture(t, name))
		for n := range body {
			got, _, err := Wire{}.Decode(signum.OpAny, body[:n:n])
			checkRefusal(t, got, err)
		}
	}
}

// A pooled decoder must not keep anything of a message, whether or not it failed.
func TestDecodeReuse(t *testing.T) {
	body := fixture(t, "curl.json")
	for n := range 200 {
		_, _, _ = Wire{}.Decode(signum.OpAny, body[:n*len(body)/200])
		got, _, err := Wire{}.Decode(signum.OpSignature, body)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(fixtures["curl.json"], got); diff != "" {
			t.Fatal(diff)
		}
	}
}

func TestEndpoints(t *testing.T) {
	w := Wire{}
	if got, want := fmt.Sprint(w.Name(), w.Endpoints()), "rest[{/rest/service/sign MSS_Signature} {/rest/service/status MSS_StatusQuery} {/rest/service/receipt MSS_Receipt} {/rest/service/profile MSS_ProfileQuery} {/rest/service }]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for mediaType, want := range map[string]bool{"": true, "application/json": true, "text/json": true, "text/xml": false, "application/x-www-form-urlencoded": false} {
		if got := w.Accepts(mediaType); got != want {
			t.Errorf("Accepts(%q) = %v", mediaType, got)
		}
	}
	if got := w.ContentType(); got != "application/json;charset=UTF-8" {
		t.Errorf("content type %q", got)
	}
}
