package rest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/signum-mssp/signum"
)

var update = flag.Bool("update", false, "rewrite the golden answers")

// answer follows the answers in the OpenAPI contract. Only the tests use it; it accepts
// no other members and no other types.
type answer struct {
	Signature *struct {
		answerHead
		TransID          string `json:"MSSP_TransID"`
		SignatureProfile string
	} `json:"MSS_SignatureResp,omitempty"`
	Status  *answerHead    `json:"MSS_StatusResp,omitempty"`
	Receipt *answerReceipt `json:"MSS_ReceiptResp,omitempty"`
	Profile *answerProfile `json:"MSS_ProfileResp,omitempty"`
	Fault   *struct {
		Code struct {
			Value, ValueNs string
			SubCode        struct{ Value, ValueNs string }
		}
		Detail, Reason string
	} `json:",omitempty"`
}

// answerTop is the beginning of all answers.
type answerTop struct {
	AP struct {
		ID      string `json:"AP_ID"`
		TransID string `json:"AP_TransID"`
		Instant string
	} `json:"AP_Info"`
	MSSP struct {
		Instant string
		ID      struct{ URI string } `json:"MSSP_ID"`
	} `json:"MSSP_Info"`
	MajorVersion, MinorVersion string
}

type answerStatus struct {
	StatusCode    struct{ Value string }
	StatusMessage string
}

type answerHead struct {
	answerTop
	MobileUser       struct{ MSISDN string }
	Signature        *struct{ Base64Signature string } `json:"MSS_Signature"`
	ServiceResponses []answerService
	Status           answerStatus
}

type answerService struct {
	Description string
	Geofencing  *struct {
		Country, Accuracy, DeviceConfidence, LocationConfidence, Timestamp string
		ErrorCode, ErrorMessage                                            string
	}
	App2App        *struct{ AuthUri string }
	SubscriberInfo *struct {
		Details []struct {
			ID    string `json:"id"`
			Value string `json:"value"`
		}
	}
	VerificationCode *struct{ Code string }
}

// parse reads an answer and checks what must hold for all answers.
func parse(t rapid.TB, b []byte) *answer {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	a := new(answer)
	if err := d.Decode(a); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	escapes := bytes.ReplaceAll(b, []byte(`\\`), nil) // an escaped backslash does not escape what follows
	if d.More() || bytes.ContainsAny(b, "\n\r\t") || !utf8.Valid(b) || bytes.Contains(escapes, []byte(`\/`)) || bytes.Contains(escapes, []byte(`\u002b`)) {
		t.Fatalf("not one compact line: %s", b)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, b); err != nil || !bytes.Equal(compact.Bytes(), b) {
		t.Fatalf("not compact: %s", b)
	}
	return a
}

func head() signum.Header {
	return signum.Header{
		Version: signum.Version{Major: "1", Minor: "2"},
		AP:      signum.APInfo{ID: "mid://dev.example", Password: "secret", TransID: "REF0101120000", Instant: "2026-01-01T11:00:00.000Z"},
		MSSP:    signum.MSSPInfo{URI: "http://mid.swisscom.ch/", Instant: "2026-01-01T11:00:00.100Z"},
	}
}

// cmsDER contains the bytes that Base64 writes as slashes and plus signs.
var cmsDER = []byte{0x30, 0x03, 0x02, 0xFB, 0xEF, 0xBE, 0xFF, 0xFF}

