package soap

import (
	"bytes"
	"encoding/base64"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/edge"
)

var update = flag.Bool("update", false, "rewrite the golden answers")

func header() signum.Header {
	return signum.Header{
		Version: signum.Version{Major: "1", Minor: "2"},
		AP:      signum.APInfo{ID: "mid://dev.example", Password: `p"<&>`, TransID: "REF0101120000", Instant: "2026-01-01T11:00:00.000Z"},
		MSSP:    signum.MSSPInfo{URI: "http://mid.swisscom.ch/", Instant: "2026-01-01T11:00:00.100Z"},
	}
}

var cmsDER = []byte{0x30, 0x03, 0x02, 0xFB, 0xEF, 0xBE, 0xFF, 0xFF}

var (
	signed   = &signum.SignatureResponse{Header: header(), TransID: "h44okl", MSISDN: "+41 79 123 45 67", Signature: cmsDER, Profile: signum.ProfileSTK, Status: signum.SignatureMade}
	polled   = &signum.StatusResponse{Header: header(), MSISDN: "+41791234567", Signature: cmsDER, Status: signum.SignatureMade}
	received = &signum.ReceiptResponse{Header: header(), Status: signum.RequestOK}
	profiled = &signum.ProfileResponse{Header: asked("1", "1"), Profiles: []string{signum.ProfileSTK, signum.ProfileAnyLoA4}, Status: signum.RequestOK}
)

// forms holds the forms of the fixtures in testdata.
var forms = map[string]edge.Form{
	"k-mss":       formWrapperKiuru | formPartMSS,
	"k-plain":     formWrapperKiuru,
	"plain-mss":   formPartMSS,
	"plain-plain": 0,
	"bare-mss":    formBare | formPartMSS,
	"bare-plain":  formBare,
}

