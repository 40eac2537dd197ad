package soap

import (
	"bytes"
	"encoding/xml"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/edge"
)

// encodeRequest writes a request as a client of the form would, with the
// escaping of encoding/xml.
func encodeRequest(r signum.Request, form edge.Form) []byte {
	var b bytes.Buffer
	esc := func(s string) string {
		var b bytes.Buffer
		_ = xml.EscapeText(&b, []byte(s))
		return b.String()
	}
	tag := func(name, content string) string { return "<m:" + name + ">" + content + "</m:" + name + ">" }
	attr := func(name, value string) string { return " " + name + `="` + esc(value) + `"` }

	b.WriteString(`<e:Envelope xmlns:e="` + nsSOAP + `" xmlns:m="` + nsMSS + `" xmlns:k="` + nsKiuru + `"><e:Body>`)
	h := r.Head()
	attrs := attr("MajorVersion", h.Version.Major) + attr("MinorVersion", h.Version.Minor)
	children := `<m:AP_Info` + attr("AP_ID", h.AP.ID) + attr("AP_PWD", h.AP.Password) + attr("AP_TransID", h.AP.TransID) + attr("Instant", h.AP.Instant) + `/>` +
		`<m:MSSP_Info` + attr("Instant", h.MSSP.Instant) + `>` + tag("MSSP_ID", tag("URI", esc(h.MSSP.URI))) + `</m:MSSP_Info>`
	wrapper, part := "MSS_StatusQuery", "MSS_StatusReq"
	switch r := r.(type) {
	case *signum.StatusRequest:
		attrs += attr("MSSP_TransID", r.TransID)
	case *signum.ReceiptRequest:
		wrapper, part = "MSS_Receipt", "MSS_ReceiptReq"
		attrs += attr("MSSP_TransID", r.TransID)
		children += tag("MobileUser", tag("MSISDN", esc(r.MSISDN)))
		if x := r.Extension; x != nil {
			children += `<m:Status><m:StatusCode Value="100"/><m:StatusDetail><x:ReceiptRequestExtension xmlns:x="` + nsSCO + `"` + attr("ReceiptMessagingMode", x.MessagingMode) + attr("UserAck", x.UserAck) +
				`><x:ReceiptProfile` + attr("Language", x.Language) + `><x:ReceiptProfileURI>` + esc(x.ProfileURI) + `</x:ReceiptProfileURI></x:ReceiptProfile></x:ReceiptRequestExtension></m:StatusDetail></m:Status>`
		}
		children += `<m:Message` + attr("MimeType", r.Message.MimeType) + attr("Encoding", r.Message.Encoding) + `>` + esc(r.Message.Data) + `</m:Message>`
	case *signum.ProfileRequest:
		wrapper, part = "MSS_ProfileQuery", "MSS_ProfileReq"
		children += tag("MobileUser", tag("MSISDN", esc(r.MSISDN))) + tag("Params", esc(r.Params))
		for name, value := range map[string]string{
			"GetCertificates": r.Getters.Certificates, "GetAutoActivation": r.Getters.AutoActivation,
			"GetRecoveryCodeCreated": r.Getters.RecoveryCodeCreated, "GetServerSideSignature": r.Getters.ServerSideSignature,
		} {
			if value != "" {
				children += tag(name, esc(value))
			}
		}
	case *signum.SignatureRequest:
		wrapper, part = "MSS_Signature", "MSS_SignatureReq"
		attrs += attr("MessagingMode", r.MessagingMode) + attr("TimeOut", r.TimeOut)
		children += tag("MobileUser", tag("MSISDN", esc(r.MSISDN))) +
			`<m:DataToBeSigned` + attr("MimeType", r.Data.MimeType) + attr("Encoding", r.Data.Encoding) + `>` + esc(r.Data.Data) + `</m:DataToBeSigned>` +
			tag("DataToBeDisplayed", esc(r.Displayed)) +
			tag("SignatureProfile", tag("mssURI", esc(r.Profile)))
		var list string
		for _, s := range r.Services {
			one := tag("Description", tag("mssURI", esc(s.URI))) + tag("UserLang", esc(s.UserLang)) + tag("App2App", tag("RedirectUri", esc(s.RedirectURI)))
			if g := s.Geofencing; g != nil {
				one += `<m:GeoFencingReq` + attr("countrywhitelist", g.CountryWhitelist) + attr("countryblacklist", g.CountryBlacklist) +
					attr("mindeviceconfidence", g.MinDeviceConfidence) + attr("minlocationconfidence", g.MinLocationConfidence) +
					attr("maxtimestampminutes", g.MaxTimestampMinutes) + attr("maxaccuracymeters", g.MaxAccuracyMeters) + `/>`
			}
			list += tag("Service", one)
		}
		children += tag("AdditionalServices", list)
	}
	if form&formPartMSS != 0 {
		part = "m:" + part
	}
	if form&formWrapperKiuru != 0 {
		wrapper = "k:" + wrapper
	}
	message := `<` + part + attrs + `>` + children + `</` + part + `>`
	if form&formBare == 0 {
		message = `<` + wrapper + `>` + message + `</` + wrapper + `>`
	}
	b.WriteString(message + `</e:Body></e:Envelope>`)
	return b.Bytes()
}