var answers = map[string]signum.Response{
	"signature.json": &signum.SignatureResponse{Header: head(), TransID: "h44okl", MSISDN: "+41 79 123 45 67", Signature: cmsDER, Profile: signum.ProfileSTK, Status: signum.SignatureMade},
	"async.json":     &signum.SignatureResponse{Header: head(), TransID: "h4iof", MSISDN: "41791234567", Profile: signum.ProfileDevice, Status: signum.RequestOK, Services: []signum.ServiceResponse{{URI: signum.ServiceApp2App, AuthURI: "mobileid://auth?mobile_auth_redirect_uri=myapp%3A%2F%2Fx&session_token=a+b"}, {URI: signum.ServiceVerification, VerificationCode: "47"}}},
	"services.json": &signum.SignatureResponse{Header: head(), TransID: "h1", MSISDN: "+41791234567", Signature: cmsDER, Profile: signum.ProfileSTK, Status: signum.SignatureMade, Services: []signum.ServiceResponse{
		{URI: signum.ServiceSubscriberInfo, Details: []signum.SubscriberDetail{{ID: "1901", Value: "22801"}}},
		{URI: signum.ServiceGeofencing, Geofencing: &signum.Geofencing{Country: "CH", Accuracy: 16, DeviceConfidence: "1.0", LocationConfidence: "0.85", Timestamp: "2026-01-01T11:00:00.000Z"}},
	}},
	"geofencing-error.json": &signum.StatusResponse{Header: head(), MSISDN: "+41791234567", Signature: cmsDER, Status: signum.SignatureMade, Services: []signum.ServiceResponse{
		{URI: signum.ServiceGeofencing, Geofencing: &signum.Geofencing{ErrorCode: "100", ErrorMessage: "Geofencing feature disabled"}},
	}},
	"outstanding.json":     &signum.StatusResponse{Header: head(), MSISDN: "+41791234567", Status: signum.OutstandingTransact},
	"receipt.json":         &signum.ReceiptResponse{Header: head(), Status: signum.RequestOK},
	"receipt-ok.json":      &signum.ReceiptResponse{Header: head(), Status: signum.RequestOK, Extension: &signum.ReceiptResponseExtension{UserAck: true, UserResponse: `{"status":"OK"}`}},
	"receipt-cancel.json":  &signum.ReceiptResponse{Header: head(), Status: signum.RequestOK, Extension: &signum.ReceiptResponseExtension{UserAck: true, UserResponse: `{"status":"CANCEL"}`, FaultMessage: "User Cancelled the request"}},
	"receipt-lost.json":    &signum.ReceiptResponse{Header: head(), Status: signum.RequestOK, Extension: &signum.ReceiptResponseExtension{}},
	"profile.json":         &signum.ProfileResponse{Header: asked("1", "1"), Profiles: []string{signum.ProfileSTK, signum.ProfileAnyLoA4}, Status: signum.RequestOK},
	"profile-none.json":    &signum.ProfileResponse{Header: asked("2", "0"), Status: signum.RequestOK, Extension: &signum.ProfileExtension{SSCDs: &signum.SSCDs{}}},
	"profile-all.json":     &signum.ProfileResponse{Header: asked("2", "0"), Profiles: []string{signum.ProfileSTK, signum.ProfileDevice}, Status: signum.RequestOK, Extension: everything},
	"profile-getters.json": &signum.ProfileResponse{Header: asked("1", "0"), Profiles: []string{signum.ProfileDevice}, Status: signum.RequestOK, Extension: gotten},
	"status.json":          &signum.StatusResponse{Header: head(), MSISDN: "+41791234567", Signature: cmsDER, Status: signum.SignatureMade},
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", "answers", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, got) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestAnswers(t *testing.T) {
	for name, r := range answers {
		t.Run(name, func(t *testing.T) {
			got := Wire{}.AppendResponse([]byte("kept"), 0, r)
			if !bytes.HasPrefix(got, []byte("kept{")) {
				t.Fatal("does not append")
			}
			got = got[4:]
			golden(t, name, got)
			checkAnswer(t, r, parse(t, got))
			// Clients without a parser take the last "Value" as the code.
			line := string(got)
			rest := line[strings.LastIndex(line, `"Value":"`)+len(`"Value":"`):]
			code, _, _ := strings.Cut(rest, `"`)
			if _, err := strconv.Atoi(code); err != nil {
				t.Errorf("last Value is %q", code)
			}
		})
	}
}

