package rest

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/signum-mssp/signum"
)

// encodeRequest writes a request as a client would, with the other JSON
// package.
func encodeRequest(t testing.TB, r signum.Request) []byte {
	t.Helper()
	type object = map[string]any
	h := r.Head()
	m := object{
		"MajorVersion": h.Version.Major, "MinorVersion": h.Version.Minor,
		"AP_Info":   object{"AP_ID": h.AP.ID, "AP_PWD": h.AP.Password, "AP_TransID": h.AP.TransID, "Instant": h.AP.Instant},
		"MSSP_Info": object{"MSSP_ID": object{"URI": h.MSSP.URI}, "Instant": h.MSSP.Instant},
	}
	name := "MSS_StatusReq"
	switch r := r.(type) {
	case *signum.StatusRequest:
		m["MSSP_TransID"] = r.TransID
	case *signum.ReceiptRequest:
		name = "MSS_ReceiptReq"
		m["MSSP_TransID"] = r.TransID
		m["MobileUser"] = object{"MSISDN": r.MSISDN}
		m["Message"] = object{"MimeType": r.Message.MimeType, "Encoding": r.Message.Encoding, "Data": r.Message.Data}
		if x := r.Extension; x != nil {
			m["Status"] = object{"StatusCode": object{"Value": "100"}, "StatusDetail": object{"ReceiptRequestExtension": object{
				"ReceiptMessagingMode": x.MessagingMode, "UserAck": x.UserAck,
				"ReceiptProfile": object{"Language": x.Language, "ReceiptProfileURI": x.ProfileURI},
			}}}
		}
	case *signum.ProfileRequest:
		name = "MSS_ProfileReq"
		m["MobileUser"] = object{"MSISDN": r.MSISDN}
		m["Params"] = r.Params
		m["GetCertificates"], m["GetAutoActivation"] = r.Getters.Certificates, r.Getters.AutoActivation
		m["GetRecoveryCodeCreated"], m["GetServerSideSignature"] = r.Getters.RecoveryCodeCreated, r.Getters.ServerSideSignature
	case *signum.SignatureRequest:
		name = "MSS_SignatureReq"
		m["MessagingMode"], m["TimeOut"], m["SignatureProfile"] = r.MessagingMode, r.TimeOut, r.Profile
		m["MobileUser"] = object{"MSISDN": r.MSISDN}
		m["DataToBeSigned"] = object{"MimeType": r.Data.MimeType, "Encoding": r.Data.Encoding, "Data": r.Data.Data}
		m["DataToBeDisplayed"] = object{"Data": r.Displayed}
		services := []object{}
		for _, s := range r.Services {
			o := object{"Description": s.URI, "UserLang": object{"Value": s.UserLang}, "App2App": object{"RedirectUri": s.RedirectURI}}
			if g := s.Geofencing; g != nil {
				o["GeoFencingRequest"] = object{
					"countrywhitelist": g.CountryWhitelist, "countryblacklist": g.CountryBlacklist,
					"mindeviceconfidence": g.MinDeviceConfidence, "minlocationconfidence": g.MinLocationConfidence,
					"maxtimestampminutes": g.MaxTimestampMinutes, "maxaccuracymeters": g.MaxAccuracyMeters,
				}
			}
			services = append(services, o)
		}
		m["AdditionalServices"] = services
	}
	b, err := json.Marshal(object{name: m})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// FuzzDecode: a refusal is a proper fault. Another parser can read an accepted body
// too, the request does not alias it, and encoding and decoding the request again
// yields the same request.
func FuzzDecode(f *testing.F) {
	for _, name := range slices.Sorted(maps.Keys(fixtures)) {
		f.Add(fixture(f, name))
	}
	for _, s := range []string{
		"", "{}", "null", sign(""), sign(`"TimeOut":80,"TimeOut":80`), sign(`"AdditionalServices":{"UserLang":"de"}`),
		sign(`"x":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]`), sign(`"MobileUser":{"MSISDN":"\ud83d\ude00\u0000"}`), sign(`"AdditionalServices":[{"GeofencingReq":{"countrywhitelist":[1,"a,b",null]}}]`),
		`{"MSS_StatusReq":{"MSSP_TransID":1e400}}`, `{"MSS_SignatureReq":null,"MSS_StatusReq":{}}`,
		receipt(`"Status":{"StatusDetail":{"ReceiptRequestExtension":{"UserAck":true}}}`), receipt(`"Message":{"Data":"a"}`),
		query(`"Params":["sscds",1,null],"GetCertificates":true`), query(`"Params":"sscds state"`),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, op := range []signum.Operation{signum.OpAny, signum.OpSignature, signum.OpStatus, signum.OpReceipt, signum.OpProfile} {
			b := bytes.Clone(body)
			r, form, err := Wire{}.Decode(op, b)
			if err != nil {
				checkRefusal(t, r, err)
				continue
			}
			if form != 0 || op != signum.OpAny && r.Operation() != op {
				t.Fatalf("%s, form %d, for %s", r.Operation(), form, op)
			}
			if _, breaks := unbroken(body); breaks == nil && !json.Valid(bytes.TrimPrefix(body, byteOrderMark)) {
				t.Fatal("accepted what is not JSON")
			}
			for i := range b {
				b[i] = 'X'
			}
			again, _, err := Wire{}.Decode(op, encodeRequest(t, r))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(r, again); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}

// Requests with any content arrive as the client wrote them.
func TestRequestsComeThrough(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		text := func(name string) string {
			// A whole number may arrive in another form: see TestWholeNumber.
			return rapid.String().Filter(func(s string) bool { return jsonNumber.FindString(s) == "" }).Draw(rt, name)
		}
		h := signum.Header{
			Version: signum.Version{Major: text("major"), Minor: text("minor")},
			AP:      signum.APInfo{ID: text("ap"), Password: text("pwd"), TransID: text("trans"), Instant: text("instant")},
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
				Message:   signum.DataToBeSigned{MimeType: text("mime"), Encoding: text("encoding"), Data: text("data")},
				Extension: &signum.ReceiptRequestExtension{MessagingMode: text("mode"), Language: text("lang"), ProfileURI: text("uri"), UserAck: text("ack")},
			},
			&signum.ProfileRequest{
				Header: h, MSISDN: text("msisdn"), Params: text("params"),
				Getters: signum.ProfileGetters{Certificates: text("get"), AutoActivation: text("get"), RecoveryCodeCreated: text("get"), ServerSideSignature: text("get")},
			},
			&signum.SignatureRequest{
				Header: h, MessagingMode: text("mode"), TimeOut: text("timeout"), MSISDN: text("msisdn"), Profile: text("profile"),
				Data:      signum.DataToBeSigned{MimeType: text("mime"), Encoding: text("encoding"), Data: text("data")},
				Displayed: text("displayed"), Services: services,
			},
		} {
			got, _, err := Wire{}.Decode(want.Operation(), encodeRequest(t, want))
			if err != nil {
				rt.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				rt.Fatal(diff)
			}
		}
	})
}