var byOperation = map[signum.Operation]signum.Response{
	signum.OpAny: signed, signum.OpSignature: signed, signum.OpStatus: polled, signum.OpReceipt: received, signum.OpProfile: profiled,
}

// FuzzDecode: a refusal is a proper fault. An accepted request does not alias the body,
// encoding and decoding it again in the same form yields the same request, and its
// answer has the structure of the contract.
func FuzzDecode(f *testing.F) {
	for _, name := range slices.Sorted(maps.Keys(fixtures)) {
		f.Add(fixture(f, name))
	}
	for _, s := range []string{
		"", "<", "<?xml", "<e:Envelope/>", sign("", ""), sign(` TimeOut="80" TimeOut="80"`, ""), sign("", "<x>&#xD800;</x>"), sign("", "<![CDATA[x]]>"),
		`<!DOCTYPE x [<!ENTITY e "e">]>` + sign("", "&e;"), `<?xml version="1.0" encoding="latin1"?>` + sign("", ""), "\xEF\xBB\xBF" + sign("", ""),
		envelope("<MSS_StatusQuery><MSS_StatusReq/></MSS_StatusQuery>"), envelope("<MSS_SignatureReq/>"), service("<GeoFencingReq/><UserLang>de</UserLang>"),
		receipt(` MSSP_TransID="h"`, "<Message>a</Message>"), extended(` UserAck="true"`, `<ReceiptProfile Language="DE"/>`), query("<Params>sscds state</Params><GetCertificates/>"), envelope("<MSS_ProfileReq/>"),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, op := range []signum.Operation{signum.OpAny, signum.OpSignature, signum.OpStatus, signum.OpReceipt, signum.OpProfile} {
			b := bytes.Clone(body)
			r, form, err := Wire{}.Decode(op, b)
			parse(t, Wire{}.AppendResponse(nil, form, byOperation[op]))
			if err != nil {
				checkRefusal(t, r, err)
				continue
			}
			if op != signum.OpAny && r.Operation() != op {
				t.Fatalf("%s for %s", r.Operation(), op)
			}
			if lower := strings.ToUpper(string(body)); strings.Contains(lower, "<!DOCTYPE") && !strings.Contains(lower, "<!--") && !strings.Contains(lower, "<![CDATA[") {
				t.Fatal("accepted a document type")
			}
			for i := range b {
				b[i] = 'X'
			}
			again, form2, err := Wire{}.Decode(op, encodeRequest(r, form))
			if err != nil {
				t.Fatal(err)
			}
			if form2 != form {
				t.Fatalf("form %b, want %b", form2, form)
			}
			if diff := cmp.Diff(r, again); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}

// Requests with any content arrive as the client wrote them, except for white space
// around tokens and what XML cannot carry.
func TestRequestsComeThrough(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		free := func(name string) string { return valid(rapid.String().Draw(rt, name)) }
		text := func(name string) string { return strings.Trim(free(name), xmlSpace) }
		h := signum.Header{
			Version: signum.Version{Major: text("major"), Minor: text("minor")},
			AP:      signum.APInfo{ID: text("ap"), Password: free("pwd"), TransID: text("trans"), Instant: text("instant")},
			MSSP:    signum.MSSPInfo{URI: text("uri"), Instant: text("instant")},
		}
		var services []signum.AdditionalService
		for range rapid.IntRange(0, signum.MaxServices).Draw(rt, "services") {
			s := signum.AdditionalService{URI: text("service"), UserLang: text("lang"), RedirectURI: text("redirect")}
			if rapid.Bool().Draw(rt, "geofencing") {
				s.Geofencing = &signum.GeofencingPolicy{CountryWhitelist: text("list"), MaxAccuracyMeters: text("accuracy")}
			}
			services = append(services, s)
		}
		for _, want := range []signum.Request{
			&signum.StatusRequest{Header: h, TransID: text("id")},
			&signum.ReceiptRequest{
				Header: h, TransID: text("id"), MSISDN: text("msisdn"),
				Message:   signum.DataToBeSigned{MimeType: text("mime"), Encoding: text("encoding"), Data: free("data")},
				Extension: &signum.ReceiptRequestExtension{MessagingMode: text("mode"), Language: text("lang"), ProfileURI: text("uri"), UserAck: text("ack")},
			},
			&signum.ProfileRequest{
				Header: h, MSISDN: text("msisdn"), Params: text("params"),
				Getters: signum.ProfileGetters{Certificates: text("get"), AutoActivation: text("get"), RecoveryCodeCreated: text("get"), ServerSideSignature: text("get")},
			},
			&signum.SignatureRequest{
				Header: h, MessagingMode: text("mode"), TimeOut: text("timeout"), MSISDN: text("msisdn"), Profile: text("profile"),
				Data: signum.DataToBeSigned{MimeType: text("mime"), Encoding: text("encoding"), Data: free("data")}, Displayed: free("displayed"), Services: services,
			},
		} {
			for name, form := range forms {
				got, f, err := Wire{}.Decode(want.Operation(), encodeRequest(want, form))
				if err != nil {
					rt.Fatal(name, err)
				}
				if f != form {
					rt.Fatalf("form %b, want %b", f, form)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					rt.Fatal(name, diff)
				}
			}
		}
	})
}