var answers = map[string]signum.Response{
	"receipt-ok.xml":      &signum.ReceiptResponse{Header: header(), Status: signum.RequestOK, Extension: &signum.ReceiptResponseExtension{UserAck: true, UserResponse: `{"status":"OK"}`}},
	"receipt-cancel.xml":  &signum.ReceiptResponse{Header: header(), Status: signum.RequestOK, Extension: &signum.ReceiptResponseExtension{UserAck: true, UserResponse: `{"status":"CANCEL"}`, FaultMessage: "User Cancelled the request"}},
	"receipt-lost.xml":    &signum.ReceiptResponse{Header: header(), Status: signum.RequestOK, Extension: &signum.ReceiptResponseExtension{}},
	"profile-none.xml":    &signum.ProfileResponse{Header: asked("2", "0"), Status: signum.RequestOK, Extension: &signum.ProfileExtension{SSCDs: &signum.SSCDs{}}},
	"profile-all.xml":     &signum.ProfileResponse{Header: asked("2", "0"), Profiles: []string{signum.ProfileSTK, signum.ProfileDevice}, Status: signum.RequestOK, Extension: everything},
	"profile-getters.xml": &signum.ProfileResponse{Header: asked("1", "0"), Profiles: []string{signum.ProfileDevice}, Status: signum.RequestOK, Extension: gotten},
	"async.xml":           &signum.SignatureResponse{Header: header(), TransID: "h4iof", MSISDN: "41791234567", Profile: signum.ProfileDevice, Status: signum.RequestOK, Services: []signum.ServiceResponse{{URI: signum.ServiceApp2App, AuthURI: "mobileid://auth?mobile_auth_redirect_uri=myapp%3A%2F%2Fx&session_token=a+b"}, {URI: signum.ServiceVerification, VerificationCode: "47"}}},
	"services.xml": &signum.SignatureResponse{Header: header(), TransID: "h1", MSISDN: "+41791234567", Signature: cmsDER, Profile: signum.ProfileSTK, Status: signum.SignatureMade, Services: []signum.ServiceResponse{
		{URI: signum.ServiceSubscriberInfo, Details: []signum.SubscriberDetail{{ID: "1901", Value: "22801"}}},
		{URI: signum.ServiceGeofencing, Geofencing: &signum.Geofencing{Country: "CH", Accuracy: 16, DeviceConfidence: "1.0", LocationConfidence: "0.85", Timestamp: "2026-01-01T11:00:00.000Z"}},
	}},
	"geofencing-error.xml": &signum.StatusResponse{Header: header(), MSISDN: "+41791234567", Signature: cmsDER, Status: signum.SignatureMade, Services: []signum.ServiceResponse{
		{URI: signum.ServiceGeofencing, Geofencing: &signum.Geofencing{ErrorCode: "100", ErrorMessage: "Geofencing feature disabled"}},
	}},
	"outstanding.xml": &signum.StatusResponse{Header: header(), MSISDN: "+41791234567", Status: signum.OutstandingTransact},
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

// The answer is qualified like the request.
func TestForms(t *testing.T) {
	for name, form := range forms {
		t.Run(name, func(t *testing.T) {
			wrapper, _, _ := strings.Cut(name, "-")
			path := map[string]string{"k": "K:", "plain": "", "bare": "-"}[wrapper]
			part := map[bool]string{true: "mss:", false: ""}[strings.HasSuffix(name, "-mss")]
			for op, r := range map[string]signum.Response{"Signature": signed, "Status": polled, "Receipt": received, "Profile": profiled} {
				got := Wire{}.AppendResponse([]byte("kept"), form, r)
				if !bytes.HasPrefix(got, []byte("kept<?xml ")) {
					t.Fatal("does not append")
				}
				got = got[4:]
				golden(t, strings.ToLower(op)+"-"+name+".xml", got)
				n := parse(t, got)
				if path != "-" {
					want := path + map[string]string{"Signature": "MSS_SignatureResponse", "Status": "MSS_StatusQueryResponse", "Receipt": "MSS_ReceiptResponse", "Profile": "MSS_ProfileQueryResponse"}[op]
					if n.name != want {
						t.Errorf("wrapper %s, want %s", n.name, want)
					}
					n = n.children[0]
				}
				if want := part + "MSS_" + op + "Resp"; n.name != want {
					t.Errorf("part %s, want %s", n.name, want)
				}
				checkAnswer(t, r, n)
			}
		})
	}
}

func TestAnswers(t *testing.T) {
	for name, r := range answers {
		t.Run(name, func(t *testing.T) {
			got := Wire{}.AppendResponse(nil, formWrapperKiuru|formPartMSS, r)
			golden(t, name, got)
			checkAnswer(t, r, parse(t, got).children[0])
		})
	}
}

// Every request is answered in its own form.
func TestMirror(t *testing.T) {
	for name := range fixtures {
		_, form, err := Wire{}.Decode(signum.OpAny, fixture(t, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range []signum.Response{signed, polled, received, profiled} {
			parse(t, Wire{}.AppendResponse(nil, form, r))
		}
	}
}

var attributeNames = regexp.MustCompile(`[ :]([A-Za-z]+_[A-Za-z]+)="`)

// checkAnswer compares a parsed part with what was encoded.
func checkAnswer(t rapid.TB, r signum.Response, n *node) {
	t.Helper()
	var (
		h        signum.Header
		msisdn   string
		der      []byte
		code     signum.Code
		services []signum.ServiceResponse
	)
	switch r := r.(type) {
	case *signum.SignatureResponse:
		h, msisdn, der, code, services = r.Header, r.MSISDN, r.Signature, r.Status, r.Services
		if n.attr("MSSP_TransID") != valid(r.TransID) || n.at("mss:SignatureProfile mss:mssURI") != valid(r.Profile) {
			t.Errorf("MSSP_TransID %q, SignatureProfile %q", n.attr("MSSP_TransID"), n.at("mss:SignatureProfile mss:mssURI"))
		}
	case *signum.StatusResponse:
		h, msisdn, der, code, services = r.Header, r.MSISDN, r.Signature, r.Status, r.Services
	case *signum.ReceiptResponse:
		checkHead(t, n, r.Header, one, r.Status)
		checkReceipt(t, r, n)
		return
	case *signum.ProfileResponse:
		checkHead(t, n, r.Header, r.Version, r.Status)
		checkProfile(t, r, n)
		return
	}
	checkHead(t, n, h, one, code)
	if got := n.at("mss:MobileUser mss:MSISDN"); got != valid(msisdn) {
		t.Errorf("MSISDN %q", got)
	}
	if got := n.at("mss:MSS_Signature mss:Base64Signature"); got != base64.StdEncoding.EncodeToString(der) {
		t.Errorf("Base64Signature %q", got)
	}
	if (n.get("mss:MSS_Signature") != nil) != (len(der) > 0) {
		t.Errorf("MSS_Signature without a signature")
	}
	detail := n.get("mss:Status mss:StatusDetail fi:ServiceResponses")
	if len(services) == 0 {
		if detail != nil {
			t.Errorf("StatusDetail without services")
		}
		return
	}
	ordered := make([]signum.ServiceResponse, 0, len(services))
	for _, first := range []bool{true, false} {
		for _, s := range services {
			if (s.Geofencing != nil) == first {
				ordered = append(ordered, s)
			}
		}
	}
	for i, s := range ordered {
		g := detail.children[i]
		if g.at("fi:Description mss:mssURI") != valid(s.URI) || g.at("fi:App2App ns1:AuthUri") != valid(s.AuthURI) ||
			g.at("sig:VerificationCode") != valid(s.VerificationCode) {
			t.Errorf("service %d is %q", i, g.at("fi:Description mss:mssURI"))
		}
		var want, got [][2]string
		if w := s.Geofencing; w != nil && w.ErrorCode == "" {
			want = [][2]string{{"country", valid(w.Country)}, {"accuracy", strconv.Itoa(w.Accuracy)}, {"timestamp", valid(w.Timestamp)}, {"deviceconfidence", valid(w.DeviceConfidence)}, {"locationconfidence", valid(w.LocationConfidence)}}
		} else if w != nil {
			want = [][2]string{{"errorcode", valid(w.ErrorCode)}, {"errormessage", valid(w.ErrorMessage)}}
		}
		for _, d := range s.Details {
			want = append(want, [2]string{"id", valid(d.ID)}, [2]string{"value", valid(d.Value)})
		}
		if c := g.get("ns1:GeoFencing"); c != nil {
			got = append(got, c.attrs...)
		}
		if c := g.get("ns1:SubscriberInfo"); c != nil {
			for _, d := range c.children {
				got = append(got, d.attrs...)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s", diff)
		}
	}
}

// checkHead compares what all answers have in common.
func checkHead(t rapid.TB, n *node, h signum.Header, v signum.Version, c signum.Code) {
	t.Helper()
	ap, mssp, status := n.get("mss:AP_Info"), n.get("mss:MSSP_Info"), n.get("mss:Status")
	got := []string{
		n.attr("MajorVersion"), n.attr("MinorVersion"), ap.attr("AP_ID"), ap.attr("AP_PWD"), ap.attr("AP_TransID"), ap.attr("Instant"),
		mssp.attr("Instant"), mssp.at("mss:MSSP_ID mss:URI"), status.get("mss:StatusCode").attr("Value"), status.at("mss:StatusMessage"),
	}
	want := []string{
		valid(v.Major), valid(v.Minor), valid(h.AP.ID), valid(h.AP.Password), valid(h.AP.TransID), valid(h.AP.Instant),
		valid(h.MSSP.Instant), valid(h.MSSP.URI), strconv.Itoa(int(c)), c.String(),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s", diff)
	}
}

// valid returns the text as XML 1.0 can carry it (clause 2.2, Char).
func valid(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\n' || r == '\r' || r >= 0x20 && r <= 0xD7FF || r >= 0xE000 && r <= 0xFFFD || r >= 0x10000:
			return r
		}
		return 0xFFFD
	}, string([]rune(s)))
}

// Text that clients match without a parser.
func TestMatchedText(t *testing.T) {
	for name, form := range forms {
		s := string(Wire{}.AppendResponse(nil, form, signed))
		if strings.Count(s, "AP_TransID=") != 1 || strings.Contains(s, "> <") || strings.ContainsAny(s, "\n\r\t") {
			t.Errorf("%s: %s", name, s)
		}
		for _, m := range attributeNames.FindAllStringSubmatch(s, -1) {
			switch m[1] {
			case "AP_ID", "AP_PWD", "AP_TransID", "MSSP_TransID":
			default:
				t.Errorf("attribute %s", m[1])
			}
		}
		for _, want := range []string{`<mss:Base64Signature>MAMC++++//8=</mss:Base64Signature>`, `<mss:StatusCode Value="500"/>`, `AP_PWD="p&quot;&lt;&amp;&gt;"`} {
			if !strings.Contains(s, want) {
				t.Errorf("%s: no %s in %s", name, want, s)
			}
		}
	}
}

// Every code goes through AppendFault and back.
func TestFaults(t *testing.T) {
	portal := Wire{PortalURL: "https://portal.example/?a=1&b=2"}
	known := 0
	for c := signum.Code(0); c < 1000; c++ {
		if !c.Known() {
			continue
		}
		known++
		for _, w := range []Wire{{}, portal} {
			for _, detail := range []string{c.Detail(), "", "own \"detail\"\n</x> \x01"} {
				n := parse(t, w.AppendFault(nil, formWrapperKiuru, &signum.Fault{Code: c, Detail: detail}))
				role, url := "soapenv:Receiver", ""
				if c < 200 {
					role = "soapenv:Sender"
				}
				if c == 402 || c == 403 || c == 404 || c == 422 {
					url = w.PortalURL
				}
				if detail == "" {
					detail = c.Detail()
				}
				got := []string{
					n.name, n.at("soapenv:Code soapenv:Value"), n.at("soapenv:Code soapenv:Subcode soapenv:Value"),
					n.at("soapenv:Reason soapenv:Text"), n.get("soapenv:Reason soapenv:Text").attr("xml:lang"),
					n.at("soapenv:Detail detail:detail"), n.at("soapenv:Detail sco:UserAssistance sco:PortalUrl"),
				}
				want := []string{"soapenv:Fault", role, "mss:_" + strconv.Itoa(int(c)), c.String(), "en", valid(detail), url}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%d: %s", c, diff)
				}
				if (n.get("soapenv:Detail sco:UserAssistance") != nil) != (url != "") {
					t.Errorf("%d: UserAssistance", c)
				}
			}
		}
	}
	if known < 35 {
		t.Errorf("only %d codes", known)
	}
	golden(t, "fault-101.xml", portal.AppendFault(nil, 0, signum.Faultf(signum.WrongParam, "Illegal msisdn")))
	golden(t, "fault-404.xml", portal.AppendFault(nil, 0, signum.NewFault(signum.NoKeyFound)))
	golden(t, "fault-nil.xml", portal.AppendFault(nil, 0, nil))
	golden(t, "fault-nil.xml", portal.AppendResponse(nil, 0, nil))
}