// checkAnswer compares a parsed answer with what was encoded.
func checkAnswer(t rapid.TB, r signum.Response, a *answer) {
	t.Helper()
	var (
		h        *answerHead
		want     signum.Header
		msisdn   string
		der      []byte
		code     signum.Code
		services []signum.ServiceResponse
	)
	switch r := r.(type) {
	case *signum.SignatureResponse:
		h, want, msisdn, der, code, services = &a.Signature.answerHead, r.Header, r.MSISDN, r.Signature, r.Status, r.Services
		if a.Signature.TransID != valid(r.TransID) || a.Signature.SignatureProfile != valid(r.Profile) {
			t.Errorf("MSSP_TransID %q, SignatureProfile %q", a.Signature.TransID, a.Signature.SignatureProfile)
		}
	case *signum.StatusResponse:
		h, want, msisdn, der, code, services = a.Status, r.Header, r.MSISDN, r.Signature, r.Status, r.Services
	case *signum.ReceiptResponse:
		checkReceipt(t, r, a.Receipt)
		return
	case *signum.ProfileResponse:
		checkProfile(t, r, a.Profile)
		return
	}
	checkTop(t, want, signum.Version{Major: "1", Minor: "1"}, code, &h.answerTop, &h.Status)
	if h.MobileUser.MSISDN != valid(msisdn) {
		t.Errorf("MSISDN %q", h.MobileUser.MSISDN)
	}
	if (h.Signature != nil) != (len(der) > 0) || h.Signature != nil && h.Signature.Base64Signature != base64.StdEncoding.EncodeToString(der) {
		t.Errorf("signature %v", h.Signature)
	}
	if len(h.ServiceResponses) != len(services) {
		t.Errorf("%d services, want %d", len(h.ServiceResponses), len(services))
		return
	}
	for i, s := range geofencingFirst(services) {
		g := h.ServiceResponses[i]
		if g.Description != valid(s.URI) || (g.Geofencing != nil) != (s.Geofencing != nil) || (g.App2App != nil) != (s.AuthURI != "") || (g.SubscriberInfo != nil) != (s.Details != nil) {
			t.Errorf("service %+v, want %+v", g, s)
			continue
		}
		if g.App2App != nil && g.App2App.AuthUri != valid(s.AuthURI) {
			t.Errorf("AuthUri %q", g.App2App.AuthUri)
		}
		if w := s.Geofencing; w != nil && w.ErrorCode == "" {
			if got, want := []string{g.Geofencing.Accuracy, g.Geofencing.Country, g.Geofencing.DeviceConfidence, g.Geofencing.LocationConfidence, g.Geofencing.Timestamp, g.Geofencing.ErrorCode}, []string{strconv.Itoa(w.Accuracy), valid(w.Country), valid(w.DeviceConfidence), valid(w.LocationConfidence), valid(w.Timestamp), ""}; !reflect.DeepEqual(got, want) {
				t.Errorf("geofencing %q, want %q", got, want)
			}
		} else if w != nil && (g.Geofencing.ErrorCode != valid(w.ErrorCode) || g.Geofencing.ErrorMessage != valid(w.ErrorMessage) || g.Geofencing.Country != "") {
			t.Errorf("geofencing %+v", g.Geofencing)
		}
		if (g.VerificationCode != nil) != (s.VerificationCode != "") || g.VerificationCode != nil && g.VerificationCode.Code != valid(s.VerificationCode) {
			t.Errorf("verification code %+v, want %q", g.VerificationCode, s.VerificationCode)
		}
		for i, d := range s.Details {
			if got := g.SubscriberInfo.Details[i]; got.ID != valid(d.ID) || got.Value != valid(d.Value) {
				t.Errorf("detail %+v", got)
			}
		}
	}
}

func checkTop(t rapid.TB, h signum.Header, v signum.Version, c signum.Code, a *answerTop, s *answerStatus) {
	t.Helper()
	got := []string{a.AP.ID, a.AP.TransID, a.AP.Instant, a.MSSP.Instant, a.MSSP.ID.URI, a.MajorVersion, a.MinorVersion, s.StatusCode.Value, s.StatusMessage}
	want := []string{valid(h.AP.ID), valid(h.AP.TransID), valid(h.AP.Instant), valid(h.MSSP.Instant), valid(h.MSSP.URI), valid(v.Major), valid(v.Minor), strconv.Itoa(int(c)), c.String()}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s", diff)
	}
}

// geofencingFirst returns the answers of services in the order of an answer.
func geofencingFirst(list []signum.ServiceResponse) []signum.ServiceResponse {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b signum.ServiceResponse) int {
		switch {
		case a.Geofencing != nil && b.Geofencing == nil:
			return -1
		case a.Geofencing == nil && b.Geofencing != nil:
			return 1
		}
		return 0
	})
	return list
}

// valid returns the text as an answer can carry it.
func valid(s string) string {
	return string([]rune(s)) // it replaces each byte, which strings.ToValidUTF8 does not
}

// Every code goes through AppendFault and back.
func TestFaults(t *testing.T) {
	known := 0
	for c := signum.Code(0); c < 1000; c++ {
		if !c.Known() {
			continue
		}
		known++
		for _, detail := range []string{c.Detail(), "", "own \"detail\"\n</x> \x01"} {
			a := parse(t, Wire{}.AppendFault(nil, 0, &signum.Fault{Code: c, Detail: detail}))
			if a.Fault == nil || a.Signature != nil || a.Status != nil {
				t.Fatalf("%d: not a fault", c)
			}
			role := "Receiver"
			if c < 200 {
				role = "Sender"
			}
			if detail == "" {
				detail = c.Detail()
			}
			got := []string{a.Fault.Code.SubCode.Value, a.Fault.Code.SubCode.ValueNs, a.Fault.Code.Value, a.Fault.Code.ValueNs, a.Fault.Detail, a.Fault.Reason}
			want := []string{"_" + strconv.Itoa(int(c)), "http://uri.etsi.org/TS102204/v1.1.2#", role, "http://www.w3.org/2003/05/soap-envelope", detail, c.String()}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%d: %s", c, diff)
			}
		}
	}
	if known < 35 {
		t.Errorf("only %d codes", known)
	}
	golden(t, "fault-401.json", Wire{}.AppendFault(nil, 0, signum.NewFault(signum.UserCancel)))
	golden(t, "fault-101.json", Wire{}.AppendFault(nil, 0, signum.Faultf(signum.WrongParam, "Illegal msisdn")))
	golden(t, "fault-nil.json", Wire{}.AppendFault(nil, 0, nil))
	golden(t, "fault-nil.json", Wire{}.AppendResponse(nil, 0, nil))
}

// Whatever a field contains, the answer is well-formed and contains it.
func TestAnswersCarryAnyText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }), rapid.SampledFrom([]string{"", `"`, `\`, `"Value":"1"`, "\u2028", "\x00", "\x7f", "\ufffe", "</a>", "a/b+c", `\/`, `\u002b`}))
		draw := func() string { return text.Draw(t, "text") }
		h := signum.Header{AP: signum.APInfo{ID: draw(), TransID: draw(), Instant: draw(), Password: "never"}, MSSP: signum.MSSPInfo{URI: draw(), Instant: draw()}, Version: signum.Version{Major: draw(), Minor: draw()}}
		services := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) signum.ServiceResponse {
			s := signum.ServiceResponse{URI: draw()}
			switch rapid.IntRange(0, 3).Draw(t, "kind") {
			case 0:
				s.AuthURI = draw()
			case 1:
				s.Geofencing = &signum.Geofencing{Country: draw(), Accuracy: rapid.Int().Draw(t, "accuracy"), DeviceConfidence: draw(), LocationConfidence: draw(), Timestamp: draw()}
			case 2:
				s.Geofencing = &signum.Geofencing{ErrorCode: draw() + "1", ErrorMessage: draw()}
			case 3:
				s.Details = []signum.SubscriberDetail{{ID: draw(), Value: draw()}, {}}
			}
			return s
		}), 0, 3).Draw(t, "services")
		der := rapid.SliceOf(rapid.Byte()).Draw(t, "der")
		for _, r := range []signum.Response{
			&signum.SignatureResponse{Header: h, TransID: draw(), MSISDN: draw(), Signature: der, Profile: draw(), Status: 500, Services: services},
			&signum.StatusResponse{Header: h, MSISDN: draw(), Signature: der, Status: 504, Services: services},
			&signum.ReceiptResponse{Header: h, Status: 100, Extension: &signum.ReceiptResponseExtension{ClientAck: rapid.Bool().Draw(t, "ack"), UserAck: rapid.Bool().Draw(t, "ack"), UserResponse: draw(), FaultMessage: draw()}},
			&signum.ProfileResponse{Header: h, Profiles: []string{draw(), draw()}, Status: 100, Extension: extension(t, draw)},
		} {
			b := Wire{}.AppendResponse(nil, 0, r)
			checkAnswer(t, r, parse(t, b))
			if code := b[bytes.LastIndex(b, []byte(`"Value":"`))+9:]; !bytes.HasPrefix(code, []byte("50")) && !bytes.HasPrefix(code, []byte("100")) {
				t.Errorf("the last Value is not the status code: %s", b)
			}
		}
		if detail := draw(); detail != "" {
			if got := parse(t, Wire{}.AppendFault(nil, 0, &signum.Fault{Code: 101, Detail: detail})).Fault.Detail; got != valid(detail) {
				t.Errorf("detail %q, want %q", got, detail)
			}
		}
	})
}