// Whatever a field contains, the answer is well-formed and contains it, as far
// as XML can carry it.
func TestAnswersCarryAnyText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }), rapid.SampledFrom([]string{"", `"`, "'", "]]>", "<![CDATA[", "<!--", "&amp;", "\r\n\t", "\x00", "\x7f", "\ufffe", "\uffff", "</a>"}))
		draw := func() string { return text.Draw(t, "text") }
		h := signum.Header{AP: signum.APInfo{ID: draw(), TransID: draw(), Instant: draw(), Password: draw()}, MSSP: signum.MSSPInfo{URI: draw(), Instant: draw()}, Version: signum.Version{Major: draw(), Minor: draw()}}
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
		form := rapid.Map(rapid.Byte(), func(b byte) edge.Form { return edge.Form(b) }).Draw(t, "form")
		for _, r := range []signum.Response{
			&signum.SignatureResponse{Header: h, TransID: draw(), MSISDN: draw(), Signature: der, Profile: draw(), Status: 500, Services: services},
			&signum.StatusResponse{Header: h, MSISDN: draw(), Signature: der, Status: 504, Services: services},
			&signum.ReceiptResponse{Header: h, Status: 100, Extension: &signum.ReceiptResponseExtension{UserAck: rapid.Bool().Draw(t, "ack"), UserResponse: draw(), FaultMessage: draw()}},
			&signum.ProfileResponse{Header: h, Profiles: []string{draw(), draw()}, Status: 100, Extension: extension(t, draw)},
		} {
			n := parse(t, Wire{}.AppendResponse(nil, form, r))
			if form&formBare == 0 {
				n = n.children[0]
			}
			checkAnswer(t, r, n)
		}
		detail := draw()
		n := parse(t, Wire{PortalURL: "x" + detail}.AppendFault(nil, form, &signum.Fault{Code: 402, Detail: "x" + detail}))
		if n.at("soapenv:Detail detail:detail") != valid("x"+detail) || n.at("soapenv:Detail sco:UserAssistance sco:PortalUrl") != valid("x"+detail) {
			t.Errorf("detail %q", detail)
		}
	})
}
